"""The right answers to the exercises, and wrong ones made from them."""

from types import SimpleNamespace

import numpy as np

from demos.exercising.exercise_list import make_exercises

NAMES = tuple(make_exercises(np.random.default_rng(0)))


def tanh_backward(y, dy):
    return dy * (1 - y**2)


def kl_backward(mean, log_var, upstream):
    upstream = upstream[..., None]
    return upstream * mean, upstream * 0.5 * (np.exp(log_var) - 1)


def bernoulli_backward(logits, x, upstream):
    return upstream[..., None] * (x - 1 / (1 + np.exp(-logits)))


def sample_backward(log_var, noise, dz):
    return dz.sum(axis=0), (dz * noise * 0.5 * np.exp(0.5 * log_var)).sum(axis=0)


def linear_backward(x, weight, dy):
    return dy @ weight.T, x.T @ dy, dy.sum(axis=0)


def gaussian_backward(mean, log_var, x, upstream):
    upstream, precision = upstream[..., None], np.exp(-log_var)
    return (
        upstream * (x - mean) * precision,
        upstream * 0.5 * ((x - mean) ** 2 * precision - 1),
    )


def importance_weighted_backward(log_w, upstream):
    w = np.exp(log_w - log_w.max(axis=0))
    return upstream * w / w.sum(axis=0)


def way_back(kl_sign=1, over_n=True, through_z=True):
    """The answer to the last exercise, or a wrong one."""

    def elbo_backward(encoder, decoder, x, noise):
        q = encoder.forward(x)
        p = decoder.forward(q.mean + np.exp(0.5 * q.log_var) * noise)
        n_draws, n_examples = noise.shape[:2]
        n = n_examples if over_n else 1
        upstream = np.full((n_draws, n_examples), -1 / (n_draws * n))
        dz = decoder.backward(bernoulli_backward(p.logits, x, upstream))
        dmean, dlog_var = sample_backward(q.log_var, noise, dz if through_z else 0 * dz)
        direct = kl_backward(q.mean, q.log_var, np.full(n_examples, kl_sign / n))
        encoder.backward(dmean + direct[0], dlog_var + direct[1])

    return elbo_backward


elbo_backward = way_back()


def answers(**instead):
    """A learner's module: all answers right but for those given."""
    return SimpleNamespace(__doc__="", **{name: globals()[name] for name in NAMES} | instead)
