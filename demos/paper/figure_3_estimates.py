"""log p(x) of the models of figure 3: by appendix D, and by importance sampling to compare."""

import math

import numpy as np

from vae_np.backend import Stream, array_module, random_generator, to_numpy
from vae_np.distributions import log_mean_exp, standard_normal_log_prob
from vae_np.evaluation import importance_sampled_log_likelihood
from vae_np.inference.appendix_d import appendix_d
from vae_np.inference.grid import grid_log_joint
from vae_np.layers import softplus

CHAINS, DRAWS, STARTS = 5, 20, 1000
IMPORTANCE_SAMPLES = 5000
PRIOR_DRAWS = 2_000_000  # at most; after a short run two for each training sample


def log_likelihood(model, images, seed):
    """log p(x) of each image and its standard error, by appendix D.

    The chains start at draws of the prior, chosen by their p(x|z), which needs no encoder.
    """
    x, xp = model.as_pixels(images), array_module(model.decoder.parameters.value)
    generator = random_generator([seed, Stream.CHAIN_STARTS], model.device)
    points = generator.standard_normal((STARTS, model.n_latent), dtype=model.dtype)
    log_px_given_z = grid_log_joint(model, x, points) - standard_normal_log_prob(points)[:, None]
    # The argmax of log weights plus Gumbel noise is a draw in proportion to the weights.
    uniform = generator.random((CHAINS, *log_px_given_z.shape))
    gumbel = -xp.log(-xp.log(1 - uniform))
    initial = points[(log_px_given_z + gumbel).argmax(axis=1)]
    return appendix_d(model.decoder, x, initial, DRAWS, generator)


def prior_sampled(model, images, n_samples, seed):
    """The images' mean of log (1/K Σ p(x|z_k)) by K draws of the prior, and its standard error.

    As log p(x|z) = a·x − Σ log(1 + exp(a)) for logits a, all pairs of a draw and an image are one
    matrix product, so that K can be in the millions. All images share the draws: only the spread
    between rounds of draws says what the error of the mean is.
    """
    x = model.as_pixels(images)
    generator = random_generator([seed, Stream.IMPORTANCE_NOISE], model.device)
    rounds = []
    for _ in range(max(2, n_samples // STARTS)):
        z = generator.standard_normal((STARTS, model.n_latent), dtype=model.dtype)
        logits = model.decoder.forward(z).logits
        log_px_given_z = logits @ x.T - softplus(logits).sum(axis=1)[:, None]
        rounds.append(to_numpy(log_mean_exp(log_px_given_z.astype(np.float64))))
    value = log_mean_exp(np.stack(rounds))
    by_round = np.exp(rounds - value).mean(axis=1)  # p over its estimate, so that 1 is no error
    return float(value.mean()), float(by_round.std(ddof=1) / math.sqrt(len(rounds)))


def evenly(images, count):
    return images[:: len(images) // count][:count]


def summarize(value, error, n_train):
    """The means over the training and the test images, each with two kinds of standard error.

    "error" is that of the estimates for these very images, "between_images" that of their choice.
    """
    summary = {}
    for part, rows in (("train", slice(n_train)), ("test", slice(n_train, None))):
        summary[part] = float(value[rows].mean())
        summary[f"{part}_error"] = float(np.sqrt((error[rows] ** 2).sum()) / len(value[rows]))
        summary[f"{part}_between_images"] = float(value[rows].std() / math.sqrt(len(value[rows])))
    return summary


def importance_sampled(model, parts, n_samples, seed):
    """log p(x) of the same images by draws of the prior, and by q(z|x) and the prior together."""
    n_prior = min(PRIOR_DRAWS, 2 * n_samples)
    results = {"from_prior": {}, "half_from_q": {}}
    for part, images in parts.items():
        value, error = prior_sampled(model, images, n_prior, seed)
        results["from_prior"] |= {part: value, f"{part}_error": error}
        half_from_q = importance_sampled_log_likelihood(
            model, images, IMPORTANCE_SAMPLES, prior_share=0.5, seed=seed
        )
        error = half_from_q.mean_standard_error
        results["half_from_q"] |= {part: half_from_q.mean, f"{part}_error": error}
    return results
