"""What a `Trainer` writes into a checkpoint, and how it goes on from one, bit for bit."""

import math
import zlib

import numpy as np

from vae_np import checkpoints
from vae_np.backend import to_numpy
from vae_np.training.divergence import check_finite
from vae_np.training.threads import MOST_THREADS

IN_EACH_ROW = {"train_elbo", "train_reconstruction", "train_kl", "seconds"}  # of the history
PARTS = {  # of a reader's own: without them it would train, and fail at the first save
    "objective": ("vectors", "settings", "draw_noise", "value_and_gradient"),
    "optimizer": ("settings", "learning_rate", "state", "steps", "step"),
}


def complete(name, part):
    """``part``, the objective or the optimizer, if it has what training and saving need of it."""
    for wanted in PARTS[name]:
        if not hasattr(part, wanted):
            raise ValueError(f"{name} must have `{wanted}`, which {part!r} has not")
    checkpoints.as_json({f"settings() of the {name}": part.settings()})
    return part


def save(trainer, path, settings):
    """See `Trainer.save`."""
    check_finite(trainer)
    if checksum(trainer.images) != trainer.images_crc:
        raise ValueError("the training images have changed since the Trainer was made")
    if not is_history(trainer.history, trainer.epoch):
        raise ValueError("history must have a row of finite numbers for each epoch, as trained")
    about = {
        "identity": identity(trainer),
        "settings": settings,
        "epoch": trainer.epoch,
        "step": trainer.step,
        "optimizer_steps": trainer.optimizer.steps,
        "threads": trainer.threads,
        "seconds": trainer.seconds,
        "history": trainer.history,
    }
    checkpoints.write_checkpoint(path, about, arrays_of(trainer))


def load(trainer, path):
    """See `Trainer.load`."""
    about, arrays = checkpoints.read_checkpoint(path)
    checkpoints.check_identity(path, about.get("identity"), identity(trainer))
    names = "epoch step optimizer_steps threads seconds history".split()
    epoch, step, optimizer_steps, threads, seconds, history = map(about.get, names)
    if not (
        all(checkpoints.is_count(number) for number in (epoch, step, optimizer_steps, threads))
        and step <= trainer.steps_per_epoch  # all of them, where evaluate has raised
        and 1 <= threads <= MOST_THREADS
        and type(seconds) is float
        and 0 <= seconds < math.inf
        and is_history(history, epoch)
    ):
        raise checkpoints.CheckpointError(f"{path} does not say where in its run it was saved")
    checkpoints.copy_arrays(path, arrays, arrays_of(trainer))
    trainer._epoch, trainer._step, trainer._history = epoch, step, history
    trainer._seconds, trainer.optimizer.steps = seconds, optimizer_steps
    if not trainer.keeps_threads:
        trainer.threads = threads


def is_history(rows, n_epochs):
    """Whether they are a row of finite numbers for each epoch."""
    if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        return False
    numbers = [number for row in rows for number in row.values()]
    return (
        len(rows) == n_epochs
        and all(
            checkpoints.is_count(n) or (isinstance(n, float) and math.isfinite(n)) for n in numbers
        )
        and [row.get("epoch") for row in rows] == list(range(1, n_epochs + 1))
        and all(row.keys() >= IN_EACH_ROW for row in rows)
    )


def checksum(images):
    return zlib.crc32(np.ascontiguousarray(to_numpy(images)))


def arrays_of(trainer):
    """Every array that training changes, by name."""
    arrays = {"sums": trainer.sums}
    vectors = trainer.objective.vectors.items()
    for (name, vector), state in zip(vectors, trainer.optimizer.state, strict=True):
        arrays[name] = vector.value
        arrays |= {f"{name}_optimizer_{i}": array for i, array in enumerate(state)}
    return arrays


def identity(trainer):
    """What must be the same in a run that goes on."""
    optimizer, schedule = trainer.optimizer, trainer.schedule
    rates = [list(pair) for pair in schedule] if schedule else optimizer.learning_rate
    return {
        **trainer.model.identity(),
        "dtype": trainer.model.dtype.name,
        **trainer.objective.settings(),
        **optimizer.settings(),
        "learning rate": rates,
        "number of training images": len(trainer.images),
        "checksum of the training images": trainer.images_crc,
        "batch size": trainer.batch_size,
        "number of draws": trainer.n_draws,
        "binarize": trainer.binarize,
        "weight prior": bool(trainer.prior_share),
        "seed": trainer.seed,
    }
