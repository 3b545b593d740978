"""Why is the KL term a regulariser, and what is the tug of war?

The bound on log p(x) (eq. 7 of the paper) has two terms that pull against each other:

    reconstruction   E[log p(x|z)]      wants each image's code to be sharp and far from the others
    − KL             KL(q(z|x) ‖ p(z))  wants each image's code to be the prior, and say nothing

Here one model learns the digits with five weights on the KL: 0 (the reconstruction alone), 0.01,
0.1, 1 (the bound itself) and 4 (a β-VAE). Only the loss has the weight: the bounds printed are
reconstruction − KL for all, on the test set, and say what each is worth as a model of the digits.

Watch the posterior variance. The prior's is 1; near 0, q(z|x) is a point, and the model a plain
autoencoder. Count the active latents (Burda et al., 1509.00519): those whose posterior mean varies
over the data, with a variance above 0.01. The others say nothing about x. And look at the draws
from the prior: they are digits only where the codes of the data fill the prior. The prettiest
draws and the best bound need not be one model's.
"""

import sys

import numpy as np
from matplotlib.figure import Figure

from demos.common.command_line import say
from demos.common.findings import run
from demos.common.models import digit_model, train
from vae_np import datasets
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.evaluation import evaluate_bound
from vae_np.figures import strip

WEIGHTS = (0, 0.01, 0.1, 1, 4)
LATENT = 20
ACTIVE = 0.01
SHAPE = (28, 28)
IMAGES = 7  # reconstructions, and draws from the prior, in each row of the picture


def posterior_variance(model, images):
    """The variance of q(z|x), averaged over the images, of each latent; (Z,)."""
    return to_numpy(model.encode(images).std ** 2).mean(axis=0)


def train_one(data, args, weight):
    """A model trained with this weight, and its mean posterior variance after each epoch."""
    model = digit_model(data, args, LATENT, kl_weight=weight)
    variances = [float(posterior_variance(model, data.test).mean())]

    def after_epoch(row):
        variances.append(float(posterior_variance(model, data.test).mean()))

    say(f"KL weight {weight:g}")
    train(model, data.train, args, learning_rate=2e-3, after_epoch=after_epoch)
    return model, variances


def measure(model, images, seed):
    bound = evaluate_bound(model, images, seed=seed)
    mean_variance = to_numpy(model.encode(images).mean).var(axis=0)
    return {
        "bound": bound.value,
        "reconstruction": bound.reconstruction,
        "kl": bound.kl,
        "active_latents": int((mean_variance > ACTIVE).sum()),
        "posterior_variance": np.sort(posterior_variance(model, images)).tolist(),
        "variance_of_posterior_mean": np.sort(mean_variance).tolist(),
    }


def experiment(args):
    data = datasets.load("mnist5k")
    results, pictures = [], []
    for weight in WEIGHTS:
        model, variances = train_one(data, args, weight)
        measured = measure(model, data.test, args.seed)
        results.append({"kl_weight": weight, **measured, "variance_course": variances})
        generator = random_generator(
            [args.seed, Stream.PICTURES], args.device
        )  # the same z for each
        pictures.append(
            (
                to_numpy(model.reconstruct_mean(data.test[:IMAGES])),
                to_numpy(model.sample_mean(IMAGES, generator)),
            )
        )
    draw(results, pictures, data.test[:IMAGES] / 255, args.out / "tug_of_war.png")
    return {"weights": results}, describe(results)


