"""What a `Trainer`'s history says of each epoch."""

import math

from vae_np.backend import to_numpy
from vae_np.training.divergence import diverged_at


def row_of_epoch(trainer, evaluate):
    """The row of the epoch whose steps are done, with the numbers that ``evaluate`` returns.

    ValueError if these are no dict of numbers, DivergenceError if one is not finite.
    """
    reconstruction, kl = (to_numpy(trainer.sums).sum(axis=0) / len(trainer.images)).tolist()
    row = {
        "epoch": trainer.epoch + 1,
        "train_elbo": reconstruction - kl,
        "train_reconstruction": reconstruction,
        "train_kl": kl,
    }
    if evaluate:
        numbers = evaluate()
        try:
            measured = {name: float(value) for name, value in numbers.items()}
        except (AttributeError, OverflowError, TypeError, ValueError):
            measured = {None: None}
        if {*map(type, measured)} - {str} or measured.keys() & {*row, "seconds"}:
            raise ValueError(
                "evaluate must return a dict of numbers, under names (str) other than "
                f"{', '.join(row)} and seconds, got {numbers!r}"
            )
        for name, value in measured.items():
            if not math.isfinite(value):
                reading = ", though the weights are: look at evaluate first; if that is right,"
                raise diverged_at(trainer, trainer.steps_per_epoch, name, reading=reading)
        row |= measured
    return row | {"seconds": trainer.seconds}
