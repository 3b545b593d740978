"""Training as one runs it: Algorithm 1 of `aevb`, with a history, Ctrl-C and checkpoints."""

import time
from contextlib import contextmanager
from functools import partial

import numpy as np

from vae_np import checks
from vae_np.backend import keep_freed_memory, to_device
from vae_np.distributions import binarize
from vae_np.networks import BernoulliDecoder
from vae_np.objectives.elbo import ELBO
from vae_np.progress import progress_bar
from vae_np.training import resuming
from vae_np.training.aevb import cut, shuffled, step
from vae_np.training.divergence import check_finite, diverged_at
from vae_np.training.history import row_of_epoch
from vae_np.training.interrupt import deferred_interrupt
from vae_np.training.recording import one_stream, recorded
from vae_np.training.threads import MOST_THREADS, product_threads, threads_for


class Trainer:
    """Trains a `VAE` and remembers where it is, so that it can stop at any step and go on.

    Uninterrupted, it ends with the same weights, bit for bit, as `vae_np.training.aevb.train` on
    as many threads.

    Each epoch's shuffle and noise come from ``seed`` and the epoch's number alone. A trainer that
    goes on within an epoch draws that epoch's randomness once more from its start, and so ends
    with the same weights, bit for bit, as one that was never stopped, on the same processor.
    After a `DivergenceError` the weights are useless, unless it was ``evaluate``'s number that was
    not finite: `load` a checkpoint then.

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
        numbers may give other bits, and more than there are cores wait for each other.
    graph : bool
        On a GPU, record the step of each epoch and replay it: see `vae_np.training.recording`. The
        weights are the same without.

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
        graph=True,
    ):
        self._batch_size = checks.whole_number("batch_size", batch_size)
        self._n_draws = checks.whole_number("n_draws", n_draws)
        objective = ELBO(model) if objective is None else objective
        if getattr(objective, "model", None) is not model:
            raise ValueError("objective must be an object made from this model, as ELBO(model) is")
        vectors = resuming.complete("objective", objective).vectors
        checks.optimizer_of(optimizer, vectors.values())
        if checks.true_or_false("weight_prior", weight_prior) and "decoder" not in vectors:
            raise ValueError("weight_prior is one of theta, which this objective does not learn")
        binarize = checks.true_or_false("binarize", binarize)
        if binarize and not isinstance(model.decoder, BernoulliDecoder):
            raise ValueError("binarize makes binary images, which need a Bernoulli decoder")
        self._model, self._objective, self._binarize = model, objective, binarize
        self._optimizer = resuming.complete("optimizer", optimizer)
        self._schedule = checks.schedule_of(schedule)
        self._images = to_device(model.check(images), model.device)
        checks.within_reach(self._images, model.decoder)
        self.keeps_threads = threads is not None  # whatever a checkpoint says
        if threads is None:
            threads = threads_for(vectors.values(), self.n_draws * self.batch_size)
        self.threads = threads
        self.graph = checks.true_or_false("graph", graph)
        self._prior_share = 1 / len(images) if weight_prior else 0.0
        self._seed = checks.whole_number("seed", seed, minimum=0)
        self._images_crc = resuming.checksum(self.images)
        self._epoch, self._step, self._history, self._seconds = 0, 0, [], 0.0
        self._steps_per_epoch = -(-len(images) // self.batch_size)
        # Each step's reconstruction and KL, summed over its examples; they stay on the device.
        self._sums = to_device(np.zeros((self.steps_per_epoch, 2)), model.device)
        keep_freed_memory()

    # `self.model` reads `self._model`, and cannot be set: checkpoints and counts rely on that.
    model, optimizer, objective, images = checks.read_only("model optimizer objective images")
    batch_size, n_draws, binarize, seed = checks.read_only("batch_size n_draws binarize seed")
    schedule, prior_share, images_crc = checks.read_only("schedule prior_share images_crc")
    epoch, step, steps_per_epoch = checks.read_only("epoch step steps_per_epoch")
    sums, history, seconds = checks.read_only("sums history seconds")
    threads = checks.Checked(checks.whole_number, 1, MOST_THREADS)

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
        epochs = checks.whole_number("epochs", epochs, minimum=0)
        for name, function in (("evaluate", evaluate), ("after_epoch", after_epoch)):
            if function is not None and not callable(function):
                raise ValueError(f"{name} must be a function, got {function!r}")
        with self._running(epochs, progress) as (stop, bar):
            while self.epoch < epochs and not stop():
                self._train_epoch(stop, bar)
                if self.step == self.steps_per_epoch:
                    row = row_of_epoch(self, evaluate)
                    with stop.held():  # an epoch counts with its row, or not at all
                        self.history.append(row)
                        self._epoch, self._step = self.epoch + 1, 0
                    if after_epoch:
                        after_epoch(row)
        return not stop()

    def _train_epoch(self, stop, bar):
        """Algorithm 1, for the steps that this epoch still has to do, or until somebody stops."""
        started = time.perf_counter()
        self._set_learning_rate()
        order, generator = shuffled(len(self.images), self.seed, self.epoch, self.model.device)
        # On a CPU, `_train_step` itself; on a GPU it is recorded once and replayed.
        train_step = recorded(self, partial(self._train_step, generator), order)
        for i, rows in enumerate(cut(order, self.batch_size)):
            if i < self.step:  # done before a stop: only the draws are repeated
                self._draw(generator, len(rows))
                continue
            with stop.held():  # Ctrl-C waits for the step's end
                train_step(i, rows)
                self._step += 1
            self._show(bar)
            if stop():
                break
        check_finite(self)
        self._seconds += time.perf_counter() - started

    def _train_step(self, generator, i, rows):
        """Step ``i`` of the epoch; while it is recorded, ``i`` is a number on the device."""
        noise, uniform = self._draw(generator, len(rows))  # ε ← samples from p(ε)
        x = self.model.as_pixels(self.images[rows])  # X^M ← a random minibatch of M datapoints
        if self.binarize:
            x = binarize(x, uniform)
        value = step(self.objective, self.optimizer, x, noise, self.prior_share)
        self.sums[i, 0] = value.reconstruction.sum()
        self.sums[i, 1] = value.kl.sum()
        if self.model.device == "cpu" and not np.isfinite(self.sums[i]).all():
            self.sums[i] = 0  # this step does not count
            raise diverged_at(self, i + 1)

    def _draw(self, generator, n_examples):
        """All the randomness of a step: the objective's noise, and what binarizes the images."""
        noise = self.objective.draw_noise(generator, self.n_draws, n_examples)
        if not self.binarize:
            return noise, None
        shape = n_examples, self.model.n_pixels
        return noise, generator.random(shape, dtype=self.model.dtype)

    def _set_learning_rate(self):
        if self.schedule:
            rates = [rate for epoch, rate in self.schedule if epoch <= self.epoch]
            self.optimizer.learning_rate = rates[-1]

    @contextmanager
    def _running(self, epochs, progress):
        """What training runs in; yield the `Stop` that hears Ctrl-C, and the progress bar."""
        done = self.epoch * self.steps_per_epoch + self.step
        total = epochs * self.steps_per_epoch
        bar = progress_bar(progress, total=total, initial=done, unit="step")
        quiet = np.errstate(all="ignore")  # divergence shows in the ELBO
        with (
            bar,
            quiet,
            product_threads(self.threads),
            one_stream(self.model.device),
            deferred_interrupt() as stop,
        ):
            yield stop, bar

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
