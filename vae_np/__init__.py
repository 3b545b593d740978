"""The variational autoencoder in NumPy, every gradient by hand, on a CPU or a GPU.

To read it, take five files in this order:

1. `vae.py`: the model, and the ELBO with its gradient, line by line. The central page.
2. `distributions.py`: what those lines call: log p(x|z), the draw z = μ + σ ⊙ ε, the KL.
3. `networks.py`: the encoder q(z|x) and the decoders p(x|z), which return distributions.
4. `layers.py`: what the networks are made of, forward and backward.
5. `training/aevb.py`: Algorithm 1, which climbs the ELBO, and nothing else.

Then `gradcheck.py`, which proves every derivative, and `objectives/`: other things to climb.
"""

from vae_np import datasets
from vae_np.networks import BernoulliDecoder, GaussianDecoder, GaussianEncoder
from vae_np.optimizers import SGD, Adagrad, Adam
from vae_np.training.trainer import Trainer
from vae_np.vae import VAE

__all__ = [
    "SGD",
    "VAE",
    "Adagrad",
    "Adam",
    "BernoulliDecoder",
    "GaussianDecoder",
    "GaussianEncoder",
    "Trainer",
    "datasets",
]
