"""The command line of train.py."""

import argparse
import math
import os

from demos.common.command_line import Parser, named_path
from demos.common.command_line import number as number_of
from vae_np.backend import DEVICES
from vae_np.datasets import NAMES
from vae_np.initialization import ACTIVATIONS
from vae_np.networks import NOISES
from vae_np.objectives import (
    ELBO,
    SGVB_A,
    DoublyReparameterized,
    ImportanceWeighted,
    ScoreFunction,
    WakeSleep,
)
from vae_np.optimizers import OPTIMIZERS

OBJECTIVES = {
    "elbo": ELBO,
    "sgvb-a": SGVB_A,
    "importance-weighted": ImportanceWeighted,
    "doubly-reparameterized": DoublyReparameterized,
    "score-function": ScoreFunction,
    "wake-sleep": WakeSleep,
}
LARGEST = 2**31 - 1  # of the whole numbers: no array can have a longer side


def make_parser(description):
    parser = Parser(description)
    add = parser.add_argument

    def choice(option, choices, help, default):
        add(option, choices=list(choices), default=default, help=help)

    def number(option, kind, minimum, help, default, **more):
        convert = number_of(kind, minimum, LARGEST if kind is int else math.inf)
        add(option, type=convert, default=default, metavar="N", help=help, **more)

    add(
        "--data",
        type=_data_name,
        metavar="NAME",
        help="mnist5k (embedded), mnist, frey, or your own .npz (array x, and y if there are "
        "labels) or .npy file of images, of shape (N, height, width), uint8 or float in 0 to 1 "
        "(default: mnist5k)",
    )
    number("--latent", int, 1, "width of the latent space z (default: 20)", 20)
    number(
        "--hidden",
        int,
        1,
        "width of each hidden layer, from the data inwards; the decoder "
        "mirrors them (default: 500)",
        [500],
        nargs="+",
    )
    choice("--activation", ACTIVATIONS, "the hidden units (default: tanh, the paper's)", "tanh")
    choice(
        "--init",
        ("fan-in", "paper"),
        "initial weights: within 1/sqrt(inputs), and the output bias at the mean image; or the "
        "paper's N(0, 0.01²) for all (default: fan-in)",
        "fan-in",
    )
    choice(
        "--decoder",
        ("bernoulli", "gaussian"),
        "p(x|z): bernoulli for binary or grey pixels, "
        "gaussian (mean squashed into 0 to 1) for real ones (default: bernoulli)",
        "bernoulli",
    )
    choice(
        "--noise",
        NOISES,
        "the gaussian decoder's sigma: fixed at 1/sqrt(2), which makes the "
        "loss the squared error; one learned number; or one per output, from the network "
        "(default: per-output)",
        None,
    )
    add(
        "--binarize",
        action="store_true",
        help="draw fresh black-and-white images from the grey ones each epoch",
    )
    number("--epochs", int, 1, "passes over the training set (default: 80)", 80)
    number("--batch-size", int, 1, "examples per step (default: 100)", 100)
    choice(
        "--objective",
        OBJECTIVES,
        "what to climb: the ELBO, with its KL in closed form (the paper's SGVB-B) or not (sgvb-a); "
        "the importance-weighted bound, by its own gradient or by one with less noise "
        "(doubly-reparameterized), or the ELBO by the score function, which want several "
        "--samples; or the paper's rival, wake-sleep (default: elbo)",
        "elbo",
    )
    number("--samples", int, 1, "L: draws of z per example and step (default: 1)", 1)
    number(
        "--kl-weight",
        float,
        0,
        "weight of the KL term: 1 maximizes the ELBO, 0 is a plain "
        "autoencoder, others are the beta of a beta-VAE (default: 1)",
        1.0,
    )
    number(
        "--kl-warm-up",
        int,
        0,
        "let the KL's weight rise from 0 to --kl-weight over so many epochs, against posterior "
        "collapse; the ELBO that is printed has the weight 1 (default: 0)",
        0,
    )
    choice(
        "--optimizer",
        OPTIMIZERS,
        "how a gradient becomes a step; the paper's is adagrad (default: adam)",
        "adam",
    )
    defaults = ", ".join(f"{o.default_learning_rate:g} for {n}" for n, o in OPTIMIZERS.items())
    add("--learning-rate", type=float, metavar="N", help=f"the step size (default: {defaults})")
    add(
        "--schedule",
        type=_epoch_and_rate,
        nargs="+",
        metavar="N:RATE",
        help="the step sizes after so many epochs: 40:3e-4 60:1e-4, say (default: one for all)",
    )
    add(
        "--weight-prior",
        action="store_true",
        help="add the paper's prior N(0, I) on the decoder's weights (MAP)",
    )
    number("--seed", int, 0, "for initial weights, shuffling and noise (default: 0)", 0)
    choice("--device", DEVICES, "gpu needs CuPy and an NVIDIA GPU (default: cpu)", "cpu")
    add(
        "--no-graph",
        dest="graph",
        action="store_false",
        help="on a GPU, do not record a step and replay it, but launch all its kernels one by one: "
        "the same weights, slower",
    )
    number(
        "--threads",
        int,
        1,
        "for the matrix products; more are faster alone, and far slower beside other programs "
        "(default: 1, or all cores where the products are large)",
        None,
    )
    add(
        "--out",
        type=named_path,
        metavar="FOLDER",
        help="where the results go (default: the first of "
        "runs/NAME, runs/NAME-2, ... that is free)",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--overwrite", action="store_true", help="replace the run in --out")
    again.add_argument(
        "--resume",
        nargs="?",
        const=True,
        type=named_path,
        metavar="FOLDER",
        help="go on with the run in FOLDER, or in --out, or with the latest one in runs, with its "
        "settings",
    )
    return parser


def _data_name(text):
    """A data set's name, or the absolute path of a file: --resume may start elsewhere."""
    return text if text in NAMES else os.path.abspath(os.path.expanduser(text))


def _epoch_and_rate(text):
    """Checked, and written in one way, so that a saved schedule equals the one typed again."""
    epoch, colon, rate = text.partition(":")
    try:
        pair = number_of(int, 1)(epoch), float(rate)
    except (ValueError, argparse.ArgumentTypeError):
        pair = 0, math.nan
    if not (colon and 0 < pair[1] < math.inf):
        raise argparse.ArgumentTypeError(
            f"wants N:RATE, from which epoch on which step size, such as 40:3e-4, got {text!r}; "
            "N is at least 1, and what holds before is --learning-rate"
        )
    return f"{pair[0]}:{pair[1]!r}"
