"""How good is it: the bound and log p(x) on data that training has not seen."""

import math

import numpy as np
from tqdm import tqdm

from vae_np.backend import Stream, array_module, random_generator, to_numpy
from vae_np.bounds import Bound
from vae_np.checks import whole_number
from vae_np.distributions import DiagonalGaussian, binarize


def evaluate_bound(model, images, binary=False, n_draws=1, seed=0, batch_size=500):
    """The mean of SGVB-B over a data set.

    Parameters
    ----------
    model : VAE
    images : (N, D) array, uint8 or float
    binary : bool
        Draw binary images from the grey ones first; the same ones for the same ``seed``.
    n_draws : int
        L, the noise samples per example.
    seed : int
    batch_size : int
        Examples at a time: it bounds the memory and does not change the result's expectation.

    Returns
    -------
    Bound
        Of two floats, nats per example.
    """
    n_draws = whole_number("n_draws", n_draws)
    generator = random_generator([seed, Stream.BOUND_NOISE], model.device)
    sums = np.zeros(2)
    for x in _batches(model, images, binary, seed, batch_size):
        noise = generator.standard_normal((n_draws, len(x), model.n_latent), dtype=model.dtype)
        bound = model.bound(x, noise)
        sums += [float(bound.reconstruction.sum()), float(bound.kl.sum())]
    reconstruction, kl = (sums / len(images)).tolist()
    return Bound(reconstruction, kl)


def importance_sampled_log_likelihood(
    model, images, n_samples, binary=False, seed=0, batch_size=500, progress=False
):
    """log p(x) of each example, by importance sampling through q.

    log p(x) ≈ log 1/K Σ_k w_k with w = p(x|z) p(z) / q(z|x) and z_k ~ q(z|x). Its expectation is
    a lower bound on log p(x) that rises to it with K (1509.00519, theorem 1). For grey pixels and a
    Bernoulli decoder, see `Bernoulli.log_prob` on what is bounded.

    Parameters
    ----------
    model, images, binary, seed
        As for `evaluate_bound`.
    n_samples : int
        K.
    batch_size : int
        How many (example, sample) pairs are decoded at a time: it bounds the memory.
    progress : bool
        Show a progress bar, on a terminal.

    Returns
    -------
    (N,) numpy.ndarray
        Nats.
    """
    n_samples = whole_number("n_samples", n_samples)
    generator = random_generator([seed, Stream.IMPORTANCE_NOISE], model.device)
    estimates = []
    with tqdm(
        total=len(images),
        unit="image",
        desc="log p(x)",
        disable=None if progress else True,
        dynamic_ncols=True,
        leave=False,
    ) as bar:
        for x in _batches(model, images, binary, seed, batch_size):
            q = model.encoder.forward(x)
            # The running log of the sum of weights, one noise sample for all examples at a time.
            log_sum = None
            for _ in range(n_samples):
                noise = generator.standard_normal(q.mean.shape, dtype=model.dtype)
                log_w = _log_weight(model, x, q, noise)
                xp = array_module(log_w)
                log_sum = log_w if log_sum is None else xp.logaddexp(log_sum, log_w)
            estimates.append(to_numpy(log_sum) - math.log(n_samples))
            bar.update(len(x))
    return np.concatenate(estimates)


def _log_weight(model, x, q, noise):
    """log w = log p(x|z) + log p(z) − log q(z|x) at z = q.sample(noise); (N,), nats."""
    z = q.sample(noise)
    zeros = array_module(z).zeros_like(z)
    prior = DiagonalGaussian(zeros, zeros)
    return model.decoder.forward(z).log_prob(x) + prior.log_prob(z) - q.log_prob(z)


def _batches(model, images, binary, seed, batch_size):
    """Yield the images as the model's pixels, some at a time."""
    model.check(images)
    whole_number("batch_size", batch_size)
    generator = random_generator([seed, Stream.BINARIZE_TEST], model.device)
    for start in range(0, len(images), batch_size):
        x = model.as_pixels(images[start : start + batch_size])
        if binary:
            x = binarize(x, generator.random(x.shape, dtype=model.dtype))
        yield x
