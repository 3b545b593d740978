"""Checks of the networks: the weights' derivatives of the distribution that they return."""

import numpy as np

from demos.gradients.models import common
from vae_np.distributions import Bernoulli
from vae_np.gradcheck import check_gradient, check_vectors
from vae_np.networks import BernoulliDecoder, GaussianDecoder, GaussianEncoder


def encoder(rng):
    x = rng.random((4, 6))
    yield from network_checks(
        "Encoder", GaussianEncoder(6, [5], 3, activation="softplus", **common(rng)), x, rng
    )


def bernoulli_decoder(rng):
    z = rng.standard_normal((2, 4, 3))
    network = BernoulliDecoder(3, [5], 6, activation="softplus", **common(rng))
    yield from network_checks("Bernoulli decoder", network, z, rng)


def gaussian_decoders(rng):
    for noise, squash, what in (
        ("fixed", False, "sigma fixed"),
        ("learned", False, "one sigma"),
        ("per-output", False, "sigma per pixel"),
        ("per-output", True, "sigma per pixel, mean squashed"),
    ):
        network = GaussianDecoder(
            3, [5], 6, noise=noise, squash=squash, activation="softplus", **common(rng)
        )
        z = rng.standard_normal((2, 4, 3))
        yield from network_checks(f"Gaussian decoder, {what}", network, z, rng)


def network_checks(name, network, x, rng):
    """Summed against ``upstream``, the distribution's parameters make one number."""

    def outputs():
        p = network.forward(x)
        return (p.logits,) if isinstance(p, Bernoulli) else (p.mean, p.log_var)

    upstream = [rng.uniform(0.5, 1.5, np.shape(output)) for output in outputs()]

    def f():
        return sum((output * d).sum() for output, d in zip(outputs(), upstream, strict=True))

    def backward():
        outputs()
        return network.backward(*upstream)

    dx = backward()
    if dx is not None:  # as an encoder's is: nobody asks how the loss changes with the data
        yield check_gradient(f"{name} dz", f, x, dx)
    yield from check_vectors({f"{name}: ": network.parameters}, f, backward)
