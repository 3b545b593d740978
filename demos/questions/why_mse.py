"""Why does everyone write MSE or BCE?

Because they are log-likelihoods: the ELBO's first term is E[log p(x|z)], and its formula follows
from which distribution the decoder stands for. Squared error is a Gaussian's of σ = 1/√2,
cross-entropy a Bernoulli's, and a learned σ finds for itself what the error weighs against the KL.

For each pixel log p(x|z) is

    Gaussian, σ = 1/√2         −(x − mean)² − ½ log π: minus the squared error, and a constant
    Gaussian, one learned σ    −(x − mean)²/(2σ²) − log σ − ½ log 2π: σ finds the error's weight
    Gaussian, σ per pixel      the same, and the network says how sure it is of each pixel
    Bernoulli                  x log p + (1 − x) log(1 − p): minus the binary cross-entropy

Here the same digits are learned under each of the four. A Gaussian's p(x) is a density: its log can
be above 0, and on pixels that never change it grows without end while σ falls. Therefore the
Gaussians learn x = (value + u)/256 with u uniform in [0, 1), the standard practice for 8-bit
values: then log p(x) averages at most 784 · log 256 nats. Bernoulli's is a probability, of black
and white images for which the grey ones stand, and does not compare with a density. The squared
error of the reconstructions compares for all.

A fifth model has a common bug: the squared error is averaged over the 784 pixels, the KL summed
over the latents. Up to a factor of the whole loss, that is a KL of weight 784. Look at what it
reconstructs. A sixth has a σ per pixel and learns the grey values without the u: see where its ELBO
goes.
"""

import math
import sys
from functools import partial

import numpy as np
from matplotlib.colors import LogNorm

from demos.common import plots
from demos.common.command_line import say
from demos.common.findings import run
from demos.common.models import digit_networks, reconstructed_and_drawn, train
from vae_np import VAE, GaussianDecoder, datasets
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.distributions import DiagonalGaussian
from vae_np.figures import strip
from vae_np.objectives import ELBO
from vae_np.training.divergence import DivergenceError

PIXELS, LATENT, HIDDEN = 784, 10, 200
CEILING = PIXELS * math.log(256)
EPOCHS_WITHOUT_U, IMAGES = 15, 7  # images: in each row of the picture
NAMES = {
    "fixed": "Squared error: Gaussian, σ = 1/√2",
    "learned": "Gaussian, one learned σ",
    "per-output": "Gaussian, a learned σ per pixel",
    "bernoulli": "Binary cross-entropy: Bernoulli",
    "bug": "Bug: pixels averaged, KL summed",
}


def dequantized(images, generator):
    """uint8 images to (value + u)/256, float32."""
    return (images + generator.random(images.shape, dtype=np.float32)) / np.float32(256)


def make_model(kind, data, args):
    if kind == "bernoulli":
        return VAE(*digit_networks(data, args, LATENT, HIDDEN))
    # One learned σ starts where it fits the mean image. The others have their own start.
    spread = math.sqrt(((data.train / 255 - data.mean_image) ** 2).mean())
    gaussian = partial(
        GaussianDecoder,
        noise="fixed" if kind == "bug" else kind,
        std=spread if kind == "learned" else None,
        squash=True,
    )
    return VAE(*digit_networks(data, args, LATENT, HIDDEN, gaussian))


def measure(model, images, args):
    """The ELBO of held-out images, with z drawn from q, and what goes with it."""
    x = model.as_pixels(images)
    generator = random_generator([args.seed, Stream.ELBO_NOISE], args.device)
    noise = model.draw_noise(generator, 1, len(x))
    elbo, p = model.elbo(x, noise), model.decode(model.encode(images).sample(noise[0]))
    numbers = {
        "elbo": float(elbo.value.mean()),
        "median_elbo": float(np.median(to_numpy(elbo.value))),
        "lowest_elbo": float(elbo.value.min()),
        "kl": float(elbo.kl.mean()),
        "squared_error": float(((x - p.mean) ** 2).sum(axis=-1).mean()),
    }
    if isinstance(p, DiagonalGaussian):
        numbers["std"] = [float(p.std.min()), float(p.std.max())]
    return numbers


def identity_error(model, images):
    """How far log N(x; mean, ½) is from −(x − mean)² − ½ log π, at most, over all pixels; nats."""
    x, p = model.as_pixels(images), model.decode(model.encode(images).mean)
    # A last axis of width 1 makes log_prob one number per pixel.
    log_prob = DiagonalGaussian(p.mean[..., None], p.log_var).log_prob(x[..., None])
    return float(abs(log_prob + (x - p.mean) ** 2 + 0.5 * math.log(math.pi)).max())


def elbos_without_u(data, args):
    """The training ELBO after each epoch on grey values as they are, with a σ per pixel."""
    rows, epochs = [], min(args.epochs, EPOCHS_WITHOUT_U)
    model = make_model("per-output", data, args)
    try:
        train(model, data.train, args, epochs, after_epoch=rows.append)
    except DivergenceError as error:  # nothing holds this ELBO
        say(str(error))
    return [row["train_elbo"] for row in rows]


