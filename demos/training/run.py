"""Which run of train.py is meant: what was typed, joined with what is saved, and its folder."""

import shlex
from itertools import pairwise
from pathlib import Path

from demos.common.command_line import say
from demos.common.findings import CHECKPOINT, SUMMARY, TRAIN, check_owner
from demos.training.options import make_parser
from demos.training.saved import (
    check_history,
    check_places,
    check_test_images,
    checked_settings,
    note_on_threads,
    saved_settings,
)
from vae_np.checkpoints import read_checkpoint
from vae_np.optimizers import OPTIMIZERS

HISTORY = "history.csv"
PICTURES = (
    "learning_curves.png",
    "reconstructions.png",
    "samples.png",
    "manifold.png",
    "latent_space.png",
)
RUNS = Path("runs")
CAN_CHANGE = ("epochs", "device", "data")  # on --resume; the images must be the same ones
# The trainer saves its own threads, and recorded or not, the weights are the same.
NO_SETTINGS = ("out", "resume", "overwrite", "threads", "graph")


def parse(argv, description):
    """The command line's arguments, joined with the saved ones on --resume, and the folder.

    The folder is None where the run is to have a new one in runs.
    """
    parser = make_parser(description)
    args = parse_once(parser, argv)
    if not args.resume:
        args.data = args.data or "mnist5k"
    out = choose_folder(args)
    if args.resume:
        if not (out / CHECKPOINT).exists():
            raise ValueError(f"there is no {out / CHECKPOINT}: leave --resume out to start afresh")
        saved = saved_settings(out / CHECKPOINT)
        if saved is None or saved.keys() != settings(args).keys():
            raise ValueError(
                f"{out / CHECKPOINT} was not written by this program, or by another version of it"
            )
        saved = checked_settings(saved, make_parser(description), out / CHECKPOINT)
        parser.set_defaults(**saved)
        args = parse_once(parser, argv)
        for name, value in saved.items():
            if name not in CAN_CHANGE and getattr(args, name) != value:
                raise ValueError(
                    f"the run in {out} has --{name.replace('_', '-')} {typed(value)}, not "
                    f"{typed(getattr(args, name))}: leave the option out to go on with it"
                )
    if args.kl_weight != 1 and args.objective != "elbo":
        raise ValueError(f"--kl-weight is the ELBO's: it must be 1 for {args.objective}")
    if args.kl_warm_up and args.objective != "elbo":
        raise ValueError(f"--kl-warm-up is the ELBO's: leave it out for {args.objective}")
    if args.objective == "score-function" and args.samples == 1:
        raise ValueError("--objective score-function compares draws: add --samples 2 or more")
    if args.noise and args.decoder != "gaussian":
        raise ValueError("--noise is the Gaussian decoder's: add --decoder gaussian")
    if args.decoder == "gaussian":
        args.noise = args.noise or "per-output"
    if args.learning_rate is None:
        args.learning_rate = OPTIMIZERS[args.optimizer].default_learning_rate
    schedule_of(args)
    return args, out


def parse_once(parser, argv):
    """The arguments, where --resume FOLDER has become --resume --out FOLDER."""
    args = parser.parse_args(argv)
    if isinstance(args.resume, Path):
        if args.out not in (None, args.resume):
            raise ValueError(f"--resume {args.resume} and --out {args.out} are two folders")
        args.out, args.resume = args.resume, True
    return args


def settings(args):
    return {k: v for k, v in vars(args).items() if k not in NO_SETTINGS}


def schedule_of(args):
    """The learning rates by epoch, as `Trainer` takes them, of --learning-rate and --schedule."""
    if args.schedule is None:
        return None
    pairs = [(0, args.learning_rate)]
    for text in args.schedule:
        epoch, _, rate = text.partition(":")
        pairs.append((int(epoch), float(rate)))
    if any(later[0] <= earlier[0] for earlier, later in pairwise(pairs)):
        raise ValueError(f"--schedule wants epochs that rise, got {typed(args.schedule)}")
    return pairs


