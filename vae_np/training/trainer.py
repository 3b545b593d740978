"""AEVB, the paper's Algorithm 1: shuffle, minibatch, noise, gradient, step."""

import math
import time
import zlib

import numpy as np

from vae_np.backend import Stream, array_module, random_generator, to_device, to_numpy
from vae_np.checks import whole_number
from vae_np.distributions import binarize
from vae_np.networks import BernoulliDecoder
from vae_np.training.checkpoints import CheckpointError, read_checkpoint, write_checkpoint
from vae_np.training.interrupt import deferred_interrupt
from vae_np.training.progress import progress_bar


class DivergenceError(ValueError):
    """Training met a bound that is not a finite number."""


class Trainer:
    """Trains a `VAE` and remembers where it is, so that it can stop at any step and go on.

    Each epoch's shuffle and noise come from ``seed`` and the epoch's number alone. A trainer that
    goes on within an epoch draws that epoch's randomness once more from its start, and so ends
    with the same weights, bit for bit, as one that was never stopped (on the same kind of device).
    After a second Ctrl-C a step may be half done, and after a `DivergenceError` the weights are
    useless: `load` a checkpoint then.

    Parameters
    ----------
    model : VAE
    optimizer : Optimizer
        Of ``model.parameters``.
    images : (N, D) array, uint8 or float
        The training set. It is kept on the model's device as it is, and turned into floats one
        minibatch at a time.
    batch_size : int
        Examples per step; the last minibatch of an epoch takes what is left.
    n_draws : int
        L, the noise samples per example.
    binarize : bool
        Draw fresh binary images from the grey ones each epoch, white with the pixel's value as
        the probability.
    weight_prior : bool
        Maximize the training set's summed bound plus log p(θ) with p(θ) = N(0, I): the paper's MAP.
    seed : int

    Attributes
    ----------
    epoch, step : int
        How many epochs are complete, and how many steps of the one under way.
    history : list of dict
        One row per complete epoch: ``epoch``, ``train_bound``, ``train_reconstruction`` and
        ``train_kl`` (means over the epoch's minibatches while the weights moved; nats per
        example), what ``evaluate`` returned, and ``seconds`` of training so far.
    seconds : float
        Time spent in training steps, evaluation left out.
    """

    def __init__(
        self,
        model,
        optimizer,
        images,
        batch_size=100,
        n_draws=1,
        binarize=False,
        weight_prior=False,
        seed=0,
    ):
        self._batch_size = whole_number("batch_size", batch_size)
        n_draws = whole_number("n_draws", n_draws)
        updated = {id(vector) for vector in getattr(optimizer, "vectors", ())}
        if updated != {id(vector) for vector in model.parameters}:
            raise ValueError("optimizer must be made from this model's parameters, got others")
        if binarize and not isinstance(model.decoder, BernoulliDecoder):
            raise ValueError("binarize makes binary images, which need a Bernoulli decoder")
        self.model, self.optimizer = model, optimizer
        self.images = to_device(model.check(images), model.device)
        self.n_draws, self.binarize = n_draws, binarize
        self.log_prior_scale = 1 / len(images) if weight_prior else 0.0
        self.seed = whole_number("seed", seed, minimum=0)
        self.images_crc = zlib.crc32(np.ascontiguousarray(to_numpy(images)))
        self.epoch, self.step, self.history, self.seconds = 0, 0, [], 0.0
        self.steps_per_epoch = -(-len(images) // self.batch_size)
        # Each step's reconstruction and KL, summed over its examples; they stay on the device.
        self.record = to_device(np.zeros((self.steps_per_epoch, 2)), model.device)
        # Once a block of this size was freed, glibc keeps the memory of a step's arrays for the
        # next step instead of giving it back: 52 against 75 ms for a step of 1,000 examples.
        np.empty(31 << 20, dtype=np.uint8)

    @property
    def batch_size(self):
        return self._batch_size  # a Trainer's own for good: its epochs are counted in steps

    def fit(self, epochs, evaluate=None, after_epoch=None, progress=True):
        """Train until ``epochs`` epochs are complete in all.

        Parameters
        ----------
        epochs : int
        evaluate : callable, optional
            Called without arguments after each epoch; returns a dict of finite numbers, which join
            the history row.
        after_epoch : callable, optional
            Called with the new history row: the place to print it and to save a checkpoint.
        progress : bool
            Show a progress bar with the running bound, on a terminal.

        Returns
        -------
        bool
            True if all epochs are complete; False if Ctrl-C stopped it, after a whole step.

        Raises
        ------
        DivergenceError
            If the bound, a weight or a number from ``evaluate`` is not finite: the bound at once on
            the CPU, at the epoch's end on a GPU, where looking at every step would make it wait.
        ValueError
            If an argument is out of range, or ``evaluate`` returns something else.
        """
        epochs = whole_number("epochs", epochs, minimum=0)
        for name, function in (("evaluate", evaluate), ("after_epoch", after_epoch)):
            if function is not None and not callable(function):
                raise ValueError(f"{name} must be a function, got {function!r}")
        bar = progress_bar(
            progress,
            total=epochs * self.steps_per_epoch,
            unit="step",
            initial=self.epoch * self.steps_per_epoch + self.step,
        )
        quiet = np.errstate(over="ignore", invalid="ignore")  # divergence shows in the bound
        with bar, quiet, deferred_interrupt() as interrupted:
            while self.epoch < epochs and not interrupted():
                started = time.perf_counter()
                for x, noise in self._minibatches():
                    self._train_step(x, noise)
                    self._show(bar)
                    if interrupted():
                        break
                self._check_finite()
                self.seconds += time.perf_counter() - started
                if self.step == self.steps_per_epoch:
                    self._complete_epoch(evaluate, after_epoch)
        return self.epoch >= epochs

    def _minibatches(self):
        """Yield (x, noise) for every step that this epoch still has to do."""
        model = self.model
        shuffle = random_generator([self.seed, Stream.SHUFFLE, self.epoch])
        order = to_device(shuffle.permutation(len(self.images)), model.device)
        generator = random_generator([self.seed, Stream.TRAINING_NOISE, self.epoch], model.device)
        for step in range(self.steps_per_epoch):
            rows = order[step * self.batch_size : (step + 1) * self.batch_size]
            noise = model.draw_noise(generator, self.n_draws, len(rows))
            if self.binarize:
                uniform = generator.random((len(rows), model.n_pixels), dtype=model.dtype)
            if step >= self.step:  # of the steps before it only the draws are repeated
                x = model.as_pixels(self.images[rows])
                if self.binarize:
                    x = binarize(x, uniform)
                yield x, noise

    def _train_step(self, x, noise):
        bound = self.model.bound_and_gradient(x, noise, self.log_prior_scale)
        self.record[self.step, 0] = bound.reconstruction.sum()
        self.record[self.step, 1] = bound.kl.sum()
        if self.model.device == "cpu" and not np.isfinite(self.record[self.step]).all():
            raise self._divergence(self.step + 1)
        self.optimizer.step()
        self.step += 1

    def _check_finite(self):
        bad = np.flatnonzero(~np.isfinite(to_numpy(self.record)[: self.step]).all(axis=1))
        if bad.size:
            raise self._divergence(int(bad[0]) + 1)
        for vector in self.model.parameters:
            if not array_module(vector.value).isfinite(vector.value).all():
                raise self._divergence(self.step, "a weight")

    def _divergence(self, step, what="the bound"):
        return DivergenceError(
            f"{what} is not finite at step {self.epoch * self.steps_per_epoch + step} "
            f"(epoch {self.epoch + 1}): training diverged; a learning rate below "
            f"{self.optimizer.learning_rate:g} may help"
        )

    def _complete_epoch(self, evaluate, after_epoch):
        reconstruction, kl = (to_numpy(self.record).sum(axis=0) / len(self.images)).tolist()
        row = {
            "epoch": self.epoch + 1,
            "train_bound": reconstruction - kl,
            "train_reconstruction": reconstruction,
            "train_kl": kl,
        }
        if evaluate:
            numbers = evaluate()
            try:
                measured = {name: float(value) for name, value in numbers.items()}
            except (AttributeError, TypeError, ValueError):
                measured = None
            if measured is None or measured.keys() & {*row, "seconds"}:
                raise ValueError(
                    "evaluate must return a dict of numbers, under names other than "
                    f"{', '.join(row)} and seconds, got {numbers!r}"
                )
            row |= measured
        for name, value in row.items():
            if not math.isfinite(value):
                raise self._divergence(self.steps_per_epoch, name)
        row["seconds"] = self.seconds
        self.epoch, self.step = self.epoch + 1, 0
        self.history.append(row)
        if after_epoch:
            after_epoch(row)

    def _show(self, bar):
        if bar.update() and self.model.device == "cpu":  # on a GPU, looking would make it wait
            examples = min(self.step * self.batch_size, len(self.images))
            reconstruction, kl = self.record[: self.step].sum(axis=0) / examples
            bar.set_postfix_str(f"bound {reconstruction - kl:.2f} nats", refresh=False)

    # Checkpoints

    def save(self, path, settings=None):
        """Write everything that going on needs into ``path``, whole or not at all.

        Parameters
        ----------
        path : str or Path
            An ``.npz`` file.
        settings : dict, optional
            The caller's own, as JSON; `read_checkpoint` gives it back.
        """
        about = {
            "identity": self._identity(),
            "settings": settings,
            "epoch": self.epoch,
            "step": self.step,
            "optimizer_steps": self.optimizer.steps,
            "seconds": self.seconds,
            "history": self.history,
        }
        write_checkpoint(path, about, self._arrays())

    def load(self, path):
        """Go on from the checkpoint at ``path``.

        Raises
        ------
        CheckpointError
            If the file is missing, cut short, not a checkpoint, or of a model, an optimizer or
            training settings other than this trainer's. The trainer is then unchanged.
        """
        about, arrays = read_checkpoint(path)
        identity = about.get("identity")
        for name, ours in self._identity().items():
            theirs = identity.get(name) if isinstance(identity, dict) else None
            if theirs != ours:
                raise CheckpointError(
                    f"{path} is a checkpoint of another run: its {name} is {theirs}, not {ours}"
                )
        own = self._arrays()
        if arrays.keys() != own.keys() or any(
            (arrays[k].shape, arrays[k].dtype) != (own[k].shape, own[k].dtype) for k in own
        ):
            raise CheckpointError(f"{path} does not hold this model's arrays")
        position = [about.get(name) for name in ("epoch", "step", "optimizer_steps")]
        seconds, history = about.get("seconds"), about.get("history")
        if not (
            all(isinstance(number, int) and number >= 0 for number in position)
            and position[1] <= self.steps_per_epoch  # all of them, where evaluate has raised
            and isinstance(seconds, float)
            and isinstance(history, list)
            and len(history) == position[0]
        ):
            raise CheckpointError(f"{path} does not say where in its run it was saved")
        self.epoch, self.step, self.optimizer.steps = position
        self.seconds, self.history = seconds, history
        for name, array in own.items():
            array[...] = to_device(arrays[name], self.model.device)

    def _arrays(self):
        """Every array that training changes, by name."""
        arrays = {"record": self.record}
        networks = zip(
            ("encoder", "decoder"), self.model.parameters, self.optimizer.state, strict=True
        )
        for name, vector, state in networks:
            arrays[name] = vector.value
            arrays |= {f"{name}_optimizer_{i}": array for i, array in enumerate(state)}
        return arrays

    def _identity(self):
        """What must be the same in a run that goes on."""
        return {
            "encoder": repr(self.model.encoder),
            "decoder": repr(self.model.decoder),
            "dtype": self.model.dtype.name,
            "KL weight": self.model.kl_weight,
            "bound": self.model.bound_name,
            "optimizer": type(self.optimizer).__name__,
            "learning rate": float(self.optimizer.learning_rate),
            "number of training images": len(self.images),
            "checksum of the training images": self.images_crc,
            "batch size": self.batch_size,
            "number of draws": self.n_draws,
            "binarize": self.binarize,
            "weight prior": bool(self.log_prior_scale),
            "seed": self.seed,
        }