def describe(results):
    none, bound, strong = results[0], results[WEIGHTS.index(1)], results[-1]
    best = max(results, key=lambda result: result["bound"])
    halfway = none["variance_course"][len(none["variance_course"]) // 2]
    spread = np.mean(none["variance_of_posterior_mean"])
    return (
        "In nats per example on the test set. Weight 0: the posterior variance is "
        f"{mean_variance(none):.1g} (halfway through training it was {halfway:.1g}), while the "
        f"posterior means spread with a variance of {spread:.1f}; the prior's is 1. "
        f"The reconstruction is {none['reconstruction']:.1f}, at a KL of {none['kl']:.1f}: "
        f"a bound of {none['bound']:.1f}. Weight 1: reconstruction {bound['reconstruction']:.1f}, "
        f"KL {bound['kl']:.1f}, bound {bound['bound']:.1f}, posterior variance "
        f"{mean_variance(bound):.2f}. Weight 4: KL {strong['kl']:.1f}, paid for with a "
        f"reconstruction of {strong['reconstruction']:.1f}; posterior variance "
        f"{mean_variance(strong):.2f}; {strong['active_latents']} of {LATENT} latents are "
        f"active, {bound['active_latents']} at weight 1. The best bound, {best['bound']:.1f}, is "
        f"that of weight {best['kl_weight']:g}."
    )


def mean_variance(result):
    return np.mean(result["posterior_variance"])


def draw(results, pictures, test_images, path):
    figure = Figure(figsize=(12, 9.5), layout="constrained")
    table, below = figure.subfigures(2, 1, height_ratios=[len(results) + 1, 3.2])
    rows = table.subplots(len(results) + 1, 3, width_ratios=[2, 4, 4])
    strip(rows[0, 1], test_images, SHAPE, "Test images, and their reconstructions below")
    rows[0, 0].set_axis_off()
    rows[0, 2].set_axis_off()
    for (label, left, right), result, (reconstructions, samples) in zip(
        rows[1:], results, pictures, strict=True
    ):
        first = result is results[0]
        label.set_axis_off()
        label.text(0, 1, f"KL weight {result['kl_weight']:g}", weight="bold", va="top")
        label.text(
            0,
            0.72,
            f"bound {result['bound']:.1f} nats\nposterior variance {mean_variance(result):.2g}\n"
            f"{result['active_latents']} of {LATENT} latents active",
            va="top",
            fontsize=9,
        )
        strip(left, reconstructions, SHAPE)
        strip(right, samples, SHAPE, "Draws from the prior, the same z for all" if first else "")

    terms, latents, course = below.subplots(1, 3)
    names = [f"{result['kl_weight']:g}" for result in results]
    for key, style in (("reconstruction", "--"), ("KL", ":"), ("bound", "-")):
        terms.plot(names, [result[key.lower()] for result in results], "ko" + style, label=key)
    terms.set(title="Bound = reconstruction − KL", ylabel="nats per example")
    terms.legend(fontsize=8)
    for i, result in enumerate(results):
        variance = result["posterior_variance"]
        latents.plot([names[i]] * LATENT, variance, "o", color=f"C{i}", alpha=0.4)
        values = result["variance_course"]
        course.plot(values, color=f"C{i}")
        course.text(len(values), values[-1], names[i], color=f"C{i}", va="center")
    latents.axhline(1, color="k", ls=":", label="the prior")
    latents.set(title="Posterior variance of each latent", yscale="log", ylabel="variance")
    latents.legend(fontsize=8)
    course.set(title="Their mean, for each KL weight", yscale="log", xlabel="epoch")
    course.set_xlim(0, 1.18 * len(values))
    for axes in (terms, latents):
        axes.set_xlabel("KL weight")
    for axes in (terms, latents, course):
        axes.grid(alpha=0.3)
    none, bound, strong = results[0], results[WEIGHTS.index(1)], results[-1]
    best = max(results, key=lambda result: result["bound"])
    figure.suptitle(
        f"Posterior variance: {mean_variance(none):.1g} at KL weight 0, "
        f"{mean_variance(bound):.2f} at 1, {mean_variance(strong):.2f} at 4, where "
        f"{strong['active_latents']} of {LATENT} latents are active.\n"
        f"The best bound, {best['bound']:.1f} nats, is that of weight {best['kl_weight']:g}"
    )
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=40))
