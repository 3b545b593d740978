"""Checks of the distributions: each quantity's derivative for the distribution's parameters.

There is one quantity per example. Summed against ``upstream``, they make one number.
"""

from demos.gradients.models import common
from vae_np.distributions import (
    Bernoulli,
    DiagonalGaussian,
    standard_normal_log_prob,
    standard_normal_log_prob_backward,
)
from vae_np.gradcheck import check_gradient
from vae_np.parameters import ParameterVector


def gaussian(rng):
    yield from gaussian_rows(rng, rng.standard_normal((5, 4)), "")


def gaussian_of_one_sigma(rng):
    """Its σ, one number for all outputs, collects what all of them say."""
    yield from gaussian_rows(rng, rng.uniform(0.2, 0.4, ()), ", one sigma")


def gaussian_rows(rng, log_var, what):
    mean, x = rng.standard_normal((2, 5, 4))
    noise, dz = rng.standard_normal((2, 3, 5, 4))  # three draws of each example
    upstream = rng.uniform(0.5, 1.5, 5)

    def q():  # a new one each time, as its parameters have moved
        return DiagonalGaussian(mean, log_var)

    for name, f, derivatives in (
        (
            "Reparameterized z",
            lambda: (q().sample(noise) * dz).sum(),
            q().sample_backward(noise, dz),
        ),
        (
            "Gaussian log p(x)",
            lambda: (q().log_prob(x) * upstream).sum(),
            q().log_prob_backward(x, upstream),
        ),
        (
            "KL",
            lambda: (q().kl_to_standard_normal() * upstream).sum(),
            q().kl_backward(upstream),
        ),
    ):
        yield check_gradient(f"{name}{what} dmean", f, mean, derivatives[0])
        yield check_gradient(f"{name}{what} dlog_var", f, log_var, derivatives[1])
    yield check_gradient(
        f"Gaussian log p(x){what} dx",
        lambda: (q().log_prob(x) * upstream).sum(),
        x,
        q().log_prob_backward_to_value(x, upstream),
    )


def priors(rng):
    z, upstream = rng.standard_normal((5, 3)), rng.standard_normal(5)
    yield check_gradient(
        "Prior log p(z) dz",
        lambda: (standard_normal_log_prob(z) * upstream).sum(),
        z,
        standard_normal_log_prob_backward(z, upstream),
    )
    theta = ParameterVector({"theta": rng.standard_normal(6)}, **common(rng))
    theta.add_weight_prior(0.1)
    yield check_gradient(
        "Weight prior -log p(theta) dtheta",
        lambda: -0.1 * standard_normal_log_prob(theta.value),
        theta.value,
        theta.grad,
    )


def bernoulli(rng):
    logits, x = 3 * rng.standard_normal((5, 4)), rng.random((5, 4))
    upstream = rng.standard_normal(5)
    yield check_gradient(
        "Bernoulli log p(x) dlogits",
        lambda: (Bernoulli(logits).log_prob(x) * upstream).sum(),
        logits,
        Bernoulli(logits).log_prob_backward(x, upstream)[0],
    )
