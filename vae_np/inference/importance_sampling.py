"""log p(x) by importance sampling: log (1/K Σ w_k) with w = p(x|z) p(z) / r(z) and z_k ~ r.

r is the encoder's q(z|x), or the prior, or the mixture of the two. The expectation is a lower bound
on log p(x) that rises to it with K (1509.00519, theorem 1).
"""

import math

import numpy as np

from vae_np.backend import array_module, to_numpy
from vae_np.distributions import log_mean_standard_error, log_sum_exp, standard_normal_log_prob
from vae_np.inference.hmc import log_joint


def importance_sample(model, x, n_samples, n_from_prior, generator, at_a_time, report):
    """Estimate log p(x) of a batch.

    Parameters
    ----------
    model : VAE
    x : (N, D) array
        Pixels, as `VAE.as_pixels` makes them.
    n_samples, n_from_prior : int
        K, and how many of them come from the prior; the others come from q(z|x).
    generator : numpy.random.Generator or cupy.random.Generator
    at_a_time : int
        How many samples of every image are decoded together.
    report : callable
        Called with the number of (image, sample) pairs just done.

    Returns
    -------
    value, standard_error : (N,) numpy.ndarray
        Nats; the error is from the weights' spread, by the delta method.
    """
    xp, q = array_module(x), model.encoder.forward(x)
    # The running logs of Σ w and Σ w², in float64: in float32 a sum of many thousand weights stops
    # growing.
    log_sum = log_sum_of_squares = xp.full(len(x), -xp.inf, dtype=np.float64)
    for start, stop in _spans(n_from_prior, n_samples, at_a_time):
        noise = generator.standard_normal((stop - start, *q.mean.shape), dtype=x.dtype)
        z = noise if stop <= n_from_prior else q.sample(noise)
        log_w = log_joint(model.decoder, x, z) - _log_mixture(q, z, n_from_prior / n_samples)
        log_w = log_w.astype(np.float64)
        log_sum = xp.logaddexp(log_sum, log_sum_exp(log_w))
        log_sum_of_squares = xp.logaddexp(log_sum_of_squares, log_sum_exp(2 * log_w))
        report(len(z) * len(x))
    log_sum, log_sum_of_squares = to_numpy(log_sum), to_numpy(log_sum_of_squares)
    error = log_mean_standard_error(log_sum, log_sum_of_squares, n_samples)
    return log_sum - math.log(n_samples), error


def _spans(n_first, n_all, at_a_time):
    """Cut range(n_all) into spans of at most ``at_a_time``, none across ``n_first``."""
    for begin, end in ((0, n_first), (n_first, n_all)):
        for start in range(begin, end, at_a_time):
            yield start, min(start + at_a_time, end)


def _log_mixture(q, z, share):
    """log r(z) = log [share p(z) + (1 − share) q(z|x)] of the prior p(z) and q."""
    if share == 0:
        return q.log_prob(z)
    if share == 1:
        return standard_normal_log_prob(z)
    log_prior, log_q = standard_normal_log_prob(z), q.log_prob(z)
    xp = array_module(z)
    return xp.logaddexp(log_prior + math.log(share), log_q + math.log(1 - share))
