"""Why is p(x) = ∫ p(x|z) p(z) dz hard, and what is q(z|x) for?

p(x) is the average of p(x|z) over the prior, but hardly any z explains a given image, and the few
that do carry the whole sum: draws from the prior miss them. The encoder's q(z|x) says where to
look: draw z from q, and weigh each draw by p(z)/q(z|x) for looking there.

Two models of digits are trained, of 2 and of 20 latents. The picture shows how far the estimates
of log p(x) are from the truth as the number of samples grows; the mean over some test images. With
2 latents the truth is an integral over a grid. Both ways come near it; where q misses a part of a
posterior, nearest comes their mixture, half of the samples from each. With 20 latents the best
there is comes from q with many samples; what the prior's samples say is far too low, and their
standard error does not show by how much. It cannot exceed 1 for an image: near 1 it says that one
sample outweighs all others, and nothing of those that are missing.
"""

import math
import sys

import numpy as np

from demos.common import plots
from demos.common.findings import run
from demos.common.models import digit_model, train
from vae_np import datasets
from vae_np.evaluation import (
    grid_log_likelihood,
    importance_sampled_log_likelihood,
    prior_sampled_log_likelihood,
)

IMAGES = 16  # or as many as there are epochs, if these are fewer
Q_SAMPLES = [1, 10, 100, 1000, 10_000]
PRIOR_SAMPLES = {2: Q_SAMPLES, 20: [*Q_SAMPLES, 100_000]}
REFERENCE_SAMPLES = 20_000
NEAR = 1.0  # nats
WAYS = {
    "q": ("z from q(z|x)", "o"),
    "prior": ("z from the prior", "s"),
    "both": ("half from each", "^"),
}


def needed(points, reference):
    """The number of samples from which on the estimate stays near the reference; None if never."""
    samples = None
    for point in reversed(points):
        if abs(point["log_px"] - reference) > NEAR:
            break
        samples = point["samples"]
    return samples


def measure(n_latent, data, images, args):
    """Train a model; estimate log p(x) from the prior and through q, and find the reference."""
    model = digit_model(data, args, n_latent)
    train(model, data.train, args)
    options = {"seed": args.seed, "progress": True}
    estimates = {
        "prior": [
            prior_sampled_log_likelihood(model, images, count, **options)
            for count in PRIOR_SAMPLES[n_latent]
        ],
        "q": [
            importance_sampled_log_likelihood(model, images, count, **options)
            for count in Q_SAMPLES
        ],
        "both": [
            importance_sampled_log_likelihood(model, images, count, prior_share=0.5, **options)
            for count in Q_SAMPLES[1:]
        ],
    }
    if n_latent == 2:
        reference = grid_log_likelihood(model, images)
    else:
        options["seed"] = args.seed + 1  # other samples than the curve's
        reference = importance_sampled_log_likelihood(model, images, REFERENCE_SAMPLES, **options)

    kl = model.encode(images).kl_to_standard_normal()
    summary = {"latents": n_latent, "reference": reference.mean, "kl_to_prior": float(kl.mean())}
    for way, results in estimates.items():
        points = [
            {
                "samples": r.n_samples,
                "log_px": r.mean,
                "standard_error": r.mean_standard_error if r.n_samples > 1 else None,
            }
            for r in results
        ]
        summary[way] = {"points": points, "needed": needed(points, reference.mean)}
    difference = estimates["q"][-1].value - reference.value
    worst = np.abs(difference).argmax()
    summary["q_minus_reference"] = {
        "mean": float(difference.mean()),
        "median_size": float(np.median(np.abs(difference))),
        "worst": float(difference[worst]),
        "standard_error_of_worst": float(estimates["q"][-1].standard_error[worst]),
    }
    return summary


def in_words(way):
    if way["needed"] is None:
        return f"more than {way['points'][-1]['samples']:,}"
    return f"{way['needed']:,}"


def experiment(args):
    data = datasets.load("mnist5k")
    images = data.test[: min(IMAGES, args.epochs)]
    two, twenty = (measure(n_latent, data, images, args) for n_latent in (2, 20))
    draw(two, twenty, args.out / "why_q.png")
    summary = {"images": len(images), "two_latents": two, "twenty_latents": twenty}
    return summary, describe(two, twenty, len(images))


