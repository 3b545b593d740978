"""The paper's model of MNIST at its full size: its derivatives are too many to go one by one."""

import math

import numpy as np

from vae_np import VAE, BernoulliDecoder, GaussianEncoder
from vae_np.gradcheck import check_directions

PIXELS, HIDDEN, LATENTS, EXAMPLES = 784, 500, 20, 20


def full_size_checks(seed):
    """Yield a `GradientCheck` for each weight and bias, along random directions, in float64."""
    rng = np.random.default_rng(seed)
    vae = VAE(
        GaussianEncoder(PIXELS, [HIDDEN], LATENTS, dtype=np.float64),
        BernoulliDecoder(LATENTS, [HIDDEN], PIXELS, dtype=np.float64),
    )
    x, noise = rng.random((EXAMPLES, PIXELS)), vae.draw_noise(rng, 1, EXAMPLES)
    vae.elbo_and_gradient(x, noise)
    for part, network in (("encoder", vae.encoder), ("decoder", vae.decoder)):
        vector = network.parameters
        gradient = vector.views(vector.grad)
        for name, value in vector.views(vector.value).items():
            fan_in = value.shape[0] if value.ndim == 2 else 1  # numbers that move one unit at once
            yield check_directions(
                f"{part} {name}",
                lambda: -vae.elbo(x, noise).value.mean(),
                value,
                gradient[name],
                rng,
                step=1e-3 / math.sqrt(fan_in),
            )
