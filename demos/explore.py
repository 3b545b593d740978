"""Write a page for the browser on which every quantity of the paper lies under your finger.

Draw a digit, drag z, and see the encoder's q(z|x) over the exact posterior p(z|x), the ELBO's
parts, and the gap between the ELBO and log p(x). The page is one file and needs no network.

Without options a model of two latents is trained on the embedded digits, in half a minute or so. A
run of your own comes onto a page by --checkpoint FOLDER, after: train.py --latent 2 --out FOLDER
"""

import argparse
import base64
import json
import os
import sys
import webbrowser
from pathlib import Path

import numpy as np

from demos.common.command_line import complain, prepare_streams
from demos.train import make_trainer
from demos.train_run import CHECKPOINT, parse
from vae_np import datasets
from vae_np.evaluation import grid_log_likelihood
from vae_np.inference.grid import latent_grid
from vae_np.layers import Linear
from vae_np.networks import BernoulliDecoder
from vae_np.training.checkpoints import read_checkpoint, whole_file
from vae_np.training.divergence import DivergenceError

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "demos" / "page"
PAGE = "explore.html"
HIDDEN, EPOCHS = 200, 80  # of the model that is trained here; more epochs fit the 4,000 images only
IMAGES, CODES = 20, 2000  # on the page: to choose from, and to show as points of the plane
START = 14  # the page opens with this image: a gap to see, and to close
SPACINGS, LIMIT = (0.1, 0.05, 0.025), 6.0  # of the grid, the first that is good enough
TOLERANCE = 0.02  # nats, of log p(x)
QUADRATURE = 7  # points an axis: 6 differ from 24 by 1e-5 nats on the digits


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", metavar="FOLDER", help="of a run of train.py --latent 2")
    parser.add_argument(
        "--out", metavar="FILE", help=f"the page (default: {PAGE} in FOLDER, or in runs)"
    )
    parser.add_argument("--no-open", action="store_true", help="write the page, do not open it")
    args = parser.parse_args(argv)
    out = Path(args.out or Path(args.checkpoint or "runs") / PAGE)
    try:
        if out.is_dir():
            raise ValueError(f"--out {out} is a folder: name a file, such as {out / PAGE}")
        settings, data, trainer = trained(args.checkpoint)
        html = page(contents(settings, data, trainer) | {"guide": guide_links(out)})
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(out) as file:
            file.write(html.encode())
    except (ValueError, OSError, MemoryError, DivergenceError) as error:
        return complain("explore.py", error)
    except KeyboardInterrupt:
        print("\nInterrupted: no page was written.", file=sys.stderr)
        return 130
    print(f"The page is {out}, {out.stat().st_size / 1e6:.2f} MB.")
    if not args.no_open:
        webbrowser.open(out.resolve().as_uri())
    return 0


def trained(folder):
    """The settings, the data and the trainer of a run of train.py, or of one that is made here."""
    if folder is None:
        options = ["--latent", "2", "--hidden", str(HIDDEN), "--epochs", str(EPOCHS)]
    else:
        options = ["--resume", "--out", folder, "--device", "cpu"]
        path = Path(folder) / CHECKPOINT
        saved = read_checkpoint(path)[0].get("settings")
        if not isinstance(saved, dict) or "latent" not in saved:
            raise ValueError(f"{path} is not of a run of train.py, which the page wants")
        if saved["latent"] != 2:
            raise ValueError(
                f"{path} is of a model of {saved['latent']} latents; the page draws a plane and "
                "wants 2: train.py --latent 2"
            )
    settings, _ = parse(options, description=__doc__)
    data = datasets.load(settings.data)
    trainer = make_trainer(settings, data)
    if folder is not None:
        trainer.load(path)
    else:
        print(f"Training a model of two latents, {EPOCHS} epochs.")
        if not trainer.fit(EPOCHS):
            raise KeyboardInterrupt
    return settings, data, trainer


def page(data):
    """The template, with the scripts and the model's data in it."""
    html = (TEMPLATE / "page.html").read_text(encoding="utf-8")
    for name in ("model.js", "page.js"):
        html = html.replace(f"/*{name}*/", (TEMPLATE / name).read_text(encoding="utf-8"))
    return html.replace("/*data*/", json.dumps(data).replace("<", "\\u003c"))


