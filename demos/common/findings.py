"""What an experiment is: its options, its folder, its findings in words and in summary.json."""

import json
import sys
import textwrap
import time
from contextlib import ExitStack
from pathlib import Path

from demos.common.command_line import (
    claimed,
    complain,
    discard_if_empty,
    hear_every_stop,
    make_folder,
    make_free_folder,
    numbered,
    prepare_streams,
    say,
    write_json,
)
from demos.common.experiment_options import Options, make_parser
from demos.common.machine import machine
from vae_np.backend import device_module
from vae_np.checkpoints import CheckpointError
from vae_np.datasets import DataError
from vae_np.training.divergence import DivergenceError
from vae_np.training.threads import product_threads

TRAIN = "train.py"
SUMMARY, CHECKPOINT = "summary.json", "checkpoint.npz"  # the latter of train.py alone
WIDTH = 90  # of a paragraph that is printed
EXPECTED = (CheckpointError, DataError, DivergenceError, OSError, MemoryError)


def run(experiment, description, epochs=None, samples=None, resumes=False, add_options=None):
    """Parse the options, print the idea, run the experiment, print and save what it found.

    The idea is the first line of the demo's docstring and the paragraph below it.

    Parameters
    ----------
    experiment : callable
        Takes the options ``seed``, ``out``, ``device`` and, if it has them, ``epochs`` or
        ``samples``; draws its picture into the folder ``out``; returns its numbers, a dict, and a
        paragraph about them, or several. Without numbers, None, there is nothing to save.
    description : str
        The demo's docstring.
    epochs : int, optional
        The default of ``--epochs``, for a demo that trains.
    samples : float, optional
        The default of ``--samples``, for one that counts the training samples that it has seen.
    resumes : bool
        Whether the same ``--out`` goes on from what an interrupted run has saved there.
    add_options : callable, optional
        Gives the parser the demo's own options.

    Returns
    -------
    int
        The exit status.
    """
    prepare_streams()
    hear_every_stop()
    program, claim = Path(sys.argv[0]), ExitStack()
    parser = make_parser(description, epochs, samples, resumes)
    if add_options:
        add_options(parser)
    args = parser.parse_args(namespace=Options())
    base, own_folder = Path("runs") / program.stem, args.out is None
    try:
        device_module(args.device)
        if args.out or resumes:
            args.out = args.out or unfinished_folder(base)
            make_folder(args.out)
            check_owner(args.out, program.stem)
        else:
            args.out = make_free_folder(base)
        out = args.out
        args.still_ours = claim.enter_context(claimed(out))
    except (ValueError, OSError) as error:  # what was asked for cannot be had
        return complain(program.name, error)
    started = time.monotonic()
    try:
        say(f"{idea(description)}\n")
        with product_threads(1):  # beside other programs a second one would only wait
            summary, findings = experiment(args)
        findings = caution(vars(args).get("epochs"), epochs) + findings
        if summary is None:
            say(textwrap.fill(findings, WIDTH))
            return 0
        about = {
            "experiment": program.stem,
            "options": {
                key: str(value) if isinstance(value, Path) else value
                for key, value in vars(args).items()
                if key not in ("still_ours", "where")
            },
            "machine": machine(),
            "seconds": time.monotonic() - started,
            "findings": findings,
        }
        write_json(args.out / SUMMARY, about | summary)
    except EXPECTED as error:  # anything else is a bug: show it
        return complain(program.name, error)
    except KeyboardInterrupt:
        kept = "nothing was saved"
        if resumes and any(out.glob("*")):
            kept = f"the same command with --out {out} goes on from what is saved there"
        print(f"\nInterrupted: {kept}.", file=sys.stderr)
        return 130
    finally:
        if own_folder:
            discard_if_empty(out, args.still_ours)
        claim.close()
    drawn = "The pictures" if len(list(out.glob("*.png"))) > 1 else "The picture"
    said = "\n\n".join(textwrap.fill(part, WIDTH) for part in findings.split("\n\n"))
    say(f"\n{said}\n\n{drawn} and {SUMMARY} are in {out}")
    return 0


def idea(description):
    """A docstring's first line and its next paragraph, at the width of the findings."""
    question, answer, *_ = description.strip().split("\n\n")
    return f"{question}\n\n{textwrap.fill(' '.join(answer.split()), WIDTH)}"


def caution(epochs, usual):
    """What to say first where so few epochs were trained that the findings' words may not fit."""
    if not epochs or epochs >= usual / 2:
        return ""
    passes = "epoch" if epochs == 1 else "epochs"
    return (
        f"After {epochs} {passes} instead of {usual} the models may not have learned enough: the "
        "numbers are what was measured, but the sentences around them may not fit. "
    )


def check_owner(folder, name):
    """ValueError if the folder's results are of anything but ``name``: an experiment, train.py."""
    owner = owner_of(folder)
    if owner not in (None, name):
        what = "run" if owner == TRAIN else SUMMARY
        raise ValueError(f"--out {folder} holds a {what} of {owner}: choose another folder")


def owner_of(folder):
    """Whose results the folder holds, or None."""
    if (folder / CHECKPOINT).exists():  # whose summary comes with its last epoch only
        return TRAIN
    try:
        summary = json.loads((folder / SUMMARY).read_bytes())
        return summary.get("experiment") or (TRAIN if "settings" in summary else "another program")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, AttributeError):
        return "another program"


def unfinished_folder(base):
    """The first of base, base-2, ... that has no summary: an interrupted run goes on there."""
    return next(folder for folder in numbered(base) if not (folder / SUMMARY).exists())
