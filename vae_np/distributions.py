"""Distributions: what a network's outputs are the parameters of.

A distribution is an immutable value: parameters in, quantities out, and each quantity's derivative
(``_backward``) right below it. ``upstream`` is always the derivative of the loss with respect to
the quantity; what comes back are the derivatives of the loss with respect to the parameters. Where
weights are themselves parameters (`GaussianDecoder`'s noise "learned", `FullBayes`'s q(θ)), these
are views of them, not copies: make a new distribution after each update.

Log-probabilities and divergences are in nats, summed over the last axis: one number per example.
A formula under ``@in_one_pass`` is called without its first argument, ``xp``: the arrays decide
whether that is NumPy or CuPy (see `vae_np.backend`).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vae_np.backend import array_module, device_of, in_one_pass
from vae_np.checks import generator_of
from vae_np.layers import log1p, sigmoid, sigmoid_of

LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True, eq=False)
class DiagonalGaussian:
    """N(mean, diag(exp(log_var))).

    Parameters
    ----------
    mean : (..., D) array
    log_var : array that broadcasts to mean's shape
        The log of the variance σ², one per output, or one number of shape () for all. In float32
        within about ±87: beyond, σ² is infinite, or loses its digits until it is 0.
    """

    mean: np.ndarray
    log_var: np.ndarray

    @cached_property
    def std(self):
        """σ = exp(½ log_var)."""
        return standard_deviation(self.log_var)

    @cached_property
    def variance(self):
        """σ² = exp(log_var)."""
        return array_module(self.log_var).exp(self.log_var)

    @cached_property
    def _variance_minus_1(self):
        return array_module(self.log_var).expm1(self.log_var)  # exact where σ² is near 1

    def sample(self, noise):
        """The reparameterization z = g_φ(ε, x) = μ + σ ⊙ ε, with ε ~ N(0, I) the noise (eq. 4).

        Parameters
        ----------
        noise : (L, ..., D) or (..., D) array
            L draws per example, or one.
        """
        return gaussian_sample(self.mean, self.std, noise)

    def sample_backward(self, noise, dz):
        """dmean = dz and dlog_var = dz ⊙ ½ σ ⊙ noise, both summed over the L draws."""
        dlog_var = gaussian_sample_backward(self.std, noise, dz)
        return _sum_to(dz, self.mean.shape), _sum_to(dlog_var, self.log_var.shape)

    def draw(self, generator):
        """One draw, with fresh noise from ``generator``; the shape of ``mean``."""
        generator = generator_of(generator, device_of(self.mean))
        return self.sample(generator.standard_normal(self.mean.shape, dtype=self.mean.dtype))

    def log_prob(self, x):
        """log N(x; μ, σ²) = −½ Σ [(x − μ)²/σ² + log σ² + log 2π]; (...,), nats.

        This is a squared error, weighed by 1/(2σ²), and what the scale σ costs. At σ = 1/√2 the
        weight is 1: minus the squared error Σ (x − μ)², and a constant. It is a density, which may
        be above 1 and its log above 0.
        """
        squared_error = (x - self.mean) ** 2
        return -0.5 * (squared_error / self.variance + self.log_var + LOG_2PI).sum(axis=-1)

    def log_prob_backward(self, x, upstream):
        """dmean = (x − μ)/σ² and dlog_var = ½ [(x − μ)²/σ² − 1], times ``upstream``.

        Each is summed over the axes along which its parameter was broadcast.
        """
        error, upstream = x - self.mean, upstream[..., None]
        weighed = error / self.variance
        dmean = upstream * weighed
        dlog_var = 0.5 * upstream * (error * weighed - 1)
        return _sum_to(dmean, self.mean.shape), _sum_to(dlog_var, self.log_var.shape)

    def log_prob_backward_to_value(self, x, upstream):
        """dx = −(x − μ)/σ², times ``upstream``: how log N changes with x itself."""
        return -upstream[..., None] * (x - self.mean) / self.variance

    def kl_to_standard_normal(self):
        """KL(N(μ, σ²) ‖ N(0, I)) = ½ Σ [μ² + σ² − 1 − log σ²] (appendix B); (...,), nats."""
        return gaussian_kl(self.mean, self._variance_minus_1, self.log_var)

    def kl_backward(self, upstream):
        """dmean = mean and dlog_var = ½ (σ² − 1), times ``upstream``; summed as above."""
        xp, upstream = array_module(self.mean), upstream[..., None]
        dlog_var = gaussian_kl_backward(self._variance_minus_1, upstream)
        dlog_var = xp.broadcast_to(dlog_var, self.mean.shape)
        return upstream * self.mean, _sum_to(dlog_var, self.log_var.shape)


@in_one_pass
def standard_deviation(xp, log_var):
    """σ = exp(½ log σ²)."""
    return xp.exp(0.5 * log_var)


@in_one_pass
def gaussian_sample(xp, mean, std, noise):
    """μ + σ ⊙ ε."""
    return mean + std * noise


@in_one_pass
def gaussian_sample_backward(xp, std, noise, dz):
    """dlog_var of each draw: dz ⊙ ½ σ ⊙ noise, for dσ/dlog σ² = ½ σ."""
    return 0.5 * std * noise * dz


@in_one_pass
def gaussian_kl(xp, mean, variance_minus_1, log_var):
    """½ Σ [μ² + σ² − 1 − log σ²]."""
    return 0.5 * xp.sum(mean * mean + variance_minus_1 - log_var, axis=-1)


@in_one_pass
def gaussian_kl_backward(xp, variance_minus_1, upstream):
    """dlog_var = ½ (σ² − 1), times ``upstream``."""
    return 0.5 * upstream * variance_minus_1


def standard_normal_log_prob(z):
    """The prior's log p(z) = log N(z; 0, I) = −½ Σ [z² + log 2π]; (...,), nats."""
    return -0.5 * (z * z + LOG_2PI).sum(axis=-1)