def kl_weight_at(args, epoch):
    """The KL's weight in the epoch, counted from 0: --kl-weight, or on the way there."""
    return args.kl_weight * min(1, epoch / args.kl_warm_up) if args.kl_warm_up else args.kl_weight


def warm_up(trainer, args):
    """Set the KL's weight of the trainer's epoch: before it begins, and before it is saved."""
    if args.kl_warm_up:
        trainer.objective.kl_weight = kl_weight_at(args, trainer.epoch)


def load(trainer, args, path):
    """Go on from the checkpoint at ``path``, which wants the KL's weight of its own epoch."""
    epoch = read_checkpoint(path)[0].get("epoch")
    if args.kl_warm_up and type(epoch) is int and epoch >= 0:
        trainer.objective.kl_weight = kl_weight_at(args, epoch)
    trainer.load(path)


def typed(value):
    """As it is typed after its option."""
    return " ".join(map(str, value)) if isinstance(value, list) else value


def choose_folder(args):
    """Where this run's files go; a folder that holds another run is never chosen silently.

    None where the run is to have a new one in runs.
    """
    if args.out is not None:
        check_owner(args.out, TRAIN)
        check_places(args.out, (CHECKPOINT, HISTORY, SUMMARY, *PICTURES))
        if not (args.resume or args.overwrite):
            check_free(args.out)
        return args.out
    if args.overwrite:
        raise ValueError("--overwrite wants --out FOLDER, so that it is clear what it replaces")
    if args.resume:
        return latest_run(args.data)
    return None


def check_free(folder):
    """ValueError if a run has left a file there."""
    for name in (CHECKPOINT, HISTORY, SUMMARY, *PICTURES):
        if (folder / name).exists():
            resume = "--resume goes on with it, " if name == CHECKPOINT else ""
            raise ValueError(
                f"--out {folder} holds another run's {name}: {resume}--overwrite replaces it"
            )


def discard_results(folder):
    """Remove all of a run's files but its checkpoint."""
    for name in (HISTORY, SUMMARY, *PICTURES):
        (folder / name).unlink(missing_ok=True)


def discard_run(folder):
    """Remove an earlier run's files before another one begins, so that the two never mix."""
    (folder / CHECKPOINT).unlink(missing_ok=True)
    discard_results(folder)


def go_on(trainer, args, data, out):
    """Load what the folder has saved, and say where it was.

    ValueError if there is nothing left to do, or other test images to do it with.
    """
    load(trainer, args, out / CHECKPOINT)
    check_history(trainer.history, out / CHECKPOINT)
    check_test_images(out / CHECKPOINT, data.test)
    if args.epochs <= trainer.epoch and (out / SUMMARY).exists():
        raise ValueError(f"the run in {out} is complete: --epochs above {trainer.epoch} goes on")
    args.epochs = max(args.epochs, trainer.epoch + (trainer.step > 0))  # of one epoch's weights
    note = note_on_threads(trainer, out / CHECKPOINT)
    say(f"Going on in {out} after {progress_of(trainer)}.{note}")


def latest_run(data):
    """The folder in runs/ that was saved last, of those on this data if it is not None."""
    checkpoints = sorted(RUNS.glob(f"*/{CHECKPOINT}"), key=lambda path: -path.stat().st_mtime)
    for path in checkpoints:
        saved = read_checkpoint(path)[0].get("settings")
        if data is None or (isinstance(saved, dict) and saved.get("data") == data):
            return path.parent
    raise ValueError(f"there is no run{f' on {data}' if data else ''} in {RUNS} to resume")


def progress_of(trainer):
    epochs = "1 epoch" if trainer.epoch == 1 else f"{trainer.epoch} epochs"
    return f"{epochs} and {trainer.step} of {trainer.steps_per_epoch} steps"


def resume_command(out):
    return f"python demos/train.py --resume {shlex.quote(str(out))}"
