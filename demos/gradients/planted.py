"""Errors that gradient_check.py plants, to show that they are caught: the kind that people make."""

from contextlib import contextmanager
from unittest.mock import patch

from vae_np.distributions import Bernoulli, DiagonalGaussian
from vae_np.inference import hmc
from vae_np.layers import Linear, ReLU, Sigmoid, Softplus, Tanh
from vae_np.networks import GaussianEncoder
from vae_np.objectives import importance_weighted, score_function, sgvb_a
from vae_np.vae import VAE


def negative(right):
    return lambda *inputs: -right(*inputs)


def dlog_var_twice(right):
    def wrong(*inputs):
        dmean, dlog_var = right(*inputs)
        return dmean, 2 * dlog_var

    return wrong


# Where each goes, what it is, and what it makes of the right function.
ERRORS = {
    "linear": (Linear, "backward_to_input", "dx with the wrong sign", negative),
    "tanh": (Tanh, "backward", "dx with the wrong sign", negative),
    "relu": (ReLU, "backward", "dx with the wrong sign", negative),
    "softplus": (Softplus, "backward", "dx with the wrong sign", negative),
    "sigmoid": (Sigmoid, "backward", "dx with the wrong sign", negative),
    "reparameterization": (
        DiagonalGaussian,
        "sample_backward",
        "dlog_var without its ½",
        dlog_var_twice,
    ),
    "gaussian-log-prob": (
        DiagonalGaussian,
        "log_prob_backward",
        "dlog_var without its ½",
        dlog_var_twice,
    ),
    "bernoulli-log-prob": (
        Bernoulli,
        "log_prob_backward",
        "dlogits with the wrong sign",
        lambda right: lambda *inputs: (-right(*inputs)[0],),
    ),
    "kl": (DiagonalGaussian, "kl_backward", "dlog_var without its ½", dlog_var_twice),
    "encoder": (
        GaussianEncoder,
        "backward",
        "mean and log_var exchanged",
        lambda right: lambda encoder, dmean, dlog_var: right(encoder, dlog_var, dmean),
    ),
    "elbo": (
        VAE,
        "elbo_and_gradient",
        "the KL subtracted twice",
        lambda right: lambda vae, x, noise, kl_weight=1.0: right(vae, x, noise, 2 * kl_weight),
    ),
    "log-weight": (
        sgvb_a,
        "standard_normal_log_prob_backward",
        "z's place in the prior p(z) forgotten",
        lambda right: lambda *inputs: 0 * right(*inputs),
    ),
    "importance-weighted": (
        importance_weighted,
        "normalized_weights",
        "the shares w_k / Σ w squared",
        lambda right: lambda log_w: right(log_w) ** 2,
    ),
    "score-function": (score_function, "score_signal", "the signal with the wrong sign", negative),
    "log-joint": (
        hmc,
        "log_joint_and_gradient",
        "the gradient with the wrong sign",
        lambda right: lambda *inputs: (right(*inputs)[0], -right(*inputs)[1]),
    ),
}


@contextmanager
def planted(name):
    """While this lasts, the error is in the package."""
    owner, attribute, _, spoil = ERRORS[name]
    with patch.object(owner, attribute, spoil(getattr(owner, attribute))):
        yield


def describe(name):
    owner, attribute, error, _ = ERRORS[name]
    return f"{owner.__name__}.{attribute}: {error}"
