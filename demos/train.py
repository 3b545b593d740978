"""Train a variational autoencoder and watch it learn: the bound goes up, digits appear.

Without options: the paper's model (784-500-20-500-784, tanh, Bernoulli) on 5,000 embedded digits.
What comes out is in a folder of its own, which the last line names: pictures, summary.json,
history.csv and a checkpoint that --resume goes on from. Ctrl-C stops after the step under way and
keeps everything so far.
"""

import argparse
import csv
import json
import math
import sys
import time
from pathlib import Path

from tqdm import tqdm

from vae_np import datasets, figures
from vae_np.backend import DEVICES, random_generator, to_numpy
from vae_np.evaluation import evaluate_bound, importance_sampled_log_likelihood
from vae_np.networks import (
    ACTIVATIONS,
    NOISES,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
)
from vae_np.optimizers import OPTIMIZERS
from vae_np.training import DivergenceError, Trainer, read_settings
from vae_np.vae import VAE

CHECKPOINT, HISTORY, SUMMARY = "checkpoint.npz", "history.csv", "summary.json"
PICTURES = (
    "learning_curves.png",
    "reconstructions.png",
    "samples.png",
    "manifold.png",
    "latent_space.png",
)
LOG_LIKELIHOOD_SAMPLES = 100
SECONDS_BETWEEN_CHECKPOINTS = 5


def main(argv=None):
    try:
        return run(argv)
    except (ValueError, OSError) as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


def run(argv):
    args, out = parse(argv)
    data = datasets.load(args.data)
    trainer = make_trainer(args, data)
    model = trainer.model
    if args.resume:
        trainer.load(out / CHECKPOINT)
        print(f"Going on in {out} after epoch {trainer.epoch}, step {trainer.step}.")
    out.mkdir(parents=True, exist_ok=True)
    print(
        f"{args.data}: {len(data.train):,} training and {len(data.test):,} test images\n"
        f"encoder q(z|x) {model.encoder}\ndecoder p(x|z) {model.decoder}\n\n"
        f"{'nats per example':>16}{'training bound = reconstruction − KL':>42}"
        f"{'test bound = reconstruction − KL':>40}"
    )

    saved_at = -math.inf
    clear_first = args.overwrite

    def save():
        nonlocal saved_at, clear_first
        if clear_first:  # not sooner: a run that never gets anywhere replaces nothing
            for name in (CHECKPOINT, HISTORY, SUMMARY, *PICTURES):
                (out / name).unlink(missing_ok=True)
            clear_first = False
        trainer.save(out / CHECKPOINT, settings(args))
        saved_at = time.monotonic()

    def evaluate():
        bound = evaluate_bound(model, data.test, binary=args.binarize)
        return {
            "test_bound": bound.value,
            "test_reconstruction": bound.reconstruction,
            "test_kl": bound.kl,
        }

    def after_epoch(row):
        tqdm.write(
            f"epoch {row['epoch']:>5}     "
            + "".join(
                f"{row[f'{part}_bound']:>20.2f} = {row[f'{part}_reconstruction']:>8.2f} − "
                f"{row[f'{part}_kl']:>5.2f}"
                for part in ("train", "test")
            )
        )
        if time.monotonic() - saved_at > SECONDS_BETWEEN_CHECKPOINTS:
            save()

    try:
        finished = trainer.fit(args.epochs, evaluate, after_epoch)
    except DivergenceError as error:
        kept = (
            f"the last good checkpoint is {out / CHECKPOINT}"
            if saved_at > -math.inf or args.resume
            else "it did not complete an epoch, so nothing was saved"
        )
        raise DivergenceError(f"{error}; {kept}") from None
    save()
    write_history(trainer.history, out / HISTORY)
    draw_pictures(model, data, trainer.history, out, args.seed)
    if not finished:
        print(
            f"\nStopped after epoch {trainer.epoch}, step {trainer.step}; checkpoint and pictures"
            f" are in {out}. To go on:\n  python demos/train.py --resume --out {out}"
        )
        return 130

    log_likelihood = importance_sampled_log_likelihood(
        model, data.test, LOG_LIKELIHOOD_SAMPLES, binary=args.binarize, progress=True
    )
    summary = summarize(trainer, log_likelihood, settings(args))
    (out / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")
    print(f"""
test bound      {summary["test_bound"]:10.2f} nats per example
test log p(x)   {summary["test_log_likelihood"]:10.2f} nats per example, estimated by importance \
sampling with {LOG_LIKELIHOOD_SAMPLES} samples per image
training        {summary["seconds"]:10.1f} s, {summary["examples_per_second"]:,.0f} examples/s

Pictures, {SUMMARY}, {HISTORY} and {CHECKPOINT} are in {out}""")
    return 0


def parse(argv):
    """The command line's arguments, joined with the saved ones on --resume, and the folder."""
    parser = make_parser()
    args = parser.parse_args(argv)
    out = choose_folder(args)
    if args.resume:
        saved = read_settings(out / CHECKPOINT)
        parser.set_defaults(**saved)
        args = parser.parse_args(argv)
        for name, value in saved.items():
            if name not in ("epochs", "device") and getattr(args, name) != value:
                raise ValueError(
                    f"the run in {out} has --{name.replace('_', '-')} {value}, not "
                    f"{getattr(args, name)}: leave the option out to go on with it"
                )
    if args.noise and args.decoder != "gaussian":
        raise ValueError("--noise is the Gaussian decoder's: add --decoder gaussian")
    return args, out


def settings(args):
    return {k: v for k, v in vars(args).items() if k not in ("out", "resume", "overwrite")}


def choose_folder(args):
    """Where this run's files go; a folder that holds another run is never chosen silently."""
    if args.out:
        out = Path(args.out)
        if not args.resume and not args.overwrite and holds_run(out):
            raise ValueError(
                f"--out {out} holds another run: --resume goes on with it, --overwrite replaces it"
            )
        return out
    base = Path("runs") / Path(args.data).stem
    if args.overwrite:
        return base
    taken = [base] if holds_run(base) else []
    while holds_run(out := Path(f"{base}-{len(taken) + 1}")) or out == base:
        taken.append(out)
    if args.resume:
        if not taken:
            raise ValueError(f"there is no run in {base} to resume")
        return taken[-1]
    if not taken:
        return base
    print(f"{taken[-1]} holds an earlier run; this one goes to {out}.")
    return out


def holds_run(folder):
    return any((folder / name).exists() for name in (CHECKPOINT, HISTORY, SUMMARY))


def make_trainer(args, data):
    pixels = data.train.shape[1]
    common = {"activation": args.activation, "init": args.init, "device": args.device}
    encoder = GaussianEncoder(pixels, args.hidden, args.latent, seed=[args.seed, 0], **common)
    common["seed"] = [args.seed, 1]
    widths = args.latent, args.hidden[::-1], pixels
    if args.decoder == "bernoulli":
        decoder = BernoulliDecoder(*widths, **common)
    else:
        decoder = GaussianDecoder(*widths, noise=args.noise or "per-output", squash=True, **common)
    model = VAE(encoder, decoder, kl_weight=args.kl_weight)
    optimizer = OPTIMIZERS[args.optimizer](model.parameters, args.learning_rate)
    return Trainer(
        model,
        optimizer,
        data.train,
        batch_size=args.batch_size,
        n_draws=args.samples,
        binarize=args.binarize,
        weight_prior=args.weight_prior,
        seed=args.seed,
    )


def write_history(history, path):
    if history:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(history[0]))
            writer.writeheader()
            writer.writerows(history)