def experiment(args):
    data = datasets.load("mnist5k")
    generator = random_generator([args.seed, Stream.DATA])
    train_x, test_x = dequantized(data.train, generator), dequantized(data.test, generator)
    results, pictures, elbos = {}, [], {}
    for kind, name in NAMES.items():
        say(name)
        model = make_model(kind, data, args)
        images, test = (data.train, data.test) if kind == "bernoulli" else (train_x, test_x)
        objective = ELBO(model, kl_weight=PIXELS if kind == "bug" else 1)
        trainer = train(model, images, args, objective=objective)
        results[kind] = measure(model, test, args)
        strips = reconstructed_and_drawn(model, test[:IMAGES], args)
        pictures.append((name, caption(kind, results[kind]), *strips))
        if kind == "fixed":
            results[kind]["identity_error"] = identity_error(model, test)
        if kind == "per-output":
            elbos["x = (value + u)/256"] = [row["train_elbo"] for row in trainer.history]
            std = to_numpy(model.decode(model.encode(test[:IMAGES]).mean).std)
    spread = np.ptp(to_numpy(model.reconstruct_mean(test)), axis=0).max()  # of the last, the bug
    say("A σ per pixel, without u")
    elbos["x = value/255"] = elbos_without_u(data, args)
    draw(results, pictures, data, std, elbos, args.out / "why_mse.png")
    summary = {"models": results, "training_elbos": elbos, "ceiling": CEILING}
    summary["largest_difference_between_reconstructions_of_the_bug"] = float(spread)
    return summary, describe(results, elbos["x = value/255"], spread)


def describe(results, without_u, spread):
    fixed, learned, per_pixel, bernoulli, bug = (results[kind] for kind in NAMES)
    std, rms = learned["std"][0], math.sqrt(learned["squared_error"] / PIXELS)
    reached = f"reaches {max(without_u):.0f} nats" if without_u else "diverges"
    return (
        "log N(x; mean, ½) is −(x − mean)² − ½ log π in every pixel of the test set, to "
        f"{fixed['identity_error']:.0e} nats: squared error is a Gaussian of σ = 0.71. For these "
        f"digits that is far too wide. Learned, σ is {std:.3f}, near the root mean squared "
        f"error of the reconstructions ({rms:.3f}), and the ELBO rises from "
        f"{fixed['elbo']:.1f} to {learned['elbo']:.1f} nats per example. The error then counts "
        f"{0.5 / std**2:.0f} times as much against the KL, which goes from {fixed['kl']:.1f} to "
        f"{learned['kl']:.1f} nats. A σ per pixel reaches {per_pixel['elbo']:.1f}, by being sure "
        "of pixels that hardly ever change; where it is sure and wrong it pays: the median test "
        f"image has {per_pixel['median_elbo']:.0f} nats, the worst {per_pixel['lowest_elbo']:.0f}"
        f". Without u nothing holds its ELBO: by epoch {len(without_u) or 1} it {reached}; with u "
        f"no density can average above {CEILING:.0f}. "
        f"Bernoulli's {bernoulli['elbo']:.1f} nats are a probability's and do not compare with "
        f"these; its squared error, {bernoulli['squared_error']:.1f} per image, does (the "
        f"Gaussians' are {fixed['squared_error']:.1f}, {learned['squared_error']:.1f} and "
        f"{per_pixel['squared_error']:.1f}). With the pixels averaged and the KL summed, the KL is "
        f"{bug['kl']:.1g} nats and all reconstructions from q's mean are one image, to "
        f"{spread:.1g} in any pixel: as if σ were √(784/2) = 20, and the pixels as good as noise."
    )


def draw(results, pictures, data, std, elbos, path):
    draws, widths = "Draws from the prior (means of p(x|z))", {"width_ratios": [4, 6]}
    figure, (curves, sigmas) = plots.strips_over_panels(10, data, pictures, draws, 2, **widths)
    for label, values in elbos.items():
        curves.plot(range(1, len(values) + 1), values, marker=".", label=label)
    curves.axhline(CEILING, color="k", ls=":", label="784 · log 256")
    curves.set(title="Training ELBO with a σ per pixel", ylabel="nats per example")
    plots.epochs_axis(curves)
    curves.legend(fontsize=8, loc="lower right")
    sigmas.grid(visible=False)
    title = "The learned σ per pixel, of the same images"
    picture = strip(sigmas, std, data.image_shape, title, norm=LogNorm())
    figure.colorbar(picture, ax=sigmas, orientation="horizontal", shrink=0.6, pad=0.02, label="σ")
    fixed, learned, bug = results["fixed"], results["learned"], results["bug"]
    title = (
        "MSE and BCE are log-likelihoods, and σ sets what the error weighs against the KL:\n"
        f"σ = 0.71, KL {fixed['kl']:.1f} nats; learned σ = {learned['std'][0]:.2f}, KL "
        f"{learned['kl']:.1f} nats; pixels averaged (as if σ = 20), KL {bug['kl']:.1g} nats"
    )
    plots.save(figure, path, title)


def caption(kind, numbers):
    elbo = f"ELBO {numbers['elbo']:.1f} nats"
    if kind == "bernoulli":
        elbo += ": a probability,\nnot comparable with the densities"
    elif kind == "per-output":
        elbo += f" (density),\nthat of the median image {numbers['median_elbo']:.0f}"
    else:
        elbo = f"σ = {numbers['std'][0]:.3f}\n{elbo} (density)"
    return f"{elbo}\nKL {numbers['kl']:.2g} nats, squared error {numbers['squared_error']:.1f}"


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=40))
