"""The one model in which everything is known: x = z W + b + σ ε, with z and ε standard normal.

log p(x), the posterior and the best factorized q have closed forms, all made from θ alone. This is
probabilistic principal component analysis (Tipping and Bishop 1999): the best θ has one too.
"""

import math

import numpy as np

from vae_np.backend import to_numpy
from vae_np.checks import plain_array, values_in, whole_number
from vae_np.distributions import LOG_2PI, DiagonalGaussian
from vae_np.layers import Linear
from vae_np.networks import GaussianDecoder

MEAN_FIELD_TOLERANCE = 1e-10


def parameters_of(decoder):
    """W, (Z, D), b, (D,), and σ² of a linear-Gaussian decoder, as float64 NumPy arrays.

    ValueError if the decoder is not a `GaussianDecoder` without hidden layers, its mean not
    squashed, its noise "fixed" or "learned".
    """
    linear = (
        isinstance(decoder, GaussianDecoder)
        and [type(layer) for layer in decoder.network.layers] == [Linear]
        and decoder.noise != "per-output"
        and not decoder.squashing
    )
    if not linear:
        raise ValueError(
            "decoder must be linear-Gaussian: a GaussianDecoder with no hidden layer, noise "
            f'"fixed" or "learned" and no squash; got {decoder}'
        )
    layer = decoder.network.layers[0]
    weight, bias, log_var = (
        to_numpy(array).astype(np.float64) for array in (layer.weight, layer.bias, decoder.log_var)
    )
    return weight, bias, math.exp(log_var)


def _data(x, n_pixels=None):
    """``x`` as float64 NumPy; ValueError if it is not of floats, finite, and (N, D) with N ≥ 1."""
    x = to_numpy(plain_array("x", x))
    if x.ndim != 2 or len(x) == 0 or n_pixels not in (None, x.shape[1]):
        wanted = "D" if n_pixels is None else n_pixels
        raise ValueError(f"x must have shape (N, {wanted}) with N >= 1, got {x.shape}")
    if x.dtype.kind != "f":
        raise ValueError(f"x must be of floats, got {x.dtype}; VAE.as_pixels makes them")
    values_in("x", x, GaussianDecoder.support)
    return x.astype(np.float64)


def posterior(decoder, x):
    """p(z|x) = N(mean, Λ⁻¹) with Λ = I + W Wᵀ/σ² and mean = (x − b) Wᵀ Λ⁻¹/σ².

    Parameters
    ----------
    decoder : GaussianDecoder
        Linear-Gaussian, see `parameters_of`.
    x : (N, D) array

    Returns
    -------
    mean : (N, Z) array
    precision : (Z, Z) array
        Λ, the same for every x.
    """
    weight, bias, variance = parameters_of(decoder)
    precision = np.eye(len(weight)) + weight @ weight.T / variance
    mean = np.linalg.solve(precision, weight @ (_data(x, len(bias)) - bias).T / variance).T
    return mean, precision


def log_likelihood(decoder, x):
    """log p(x) = log N(x; b, Wᵀ W + σ² I); (N,), nats. By Bayes' rule: log p(x, z) − log p(z|x)."""
    weight, bias, variance = parameters_of(decoder)
    mean, precision = posterior(decoder, x)
    residual = _data(x) - bias - mean @ weight
    n_pixels = len(bias)
    log_joint = -0.5 * (
        (residual**2).sum(axis=1) / variance
        + n_pixels * (math.log(variance) + LOG_2PI)
        + (mean**2).sum(axis=1)
    )  # at z = mean, where log p(z|x) is ½ log |Λ|; the two log 2π of z cancel
    return log_joint - 0.5 * np.linalg.slogdet(precision)[1]


def _float64(q, shape):
    """q as float64 NumPy; ValueError if it is not over ``shape``."""
    mean, log_var = (to_numpy(a).astype(np.float64) for a in (q.mean, q.log_var))
    if mean.shape != shape:
        raise ValueError(f"q must be over (N, Z) = {shape}, got {mean.shape}")
    return DiagonalGaussian(mean, np.broadcast_to(log_var, shape))


