"""Why do the codes still differ, and why do the prior's draws decode?

Each image has its own q(z|x), a cloud, and the KL pulls each of them to the prior. The
reconstruction keeps the clouds apart; so it is their mixture q̄(z) = 1/N Σ q(z|x_i), all clouds
together, that comes to look like the prior. Where it does, a draw from the prior lands in a cloud,
and decodes.

The KL, averaged over N images, has exactly two parts:

    1/N Σ KL(q(z|x_i) ‖ p(z)) = I(i; z) + KL(q̄(z) ‖ p(z))

The first is the mutual information, what z says about which image it was: at most log N nats. The
second is how far the mixture is from the prior, and is paid for nothing. Models of 2 latents learn
the digits at KL weight 0, 1 and 4, and one of 20 latents at weight 1; see how the KL divides on the
images that they were trained on. (Of 20 latents N clouds tell little: the first part is log N at
most, however good the model, and most new images' codes lie in no cloud either.) In the plane one
can look at the clouds, and at what the decoder makes of the place where they are thinnest beside
the prior (of the prior's draws, those 90 % that are nearest to 0). The 20 latents show what the
prior's first draws decode to.
"""

import sys

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from demos.common import plots
from demos.common.command_line import say
from demos.common.findings import run
from demos.common.models import digit_model, train
from vae_np import datasets, figures
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.distributions import DiagonalGaussian, log_mean_exp, standard_normal_log_prob
from vae_np.evaluation import evaluate_elbo
from vae_np.objectives import ELBO

RUNS = ((2, 0), (2, 1), (2, 4), (20, 1))  # latents, KL weight
CLOUDS, PRIOR_DRAWS, BLOCK = 400, 2000, 50
HOLE = 0.1  # a draw is in a hole where q̄ is below a tenth of the prior
NEAR = 0.9  # of the prior's draws
SHOWN = 8
SIDE = 5.0  # of the plane that is drawn, from 0


def log_mixture(q, z):
    """log q̄(z), the mean of the clouds' densities, for each z of (M, Z); (M,) float64."""
    q = DiagonalGaussian(q.mean[:, None], q.log_var[:, None])
    blocks = (z[start : start + BLOCK] for start in range(0, len(z), BLOCK))
    return np.concatenate([log_mean_exp(q.log_prob(block)) for block in blocks])


def parts_of_the_kl(q, noise):
    """The mean KL and its two parts, in nats: ``information`` by a draw for each image.

    The other part is the difference, so that it errs as the information does.
    """
    z = q.sample(noise)
    log_ratio = q.log_prob(z) - log_mixture(q, z)  # of z ~ q(z|x_i): what z says about i
    kl, information = q.kl_to_standard_normal().mean(), log_ratio.mean()
    return {
        "kl_of_training_images": float(kl),
        "information": float(information),
        "mixture_to_prior": float(kl - information),
        "standard_error": float(log_ratio.std(ddof=1) / np.sqrt(len(z))),
    }


def in_float64(q):
    return DiagonalGaussian(*(to_numpy(a).astype(np.float64) for a in (q.mean, q.log_var)))


def train_one(data, n_latent, weight, args):
    """The model's measures, and what its picture needs."""
    say(f"{n_latent} latents, KL weight {weight:g}")
    model = digit_model(data, args, n_latent)
    train(model, data.train, args, objective=ELBO(model, weight), learning_rate=2e-3)
    estimate = evaluate_elbo(model, data.test, seed=args.seed)
    q = in_float64(model.encode(data.train))
    generator = random_generator([args.seed, Stream.POSTERIOR])
    noise = generator.standard_normal(q.mean.shape)
    draws = generator.standard_normal((PRIOR_DRAWS, n_latent))
    beside = log_mixture(q, draws) - standard_normal_log_prob(draws)  # log q̄/p
    new = in_float64(model.encode(data.test))
    codes = new.sample(generator.standard_normal(new.mean.shape))
    beside_new = log_mixture(q, codes) - standard_normal_log_prob(codes)
    near = np.argsort((draws**2).sum(axis=1))[: int(NEAR * len(draws))]
    shown = near[[beside[near].argmin()]] if n_latent == 2 else np.arange(SHOWN)
    return {
        "latents": n_latent,
        "kl_weight": weight,
        "test_elbo": estimate.value,
        **parts_of_the_kl(q, noise),
        "draws_in_a_hole": float((beside < np.log(HOLE)).mean()),
        "test_codes_in_a_hole": float((beside_new < np.log(HOLE)).mean()),
        "clouds": np.stack((q.mean, q.std), axis=1)[:CLOUDS].round(4).tolist(),
        "shown": draws[shown].round(3).tolist(),
        "log_mixture_over_prior": beside[shown].round(2).tolist(),
        "decoded": [pixels(model.decode(z[None]).mean) for z in draws[shown].astype(model.dtype)],
    }


