"""How good is it: the ELBO and log p(x) on data that training has not seen.

Four ways to log p(x) = log ∫ p(x|z) p(z) dz, each with its standard error: draws of z from the
prior; importance sampling through q; a sum over a grid of one or two latents; and the estimator of
the paper's appendix D, from draws of the posterior.
"""

import numbers
from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.checks import model_of, true_or_false, whole_number
from vae_np.distributions import binarize
from vae_np.inference.appendix_d import appendix_d
from vae_np.inference.grid import grid_log_joint, latent_grid, log_integral
from vae_np.inference.importance_sampling import importance_sample
from vae_np.networks import BernoulliDecoder
from vae_np.objectives.elbo import ELBO
from vae_np.progress import progress_bar
from vae_np.vae import Bound

PAIRS = {"cpu": 500, "gpu": 50_000}  # decoded at a time: 160 MB for each array of 784 pixels


@dataclass(frozen=True, eq=False)
class LogLikelihood:
    """Estimates of log p(x), one per image.

    Attributes
    ----------
    value : (N,) numpy.ndarray
        Nats.
    standard_error : (N,) numpy.ndarray
        Of each value; each function says how it is made. By importance sampling it is at most 1
        (of one sample infinite), and near 1 the value is a guess from below: see
        `distributions.log_mean_standard_error`. It says nothing of a region that no sample has met.
    n_samples : int
        How many samples, or grid points, each value is made from.
    """

    value: np.ndarray
    standard_error: np.ndarray
    n_samples: int

    @property
    def mean(self):
        """The mean over the images; nats per example."""
        return float(self.value.mean())

    @property
    def mean_standard_error(self):
        """Of `mean`, for these very images, where their errors are independent: not on a grid."""
        return float(np.sqrt((self.standard_error**2).sum()) / len(self.value))


