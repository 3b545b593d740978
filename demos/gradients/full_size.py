"""The paper's model of MNIST at its full size: its derivatives are too many to go one by one."""

from demos.gradients.models import common
from vae_np import VAE, BernoulliDecoder, GaussianEncoder
from vae_np.gradcheck import check_model

PIXELS, HIDDEN, LATENTS, EXAMPLES = 784, 500, 20, 20


def full_size(rng):
    vae = VAE(
        GaussianEncoder(PIXELS, [HIDDEN], LATENTS, **common(rng)),
        BernoulliDecoder(LATENTS, [HIDDEN], PIXELS, **common(rng)),
    )
    yield from check_model(vae, rng.random((EXAMPLES, PIXELS)), vae.draw_noise(rng, 1, EXAMPLES))