def standard_normal_log_prob_backward(z, upstream):
    """dz = −z, times ``upstream``."""
    return -upstream[..., None] * z


@dataclass(frozen=True, eq=False)
class Bernoulli:
    """Independent pixels, each white with probability sigmoid(logit).

    Parameters
    ----------
    logits : (..., D) array
        log(m/(1 − m)) of each pixel's probability m of being white; any number. Working from
        logits, no probability is ever clipped and no log of 0 is ever taken.
    """

    logits: np.ndarray

    @cached_property
    def mean(self):
        """The probability of a white pixel, sigmoid(logits)."""
        return sigmoid(self.logits)

    def sample(self, noise):
        """1 (white) where ``noise``, uniform in [0, 1), is below the mean; 0 elsewhere."""
        return binarize(self.mean, noise)

    def draw(self, generator):
        """One draw, with fresh noise from ``generator``; the shape of ``logits``."""
        generator = generator_of(generator, device_of(self.logits))
        return self.sample(generator.random(self.logits.shape, dtype=self.logits.dtype))

    def log_prob(self, x):
        """Σ [x log p + (1 − x) log(1 − p)] = Σ [x a − log(1 + exp(a))] for logits a; (...,), nats.

        This is minus the binary cross-entropy. For a grey x in (0, 1) it is the average of
        log p(b|z) over binary images b that are white with probability x. What is called log p(x)
        is then log ∫ p(z) exp(log_prob) dz, at most the average of log p(b) (by Jensen's
        inequality), so that lower bounds on the one are lower bounds on the other.
        """
        with np.errstate(invalid="ignore"):
            log_px = bernoulli_log_prob(x, self.logits, self._exp_neg_abs)
        if array_module(log_px) is np and np.isnan(log_px).any():  # 0 · ∞: a logit is infinite
            return _log_prob_of_certain_pixels(x, self.logits)
        return log_px

    def log_prob_backward(self, x, upstream):
        """dlogits = x − sigmoid(logits), times ``upstream``; a tuple of one array."""
        upstream = upstream[..., None]
        return (bernoulli_log_prob_backward(x, self.logits, self._exp_neg_abs, upstream),)

    @cached_property
    def _exp_neg_abs(self):
        return exp_neg_abs(self.logits)  # shared by log_prob and its derivative


