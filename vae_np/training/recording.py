"""A step of training as a CUDA graph: recorded once an epoch on a GPU, and replayed.

A small step takes a GPU little time; what takes long is Python, which launches its sixty kernels
one by one. CUDA can record a step: Python runs the very lines of `Trainer` once more, nothing is
computed, and every kernel is written down with the addresses that it reads and writes. From then on
one launch replays them all. What is computed is the same, bit for bit; there is no second version
of the mathematics.

A replay does the same to the same addresses, and Python's numbers are frozen in it. So all that
changes from step to step lies on the device:

- the place in the epoch, a number that the graph itself advances: by it the step finds its rows
  of the shuffled order, and the row of the record that it writes;
- the optimizer's rates, a table with a row for each step;
- the state of the random generator, so that each replay draws on.

What changes from epoch to epoch, such as a learning rate, needs no thought: each epoch is recorded
anew. The temporary arrays of a step have a pool of memory of their own, which lives as long as the
graph: else another array could be given what the next replay overwrites.
"""

import threading
from contextlib import contextmanager, suppress
from functools import cache

import numpy as np

from vae_np.backend import array_module, device_module, first_line, say_once
from vae_np.matrix_products import cublas

FEWEST = 10  # steps for which recording, which takes milliseconds, is worth it


def recorded(trainer, step, order):
    """A function that does what ``step`` does: ``step`` itself, or one that records and replays it.

    Parameters
    ----------
    trainer : Trainer
        At the first step to be done of its epoch.
    step : callable
        Of the step's place in the epoch and its rows of the images. All its randomness comes from
        one generator.
    order : (N,) array of int
        The epoch's rows, shuffled.
    """
    n_full = len(order) // trainer.batch_size
    if trainer.model.device == "cpu" or not trainer.graph or n_full - trainer.step < FEWEST:
        return step
    own = _own_part(trainer)
    if cublas(array_module(order)) is None:
        say_once(
            "Steps are not recorded, and so take longer: that needs nvmath-python: "
            'python -m pip install -e ".[cuda12]" or ".[cuda13]"'
        )
    elif own is not None:
        say_once(f"Steps are not recorded, and so take longer: {own} is not of this package")
    else:
        return _Recording(trainer, step, order[: n_full * trainer.batch_size])
    return step


def _own_part(trainer):
    """The name of a part that a reader wrote: it may look at the device, or count on Python."""
    model = trainer.model
    parts = [model, model.encoder, model.decoder, trainer.objective, trainer.optimizer]
    parts += [model.encoder.network, model.decoder.network]
    for part in parts:
        if not type(part).__module__.startswith("vae_np."):
            return type(part).__name__
        parts += getattr(part, "layers", [])  # the loop comes to them too
    return None


class _Recording:
    """The full minibatches of an epoch: the first is computed, the next recorded, then replayed."""

    def __init__(self, trainer, step, order):
        self.xp, self.trainer, self.step = array_module(order), trainer, step
        self.rows = order.reshape(-1, trainer.batch_size)
        self.place = self.xp.full((), trainer.step, dtype=np.int64)
        self.rates = self.xp.asarray(_rates(trainer, len(self.rows)))
        self.pool, self.graph, self.refused = self.xp.cuda.MemoryPool(), None, False

    def __call__(self, i, rows):
        if self.refused or i == len(self.rows):  # the last minibatch, a smaller one
            self.step(i, rows)
        elif self.graph:
            self.graph.launch()
            self.trainer.optimizer.steps += 1
        else:
            with self.xp.cuda.using_allocator(self.pool.malloc):
                self._next_step()  # fills the pool, and compiles what was never run
                self._record()

    def _next_step(self):
        """The step as it is recorded: at the place that the device knows."""
        optimizer, rates = self.trainer.optimizer, self.rates[self.place]
        optimizer.rates = lambda: [rates[k] for k in range(rates.size)]
        try:
            self.step(self.place, self.rows[self.place])
        finally:
            del optimizer.rates
        self.place += 1

    def _record(self):
        stream, steps = self.xp.cuda.get_current_stream(), self.trainer.optimizer.steps
        stream.begin_capture()
        try:
            self._next_step()
            self.graph = stream.end_capture()
        except Exception as error:  # one of many types
            say_once(f"Steps are not recorded, and so take longer: {first_line(error)}")
            self.refused = True
        finally:
            if self.graph is None:
                with suppress(Exception):  # what was refused may have ended it
                    stream.end_capture()
            self.trainer.optimizer.steps = steps  # Python has run, and nothing was computed


def _rates(trainer, n_steps):
    """The optimizer's rates at each step of the epoch, in rows; those done before do not matter."""
    optimizer, steps, rates = trainer.optimizer, trainer.optimizer.steps, []
    for _ in range(trainer.step, n_steps):
        optimizer.steps += 1
        rates.append(optimizer.rates())
    optimizer.steps = steps
    return np.array(trainer.step * rates[:1] + rates, trainer.model.dtype)


@contextmanager
def one_stream(device):
    """Run all that is launched on one stream of training's own, for CUDA records no other."""
    if device == "cpu":
        yield
        return
    xp = device_module(device)
    xp.cuda.get_current_stream().synchronize()  # what was begun before
    with _stream(xp, xp.cuda.runtime.getDevice(), threading.get_ident()) as stream:
        try:
            yield
        finally:
            stream.synchronize()


@cache  # for the memory of a stream is kept for it
def _stream(cupy, device, thread):
    return cupy.cuda.Stream(non_blocking=True)
