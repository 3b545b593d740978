"""The variational autoencoder in NumPy, every gradient by hand, on a CPU or a GPU."""

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
