"""Train a variational autoencoder and watch it learn: the ELBO goes up, digits appear.

Without options: the paper's model (784-500-20-500-784, tanh, Bernoulli) on 5,000 embedded digits.
What comes out is in a folder of its own, which the last line names: pictures, summary.json,
history.csv and a checkpoint that --resume goes on from. Ctrl-C stops after the step under way and
keeps everything so far.
"""

import sys
from contextlib import ExitStack
from pathlib import Path

from demos.common.command_line import (
    FolderMoved,
    claimed,
    complain,
    discard_if_empty,
    hear_every_stop,
    make_folder,
    make_free_folder,
    prepare_streams,
    say,
)
from demos.common.long_runs import Saver
from demos.training.making import make_trainer
from demos.training.report import (
    announce,
    draw_pictures,
    interrupted,
    report,
    what_was_saved,
    write_history,
)
from demos.training.run import (
    CHECKPOINT,
    HISTORY,
    RUNS,
    check_free,
    discard_results,
    discard_run,
    go_on,
    parse,
    progress_of,
    resume_command,
    settings,
    warm_up,
)
from demos.training.saved import TEST_IMAGES
from vae_np import datasets
from vae_np.evaluation import evaluate_elbo
from vae_np.training.divergence import DivergenceError
from vae_np.training.interrupt import deferred_interrupt
from vae_np.training.resuming import checksum

SECONDS_BETWEEN_CHECKPOINTS = 5


def main(argv=None):
    with ExitStack() as claim:  # on the run's folder, until the end
        return run_or_complain(argv, claim)


def run_or_complain(argv, claim):
    out = None
    try:
        args, out = parse(argv, description=__doc__)
        data = datasets.load(args.data)
        trainer = make_trainer(args, data)
        own_folder = out is None
        out = make_folder(out) if out else make_free_folder(RUNS / Path(args.data).stem)
        still_ours = claim.enter_context(claimed(out))
        if args.resume:
            go_on(trainer, args, data, out)
        elif args.overwrite:
            discard_run(out)
        else:
            check_free(out)  # once more: another run may have come and gone while the data loaded
    except (ValueError, OSError, MemoryError) as error:  # what was asked for cannot be had
        return complain("train.py", error)
    except KeyboardInterrupt:
        return interrupted(out)
    try:
        return run(args, out, data, trainer, still_ours)
    except FolderMoved as error:  # and what was saved is in it
        return complain("train.py", error)
    except (DivergenceError, OSError, MemoryError) as error:  # anything else is a bug: show it
        return complain("train.py", error, what_was_saved(out, still_ours))
    except KeyboardInterrupt:
        return interrupted(out, still_ours)
    finally:
        if own_folder:
            discard_if_empty(out, still_ours)


def run(args, out, data, trainer, still_ours=lambda: None):
    if not args.resume:
        earlier = "" if args.out or out.name == Path(args.data).stem else ", beside an earlier run"
        say(f"Results go to {out}{earlier}.")
    finished = train(trainer, data, args, out, still_ours)
    still_ours()
    write_history(trainer.history, out / HISTORY)
    draw_pictures(trainer, data, out, args.seed)
    if not finished:
        say(
            f"\nStopped after {progress_of(trainer)}; the checkpoint and the pictures so far are "
            f"in {out}. To go on:\n  {resume_command(out)}"
        )
        return 130
    report(trainer, data, args, out)
    return 0


def train(trainer, data, args, out, still_ours):
    """Train to the last epoch, or to Ctrl-C; save after an epoch, but not every second."""
    announce(trainer, data, args)
    test_images = checksum(data.test)

    def save():
        still_ours()
        warm_up(trainer, args)  # an epoch may have ended since, and the next one not begun
        trainer.save(out / CHECKPOINT, {**settings(args), TEST_IMAGES: test_images})
        discard_results(out)  # an earlier state's, where there are any

    def evaluate():
        test = evaluate_elbo(
            trainer.model,
            data.test,
            binary=args.binarize,
            n_draws=args.samples,
            objective=trainer.objective,
        )
        return {
            "test_elbo": test.value,
            "test_reconstruction": test.reconstruction,
            "test_kl": test.kl,
        }

    saver = Saver(save, SECONDS_BETWEEN_CHECKPOINTS)
    if not args.resume:
        saver.save()  # so that a run killed in its first epoch can go on too

    def after_epoch(row):
        train_part, test_part = (
            f"{row[f'{part}_elbo']:.2f} = {row[f'{part}_reconstruction']:8.2f} − "
            f"{row[f'{part}_kl']:6.2f}"
            for part in ("train", "test")
        )
        warm_up(trainer, args)
        saver.save_in_time()
        say(f"epoch {row['epoch']:<14}{train_part:>40}{test_part:>42}")

    with deferred_interrupt() as stop, stop.held():  # the last save is made, however often pressed
        try:
            finished = trainer.fit(args.epochs, evaluate, after_epoch)
        except KeyboardInterrupt:  # a second Ctrl-C, between two steps: the weights are whole
            saver.save()
            raise
        saver.save()
    if stop():
        raise KeyboardInterrupt
    return finished


if __name__ == "__main__":
    prepare_streams()
    hear_every_stop()
    sys.exit(main())
