"""The models that the experiments train, and how they train and repeat them."""

import math

import numpy as np
from tqdm import tqdm

from vae_np import VAE, Adam, BernoulliDecoder, GaussianEncoder, Trainer
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.distributions import DiagonalGaussian

ACTIVE_VARIANCE = 0.01


def make_networks(args, pixels, hidden, n_latent, decoder=BernoulliDecoder, **options):
    """An encoder of the ``hidden`` widths and a decoder of the same ones, from its end.

    Parameters
    ----------
    args : argparse.Namespace
        Its ``seed`` sets the initial weights, its ``device`` is theirs.
    pixels : int
    hidden : sequence of int
    n_latent : int
    decoder : callable
        The decoder's class, or what calls it with the class's own options.
    **options
        Of both networks: ``activation`` and ``init``.
    """
    options["device"] = args.device
    encoder = GaussianEncoder(pixels, hidden, n_latent, seed=[args.seed, Stream.ENCODER], **options)
    return encoder, decoder(
        n_latent, hidden[::-1], pixels, seed=[args.seed, Stream.DECODER], **options
    )


def digit_networks(data, args, n_latent, hidden=200, decoder=BernoulliDecoder):
    """An encoder and a decoder for digits, of one hidden layer, that start at the mean image."""
    networks = make_networks(args, data.train.shape[1], [hidden], n_latent, decoder)
    networks[1].start_at(data.mean_image)
    return networks


def digit_model(data, args, n_latent, hidden=200):
    """A `VAE` of `digit_networks`."""
    return VAE(*digit_networks(data, args, n_latent, hidden))


def train(
    model, images, args, epochs=None, learning_rate=1e-3, evaluate=None, after_epoch=None, **options
):
    """Train by Adam, whose step falls to 0 over the second half; return the `Trainer`.

    ``options`` are the Trainer's own: ``objective``, ``n_draws`` and so on. KeyboardInterrupt if
    Ctrl-C stopped it.
    """
    epochs = epochs or args.epochs
    schedule = [
        (epoch, learning_rate * min(1, 2 * (1 - epoch / (epochs + 1)))) for epoch in range(epochs)
    ]
    optimizer = Adam(model.parameters)
    trainer = Trainer(model, optimizer, images, schedule=schedule, seed=args.seed, **options)
    if not trainer.fit(epochs, evaluate, after_epoch):
        raise KeyboardInterrupt
    return trainer


def reconstructed_and_drawn(model, images, args):
    """Means of p(x|z): at the q of each image, and at as many draws from the prior; (N, D) each.

    The draws of z are the same for all models of as many latents.
    """
    generator = random_generator([args.seed, Stream.PICTURES], args.device)
    reconstructed = model.reconstruct_mean(images)
    return to_numpy(reconstructed), to_numpy(model.sample_mean(len(images), generator))


def active_latents(model, images):
    """Which latents say something about an image; (Z,) bool.

    Those whose posterior mean varies over the images, with a variance above 0.01 (1509.00519,
    section 5.2).
    """
    return to_numpy(model.encode(images).mean).var(axis=0) > ACTIVE_VARIANCE


def kl_of_each_latent(model, images):
    """The KL that each latent carries, averaged over the images; (Z,), nats."""
    q = model.encode(images)
    # A last axis of width 1 makes the KL one number per latent.
    alone = DiagonalGaussian(q.mean[..., None], q.log_var[..., None])
    return to_numpy(alone.kl_to_standard_normal()).mean(axis=0)


def over_draws(value, q, generator, n_draws, at_once):
    """``value(z)`` for many draws z ~ q, so many at once, for the memory; (n_draws, N) float64."""
    parts = []
    for _ in range(n_draws // at_once):
        noise = generator.standard_normal((at_once, *q.mean.shape), dtype=q.mean.dtype)
        parts.append(to_numpy(value(q.sample(noise))))
    return np.concatenate(parts).astype(np.float64)


def standard_error(draws):
    """Of the mean over the first axis."""
    return draws.std(axis=0) / math.sqrt(len(draws))


def repeat(objective, x, n_draws, n_repeats, seed, learned="encoder"):
    """The objective's value and its gradient again and again; the same noise for the same seed.

    ``learned`` names those of the objective's vectors whose gradient it is.

    Returns
    -------
    reconstructions, kls : (n_repeats, N) numpy.ndarray
        Of each example; nats.
    gradients : (n_repeats, P) numpy.ndarray
        Of minus the examples' mean value.
    """
    generator = random_generator(seed, objective.model.device)
    reconstructions, kls, gradients = [], [], []
    for _ in tqdm(range(n_repeats), f"L = {n_draws}", leave=False, disable=None, unit="repeat"):
        noise = objective.draw_noise(generator, n_draws, len(x))
        estimate = objective.value_and_gradient(x, noise)
        reconstructions.append(to_numpy(estimate.reconstruction))
        kls.append(to_numpy(estimate.kl))
        gradients.append(to_numpy(objective.vectors[learned].grad).copy())
    return np.stack(reconstructions), np.stack(kls), np.stack(gradients)


def total_variance(repeats):
    """The variance over the repeats, the first axis, summed over all components."""
    return float(repeats.var(axis=0, ddof=1).sum())


def z_score(differences):
    """The mean difference over its standard error: about N(0, 1) if the true mean is 0."""
    standard_error = differences.std(ddof=1) / math.sqrt(len(differences))
    return float(differences.mean() / standard_error)