def contents(settings, data, trainer):
    """All that the page's scripts are given. The model's weights are rounded on the way."""
    model, labels = trainer.model, data.test_labels
    rows = choose(labels, len(data.test))
    pixels = data.test[rows]
    if pixels.dtype != np.uint8:
        pixels = np.rint(255 * pixels).astype(np.uint8)
    spacing, error = round_weights(model, pixels.astype(np.float32) / 255)
    decoder, encoder = model.decoder, model.encoder
    points, _ = latent_grid(2, spacing, LIMIT)
    nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE)
    log_var = None if getattr(decoder, "noise", None) == "per-output" else "log_var"
    return {
        "image_shape": data.image_shape,
        "encoder": {"layers": layers(encoder.network)},
        "decoder": {
            "kind": type(decoder).__name__,
            "layers": layers(decoder.network),
            "log_var": float(decoder.log_var) if log_var and hasattr(decoder, log_var) else None,
            "squash": getattr(decoder, "squashing", None) is not None,
        },
        "grid": {
            "spacing": spacing,
            "half": round(float(points.max()) / spacing),
            "log_partition": log_partition(decoder, points),
        },
        "quadrature": {"nodes": nodes.tolist(), "weights": (weights / weights.sum()).tolist()},
        "images": base64_of(pixels, np.uint8),
        "digit_labels": None if labels is None else labels[rows].tolist(),
        "codes": base64_of(model.encode(data.test[:CODES]).mean, np.float16),
        "labels": None if labels is None else base64_of(labels[:CODES], np.uint8),
        "start": min(START, len(rows) - 1),
        "about": {
            "trained_on": Path(settings.data).name,
            "epochs": trainer.epoch,
            "widths": [model.n_pixels, *settings.hidden, 2, *settings.hidden[::-1], model.n_pixels],
            "spacing": spacing,
            "error": error,
            "count": len(rows),
        },
    }


def choose(labels, n_test):
    """Which test images the page offers: as many of each label, or the first."""
    if labels is None:
        return np.arange(min(IMAGES, n_test))
    kinds = np.unique(labels)
    return np.concatenate(
        [np.flatnonzero(labels == k)[: max(1, IMAGES // len(kinds))] for k in kinds]
    )


def round_weights(model, x):
    """Round the model to half precision; return the grid's spacing, and its error in log p(x).

    The error is the largest over the images of x, (N, D), against a grid twice as fine and the
    weights as they were; nats.
    """
    original = [vector.value.copy() for vector in model.parameters]
    if max(np.abs(value).max() for value in original) > np.finfo(np.float16).max:
        raise ValueError("the model's weights are too large for half precision, above 65504")
    rounded = [value.astype(np.float16).astype(value.dtype) for value in original]

    def log_likelihood(weights, spacing):
        for vector, value in zip(model.parameters, weights, strict=True):
            vector.value = value
        return grid_log_likelihood(model, x, spacing=spacing, limit=LIMIT).value

    for spacing in SPACINGS:
        print(f"Checking log p(x) of {len(x)} images on a grid of spacing {spacing:g}", end=": ")
        sys.stdout.flush()
        fine = log_likelihood(original, spacing / 2)
        error = float(np.abs(log_likelihood(rounded, spacing) - fine).max())
        print(f"{error:.3f} nats from a finer one.")
        if error <= TOLERANCE:
            break
    return spacing, error


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


def layers(network):
    """A network as the page's script makes it again."""
    return [
        {"kind": "Linear", "n_in": layer.n_in, "n_out": layer.n_out}
        | {name: base64_of(getattr(layer, name), np.float16) for name in ("weight", "bias")}
        if isinstance(layer, Linear)
        else {"kind": type(layer).__name__}
        for layer in network.layers
    ]


def base64_of(array, dtype):
    little_endian = np.dtype(dtype).newbyteorder("<")
    return base64.b64encode(np.asarray(array).astype(little_endian).tobytes()).decode()


def guide_links(out):
    """Where the page finds the guide: beside it in the clone, or by the clone's whole path."""
    paths = {"en": ROOT / "docs" / "guide.md", "zh": ROOT / "docs" / "guide.zh-CN.md"}
    folder = out.resolve().parent
    if folder.is_relative_to(ROOT):
        return {k: Path(os.path.relpath(path, folder)).as_posix() for k, path in paths.items()}
    return {k: path.as_uri() for k, path in paths.items()}


if __name__ == "__main__":
    prepare_streams()
    sys.exit(main())
