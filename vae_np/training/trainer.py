"""Training as one runs it: Algorithm 1 of `aevb`, with a history, Ctrl-C and checkpoints."""

import math
import time
from operator import attrgetter

import numpy as np

from vae_np.backend import array_module, to_device, to_numpy
from vae_np.checks import not_black_and_white, rate_schedule, true_or_false, whole_number
from vae_np.distributions import binarize
from vae_np.networks import BernoulliDecoder
from vae_np.objectives.elbo import ELBO
from vae_np.progress import progress_bar
from vae_np.training import resuming
from vae_np.training.aevb import minibatches, step
from vae_np.training.divergence import diverged
from vae_np.training.interrupt import deferred_interrupt
from vae_np.training.threads import product_threads, threads_for


class Trainer:
    """Trains a `VAE` and remembers where it is, so that it can stop at any step and go on.

    Uninterrupted, it ends with the same weights, bit for bit, as `vae_np.training.aevb.train`.

    Each epoch's shuffle and noise come from ``seed`` and the epoch's number alone. A trainer that
    goes on within an epoch draws that epoch's randomness once more from its start, and so ends
    with the same weights, bit for bit, as one that was never stopped (on the same kind of device).
    After a `DivergenceError` the weights are useless: `load` a checkpoint then.

    Parameters
    ----------
    model : VAE
    optimizer : Optimizer
        Of ``model.parameters``, or of the objective's vectors.
    images : (N, D) array, uint8 or float
        The training set. It is kept on the model's device as it is, and turned into floats one
        minibatch at a time.
    objective : optional
        What to climb, made from this model: see `vae_np.objectives`. The default is its `ELBO`.
    batch_size : int
        Examples per step; the last minibatch of an epoch takes what is left.
    n_draws : int
        L, the noise samples per example.
    binarize : bool
        Draw fresh binary images from the grey ones each epoch, white with the pixel's value as
        the probability.
    weight_prior : bool
        Maximize the training set's summed ELBO plus log p(θ) with p(θ) = N(0, I): the paper's MAP.
    schedule : list of (int, float), optional
        Learning rates by epoch, such as ``[(0, 1e-3), (60, 1e-4)]``: each holds from the epoch
        that stands with it, counted from 0, until the next. The default is the optimizer's own.
    seed : int
    threads : int, optional
        How many compute the matrix products in `fit`. The default goes by their size: see
        `vae_np.training.threads`; after `load` it is what the checkpoint was saved with. Other
        numbers may give other bits.

    Attributes
    ----------
    epoch, step : int
        How many epochs are complete, and how many steps of the one under way.
    history : list of dict
        One row per complete epoch: ``epoch``, ``train_elbo`` (the objective's value),
        ``train_reconstruction`` and ``train_kl`` (means over the epoch's minibatches while the
        weights moved; nats per example), what ``evaluate`` returned, and ``seconds`` of training
        so far.
    seconds : float
        Time spent in training steps, evaluation left out.
    """

    def __init__(
        self,
        model,
        optimizer,
        images,
        objective=None,
        batch_size=100,
        n_draws=1,
        binarize=False,
        weight_prior=False,
        schedule=None,
        seed=0,
        threads=None,
    ):
        self._batch_size = whole_number("batch_size", batch_size)
        self._n_draws = whole_number("n_draws", n_draws)
        objective = ELBO(model) if objective is None else objective
        if getattr(objective, "model", None) is not model:
            raise ValueError("objective must be made from this model, got another's")
        vectors = resuming.complete("objective", objective).vectors
        learned = [id(vector) for vector in vectors.values()]
        if [id(vector) for vector in getattr(optimizer, "vectors", ())] != learned:
            raise ValueError(
                "optimizer must be made from this model's parameters, or from the objective's "
                "vectors if it has its own, got others"
            )
        if true_or_false("weight_prior", weight_prior) and "decoder" not in vectors:
            raise ValueError("weight_prior is a prior on θ, which this objective does not learn")
        binarize = true_or_false("binarize", binarize)
        if binarize and not isinstance(model.decoder, BernoulliDecoder):
            raise ValueError("binarize makes binary images, which need a Bernoulli decoder")
        self._model, self._objective, self._binarize = model, objective, binarize
        self._optimizer = resuming.complete("optimizer", optimizer)
        self.schedule = rate_schedule(schedule)
        self._images = to_device(not_black_and_white(model.check(images)), model.device)
        self.keeps_threads = threads is not None  # whatever a checkpoint says
        if threads is None:
            threads = threads_for(vectors.values(), self.n_draws * self.batch_size)
        self.threads = whole_number("threads", threads)
        self.prior_share = 1 / len(images) if weight_prior else 0.0
        self._seed = whole_number("seed", seed, minimum=0)
        self.images_crc = resuming.checksum(self.images)
        self.epoch, self.step, self.history, self.seconds = 0, 0, [], 0.0
        self.steps_per_epoch = -(-len(images) // self.batch_size)
        # Each step's reconstruction and KL, summed over its examples; they stay on the device.
        self.sums = to_device(np.zeros((self.steps_per_epoch, 2)), model.device)
        # Once a block of this size was freed, glibc keeps the memory of a step's arrays for the
        # next step instead of giving it back: 52 against 75 ms for a step of 1,000 examples.
        np.empty(31 << 20, dtype=np.uint8)

    # A Trainer's own for good: its checkpoints know them, and its epochs are counted in steps.
    model = property(attrgetter("_model"))
    optimizer = property(attrgetter("_optimizer"))
    objective = property(attrgetter("_objective"))
    images = property(attrgetter("_images"))
    batch_size = property(attrgetter("_batch_size"))
    n_draws = property(attrgetter("_n_draws"))
    binarize = property(attrgetter("_binarize"))
    seed = property(attrgetter("_seed"))

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
            Show a progress bar with the running ELBO, on a terminal.

        Returns
        -------
        bool
            True if all epochs are complete; False if Ctrl-C, SIGTERM or SIGHUP was heard, after
            which it stops at a whole step (and be it the last one, so that a loop over `fit` ends).
            A second Ctrl-C raises KeyboardInterrupt, between two steps as well.

        Raises
        ------
        DivergenceError
            If the ELBO, a weight or a number from ``evaluate`` is not finite: the ELBO at once on
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
        quiet = np.errstate(all="ignore")  # divergence shows in the ELBO
        threads = product_threads(self.threads)
        with bar, quiet, threads, deferred_interrupt() as interrupted:
            while self.epoch < epochs and not interrupted():
                started = time.perf_counter()
                self._set_learning_rate()
                for x, noise in self._minibatches():
                    interrupted.in_step = True
                    self._train_step(x, noise)
                    interrupted.in_step = False
                    self._show(bar)
                    if interrupted():
                        break
                self.check_finite()
                self.seconds += time.perf_counter() - started
                if self.step == self.steps_per_epoch:
                    row = self._row_of_epoch(evaluate)
                    interrupted.in_step = True  # an epoch counts with its row, or not at all
                    self.history.append(row)
                    self.epoch, self.step = self.epoch + 1, 0
                    interrupted.in_step = False
                    if after_epoch:
                        after_epoch(row)
        return not interrupted()

    def _set_learning_rate(self):
        if self.schedule:
            rates = [rate for epoch, rate in self.schedule if epoch <= self.epoch]
            self.optimizer.learning_rate = rates[-1]

    def _minibatches(self):
        """Yield (x, noise) for every step that this epoch still has to do."""
        model = self.model
        epoch = minibatches(len(self.images), self.batch_size, self.seed, self.epoch, model.device)
        for i, (rows, generator) in enumerate(epoch):
            noise = self.objective.draw_noise(generator, self.n_draws, len(rows))
            if self.binarize:
                uniform = generator.random((len(rows), model.n_pixels), dtype=model.dtype)
            if i >= self.step:  # of the steps before it only the draws are repeated
                x = model.as_pixels(self.images[rows])
                yield (binarize(x, uniform) if self.binarize else x), noise

    def _train_step(self, x, noise):
        value = step(self.objective, self.optimizer, x, noise, self.prior_share)
        self.sums[self.step, 0] = value.reconstruction.sum()
        self.sums[self.step, 1] = value.kl.sum()
        if self.model.device == "cpu" and not np.isfinite(self.sums[self.step]).all():
            raise self._divergence(self.step + 1)
        self.step += 1

    def check_finite(self):
        """DivergenceError if the ELBO, a weight or what the optimizer remembers is not finite.

        An infinite Σ g² would freeze its weight for good, without a word.
        """
        bad = np.flatnonzero(~np.isfinite(to_numpy(self.sums)[: self.step]).all(axis=1))
        if bad.size:
            raise self._divergence(int(bad[0]) + 1)
        vectors = self.objective.vectors.items()
        for (name, vector), state in zip(vectors, self.optimizer.state, strict=True):
            xp = array_module(vector.value)
            if not xp.isfinite(vector.value).all():
                raise self._divergence(self.step, f"a weight of the {name}")
            if not all(xp.isfinite(array).all() for array in state):
                raise self._divergence(
                    self.step, f"the optimizer's mean of gradients of the {name}"
                )

    def _divergence(self, step, what="the ELBO"):
        step += self.epoch * self.steps_per_epoch
        return diverged(what, f"at step {step} (epoch {self.epoch + 1})", self.optimizer)

    def _row_of_epoch(self, evaluate):
        """What the history says of the epoch whose steps are done."""
        reconstruction, kl = (to_numpy(self.sums).sum(axis=0) / len(self.images)).tolist()
        row = {
            "epoch": self.epoch + 1,
            "train_elbo": reconstruction - kl,
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
        return row | {"seconds": self.seconds}

    def _show(self, bar):
        if bar.update() and self.model.device == "cpu":  # on a GPU, looking would make it wait
            examples = min(self.step * self.batch_size, len(self.images))
            reconstruction, kl = self.sums[: self.step].sum(axis=0) / examples
            bar.set_postfix_str(f"ELBO {reconstruction - kl:.2f} nats", refresh=False)

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
        resuming.save(self, path, settings)

    def load(self, path):
        """Go on from the checkpoint at ``path``.

        Raises
        ------
        CheckpointError
            If the file is missing, cut short, not a checkpoint, or of a model, an optimizer or
            training settings other than this trainer's. The trainer is then unchanged.
        """
        resuming.load(self, path)
