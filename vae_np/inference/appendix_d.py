"""log p(x) from draws of the posterior: the paper's appendix D.

1/p(x) = E[r(z) / (p(x|z) p(z))] over the posterior, for any density r: p(x, z) is p(x) times the
posterior, which cancels, and r integrates to 1. The nearer r is to the posterior, the less the
average varies. Elsewhere it is called reciprocal importance sampling (Gelfand and Dey 1994).
"""

import math

import numpy as np

from vae_np.backend import to_numpy
from vae_np.checks import whole_number
from vae_np.distributions import LOG_2PI, log_mean_exp, log_mean_standard_error, log_sum_exp
from vae_np.inference.hmc import log_joint, sample_posterior


def appendix_d(decoder, x, initial, n_draws, generator, first=0):
    """Estimate log p(x): HMC's first draws fit r, a Gaussian, and as many more are averaged.

    Parameters
    ----------
    decoder : BernoulliDecoder or GaussianDecoder
    x : (N, D) array
        Pixels, as `VAE.as_pixels` makes them.
    initial : (C, N, Z) array
        Where the C chains of each image start.
    n_draws : int
        Draws of each chain for the fit, and for the average.
    generator : numpy.random.Generator or cupy.random.Generator
        On the decoder's device.
    first : int
        The number of the first image in x, where x is a part of more, for an error to name one.

    Returns
    -------
    value, standard_error : (N,) numpy.ndarray
        Nats; the error is from the spread between the chains.

    Raises
    ------
    ValueError
        If an argument is out of range or has another shape, an image's chains never move, or its
        draws lie in a plane.
    """
    n_draws = whole_number("n_draws", n_draws)
    z = sample_posterior(decoder, x, 2 * n_draws, generator, initial).z
    stuck = np.flatnonzero(to_numpy((z == z[0]).all(axis=(0, 1, 3))))
    if stuck.size:
        raise ValueError(f"HMC never moved for image {first + stuck[0]}: too steep a log p(x, z)")
    fitted, averaged = z[:n_draws], z[n_draws:]
    log_terms = fitted_gaussian_log_prob(to_numpy(fitted), to_numpy(averaged), first)
    log_terms -= np.stack([to_numpy(log_joint(decoder, x, draws)) for draws in averaged])
    by_chain, n_chains = log_mean_exp(log_terms), len(initial)
    log_sum, log_sum_of_squares = log_sum_exp(by_chain), log_sum_exp(2 * by_chain)
    standard_error = log_mean_standard_error(log_sum, log_sum_of_squares, n_chains)
    return math.log(n_chains) - log_sum, standard_error


def fitted_gaussian_log_prob(draws, z, first=0):
    """The log density at z of each image's Gaussian, fitted to its draws, along its main axes.

    Both (S, C, N, Z), of S draws in C chains; the result is (S, C, N). ValueError if an image's
    draws lie in a plane; it counts the images from ``first``.
    """
    z, draws = z.astype(np.float64), draws.astype(np.float64)
    mean = draws.mean(axis=(0, 1))
    centred = draws - mean
    n_draws = centred[..., 0, 0].size
    covariance = np.einsum("scnj,scnk->njk", centred, centred) / max(1, n_draws - 1)
    variances, axes = np.linalg.eigh(covariance)
    flat = variances[:, 0] <= 1e-10 * variances[:, -1]
    if flat.any():
        raise ValueError(
            f"the posterior draws of image {first + flat.argmax()} lie in a plane: "
            "they are too few, or their chains hardly move"
        )
    standardized = np.einsum("scnj,njk->scnk", z - mean, axes) / np.sqrt(variances)
    log_det = np.log(variances).sum(axis=1)
    return -0.5 * ((standardized**2).sum(axis=-1) + log_det + z.shape[-1] * LOG_2PI)
