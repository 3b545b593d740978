"""What is said when training leaves the finite numbers."""

import numpy as np

from vae_np.backend import array_module, to_numpy


class DivergenceError(ValueError):
    """Training met an ELBO, a weight or another number that is not finite."""


def diverged(what, where, optimizer, reading=": training diverged;"):
    """The error to raise: ``what`` is not finite, and ``where``, and how to read that."""
    return DivergenceError(
        f"{what} is not finite {where}{reading} a learning rate below "
        f"{optimizer.learning_rate:g} may help"
    )


def diverged_at(trainer, step, what="the ELBO", **reading):
    """The same of a `Trainer`, at this step of its epoch."""
    steps = trainer.epoch * trainer.steps_per_epoch + step
    where = f"at step {steps} (epoch {trainer.epoch + 1})"
    if steps == 1 and what == "the ELBO":
        ends = [to_numpy(end) for end in (trainer.images.min(axis=0), trainer.images.max(axis=0))]
        pixels = to_numpy(trainer.model.as_pixels(np.stack(ends)))
        return DivergenceError(
            f"{what} is not finite {where}, before a weight has changed: the pixels, from "
            f"{pixels.min():g} to {pixels.max():g}, or the weights are too large"
        )
    return diverged(what, where, trainer.optimizer, **reading)


def check_finite(trainer):
    """DivergenceError if the ELBO, a weight or what the optimizer remembers is not finite.

    An infinite Σ g² would freeze its weight for good, without a word.
    """
    bad = np.flatnonzero(~np.isfinite(to_numpy(trainer.sums)[: trainer.step]).all(axis=1))
    if bad.size:
        raise diverged_at(trainer, int(bad[0]) + 1)
    vectors = trainer.objective.vectors.items()
    for (name, vector), state in zip(vectors, trainer.optimizer.state, strict=True):
        xp = array_module(vector.value)
        if not xp.isfinite(vector.value).all():
            raise diverged_at(trainer, trainer.step, f"a weight of the {name}")
        if not all(xp.isfinite(array).all() for array in state):
            what = f"what the optimizer remembers of the {name}'s gradients"
            raise diverged_at(trainer, trainer.step, what)
