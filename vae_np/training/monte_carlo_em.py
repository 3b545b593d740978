"""Monte Carlo EM (the paper's appendix E): no encoder, z comes from the posterior by HMC.

The E step moves each z of a minibatch by one HMC transition, which leaves p_θ(z|x) unchanged; the M
step climbs log p_θ(x, z) with z held. An image keeps its z from one visit to the next: only after
many is it a draw from the posterior. One step size serves all chains: an image is visited too
seldom to tune its own.
"""

import numpy as np

from vae_np import checkpoints, checks
from vae_np.backend import Stream, array_module, device_of, random_generator
from vae_np.inference.hmc import log_joint_and_gradient, transition
from vae_np.progress import progress_bar
from vae_np.training.aevb import minibatches
from vae_np.training.divergence import diverged
from vae_np.training.interrupt import deferred_interrupt
from vae_np.training.resuming import checksum


class MonteCarloEM:
    """Fits a decoder alone.

    Parameters
    ----------
    decoder : BernoulliDecoder or GaussianDecoder
    optimizer : Optimizer
        Of ``[decoder.parameters]``.
    x : (N, D) array
        The training set as pixels, as `VAE.as_pixels` makes them.
    batch_size : int
    n_leapfrog, target_acceptance
        Of HMC, as for `hmc.sample_posterior`; one draw per visit. The paper: 10 and 0.9.
    n_weight_updates : int
        Steps of the optimizer per draw; the paper has 5.
    weight_prior : bool
        Climb log p(θ) = log N(θ; 0, I) too: the paper's MAP.
    step_size : float
        Of the leapfrog steps: where their tuning starts, which never ends, as θ moves.
    seed : int

    Raises
    ------
    ValueError
        If an argument is out of range or does not fit the decoder.

    Attributes
    ----------
    z : (N, Z) array
        Each image's latest draw.
    step_size : (1, 1) array
        As the latest minibatch left it.
    acceptance : float
        The mean acceptance probability over the latest epoch that was trained here.
    """

    def __init__(
        self,
        decoder,
        optimizer,
        x,
        batch_size=100,
        n_leapfrog=10,
        target_acceptance=0.9,
        n_weight_updates=5,
        weight_prior=False,
        step_size=0.05,
        seed=0,
    ):
        self._decoder = checks.decoder_of(decoder)
        theta = decoder.parameters.value
        self._optimizer = checks.optimizer_of(optimizer, [decoder.parameters])
        self._seed = checks.whole_number("seed", seed, minimum=0)
        self._x = checks.pixels_in_support(x, decoder)
        checks.within_reach(x, decoder)
        self.batch_size, self.n_leapfrog = batch_size, n_leapfrog
        self.n_weight_updates, self.target_acceptance = n_weight_updates, target_acceptance
        weight_prior = checks.true_or_false("weight_prior", weight_prior)
        self._prior_share = 1 / len(x) if weight_prior else 0.0
        self._epoch, self.acceptance, self.in_epoch = 0, float("nan"), False
        generator = random_generator([self.seed, Stream.POSTERIOR], device_of(theta))
        self._z = generator.standard_normal((len(x), decoder.n_latent), dtype=x.dtype)
        step_size = checks.step_size_of(step_size, x.dtype)
        self._step_size = array_module(theta).full((1, 1), step_size, dtype=x.dtype)

    decoder, optimizer, x, z = checks.read_only("decoder optimizer x z")
    step_size, epoch, seed, prior_share = checks.read_only("step_size epoch seed prior_share")
    batch_size = checks.Checked(checks.whole_number)
    n_leapfrog = checks.Checked(checks.whole_number)
    n_weight_updates = checks.Checked(checks.whole_number)
    target_acceptance = checks.Checked(checks.between_0_and_1)

    def fit(self, epochs, after_epoch=None, progress=True):
        """Train until ``epochs`` epochs are complete in all.

        Parameters
        ----------
        epochs : int
        after_epoch : callable, optional
            Called without arguments after each.
        progress : bool
            Show a progress bar, on a terminal.

        Returns
        -------
        bool
            True if all epochs are complete; False if Ctrl-C, SIGTERM or SIGHUP was heard, after a
            whole epoch: where within one it is, it does not remember. A second Ctrl-C raises
            KeyboardInterrupt at once; then a checkpoint must be loaded to go on.

        Raises
        ------
        DivergenceError
            If a weight is no longer finite.
        ValueError
            If an argument is out of range, or an epoch was cut short.
        """
        self._check_whole()
        n, epochs = len(self.x), checks.whole_number("epochs", epochs, minimum=0)
        bar = progress_bar(progress, total=epochs * n, initial=self.epoch * n, unit="example")
        device = device_of(self.x)
        with bar, np.errstate(all="ignore"), deferred_interrupt() as interrupted:
            while self.epoch < epochs and not interrupted():
                total, self.in_epoch = 0, True
                for rows, generator in minibatches(
                    n, self.batch_size, self.seed, self.epoch, device
                ):
                    total = total + self.e_step(rows, generator).sum()
                    self.m_step(rows)
                    bar.update(len(rows))
                self.check_finite()
                self._epoch += 1
                self.acceptance, self.in_epoch = float(total) / n, False
                if after_epoch:
                    after_epoch()
        return not interrupted()

    def e_step(self, rows, generator):
        """Move these images' z by one HMC transition; return the acceptance probabilities."""
        x, xp = self.x[rows], array_module(self.x)
        steps = xp.broadcast_to(self.step_size, (len(rows), 1))

        def target(z):
            return log_joint_and_gradient(self.decoder, x, z)

        z = self.z[rows]
        moved, acceptance = transition(target, (z, *target(z)), steps, self.n_leapfrog, generator)
        self.z[rows] = moved[0]
        self._step_size *= xp.exp(acceptance.mean() - self.target_acceptance)
        return acceptance

    def m_step(self, rows):
        """Climb the mean of log p(x, z) over these images, z held."""
        for _ in range(self.n_weight_updates):
            self.fill_gradient(self.x[rows], self.z[rows])
            self.optimizer.step()

    def fill_gradient(self, x, z):
        """Fill θ's gradient with that of −mean log p(x, z), and of the prior's share."""
        upstream = array_module(x).full(len(x), -1 / len(x), dtype=x.dtype)
        self.decoder.backward(*self.decoder.forward(z).log_prob_backward(x, upstream))
        if self.prior_share:
            self.decoder.parameters.add_weight_prior(self.prior_share)

    def check_finite(self):
        """DivergenceError if something that training changes is not finite."""
        for name, array in self._arrays().items():
            if not array_module(array).isfinite(array).all():
                what = "a weight" if name == "decoder" else f"a number of its {name}"
                raise diverged(what, f"in epoch {self.epoch + 1}", self.optimizer)

    def _check_whole(self):
        if self.in_epoch:
            raise ValueError(f"epoch {self.epoch + 1} was cut short: load a checkpoint to go on")

    def save(self, path, settings=None):
        """Write everything that going on needs into ``path``, as `Trainer.save` does.

        DivergenceError if that is not finite, ValueError if an epoch was cut short.
        """
        self.check_finite()
        self._check_whole()
        about = {
            "identity": self._identity(),
            "settings": settings,
            "epoch": self.epoch,
            "optimizer_steps": self.optimizer.steps,
        }
        checkpoints.write_checkpoint(path, about, self._arrays())

    def load(self, path):
        """Go on from the checkpoint at ``path``, bit for bit.

        Raises
        ------
        CheckpointError
            If the file is missing, cut short, not a checkpoint, or of another run. Nothing has
            changed then.
        """
        about, arrays = checkpoints.read_checkpoint(path)
        checkpoints.check_identity(path, about.get("identity"), self._identity())
        epoch, steps = about.get("epoch"), about.get("optimizer_steps")
        if not (checkpoints.is_count(epoch) and checkpoints.is_count(steps)):
            raise checkpoints.CheckpointError(f"{path} does not say where in its run it was saved")
        checkpoints.copy_arrays(path, arrays, self._arrays())
        self._epoch, self.optimizer.steps, self.in_epoch = epoch, steps, False

    def _arrays(self):
        """Every array that training changes, by name."""
        arrays = {
            "decoder": self.decoder.parameters.value,
            "z": self.z,
            "step_size": self.step_size,
        }
        return arrays | {f"optimizer_{i}": a for i, a in enumerate(self.optimizer.state[0])}

    def _identity(self):
        """What must be the same in a run that goes on."""
        return {
            "decoder": repr(self.decoder),
            "objective": "Monte Carlo EM",
            "dtype": self.x.dtype.name,
            **self.optimizer.settings(),
            "learning rate": self.optimizer.learning_rate,
            "number of training images": len(self.x),
            "checksum of the training images": checksum(self.x),
            "batch size": self.batch_size,
            "leapfrog steps": self.n_leapfrog,
            "target acceptance": self.target_acceptance,
            "weight updates": self.n_weight_updates,
            "weight prior": bool(self.prior_share),
            "seed": self.seed,
        }
