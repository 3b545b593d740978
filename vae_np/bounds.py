"""Estimates of lower bounds on log p(x), per example and in nats, and their gradients.

All take the data x, q(z|x), draws z = q.sample(noise) and p(x|z) there, and estimate with L draws:

- SGVB-B:              mean log p(x|z) − KL(q(z|x) ‖ p(z))
- SGVB-A:              mean log w         with w = p(x|z) p(z) / q(z|x)
- importance-weighted: log mean w

The bound is the expectation over the draws; one estimate may lie above log p(x).
The caller draws the noise. With it held, a bound is an ordinary function of the weights, the same
on every device, whose gradient finite differences can check.
"""

import math
from dataclasses import dataclass

import numpy as np

from vae_np.backend import array_module
from vae_np.distributions import standard_normal_log_prob, standard_normal_log_prob_backward


@dataclass(frozen=True, eq=False)
class Bound:
    """An estimate of a lower bound on log p(x), split as reconstruction − KL.

    Attributes
    ----------
    reconstruction : (N,) array
        E_q[log p(x|z)], estimated; nats.
    kl : (N,) array
        KL(q(z|x) ‖ p(z)), exact or estimated; nats. Of the importance-weighted bound both are
        something else: see `importance_weighted`.
    """

    reconstruction: np.ndarray
    kl: np.ndarray

    @property
    def value(self):
        """reconstruction − KL, nats: (N,), or one number where the terms are means."""
        return self.reconstruction - self.kl


def sgvb_b(x, q, p, z=None):
    """SGVB-B (eq. 7 and 10): the KL in closed form, the reconstruction averaged over L draws.

    Parameters
    ----------
    x : (N, D) array
    q : DiagonalGaussian
        q(z|x), over (N, Z).
    p : distribution
        p(x|z) at the draws, over (L, N, D).
    z : (L, N, Z) array
        The draws, q.sample(noise). SGVB-B does not need them; the other bounds do.

    Returns
    -------
    Bound
    """
    return Bound(reconstruction=p.log_prob(x).mean(axis=0), kl=q.kl_to_standard_normal())


def sgvb_b_backward(x, q, p, z, upstream, kl_weight=1.0):
    """Derivatives of reconstruction − kl_weight · KL, times ``upstream``.

    Parameters
    ----------
    x, q, p, z
        As for `sgvb_b`.
    upstream : (N,) array
    kl_weight : float
        1 for the bound itself; 0 leaves an autoencoder; other values are the β of a β-VAE.

    Returns
    -------
    dp : tuple of arrays
        With respect to p's parameters.
    dq : tuple of arrays
        With respect to q's mean and log_var where they stand in the bound directly. What reaches
        them through z is `DiagonalGaussian.sample_backward`'s to say.
    dz : (L, N, Z) array or 0
        With respect to z where it stands in the bound directly, outside p: nowhere, here.
    """
    n_draws = z.shape[0]
    dp = p.log_prob_backward(x, upstream / n_draws)
    dq = q.kl_backward(-kl_weight * upstream)
    return dp, dq, 0


def sgvb_a(x, q, p, z):
    """SGVB-A (eq. 6): all three terms averaged over L draws; arguments as for `sgvb_b`.

    It needs no closed form: ``kl`` is an estimate too. Its gradient has more variance for that,
    above all while q is near the prior; its value need not (``demos/questions/two_estimators.py``).
    """
    return Bound(reconstruction=p.log_prob(x).mean(axis=0), kl=log_ratio(q, z).mean(axis=0))


def sgvb_a_backward(x, q, p, z, upstream):
    """Derivatives of SGVB-A; arguments and returns as for `sgvb_b_backward`."""
    n_draws = z.shape[0]
    upstream = array_module(z).broadcast_to(upstream / n_draws, z.shape[:-1])
    return log_weight_backward(x, q, p, z, upstream)


def importance_weighted(x, q, p, z):
    """The importance-weighted bound log (1/K Σ w_k) of K = L draws (1509.00519, eq. 8).

    Its expectation rises with K, from SGVB-A's at K = 1 to log p(x). Its ``reconstruction`` is the
    average of log p(x|z) in which each draw counts by its share of Σ w; its ``kl`` is what is left,
    and not the KL of q.
    """
    log_px_given_z = p.log_prob(x)
    log_w = log_px_given_z - log_ratio(q, z)
    reconstruction = (normalized_weights(log_w) * log_px_given_z).sum(axis=0)
    return Bound(reconstruction, reconstruction - log_mean_exp(log_w))


def importance_weighted_backward(x, q, p, z, upstream):
    """∂ log (1/K Σ w)/∂ log w_k = w_k / Σ w; arguments and returns as for `sgvb_b_backward`."""
    weights = normalized_weights(log_weight(x, q, p, z))
    return log_weight_backward(x, q, p, z, weights * upstream)


def log_ratio(q, z):
    """log q(z|x) − log p(z), whose expectation under q is the KL; (L, N), nats."""
    return q.log_prob(z) - standard_normal_log_prob(z)


def log_weight(x, q, p, z):
    """log w = log p(x|z) + log p(z) − log q(z|x); (L, N), nats."""
    return p.log_prob(x) - log_ratio(q, z)


def log_weight_backward(x, q, p, z, upstream):
    """Derivatives of log w, times ``upstream``, (L, N); returns as for `sgvb_b_backward`."""
    dp = p.log_prob_backward(x, upstream)
    dq = q.log_prob_backward(z, -upstream)
    dz = standard_normal_log_prob_backward(z, upstream)
    dz += q.log_prob_backward_to_value(z, -upstream)
    return dp, dq, dz


def log_sum_exp(log_w):
    """log Σ exp(log_w) along the first axis, without overflow."""
    xp, largest = array_module(log_w), log_w.max(axis=0)
    return largest + xp.log(xp.exp(log_w - largest).sum(axis=0))


def log_mean_exp(log_w):
    """log (1/K Σ exp(log_w)) along the first axis, without overflow."""
    return log_sum_exp(log_w) - math.log(len(log_w))


def log_mean_standard_error(log_sum, log_sum_of_squares, n):
    """The standard error of log (1/n Σ w): std(w) / (√n mean w), the delta method's.

    It takes log Σ w and log Σ w², NumPy arrays. The result is at most 1, so that near 1 it says
    only that one sample outweighs all others; it is infinite for n = 1, where nothing can be told.
    """
    if n == 1:
        return np.full(log_sum.shape, np.inf)
    ratio = np.exp(log_sum_of_squares - 2 * log_sum)
    return np.sqrt(np.maximum(n * ratio - 1, 0) / (n - 1))


def normalized_weights(log_w):
    """w_k / Σ w along the first axis, without overflow."""
    w = array_module(log_w).exp(log_w - log_w.max(axis=0))
    return w / w.sum(axis=0)


BOUNDS = {
    "sgvb-b": (sgvb_b, sgvb_b_backward),
    "sgvb-a": (sgvb_a, sgvb_a_backward),
    "importance-weighted": (importance_weighted, importance_weighted_backward),
}