def evaluate_elbo(model, images, binary=False, n_draws=1, seed=0, batch_size=None, objective=None):
    """The mean over a data set of the ELBO, or of another objective's value.

    Parameters
    ----------
    model : VAE
    images : (N, D) array, uint8 or float
    binary : bool
        Draw binary images from the grey ones first; the same ones for the same ``seed`` and dtype.
    n_draws : int
        L, the noise samples per example. The importance-weighted bound rises with it: compare at
        the same L, such as the Trainer's.
    seed : int
    batch_size : int, optional
        How many (image, draw) pairs to decode at a time, of one image at least: it bounds the
        memory (default: 500 on a CPU, 50,000 on a GPU).
    objective : optional
        Made from this model, see `vae_np.objectives`; the default is its `ELBO`.

    Returns
    -------
    Bound
        Of two floats, nats per example; not finite if the model's weights are not.

    Raises
    ------
    ValueError
        If an argument is out of range, or the model cannot take the images.
    """
    model_of(model).check(images)
    objective = ELBO(model) if objective is None else objective
    if getattr(objective, "model", None) is not model:
        raise ValueError("objective must be an object made from this model, as ELBO(model) is")
    n_draws, batch_size = whole_number("n_draws", n_draws), _pairs(model, batch_size)
    generator = _generator(model, seed, Stream.ELBO_NOISE)
    sums = np.zeros(2)
    for x in _batches(model, images, binary, seed, max(1, batch_size // n_draws)):
        estimate = objective.value(x, objective.draw_noise(generator, n_draws, len(x)))
        sums += [float(estimate.reconstruction.sum()), float(estimate.kl.sum())]
    reconstruction, kl = (sums / len(images)).tolist()
    return Bound(reconstruction, kl)


def importance_sampled_log_likelihood(
    model, images, n_samples, prior_share=0.0, binary=False, seed=0, batch_size=None, progress=False
):
    """log p(x) of each image, by importance sampling through q.

    log p(x) ≈ log (1/K Σ_k w_k) with w = p(x|z) p(z) / q(z|x) and z_k ~ q(z|x). Its expectation is
    a lower bound on log p(x) that rises to it with K (1509.00519, theorem 1). For grey pixels and a
    Bernoulli decoder, see `Bernoulli.log_prob` on what is bounded.

    Parameters
    ----------
    model, images, binary, seed
        As for `evaluate_elbo`.
    n_samples : int
        K.
    prior_share : float
        The share of the samples that come from the prior instead of q; the mixture of the two then
        stands for q in w. With few latents, that finds what q misses of the posterior.
    batch_size : int, optional
        How many (image, sample) pairs to decode at a time (default: as for `evaluate_elbo`).
    progress : bool or callable
        Show a progress bar, on a terminal; or call this with the number of samples just done.

    Returns
    -------
    LogLikelihood
        Its ``standard_error`` is from the weights' spread, by the delta method.

    Raises
    ------
    ValueError
        If an argument is out of range, or a log p(x) is not finite.
    """
    model_of(model).check(images)
    n_samples = whole_number("n_samples", n_samples)
    if not (isinstance(prior_share, numbers.Real) and 0 <= prior_share <= 1):
        raise ValueError(f"prior_share must lie in [0, 1], got {prior_share!r}")
    n_from_prior = round(prior_share * n_samples)
    if 0 < prior_share < 1 and n_from_prior in (0, n_samples):
        raise ValueError(f"prior_share {prior_share:g} of {n_samples} samples is none or all")
    generator = _generator(model, seed, Stream.IMPORTANCE_NOISE)
    batches, batch_size = [], _pairs(model, batch_size)
    with (
        _bar(progress, total=len(images) * n_samples, unit="sample") as bar,
        np.errstate(invalid="ignore"),  # a NaN stays one: said at the end
    ):
        for x in _batches(model, images, binary, seed, batch_size):
            at_a_time = max(1, batch_size // len(x))
            estimate = importance_sample(
                model, x, n_samples, n_from_prior, generator, at_a_time, bar.update
            )
            batches.append(estimate)
    return _log_likelihood(batches, n_samples)


def prior_sampled_log_likelihood(model, images, n_samples, **options):
    """log p(x) of each image by draws from the prior: log (1/K Σ p(x|z_k)) with z_k ~ p(z).

    Arguments and returns as for `importance_sampled_log_likelihood`. Unbiased for p(x), and yet of
    little use in more than a few dimensions: hardly a draw explains a given image.
    """
    return importance_sampled_log_likelihood(model, images, n_samples, prior_share=1, **options)


def grid_log_likelihood(
    model, images, binary=False, seed=0, spacing=0.05, limit=6.0, batch_size=50
):
    """log p(x) of each image, integrated over a grid of one or two latents.

    Parameters
    ----------
    model, images, binary, seed
        As for `evaluate_elbo`.
    spacing, limit : float
        The grid's step, and how far at least it reaches from 0 in each direction.
    batch_size : int
        How many images are evaluated at a time.

    Returns
    -------
    LogLikelihood
        Its ``standard_error`` is an estimate of the error, the sum of two: the difference to the
        same sum over every second point of each axis, which for smooth activations is far above
        the finer sum's error once it is small, and for ReLU about as large; and roughly what lies
        past the edge. Rounding, some 1e-6 nats in float32, is not in it. Infinite where p(z|x) is
        narrower than the step or highest at the edge.

    Raises
    ------
    ValueError
        If the model has more than two latents, or an argument is out of range.
    """
    model_of(model).check(images)
    points, every_second = latent_grid(model.n_latent, spacing, limit)
    batches = []
    for x in _batches(model, images, binary, seed, batch_size):
        joint = to_numpy(grid_log_joint(model, x, points)).astype(np.float64)
        batches.append(log_integral(joint, points, every_second, spacing))
    return _log_likelihood(batches, len(points))


def reciprocal_log_likelihood(
    model, images, n_samples, binary=False, seed=0, n_chains=10, batch_size=100, progress=False
):
    """log p(x) of each image by the paper's appendix D, from draws of the posterior.

    See `vae_np.inference.appendix_d`. For fewer than about 5 latents, says the paper. With exact
    draws, independent of those that fit r, it is unbiased for 1/p(x), so that its expectation lies
    at or above log p(x), not below; HMC comes near that.

    Parameters
    ----------
    model, images, binary, seed
        As for `evaluate_elbo`.
    n_samples : int
        L, the draws that are averaged; as many, drawn before them, fit r. At least 10 a latent.
    n_chains : int
        HMC chains per image; they start at draws from q.
    batch_size : int
        How many images are sampled at a time.
    progress : bool or callable
        As for `importance_sampled_log_likelihood`; it is images that are counted.

    Returns
    -------
    LogLikelihood
        Its ``standard_error`` is from the spread between the chains, which are independent.

    Raises
    ------
    ValueError
        If an argument is out of range, an image's chains never move, or a log p(x) is not finite.
    """
    model_of(model).check(images)
    n_samples, n_chains = whole_number("n_samples", n_samples), whole_number("n_chains", n_chains)
    if n_samples < 10 * model.n_latent:
        raise ValueError(
            f"n_samples must be at least 10 a latent, {10 * model.n_latent}, got {n_samples}"
        )
    generator = _generator(model, seed, Stream.POSTERIOR)
    n_draws = -(-n_samples // n_chains)
    batches, done = [], 0
    with _bar(progress, total=len(images), unit="image") as bar:
        for x in _batches(model, images, binary, seed, batch_size):
            q = model.encoder.forward(x)
            noise = generator.standard_normal((n_chains, *q.mean.shape), dtype=x.dtype)
            batches.append(appendix_d(model.decoder, x, q.sample(noise), n_draws, generator, done))
            done += len(x)
            bar.update(len(x))
    return _log_likelihood(batches, n_draws * n_chains)


def _log_likelihood(batches, n_samples):
    """The pairs (value, standard error) of some images each, joined; ValueError if not finite."""
    value, standard_error = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    bad = np.flatnonzero(~np.isfinite(value))
    if bad.size:
        raise ValueError(f"log p(x) of image {bad[0]} is {value[bad[0]]}: are the weights finite?")
    return LogLikelihood(value, standard_error, n_samples)


def _bar(progress, **options):
    if callable(progress):
        return nullcontext(SimpleNamespace(update=progress))
    return progress_bar(progress, desc="log p(x)", leave=False, unit_scale=True, **options)


def _pairs(model, batch_size):
    return whole_number("batch_size", PAIRS[model.device] if batch_size is None else batch_size)


def _generator(model, seed, stream):
    return random_generator([whole_number("seed", seed, minimum=0), stream], model.device)


def _batches(model, images, binary, seed, batch_size):
    """Yield the images as the model's pixels, some at a time."""
    whole_number("batch_size", batch_size)
    if true_or_false("binary", binary) and not isinstance(model.decoder, BernoulliDecoder):
        raise ValueError("binary makes binary images, which need a Bernoulli decoder")
    generator = _generator(model, seed, Stream.BINARIZE_TEST)
    for start in range(0, len(images), batch_size):
        x = model.as_pixels(images[start : start + batch_size])
        if binary:
            x = binarize(x, generator.random(x.shape, dtype=model.dtype))
        yield x
