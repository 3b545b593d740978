"""What is unusual? Test images by log p(x), and by how much strange ones are told from them."""

import numpy as np
from matplotlib.figure import Figure

from demos.common import plots
from demos.using.judges import nearest, roc_area
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.evaluation import importance_sampled_log_likelihood
from vae_np.figures import strip

DRAWS, SHOWN = 50, 10  # of z for each log p(x); images in a row of the picture
ERASED, BLACK = "lower half erased", "all black"
SCORES = "log_px", "nearest_training_image", "typical"


def strange_kinds(images, image_shape, generator):
    """Kinds of images that hardly any of the data is, made from them: a dict of (N, D) arrays."""
    height, width = image_shape
    pictures = images.reshape(-1, height, width)
    quarters = 1 if height == width else 2
    upper = np.arange(height)[:, None] < height / 2
    if height == 1:  # a row has a left half
        upper = np.arange(width) < width / 2
    kinds = {
        f"turned by {90 * quarters}°": np.rot90(pictures, quarters, axes=(1, 2)),
        "mirrored": pictures[:, :, ::-1],
        "two at once": np.maximum(pictures, pictures[generator.permutation(len(pictures))]),
        ERASED: np.where(upper, pictures, 0),
        BLACK: 0 * pictures[:1],
    }
    return {name: kind.reshape(len(kind), -1).astype(images.dtype) for name, kind in kinds.items()}


def find_unusual(model, data, args, binary):
    """log p(x) of the test images and of strange ones, ROC areas, a picture; numbers and text.

    Three scores, each the higher the more usual: log p(x); how near the nearest training image is,
    pixel by pixel, without a model; and how near log p(x) is to the training images' median.
    """
    train = to_numpy(model.as_pixels(data.train))

    def log_px_of(images):
        options = {"binary": binary, "seed": args.seed, "progress": True}
        return importance_sampled_log_likelihood(model, images, DRAWS, **options).value

    def scores(images):
        log_px = log_px_of(images)
        _, distance = nearest(to_numpy(model.as_pixels(images)), train, 1)
        values = log_px, -distance[:, 0], -abs(log_px - median)
        return dict(zip(SCORES, values, strict=True))

    median = float(np.median(log_px_of(data.train[: len(data.test)])))
    generator = random_generator([args.seed, Stream.DATA])
    kinds = strange_kinds(data.test, data.image_shape, generator)
    usual, strange = scores(data.test), {name: scores(kind) for name, kind in kinds.items()}
    log_px, ink = usual["log_px"], data.test.mean(axis=1)
    varies = np.ptp(ink) > 0
    numbers = {
        "images": len(data.test),
        "draws": DRAWS,
        "log_px": float(log_px.mean()),
        "highest_log_px": float(log_px.max()),
        "lowest": np.sort(log_px)[:SHOWN].tolist(),
        "correlation_with_ink": float(np.corrcoef(log_px, ink)[0, 1]) if varies else 0.0,
        "kinds": {
            name: {
                "log_px": float(of_kind["log_px"].mean()),
                "roc_area": {score: roc_area(usual[score], of_kind[score]) for score in SCORES},
            }
            for name, of_kind in strange.items()
        },
    }
    strange_log_px = {name: of_kind["log_px"] for name, of_kind in strange.items()}
    draw(data, kinds, log_px, strange_log_px, args.out / "use_it_unusual.png")
    return numbers, describe(numbers)


def describe(numbers):
    kinds, (turned, *_) = numbers["kinds"], numbers["kinds"]
    area, distance, typical = (
        {name: f"{kind['roc_area'][score]:.2f}" for name, kind in kinds.items()} for score in SCORES
    )
    more = ": they look *more* usual than whole ones" if float(area[ERASED]) < 0.5 else ""
    return (
        f"Unusual: test images have a log p(x) of {numbers['log_px']:.1f} nats, estimated from "
        f"below by {numbers['draws']} draws from q; the {len(numbers['lowest'])} lowest are at "
        f"{numbers['lowest'][-1]:.0f} or below. Images {turned} are told from them with a ROC area "
        f"of {area[turned]} (½ is chance). For images "
        f"with the {ERASED} the area is {area[ERASED]}{more}; and an image that is {BLACK} has "
        f"{kinds[BLACK]['log_px']:.0f} nats, where the best test image has "
        f"{numbers['highest_log_px']:.0f}. By the distance to the nearest training image, without "
        f"any model, the areas of these three are {distance[turned]}, {distance[ERASED]} and "
        f"{distance[BLACK]}; by how near log p(x) is to the training images' median, "
        f"{typical[turned]}, {typical[ERASED]} and {typical[BLACK]}."
    )


def draw(data, kinds, usual, strange, path):
    """The least and the most probable test images, some of each strange kind, and histograms."""
    order, best = usual.argsort(), (-usual).argsort()
    rows = {
        "test images, the least probable": (data.test[order], usual[order]),
        "test images, the most probable": (data.test[best], usual[best]),
        **{name: (kinds[name], strange[name]) for name in kinds},
    }
    figure = Figure(figsize=(9, 1.1 * len(rows) + 3), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.1 * len(rows), 3])
    for axes, (name, (images, values)) in zip(above.subplots(len(rows)), rows.items(), strict=True):
        strip(axes, images[:SHOWN], data.image_shape)
        height, width = data.image_shape
        axes.set_xlim(0, SHOWN * width)
        axes.set_title(name, fontsize=9, loc="left")
        for i, value in enumerate(values[:SHOWN]):
            axes.text((i + 0.5) * width, height, f"{value:.0f}", ha="center", va="top", fontsize=8)
    panel = plots.grid_panels(below, 1)
    everything = np.concatenate([usual, *strange.values()])
    edges = np.linspace(np.percentile(everything, 2), everything.max(), 60)
    panel.hist(usual, edges, color="0.75", label="test images")
    for name, values in strange.items():
        if len(values) > 1:
            panel.hist(values.clip(edges[0]), edges, histtype="step", lw=1.6, label=name)
        else:
            panel.axvline(values[0], color="k", ls="--", label=name)
    panel.set(xlabel="log p(x), nats (the first bar: all that is lower too)", ylabel="images")
    panel.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0.12, 1))
    title = (
        "Unusual test images, and strange ones made of them; at the bottom, all of them by log p(x)"
    )
    plots.save(figure, path, title)
