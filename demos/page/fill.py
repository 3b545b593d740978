"""Fill the page's template with its scripts, a model, the grid and some images."""

import functools
import json
import re
from pathlib import Path

import numpy as np

from demos.page.guide import explanations
from demos.page.packing import base64_of, packed_images
from vae_np.evaluation import grid_log_likelihood
from vae_np.inference.grid import latent_grid
from vae_np.layers import Linear
from vae_np.networks import BernoulliDecoder

TEMPLATE = Path(__file__).resolve().parent
PAGE = TEMPLATE / "page.html"
IMAGES, CODES = 20, 2000  # on the page: to choose from, and at most as points of the plane
MOST_LABELS = 50  # more kinds are no classes, but numbers: the plane then shows dots
START = 15  # the page opens with this image: a gap to see, and to close
SPACINGS, LIMIT = (0.1, 0.05, 0.025), 6.0  # of the grid, the first that is good enough
TOLERANCE = 0.02  # nats, of log p(x)
# Points an axis for a q of widths up to so many of the grid's spacings; a wider one is summed on
# the grid. On the digits they err by 1e-4 nats; 7 err by 1.7 for a blank image.
QUADRATURE = ((7, 2), (12, 4.5))


def fill_template(data):
    """The template, with the scripts and the model's data in it."""
    html = PAGE.read_text(encoding="utf-8")
    for name in ("model.js", "texts.js", "pictures.js", "page.js"):
        html = html.replace(f"/*{name}*/", (TEMPLATE / name).read_text(encoding="utf-8"))
    return html.replace("/*data*/", json.dumps(data).replace("<", "\\u003c"))


def sections():
    """The names of the guide's sections that the page explains itself with."""
    return re.findall(r'data-guide="([^"]+)"', PAGE.read_text(encoding="utf-8"))


def contents(settings, data, trainer):
    """All that the page's scripts are given; the trainer's model is rounded to the page's."""
    model, (names, labels) = trainer.model, named(data.test_labels)
    offered = choose(labels, len(data.test))
    others = np.setdiff1d(np.arange(len(data.test)), offered)
    rows = np.concatenate([offered, others])[:CODES]
    pixels = data.test[rows]
    if pixels.dtype != np.uint8:
        pixels = np.rint(255 * pixels).astype(np.uint8)
    spacing, dtype, error = grid_and_precision(model, pixels[: len(offered)])
    pixels, packed = packed_images(pixels, len(offered))
    decoder, encoder = model.decoder, model.encoder
    points, _ = latent_grid(2, spacing, LIMIT)
    one_sigma = getattr(decoder, "noise", "per-output") != "per-output"
    return {
        "image_shape": data.image_shape,
        "precision": np.dtype(dtype).name,
        "encoder": {"layers": layers(encoder.network, dtype)},
        "decoder": {
            "kind": type(decoder).__name__,
            "layers": layers(decoder.network, dtype),
            "log_var": float(decoder.log_var) if one_sigma else None,
            "squash": getattr(decoder, "squashing", None) is not None,
        },
        "grid": {
            "spacing": spacing,
            "half": round(float(points.max()) / spacing),
            "log_partition": log_partition(decoder, points),
        },
        "quadrature": quadrature(),
        "images": packed,
        "offered": len(offered),
        "codes": base64_of(model.encode(pixels).mean, np.float32),
        "labels": None if labels is None else base64_of(labels[rows[: len(pixels)]], np.uint8),
        "label_names": names,
        "explanations": explanations(sections()),
        "start": min(START, len(offered) - 1),
        "about": {
            "trained_on": Path(settings.data).name,
            "epochs": trainer.epoch,
            "widths": [model.n_pixels, *settings.hidden, 2, *settings.hidden[::-1], model.n_pixels],
            "spacing": spacing,
            "error": error,
            "half": dtype is np.float16,
            "count": len(offered),
        },
    }


def quadrature():
    rules = [(up_to, *np.polynomial.hermite_e.hermegauss(count)) for count, up_to in QUADRATURE]
    return [
        {"up_to": up_to, "nodes": nodes.tolist(), "weights": (weights / weights.sum()).tolist()}
        for up_to, nodes, weights in rules
    ]


def named(labels):
    """The labels' names, and each label as an index into them; None twice if there are none."""
    if labels is None:
        return None, None
    names, index = np.unique(labels, return_inverse=True)
    return ([str(name) for name in names], index) if len(names) <= MOST_LABELS else (None, None)


def choose(labels, n_test):
    """Which test images the page offers: as many of each label, or the first."""
    if labels is None:
        return np.arange(min(IMAGES, n_test))
    kinds = np.unique(labels)
    of_each = [np.flatnonzero(labels == k)[: max(1, IMAGES // len(kinds))] for k in kinds]
    return np.concatenate(of_each)[:IMAGES]


def grid_and_precision(model, x):
    """Choose the grid's spacing, and what the weights are rounded to; the model is rounded too.

    Half precision makes a small page. It costs the Bernoulli of the digits 0.01 nats; a Gaussian of
    a small σ can lose more, and then keeps its own precision.

    Returns
    -------
    spacing : float
    dtype : type
        numpy.float16, or numpy.float32.
    error : float
        Of log p(x), against a grid twice as fine and the weights as they were: the largest over the
        images of x, (N, D); nats.
    """
    original = [vector.value.copy() for vector in model.parameters]

    def round_to(dtype):
        for vector, value in zip(model.parameters, original, strict=True):
            vector.value = value.astype(dtype).astype(value.dtype)

    @functools.cache
    def log_likelihood(spacing, dtype):
        round_to(dtype)
        return grid_log_likelihood(model, x, spacing=spacing, limit=LIMIT).value

    def error(spacing, dtype):
        finer = log_likelihood(spacing / 2, np.float32)
        return float(np.abs(log_likelihood(spacing, dtype) - finer).max())

    for spacing in SPACINGS:
        print(f"Checking log p(x) of {len(x)} images, grid of {spacing:g}", end=": ", flush=True)
        print(f"{error(spacing, np.float32):.3f} nats from a finer one.")
        if error(spacing, np.float32) <= TOLERANCE:
            break
    fits = max(np.abs(value).max() for value in original) <= np.finfo(np.float16).max
    dtype = np.float16 if fits and error(spacing, np.float16) <= TOLERANCE else np.float32
    round_to(dtype)
    return spacing, dtype, error(spacing, dtype)


def log_partition(decoder, points):
    """A(z) = Σ softplus(logits(z)) at the grid's points, of a Bernoulli decoder; base64.

    The page's log p(x|z) is linear in x but for it: see model.js.
    """
    if not isinstance(decoder, BernoulliDecoder):
        return None
    parts = [
        np.logaddexp(0, decoder.forward(z.astype(np.float32)).logits).sum(axis=1)
        for z in np.array_split(points, len(points) // 1000)
    ]
    return base64_of(np.concatenate(parts), np.float32)


def layers(network, dtype):
    """A network as the page's script makes it again."""
    return [
        {"kind": "Linear", "n_in": layer.n_in, "n_out": layer.n_out}
        | {name: base64_of(getattr(layer, name), dtype) for name in ("weight", "bias")}
        if isinstance(layer, Linear)
        else {"kind": type(layer).__name__}
        for layer in network.layers
    ]
