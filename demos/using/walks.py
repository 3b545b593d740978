"""Along one latent at a time, the others held: the latents that carry most KL first."""

import numpy as np
from matplotlib.figure import Figure

from demos.common import plots
from demos.common.models import kl_of_each_latent
from vae_np.backend import to_numpy
from vae_np.figures import show, tiled

MOST, STEPS, FAR = 6, 11, 3  # latents in the picture; pictures of each; as far from 0, in σ
OF_EACH = 5  # test images a class, or the classes' shares of a variance say little
ENDS, IMAGES = 2, 200  # the change from −2 to 2 is measured, from the codes of so many images


def moved(codes, latent, value):
    """The codes with one latent set to ``value``, the others held."""
    codes = codes.copy()
    codes[..., latent] = value
    return codes


def change(model, codes, latent):
    """By how much the picture changes from −2 to 2 along the latent; squared, mean over codes."""
    ends = [model.decode(moved(codes, latent, value)).mean for value in (-ENDS, ENDS)]
    return float(((ends[1] - ends[0]) ** 2).sum(axis=-1).mean())


def between_classes(means, labels):
    """The share of each latent's variance that lies between the classes; (Z,), each in [0, 1]."""
    names, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    centres = np.stack([means[index == i].mean(axis=0) for i in range(len(names))])
    between = counts @ (centres - means.mean(axis=0)) ** 2 / len(means)
    return between / means.var(axis=0).clip(np.finfo(np.float32).tiny)


def fairly_many_of_each(labels):
    """Whether chance alone would put little of a variance between the classes: 1 of each, all."""
    return len(labels) >= OF_EACH * len(np.unique(labels))


def walk(model, data, args):
    """The KL of each latent, what moving along it changes, and a picture; numbers and text."""
    kl, codes = kl_of_each_latent(model, data.test), to_numpy(model.encode(data.test).mean)
    order = np.argsort(-kl)
    numbers = {
        "latents": order.tolist(),
        "kl": kl[order].tolist(),
        "change": [change(model, codes[:IMAGES], latent) for latent in order],
    }
    if data.test_labels is not None and fairly_many_of_each(data.test_labels):
        shares = between_classes(codes, data.test_labels)
        numbers["between_classes"] = shares[order].tolist()
    draw(model, data, codes[0], numbers, args.out / "use_it_walks.png")
    return numbers, describe(numbers)


def describe(numbers):
    kl, changes = numbers["kl"], numbers["change"]
    most = min(MOST, len(kl))
    share = sum(kl[:most]) / (sum(kl) or 1)
    text = (
        f"Walks: of {len(kl)} latents the {most} that carry most KL have {share:.0%} of it. Along "
        f"the first, from −{ENDS} to {ENDS}, the picture changes by {changes[0]:.1f} (squared); "
        f"along the one that carries least by {changes[-1]:.1f}."
    )
    if "between_classes" in numbers:
        shares = numbers["between_classes"][:most]
        text += (
            f" Of the variance of one of the {most} latents {min(shares):.0%} to {max(shares):.0%} "
            "lies between the classes, the rest within them."
        )
    return text


def draw(model, data, code, numbers, path):
    """A row of pictures for each of the latents that carry most KL, from the first test image."""
    latents = numbers["latents"][:MOST]
    steps = np.linspace(-FAR, FAR, STEPS, dtype=model.dtype)
    rows = [to_numpy(model.decode(moved(code[None].repeat(STEPS, axis=0), j, steps)).mean)
            for j in latents]  # fmt: skip
    figure = Figure(figsize=(10.5, 0.9 + 0.72 * max(4, len(latents))), layout="constrained")
    pictures, bars = figure.subplots(1, 2, width_ratios=[3, 1])
    picture = tiled(np.concatenate(rows), data.image_shape, STEPS)
    show(pictures, picture, f"the first test image's code, one latent from −{FAR} to {FAR}")
    pictures.set_axis_on()
    height, width = data.image_shape
    names = [f"z[{j}]" for j in numbers["latents"]]
    pictures.set_yticks((height + 1) * (np.arange(len(latents)) + 0.5), names[: len(latents)])
    pictures.set_xticks((width + 1) * (np.arange(STEPS) + 0.5), [f"{s:.1f}" for s in steps])
    pictures.tick_params(length=0)
    bars.barh(names, numbers["kl"])
    bars.invert_yaxis()
    bars.tick_params(axis="y", labelsize=7 if len(names) <= 30 else 3)
    bars.set(xlabel="KL, nats per test image", title="what each latent carries")
    bars.title.set_size(10)
    plots.save(figure, path, "Walking along the latents that carry most KL")