def kl_to_posterior(q, decoder, x):
    """KL(q(z|x) ‖ p(z|x)) of each example for a `DiagonalGaussian` q; (N,), nats."""
    mean, precision = posterior(decoder, x)
    q = _float64(q, mean.shape)
    difference = mean - q.mean
    return 0.5 * (
        np.exp(q.log_var) @ np.diag(precision)
        + np.einsum("nj,jk,nk->n", difference, precision, difference)
        - mean.shape[1]
        - np.linalg.slogdet(precision)[1]
        - q.log_var.sum(axis=1)
    )


def expected_elbo(q, decoder, x):
    """The bound E_q[log p(x|z)] − KL(q ‖ p(z)) without any draw; (N,), nats.

    The expectation of a squared error is that of the mean, plus the variance that W lets through.
    """
    weight, bias, variance = parameters_of(decoder)
    x = _data(x, len(bias))
    q = _float64(q, (len(x), len(weight)))
    residual = x - bias - q.mean @ weight
    spread = np.exp(q.log_var) @ (weight**2).sum(axis=1)
    reconstruction = -0.5 * (
        ((residual**2).sum(axis=1) + spread) / variance + len(bias) * (math.log(variance) + LOG_2PI)
    )
    return reconstruction - q.kl_to_standard_normal()


def mean_field(decoder, x, max_sweeps=10_000):
    """The factorized q(z|x) of the least KL(q ‖ posterior), by classical coordinate ascent.

    Each factor's optimum, the others held, is q_j = N(m_j, 1/Λ_jj) with
    m_j = (h_j − Σ_{k≠j} Λ_jk m_k)/Λ_jj and h = (x − b) Wᵀ/σ². Sweeps over j repeat until no mean
    moves by more than 1e-10: they then are the posterior's. The variances are too small, unless Λ
    is diagonal, as it is for the W that `maximum_likelihood` returns.

    Parameters
    ----------
    decoder, x
        As for `posterior`.

    Returns
    -------
    DiagonalGaussian
        Over (N, Z), float64.

    Raises
    ------
    ValueError
        If an argument does not fit, or ``max_sweeps`` are not enough.
    """
    whole_number("max_sweeps", max_sweeps)
    weight, bias, variance = parameters_of(decoder)
    precision = np.eye(len(weight)) + weight @ weight.T / variance
    h = (_data(x, len(bias)) - bias) @ weight.T / variance
    mean = np.zeros_like(h)
    for _ in range(max_sweeps):
        before = mean.copy()
        for j, own in enumerate(np.diag(precision)):
            others = mean @ precision[:, j] - mean[:, j] * own
            mean[:, j] = (h[:, j] - others) / own
        if np.abs(mean - before).max() <= MEAN_FIELD_TOLERANCE:
            log_var = np.broadcast_to(-np.log(np.diag(precision)), mean.shape)
            return DiagonalGaussian(mean, log_var)
    raise ValueError(
        f"coordinate ascent still moves by {np.abs(mean - before).max():.1e} after {max_sweeps} "
        f"sweeps, more than {MEAN_FIELD_TOLERANCE:g}"
    )


def maximum_likelihood(x, n_latent):
    """A W, and the b and σ², that maximize Σ log p(x): probabilistic PCA (Tipping and Bishop 1999,
    eq. 7 and 8).

    W's rows are the ``n_latent`` leading eigenvectors of the data's covariance, each times
    √(eigenvalue − σ²), and σ² is the mean of the other eigenvalues. With its z rotated the model
    has the same p(x); of all those W this is the one whose rows are orthogonal.

    Parameters
    ----------
    x : (N, D) array
    n_latent : int
        Z, below D and below N − 1. ValueError if it is not, or if Z dimensions hold all the data:
        there is no largest likelihood then.

    Returns
    -------
    weight : (Z, D) array
    bias : (D,) array
    variance : float
    """
    x, n_latent = _data(x), whole_number("n_latent", n_latent)
    if n_latent >= min(x.shape[1], len(x) - 1):
        raise ValueError(
            f"{n_latent} latents need at least {n_latent + 2} examples of {n_latent + 1} numbers, "
            f"so that noise is left over, got x of shape {x.shape}"
        )
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False, bias=True))
    variance = values[:-n_latent].mean()
    if variance <= 1e-12 * values[-1]:
        raise ValueError(f"n_latent must leave noise over: {n_latent} dimensions hold all the data")
    signal = np.maximum(values[-n_latent:] - variance, 0)  # equal eigenvalues, rounded
    weight = (vectors[:, -n_latent:] * np.sqrt(signal)).T
    return weight, x.mean(axis=0), float(variance)
