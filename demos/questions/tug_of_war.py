"""Why is the KL term a regulariser, and what is the tug of war?

The ELBO's two terms pull against each other. The reconstruction, E[log p(x|z)], wants each image's
code to be sharp and far from the others; the KL(q(z|x) ‖ p(z)), which is subtracted, wants each
code to be the prior, and to say nothing. Without it the model is a plain autoencoder, and what it
makes of the prior's draws is no digit.

Here one model learns the digits with five weights on the KL (eq. 7 of the paper): 0 (the
reconstruction alone), 0.01, 0.1, 1 (the ELBO itself) and 4 (a β-VAE). Only the loss has the weight:
the ELBOs printed are reconstruction − KL for all, on the test set, and say what each is worth as a
model of the digits.

Watch the posterior variance. The prior's is 1; near 0, q(z|x) is a point, and the model a plain
autoencoder. Count the active latents (Burda et al., 1509.00519): those whose posterior mean varies
over the data, with a variance above 0.01. The others say nothing about x. And look at the draws
from the prior: they are digits only where the codes of the data fill the prior. The prettiest
draws and the best ELBO need not be one model's.
"""

import sys

import numpy as np

from demos.common import plots
from demos.common.command_line import say
from demos.common.findings import run
from demos.common.models import active_latents, digit_model, reconstructed_and_drawn, train
from vae_np import datasets
from vae_np.backend import to_numpy
from vae_np.evaluation import evaluate_elbo
from vae_np.objectives import ELBO

WEIGHTS = (0, 0.01, 0.1, 1, 4)
LATENT = 20
IMAGES = 7  # reconstructions, and draws from the prior, in each row of the picture


def posterior_variance(model, images):
    """The variance of q(z|x), averaged over the images, of each latent; (Z,)."""
    return to_numpy(model.encode(images).std ** 2).mean(axis=0)


def train_one(data, args, weight):
    """A model trained with this weight, and its mean posterior variance after each epoch."""
    model = digit_model(data, args, LATENT)
    variances = [float(posterior_variance(model, data.test).mean())]

    def after_epoch(row):
        variances.append(float(posterior_variance(model, data.test).mean()))

    say(f"KL weight {weight:g}")
    train(
        model,
        data.train,
        args,
        objective=ELBO(model, weight),
        learning_rate=2e-3,
        after_epoch=after_epoch,
    )
    return model, variances


def measure(model, images, seed):
    estimate = evaluate_elbo(model, images, seed=seed)
    mean_variance = to_numpy(model.encode(images).mean).var(axis=0)
    return {
        "elbo": estimate.value,
        "reconstruction": estimate.reconstruction,
        "kl": estimate.kl,
        "active_latents": int(active_latents(model, images).sum()),
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
        text = (
            f"ELBO {measured['elbo']:.1f} nats\n"
            f"posterior variance {mean_variance(measured):.2g}\n"
            f"{measured['active_latents']} of {LATENT} latents active"
        )
        strips = reconstructed_and_drawn(model, data.test[:IMAGES], args)
        pictures.append((f"KL weight {weight:g}", text, *strips))
    draw(results, pictures, data, args.out / "tug_of_war.png")
    return {"weights": results}, describe(results)


def describe(results):
    none, elbo, strong, best = to_compare(results)
    halfway = none["variance_course"][(len(none["variance_course"]) - 1) // 2]
    spread = np.mean(none["variance_of_posterior_mean"])
    return (
        "In nats per example on the test set. Weight 0: the posterior variance is "
        f"{mean_variance(none):.1g} (halfway through training it was {halfway:.1g}), while the "
        f"posterior means spread with a variance of {spread:.1f}; the prior's is 1. "
        f"The reconstruction is {none['reconstruction']:.1f}, at a KL of {none['kl']:.1f}: "
        f"an ELBO of {none['elbo']:.1f}. Weight 1: reconstruction {elbo['reconstruction']:.1f}, "
        f"KL {elbo['kl']:.1f}, ELBO {elbo['elbo']:.1f}, posterior variance "
        f"{mean_variance(elbo):.2f}. Weight 4: KL {strong['kl']:.1f}, paid for with a "
        f"reconstruction of {strong['reconstruction']:.1f}; posterior variance "
        f"{mean_variance(strong):.2f}; {strong['active_latents']} of {LATENT} latents are "
        f"active, {elbo['active_latents']} at weight 1. The best ELBO, {best['elbo']:.1f}, is "
        f"that of weight {best['kl_weight']:g}."
    )


def to_compare(results):
    """The results of weight 0, of 1, of the largest weight, and of the best ELBO."""
    best = max(results, key=lambda result: result["elbo"])
    return results[0], results[WEIGHTS.index(1)], results[-1], best


def mean_variance(result):
    return np.mean(result["posterior_variance"])


def draw(results, pictures, data, path):
    draws = "Draws from the prior, the same z for all"
    figure, below = plots.strips_over_panels(9.5, data, pictures, draws, columns=3)
    terms, latents, course = below
    names = [f"{result['kl_weight']:g}" for result in results]
    for key, name, style in (
        ("reconstruction", "reconstruction", "--"),
        ("kl", "KL", ":"),
        ("elbo", "ELBO", "-"),
    ):
        terms.plot(names, [result[key] for result in results], "ko" + style, label=name)
    terms.set(title="ELBO = reconstruction − KL", ylabel="nats per example")
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
    none, elbo, strong, best = to_compare(results)
    plots.save(
        figure,
        path,
        f"Posterior variance: {mean_variance(none):.1g} at KL weight 0, "
        f"{mean_variance(elbo):.2f} at 1, {mean_variance(strong):.2f} at 4, where "
        f"{strong['active_latents']} of {LATENT} latents are active.\n"
        f"The best ELBO, {best['elbo']:.1f} nats, is that of weight {best['kl_weight']:g}",
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=40))
