"""The exact posterior on a grid of latents: for one or two of them every z can be looked at."""

import math

import numpy as np

from vae_np.backend import array_module, device_of, to_device
from vae_np.checks import pixels_of, positive_number
from vae_np.distributions import log_sum_exp
from vae_np.inference.hmc import log_joint

MOST_POINTS = 10**8


def latent_grid(n_latent, spacing, limit):
    """The points of a square grid around 0, (G, Z), and which of them a coarser one shares, (G,).

    Both NumPy's. ValueError for more than two latents: 241 points an axis become 241^Z.
    """
    if n_latent not in (1, 2):
        raise ValueError(f"a grid needs a model of 1 or 2 latents, got {n_latent}")
    spacing, limit = positive_number("spacing", spacing), positive_number("limit", limit)
    if spacing > limit:
        raise ValueError(f"spacing must be at most limit, got {spacing:g} above {limit:g}")
    if (2 * limit / spacing) ** n_latent > MOST_POINTS:
        raise ValueError(
            f"spacing {spacing:g} makes more than {MOST_POINTS:,} points up to {limit:g}: take a "
            "larger one"
        )
    half = 2 * math.ceil(limit / spacing / 2)  # even: the coarser grid has the same ends
    index = np.arange(-half, half + 1)
    axes = np.meshgrid(*[index] * n_latent, indexing="ij")
    grid = np.stack([axis.ravel() for axis in axes], axis=1)
    return grid * spacing, (grid % 2 == 0).all(axis=1)


def grid_log_joint(model, x, points):
    """log p(x, z) of each of x's images, (N, D), at each of the points, (G, Z); (G, N), nats."""
    pixels_of(x, model.decoder)
    points = to_device(points, device_of(x)).astype(x.dtype)
    at_a_time = max(1, 2000 // len(x))
    with np.errstate(all="ignore"):  # far out log p(x, z) may be −∞
        parts = [
            log_joint(model.decoder, x, points[start : start + at_a_time, None, :])
            for start in range(0, len(points), at_a_time)
        ]
    return array_module(x).concatenate(parts)


def log_integral(joint, points, every_second, spacing):
    """log ∫ p(x, z) dz of each image, and an estimate of its error; (N,) each, nats.

    It takes `latent_grid`'s points and its ``spacing``, and what `grid_log_joint` is there, as
    float64 NumPy. The error is the difference to the coarser grid's sum, and roughly what lies past
    the edge; rounding is not in it. It is infinite where that sum says nothing: the best point is
    at the edge, or p(x, z) is narrower than the grid's step: around the best point within the edge
    log p(x, z) bends by more than 3 nats a step, as that of a Gaussian of σ < 0.6 steps.
    """
    n_latent = points.shape[1]
    log_cell = n_latent * math.log(spacing)
    fine = log_sum_exp(joint) + log_cell
    coarse = log_sum_exp(joint[every_second]) + log_cell + n_latent * math.log(2)
    # Past the edge p(x, z) falls about as fast as the prior does: within a length of 1 or less.
    edge = (np.abs(points) == points.max()).any(axis=1)
    beyond = np.exp(joint[edge] + log_cell - math.log(spacing) - fine).sum(axis=0)
    # The best point that has neighbours: those at the edge have none beyond it.
    best = np.where(edge[:, None], -np.inf, joint).argmax(axis=0)
    image, bend = np.arange(len(best)), np.zeros(len(best))
    for stride in [1, round(math.sqrt(len(points)))][:n_latent]:  # to a neighbour along each latent
        neighbours = joint[best - stride, image] + joint[best + stride, image]
        bend = np.maximum(bend, 2 * joint[best, image] - neighbours)
    error = np.abs(fine - coarse) + np.log1p(beyond)
    return fine, np.where((bend > 3) | edge[joint.argmax(axis=0)], np.inf, error)