def describe(two, twenty, n_images):
    before_last, last = twenty["prior"]["points"][-2:]
    short = twenty["reference"] - last["log_px"]
    exact = two["q_minus_reference"]
    both = two["both"]["points"][-1]["log_px"] - two["reference"]
    digits = [kl / np.log(10) for kl in (two["kl_to_prior"], twenty["kl_to_prior"])]
    far_below = exact["worst"] < -3 * exact["standard_error_of_worst"]
    missed = ": where q misses a part of the posterior, its samples cannot tell" * bool(far_below)
    return (
        f"Samples needed for {NEAR:g} nat, in the mean over the first {n_images} test images: "
        f"with 2 latents {in_words(two['q'])} through q and {in_words(two['prior'])} from the "
        f"prior, with 20 latents {in_words(twenty['q'])} through q and "
        f"{in_words(twenty['prior'])} from the prior. There, {last['samples']:,} samples from the "
        f"prior are {short:.1f} nats below the reference, with a standard error of "
        f"{last['standard_error']:.2f}, or about "
        f"{last['standard_error'] * math.sqrt(n_images):.1f} for one image, which cannot exceed 1: "
        "near 1 it says that one sample outweighs all others, not how far off they are. The last "
        f"tenfold of them gained {last['log_px'] - before_last['log_px']:.1f}. Sampling the "
        "prior takes about exp(KL(posterior ‖ prior)) samples (1511.01437): going by q's KL of "
        f"{two['kl_to_prior']:.1f} and {twenty['kl_to_prior']:.1f} nats, of the order of "
        f"10^{digits[0]:.0f} with 2 latents and 10^{digits[1]:.0f} with 20, and more for an image "
        f"whose KL is larger. Against the exact grid "
        f"of 2 latents, {Q_SAMPLES[-1]:,} samples through q are off by {exact['median_size']:.3f} "
        f"nats for the median image and by {exact['mean']:+.3f} in the mean, the worst image by "
        f"{exact['worst']:+.2f} with a standard error of {exact['standard_error_of_worst']:.2f}"
        f"{missed}. Half of them from the prior, and the mean is off by {both:+.3f}."
    )


def draw(two, twenty, path):
    figure, panels = plots.panels(11, 5, 2, sharey=True)
    sources = ("by a grid", "through q")
    for axes, summary, source in zip(panels, (two, twenty), sources, strict=True):
        axes.axhspan(
            -NEAR, NEAR, color="0.87", label=f"within {NEAR:g} nat (bars: ± 2 standard errors)"
        )
        axes.axhline(0, color="k", ls=":", label="log p(x)")
        for way, (label, marker) in WAYS.items():
            points = summary[way]["points"]
            plots.curve(
                axes,
                [point["samples"] for point in points],
                [point["log_px"] - summary["reference"] for point in points],
                [2 * (point["standard_error"] or 0) for point in points],
                marker=marker,
                capsize=3,
                label=label,
            )
        axes.set_title(
            f"{summary['latents']} latents; log p(x) = {summary['reference']:.1f}, {source}"
        )
        plots.samples_axis(axes, "samples of z per image")
        axes.set_yscale("symlog", linthresh=NEAR)
        axes.yaxis.set_major_formatter("{x:.0f}")
    panels[0].set_ylabel("estimate − log p(x), nats per image\n(logarithmic outside the band)")
    last = twenty["prior"]["points"][-1]
    error = last["log_px"] - twenty["reference"]
    panels[1].annotate(
        f"{error:+.1f} ± {2 * last['standard_error']:.1f}",
        (last["samples"], error),
        xytext=(0, -20),
        textcoords="offset points",
        ha="right",
    )
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    plots.save(
        figure,
        path,
        f"To come within {NEAR:g} nat of log p(x) with 20 latents takes {in_words(twenty['q'])} "
        f"samples through q, but {in_words(twenty['prior'])} from the prior",
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=20))
