"""The command line of train.py: its options, and the folder that a run's files go to."""

import argparse
import math
from pathlib import Path

from demos.common.command_line import number as number_of
from vae_np.backend import DEVICES
from vae_np.datasets import NAMES
from vae_np.initialization import ACTIVATIONS
from vae_np.networks import NOISES
from vae_np.objectives import ELBO, SGVB_A, ImportanceWeighted, ScoreFunction, WakeSleep
from vae_np.optimizers import OPTIMIZERS
from vae_np.training.checkpoints import read_checkpoint

CHECKPOINT, HISTORY, SUMMARY = "checkpoint.npz", "history.csv", "summary.json"
PICTURES = (
    "learning_curves.png",
    "reconstructions.png",
    "samples.png",
    "manifold.png",
    "latent_space.png",
)
RUNS = Path("runs")
OBJECTIVES = {
    "elbo": ELBO,
    "sgvb-a": SGVB_A,
    "importance-weighted": ImportanceWeighted,
    "score-function": ScoreFunction,
    "wake-sleep": WakeSleep,
}
CAN_CHANGE = ("epochs", "device", "data")  # on --resume; the images must be the same ones
LARGEST = 2**31 - 1  # of the whole numbers: no array can have a longer side


def parse(argv, description):
    """The command line's arguments, joined with the saved ones on --resume, and the folder.

    The folder is None where the run is to have a new one in runs.
    """
    parser = make_parser(description)
    args = parser.parse_args(argv)
    if not args.resume:
        args.data = args.data or "mnist5k"
    out = choose_folder(args)
    if args.resume:
        about, _ = read_checkpoint(out / CHECKPOINT)
        saved = about.get("settings")
        if not isinstance(saved, dict) or saved.keys() != settings(args).keys():
            raise ValueError(
                f"{out / CHECKPOINT} was not written by this program, or by another version of it"
            )
        parser.set_defaults(**saved)
        args = parser.parse_args(argv)
        for name, value in saved.items():
            if name not in CAN_CHANGE and getattr(args, name) != value:
                raise ValueError(
                    f"the run in {out} has --{name.replace('_', '-')} {value}, not "
                    f"{getattr(args, name)}: leave the option out to go on with it"
                )
    if args.kl_weight != 1 and args.objective != "elbo":
        raise ValueError(f"--kl-weight is the ELBO's: it must be 1 for {args.objective}")
    if args.noise and args.decoder != "gaussian":
        raise ValueError("--noise is the Gaussian decoder's: add --decoder gaussian")
    if args.decoder == "gaussian":
        args.noise = args.noise or "per-output"
    if args.learning_rate is None:
        args.learning_rate = OPTIMIZERS[args.optimizer].default_learning_rate
    return args, out


def settings(args):
    return {k: v for k, v in vars(args).items() if k not in ("out", "resume", "overwrite")}


def choose_folder(args):
    """Where this run's files go; a folder that holds another run is never chosen silently."""
    if args.out:
        out = Path(args.out)
        present = files_of_a_run(out)
        if present and not (args.resume or args.overwrite):
            raise ValueError(
                f"--out {out} holds another run's {present[0]}: --resume goes on with it, "
                "--overwrite replaces it"
            )
        return out
    if args.overwrite:
        raise ValueError("--overwrite wants --out FOLDER, so that it is clear what it replaces")
    if args.resume:
        return latest_run(args.data)
    return None


def files_of_a_run(folder):
    names = (CHECKPOINT, HISTORY, SUMMARY, *PICTURES)
    return [name for name in names if (folder / name).exists()]


def latest_run(data):
    """The folder in runs/ that was saved last, of those on this data if it is not None."""
    checkpoints = sorted(RUNS.glob(f"*/{CHECKPOINT}"), key=lambda path: -path.stat().st_mtime)
    for path in checkpoints:
        saved = read_checkpoint(path)[0].get("settings")
        if data is None or (isinstance(saved, dict) and saved.get("data") == data):
            return path.parent
    raise ValueError(f"there is no run{f' on {data}' if data else ''} in {RUNS} to resume")


def make_parser(description):
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
        help="mnist5k (embedded), mnist, frey, or your own .npz (array x) or .npy file of images, "
        "of shape (N, height, width), uint8 or float in 0 to 1 (default: mnist5k)",
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
    add(
        "--objective",
        "--bound",
        type=lambda name: "elbo" if name == "sgvb-b" else name,
        choices=list(OBJECTIVES),
        default="elbo",
        help="what to climb: the ELBO by the paper's SGVB-B or SGVB-A, or by the score function; "
        "the importance-weighted bound, which wants several --samples, as the score function does; "
        "or wake-sleep, the paper's rival. --bound is its earlier name, sgvb-b elbo's "
        "(default: elbo)",
    )
    number("--samples", int, 1, "L: draws of z per example and step (default: 1)", 1)
    number(
        "--kl-weight",
        float,
        0,
        "weight of the KL term: 1 maximizes the bound, 0 is a plain "
        "autoencoder, others are the beta of a beta-VAE (default: 1)",
        1.0,
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
        "--weight-prior",
        action="store_true",
        help="add the paper's prior N(0, I) on the decoder's weights (MAP)",
    )
    number("--seed", int, 0, "for initial weights, shuffling and noise (default: 0)", 0)
    choice("--device", DEVICES, "gpu needs CuPy and an NVIDIA GPU (default: cpu)", "cpu")
    add(
        "--out",
        metavar="FOLDER",
        help="where the results go (default: the first of "
        "runs/NAME, runs/NAME-2, ... that is free)",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--overwrite", action="store_true", help="replace the run in --out")
    again.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out, or with the latest one in runs, with its settings",
    )
    return parser


def _data_name(text):
    """A data set's name, or the absolute path of a file: --resume may start elsewhere."""
    return text if text in NAMES else str(Path(text).resolve())
