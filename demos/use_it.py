"""What is a trained VAE good for?

It puts every image at a place, its code, and judges every image by log p(x). So one can go from one
image to another, walk along a latent, look for what is unusual, and classify from few labels. Each
is done here beside the simplest thing that needs no model, and some of the findings are sobering.

    python demos/use_it.py runs/mnist5k

takes the model and the images of that run of train.py, of your own images too. Without a folder, a
model of 20 latents is trained first, on the embedded digits.

    interpolation    halfway between two codes, beside halfway between the pixels
    walks            one latent at a time, those that carry most KL first
    unusual          the least probable test images; by how much log p(x) tells strange images from
                     them (ROC area), and which strange images it takes for the most usual of all
    features         nearest neighbours and a linear classifier on few labels, from codes and pixels

The same as ten lines to copy: docs/use.md
"""

import dataclasses
import sys
from functools import partial

from demos.common.command_line import named_path, say
from demos.common.findings import run
from demos.common.models import digit_model, train
from demos.training.making import load_run
from demos.using.features import classify
from demos.using.interpolation import interpolate
from demos.using.unusual import find_unusual
from demos.using.walks import walk
from vae_np import datasets
from vae_np.checkpoints import CheckpointError
from vae_np.datasets import DataError

LATENT, EPOCHS = 20, 40  # of the model that is trained here
TRAIN, TEST, FEWEST = 10_000, 1_000, 10  # images that are looked at, of larger data; the least


def experiment(args):
    model, data, binary = a_model(args)
    if len(data.test) < FEWEST:
        raise DataError(
            f"{len(data.test)} test images are too few: {FEWEST} are wanted, of 50 in all"
        )
    labels = {}
    if data.train_labels is not None:
        labels = {
            "train_labels": data.train_labels[:TRAIN],
            "test_labels": data.test_labels[:TEST],
        }
    data = dataclasses.replace(data, train=data.train[:TRAIN], test=data.test[:TEST], **labels)
    summary, findings = {}, []
    for name, part in {
        "interpolation": interpolate,
        "walks": walk,
        "unusual": partial(find_unusual, binary=binary),
        "features": classify,
    }.items():
        say(name)
        summary[name], text = part(model, data, args)
        findings.append(text)
    return summary, "\n\n".join(findings)


def a_model(args):
    """The model, its data, and whether they were binarized: of the run in FOLDER, or made here."""
    if args.folder is None:
        data = datasets.load("mnist5k")
        model = digit_model(data, args, LATENT)
        train(model, data.train, args)
        return model, data, False
    try:
        settings, data, trainer = load_run(args.folder, args.device)
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    args.epochs = trainer.epoch  # what findings are judged by
    return trainer.model, data, settings.binarize


def add_folder(parser):
    parser.add_argument(
        "folder", nargs="?", type=named_path, metavar="FOLDER", help="of a run of train.py"
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=EPOCHS, add_options=add_folder))