@in_one_pass
def bernoulli_log_prob(xp, x, a, e):
    """Σ [x a − log(1 + exp(a))], with log(1 + exp(a)) = max(a, 0) + log(1 + e) and e = exp(−|a|).

    At x = 1 and a > 0, where the pixel is right, x a − max(a, 0) is exactly 0: the small last term
    is not rounded away.
    """
    return xp.sum(x * a - xp.maximum(a, 0) - log1p(xp, e), axis=-1)


@in_one_pass
def bernoulli_log_prob_backward(xp, x, a, e, upstream):
    """da = (x − sigmoid(a)), times ``upstream``."""
    return (x - sigmoid_of(xp, a, e)) * upstream


@in_one_pass
def exp_neg_abs(xp, a):
    """e = exp(−|a|), which neither overflows nor is above 1."""
    return xp.exp(-xp.abs(a))


def _log_prob_of_certain_pixels(x, a):
    """The limit where logits are infinite: 0 for a pixel that is as they say, −∞ for another."""
    certain = np.isinf(a)
    wrong = (certain & (x != (a > 0))).any(axis=-1)
    finite = np.where(certain, np.where(a > 0, 1e4, -1e4), a).astype(a.dtype)
    x = np.where(certain, a > 0, x).astype(a.dtype)
    log_px = bernoulli_log_prob(x, finite, exp_neg_abs(finite))
    return np.where(wrong, -np.inf, log_px).astype(a.dtype)


def binarize(probabilities, noise):
    """Binary images: 1 with the probability that ``probabilities`` gives; noise uniform, [0, 1)."""
    return (noise < probabilities).astype(probabilities.dtype)


def _sum_to(gradient, shape):
    """Sum a gradient over the axes along which its parameter, of this shape, was broadcast."""
    extra = gradient.ndim - len(shape)
    axes = [
        axis
        for axis in range(gradient.ndim)
        if axis < extra or (shape[axis - extra] == 1 and gradient.shape[axis] != 1)
    ]
    return gradient.sum(axis=tuple(axes)).reshape(shape) if axes else gradient


def log_sum_exp(log_w):
    """log Σ exp(log_w) along the first axis, without overflow; −∞ where all are."""
    xp, largest = array_module(log_w), log_w.max(axis=0)
    largest = xp.where(xp.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore"):
        return largest + xp.log(xp.exp(log_w - largest).sum(axis=0))


def log_mean_exp(log_w):
    """log (1/K Σ exp(log_w)) along the first axis, without overflow."""
    return log_sum_exp(log_w) - math.log(len(log_w))


def normalized_weights(log_w):
    """w_k / Σ w along the first axis, without overflow: the derivative of log Σ w by log w_k."""
    w = array_module(log_w).exp(log_w - log_w.max(axis=0))
    return w / w.sum(axis=0)


def log_mean_standard_error(log_sum, log_sum_of_squares, n):
    """The standard error of log (1/n Σ w): std(w) / (√n mean w), the delta method's.

    It takes log Σ w and log Σ w², NumPy arrays. The result is at most 1, so that near 1 it says
    only that one sample outweighs all others; it is infinite for n = 1, where nothing can be told.
    """
    if n == 1:
        return np.full(log_sum.shape, np.inf)
    ratio = np.exp(log_sum_of_squares - 2 * log_sum)
    return np.sqrt(np.maximum(n * ratio - 1, 0) / (n - 1))
