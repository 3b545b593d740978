"""What does one encoder for all images cost? The gap between the ELBO and log p(x), in two parts.

Classical variational inference fits a q of its own to every image; a VAE trains one encoder that
names them all: inference is amortized. So the gap has two parts: the approximation gap stays with
the best diagonal Gaussian that an image can have, because its posterior is none, and the
amortization gap is what the encoder's q falls short of that one.

The two names are those of Cremer, Li and Duvenaud (1801.03558). A model of 20 latents is trained.
Then, for test images and for training images, the encoder's q is refined image by image, by
gradient ascent on the image's own ELBO. The picture shows both gaps of every image; the text says
whether they are larger for images that the encoder has never seen, and what a fit of its own costs
in seconds.
"""

import sys
import time

import numpy as np

from demos.common import plots
from demos.common.findings import run
from demos.common.models import digit_model, standard_error, train
from demos.common.posteriors import draw_log_weights
from vae_np import datasets
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.distributions import log_mean_exp
from vae_np.evaluation import importance_sampled_log_likelihood
from vae_np.inference import per_image

IMAGES = 100  # of each set, or 5 times the epochs, if that is fewer
FIT_STEPS, BOUND_DRAWS, SAMPLES = 200, 1000, 3000


def measure(model, images, args):
    """Both gaps of each image, with their standard errors, and what they are made from."""
    x = model.as_pixels(images)
    generator = random_generator([args.seed, Stream.ELBO_NOISE], args.device)
    started = time.perf_counter()
    q = model.encode(images)
    to_numpy(q.mean)  # on a GPU this waits for the result
    encoded = time.perf_counter()
    own = per_image.fit(model.decoder, x, q, generator, n_steps=FIT_STEPS, progress=True)
    fitted = time.perf_counter()

    encoder_log_w = draw_log_weights(model, x, q, generator, BOUND_DRAWS)
    log_w = draw_log_weights(model, x, own, generator, SAMPLES)
    encoder_elbo, own_elbo = encoder_log_w.mean(axis=0), log_w.mean(axis=0)
    log_px = log_mean_exp(log_w)
    through_encoder = importance_sampled_log_likelihood(
        model, images, SAMPLES, seed=args.seed, progress=True
    )
    gaps = {"approximation": log_px - own_elbo, "amortization": own_elbo - encoder_elbo}
    errors = {  # the two terms of the first gap share their draws
        "approximation": standard_error(np.exp(log_w - log_px) - log_w),
        "amortization": np.hypot(standard_error(log_w), standard_error(encoder_log_w)),
    }
    summary = {
        "encoder_elbo": encoder_elbo.mean(),
        "own_elbo": own_elbo.mean(),
        "log_px": log_px.mean(),
        "log_px_through_encoder": through_encoder.mean,
        "encoder_seconds_per_image": (encoded - started) / len(images),
        "fit_seconds_per_image": (fitted - encoded) / len(images),
    }
    for name, gap in gaps.items():
        summary[name] = {
            "mean": gap.mean(),
            "standard_error": float(np.sqrt((errors[name] ** 2).sum()) / len(images)),
            "standard_error_between_images": standard_error(gap),
            "of_each_image": gap.tolist(),
        }
    return summary


def experiment(args):
    data = datasets.load("mnist5k")
    model = digit_model(data, args, n_latent=20)
    train(model, data.train, args)
    count = min(IMAGES, 5 * args.epochs)
    test, training = (measure(model, part[:count], args) for part in (data.test, data.train))
    draw(test, training, args.out / "amortization.png")
    return {"test": test, "training": training}, describe(test, training, count)


def describe(test, training, count):
    unseen, seen = test["amortization"], training["amortization"]
    growth = unseen["mean"] - seen["mean"]
    error = np.hypot(unseen["standard_error_between_images"], seen["standard_error_between_images"])
    if growth > 2 * error:
        verdict = "the encoder serves unseen images worse"
    else:
        verdict = "that the encoder serves unseen images worse is not to be seen"
    times = test["fit_seconds_per_image"], test["encoder_seconds_per_image"]
    return (
        f"For {count} test images the mean ELBO is {test['encoder_elbo']:.2f} nats with the "
        f"encoder's q and {test['own_elbo']:.2f} with a q of their own, and log p(x) is "
        f"{test['log_px']:.2f}: {in_words('amortization', test)}, "
        f"{in_words('approximation', test)}. For {count} training images: "
        f"{in_words('amortization', training)}, {in_words('approximation', training)}. From "
        f"training to test images the amortization gap changes by {growth:+.2f} ± {error:.2f} nats "
        f"(as images differ): {verdict}. The encoder takes {1e6 * times[1]:.0f} µs per image, the "
        f"fit {1e3 * times[0]:.0f} ms, {times[0] / times[1]:,.0f} times as long. Where a fit ended "
        "in a local optimum, the amortization gap is larger than shown and the other smaller. "
        f"log p(x) is from {SAMPLES:,} samples through each image's own q; as many through the "
        f"encoder's give {test['log_px_through_encoder']:.2f} for the test images. The "
        "expectations of both are below the truth."
    )


def in_words(name, summary):
    gap = summary[name]
    return f"{name} gap {gap['mean']:.2f} ± {gap['standard_error']:.2f} nats"


def draw(test, training, path):
    figure, panels = plots.panels(11, 4.8, 2, sharey=True)
    for axes, name, summary in zip(panels, ("test", "training"), (test, training), strict=True):
        lower, upper = (
            np.array(summary[gap]["of_each_image"]) for gap in ("approximation", "amortization")
        )
        order, ranks = np.argsort(lower + upper), np.arange(1, len(lower) + 1)
        axes.bar(ranks, lower[order], width=1, label=in_words("approximation", summary))
        axes.bar(
            ranks,
            upper[order],
            width=1,
            bottom=lower[order],
            label=in_words("amortization", summary),
        )
        axes.set(
            title=f"{len(ranks)} {name} images",
            xlabel="image, sorted by log p(x) − ELBO",
            xlim=(0.5, len(ranks) + 0.5),
        )
        axes.grid(visible=False, axis="x")
        axes.legend(loc="upper left", reverse=True)
    panels[0].set_ylabel("log p(x) − ELBO of the encoder's q, nats")
    plots.save(
        figure,
        path,
        f"One encoder for all images costs {test['amortization']['mean']:.2f} nats per test image "
        f"and {training['amortization']['mean']:.2f} per training image,\na diagonal Gaussian as q "
        f"{test['approximation']['mean']:.2f} and {training['approximation']['mean']:.2f}",
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=40))