def pixels(image):
    """An image in [0, 1] as two hexadecimal digits a pixel."""
    return (to_numpy(image) * 255).round().astype(np.uint8).tobytes().hex()


def experiment(args):
    data = datasets.load("mnist5k")
    models = [train_one(data, *settings, args) for settings in RUNS]
    labels = data.train_labels[:CLOUDS].tolist()
    draw(models, labels, data.image_shape, args.out / "clouds.png")
    del models[-1]["clouds"]  # 20 latents are not to be seen
    summary = {"training_images": len(data.train), "labels": labels, "models": models}
    return summary, describe(*models, len(data.train))


def describe(free, elbo, strong, many, n_images):
    parts = (
        f"{model['latents']} latents at KL weight {model['kl_weight']:g}: "
        f"{model['kl_of_training_images']:.1f}, of them {model['information']:.1f} and "
        f"{model['mixture_to_prior']:.1f}"
        for model in (free, elbo, strong, many)
    )
    return (
        "The KL of the training images, in nats, and its two parts, what z says about the image "
        f"and the mixture's KL to the prior. {'. '.join(parts)}. No z can say more than "
        f"log {n_images:,} = {np.log(n_images):.1f} nats about which image it was. Of the prior's "
        f"draws {free['draws_in_a_hole']:.0%} are in a hole of the 2 latents' mixture at weight 0 "
        f"(it is below a tenth of the prior there), {elbo['draws_in_a_hole']:.1%} at weight 1, "
        f"{strong['draws_in_a_hole']:.1%} at weight 4; of 20 latents' "
        f"{many['draws_in_a_hole']:.1%}. But so are {many['test_codes_in_a_hole']:.0%} of the "
        f"codes drawn for test images: in 20 dimensions {n_images:,} clouds leave holes among "
        "digits too."
    )


def draw(models, labels, image_shape, path):
    *plane, many = models
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    panels = figure.subplots(2, 4, height_ratios=(3, 1))
    for (axes, below), model in zip(panels.T, plane, strict=False):
        for label, (mean, std) in zip(labels, model["clouds"], strict=True):
            size = np.maximum(2 * np.array(std), 0.06)  # at weight 0 they are points
            axes.add_patch(Ellipse(mean, *size, color=f"C{label}", alpha=0.5, lw=0))
        axes.plot(*model["shown"][0], "kx", ms=9, mew=2)
        outside = sum(np.abs(mean).max() > SIDE for mean, _ in model["clouds"])
        missing = f"; {outside} of {len(labels)} lie outside" if outside else ""
        axes.set(title=f"KL weight {model['kl_weight']:g}{missing}", aspect="equal")
        axes.set(xlim=(-SIDE, SIDE), ylim=(-SIDE, SIDE), xlabel="z₁", ylabel="z₂")
        figures.strip(below, images(model), image_shape, "decoded at the ×")
    tiles = figures.tiled(images(many), image_shape, 2)
    figures.show(panels[0, 3], tiles, f"20 latents: {SHOWN} draws of the prior")
    panels[1, 3].set_axis_off()
    elbo = plane[1]
    title = (
        f"At weight 1, {elbo['information']:.1f} of the KL's {elbo['kl_of_training_images']:.1f} "
        f"nats are information, {elbo['mixture_to_prior']:.1f} are how far all clouds together\n"
        f"are from the prior. With 20 latents: {many['information']:.1f} of "
        f"{many['kl_of_training_images']:.1f}, and {many['mixture_to_prior']:.1f}. "
        "(A cloud is drawn at one standard deviation, or as a dot; its colour is the digit)"
    )
    plots.save(figure, path, title)


def images(model):
    return np.stack([np.frombuffer(bytes.fromhex(one), np.uint8) for one in model["decoded"]])


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=40))