def draw_pictures(model, data, history, out, seed):
    generator = random_generator([seed, 5], model.device)
    if history:
        figures.learning_curves(history, out / "learning_curves.png")
    some = data.test[:12]
    figures.reconstructions(
        to_numpy(model.as_pixels(some)),
        {
            "reconstructions: the mean of p(x|z) at the mean of q(z|x)": model.reconstruct_mean(
                some
            ),
            "reconstructions: z drawn from q(z|x), then x from p(x|z)": model.reconstruct_draw(
                some, generator
            ),
        },
        data.image_shape,
        out / "reconstructions.png",
    )
    figures.image_grid(
        model.sample_mean(100, generator),
        data.image_shape,
        out / "samples.png",
        title="New images: the mean of p(x|z) for z drawn from the prior",
    )
    if model.n_latent == 2:
        figures.manifold(lambda z: model.decode(z).mean, data.image_shape, out / "manifold.png")
        figures.latent_scatter(
            model.encode(data.test).mean, data.test_labels, out / "latent_space.png"
        )


def summarize(trainer, log_likelihood, run_settings):
    last = trainer.history[-1]
    return {
        "settings": run_settings,
        "epochs": trainer.epoch,
        "train_bound": last["train_bound"],
        "test_bound": last["test_bound"],
        "test_log_likelihood": float(log_likelihood.mean()),
        "log_likelihood_samples": LOG_LIKELIHOOD_SAMPLES,
        "seconds": trainer.seconds,
        "examples_per_second": trainer.epoch * len(trainer.images) / trainer.seconds,
    }


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument

    def choice(option, choices, help, default):
        add(option, choices=list(choices), default=default, help=help)

    def number(option, kind, minimum, help, default, **more):
        add(option, type=_number(kind, minimum), default=default, metavar="N", help=help, **more)

    add(
        "--data",
        default="mnist5k",
        metavar="NAME",
        help="mnist5k (embedded), mnist, frey, or your own .npz (array x) or .npy file of images "
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
        "initial weights: within 1/sqrt(inputs), or the paper's N(0, 0.01²) (default: fan-in)",
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
    number(
        "--learning-rate",
        float,
        0,
        "the step size (default: "
        + ", ".join(f"{o.default_learning_rate:g} for {n}" for n, o in OPTIMIZERS.items())
        + ")",
        None,
    )
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
    again.add_argument("--overwrite", action="store_true", help="replace the run in the folder")
    again.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out, or the latest one, with its settings",
    )
    return parser


def _number(kind, minimum):
    def convert(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not minimum <= value < math.inf:
            noun = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"wants a {noun} of at least {minimum}, got {text!r}")
        return value

    return convert


if __name__ == "__main__":
    sys.exit(main())
