"""The posterior p(z|x) without the encoder: on a grid, and in draws."""

import math

import numpy as np

from demos.common.models import over_draws
from vae_np.backend import to_numpy
from vae_np.inference.grid import grid_log_joint, latent_grid
from vae_np.objectives.sgvb_a import log_weight

POINTS = 81  # of the fine grid, along each axis


def exact_posterior(model, image, q):
    """p(z|x) on a fine grid that covers it and q, and what follows from it."""
    x = model.as_pixels(image[None])
    coarse, _ = latent_grid(2, 0.2, 5)
    log_joint = to_numpy(grid_log_joint(model, x, coarse))[:, 0]
    likely = coarse[log_joint > log_joint.max() - 12]
    low = np.minimum(likely.min(axis=0) - 0.3, q.mean - 5 * q.std)
    high = np.maximum(likely.max(axis=0) + 0.3, q.mean + 5 * q.std)
    axes = np.linspace(low, high, POINTS).T
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    cell = ((high - low) / (POINTS - 1)).prod()

    log_joint = to_numpy(grid_log_joint(model, x, points))[:, 0].astype(np.float64)
    largest = log_joint.max()
    log_px = largest + math.log(np.exp(log_joint - largest).sum() * cell)
    log_posterior = log_joint - log_px
    weight, log_q = np.exp(log_posterior) * cell, q.log_prob(points)
    mean = weight @ points
    return {
        "axes": axes,
        "density": np.exp(log_posterior).reshape(POINTS, POINTS),
        "log_px": log_px,
        "kl": float((np.exp(log_q) * (log_q - log_posterior)).sum() * cell),
        "mean": mean,
        "std": np.sqrt(weight @ (points - mean) ** 2),
    }


def draw_log_weights(model, x, q, generator, n_draws):
    """log w = log p(x|z) + log p(z) − log q(z|x) of draws z ~ q; (n_draws, N), NumPy."""

    def value(z):
        return log_weight(x, q, model.decoder.forward(z), z)

    return over_draws(value, q, generator, n_draws, at_once=10)


def r_hat(draws):
    """Gelman and Rubin's R̂ of the worst latent, from the (S, C, Z) draws of C chains.

    The root of an estimate of the variance that counts the spread between the chains' means, over
    the variance within the chains.
    """
    n_draws = len(draws)
    within = draws.var(axis=0, ddof=1).mean(axis=0)
    between = draws.mean(axis=0).var(axis=0, ddof=1)
    return float(np.sqrt((n_draws - 1) / n_draws + between / within).max())
