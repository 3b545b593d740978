"""Checks of the whole model: the ELBO's derivatives for all weights, through both networks."""

from dataclasses import replace

import numpy as np

from demos.gradients.layers import Swish
from vae_np.backend import device_of
from vae_np.gradcheck import check_model, check_vectors
from vae_np.layers import Linear, Sequential
from vae_np.networks import BernoulliDecoder, GaussianDecoder, GaussianEncoder
from vae_np.objectives import ELBO
from vae_np.vae import VAE

EXAMPLES, DRAWS, PIXELS, LATENTS = 4, 2, 8, 3


def bernoulli(rng):
    yield from elbo_checks("VAE, Bernoulli", model(rng), rng)


def beta_vae(rng):
    """With the paper's decoder of Frey faces, a σ per pixel, and a weight on the KL."""
    decoder = GaussianDecoder(
        LATENTS, [5], PIXELS, squash=True, activation="softplus", **common(rng)
    )
    vae, kl_weight = model(rng, decoder, "softplus"), 0.4
    x, noise = minibatch(vae, rng)
    objective = ELBO(vae, kl_weight)

    def loss():
        elbo = vae.elbo(x, noise)
        return -(elbo.reconstruction - kl_weight * elbo.kl).mean()

    name = "beta-VAE, Gaussian, sigma per pixel"
    vectors = {f"{name}: {part} ": vector for part, vector in objective.vectors.items()}
    yield from check_vectors(vectors, loss, lambda: objective.value_and_gradient(x, noise))


def gaussian_of_one_sigma(rng):
    decoder = GaussianDecoder(LATENTS, [5], PIXELS, noise="learned", **common(rng))
    yield from elbo_checks("VAE, Gaussian, one sigma", model(rng, decoder), rng)


def your_own_layers(rng):
    """Networks of your own layers, whose parameters are learned as all others are."""
    to_q = Sequential([Linear(PIXELS, 5), Swish(5), Linear(5, 2 * LATENTS)])
    to_logits = Sequential([Linear(LATENTS, 5), Swish(5), Linear(5, PIXELS)])
    more = {"n_pixels": PIXELS, "n_latent": LATENTS, **common(rng)}
    encoder = GaussianEncoder(network=to_q, **more)
    decoder = BernoulliDecoder(network=to_logits, **more)
    encoder.parameters.value *= 2  # or some derivatives are hardly larger than rounding
    yield from elbo_checks("VAE, your own layers", VAE(encoder, decoder), rng)


def model(rng, decoder=None, activation="tanh"):
    """A small VAE; of two hidden layers each, and Bernoulli, if not told otherwise."""
    encoder = GaussianEncoder(PIXELS, [7, 6], LATENTS, activation=activation, **common(rng))
    return VAE(encoder, decoder or BernoulliDecoder(LATENTS, [6, 5], PIXELS, **common(rng)))


def common(rng):
    """What the table's networks have in common: float64, on the device on which ``rng`` draws."""
    return {"dtype": np.float64, "device": device_of(rng.random(1))}


def minibatch(vae, rng):
    """x and the noise; the gradient of the loss depends on both, and both are held."""
    return rng.random((EXAMPLES, PIXELS)), vae.draw_noise(rng, DRAWS, EXAMPLES)


def elbo_checks(name, vae, rng):
    for check in check_model(vae, *minibatch(vae, rng)):
        yield replace(check, name=f"{name}: {check.name}")
