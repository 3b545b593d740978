"""Full variational Bayes (the paper's appendix F): the decoder's weights are uncertain too.

A Gaussian q(θ) over all of θ, one mean and one variance per weight, learns by the same estimator:
θ = mean + std ⊙ noise, once per minibatch, and KL(q(θ) ‖ p(θ)) for the prior p(θ) = N(0, I).
"""

import math

import numpy as np

from vae_np import checks
from vae_np.backend import array_module, to_numpy
from vae_np.distributions import DiagonalGaussian
from vae_np.parameters import ParameterVector


class FullBayes:
    """Climb the ELBO with a q(θ); see `vae_np.objectives` for what an objective has.

    The value that is reported is the ELBO at the drawn θ, without the KL of the weights, which
    enters the gradient.

    Parameters
    ----------
    model : VAE
        The means of q(θ) start at its decoder's weights.
    n_training : int
        N, the size of the training set. The bound on log p(X) is then N times the ELBO per example
        minus KL(q(θ) ‖ p(θ)), so that each example bears 1/N of that KL. It is not checked:
        with a larger number the weights' KL counts too little, and what is climbed is no bound.
    initial_std : float
        Where the standard deviations of q(θ) start.

    Attributes
    ----------
    vectors : dict
        "encoder": φ; "weight_posterior": "mean" and "log_var" of q(θ), (P,) each.
    """

    def __init__(self, model, n_training, initial_std=0.01):
        self._model, self.n_training = checks.model_of(model), n_training
        mean = to_numpy(model.decoder.parameters.value)
        std = checks.positive_number("initial_std", initial_std)
        log_var = np.full_like(mean, 2 * math.log(std))
        start = {"mean": mean, "log_var": log_var}
        self._vectors = {
            "encoder": model.encoder.parameters,
            "weight_posterior": ParameterVector(start, model.dtype, model.device),
        }

    model, vectors = checks.read_only("model vectors")
    n_training = checks.Checked(checks.whole_number)

    @property
    def weight_posterior(self):
        """q(θ), a `DiagonalGaussian` over all weights."""
        vector = self.vectors["weight_posterior"]
        return DiagonalGaussian(**vector.views(vector.value))

    def weight_kl(self):
        """KL(q(θ) ‖ N(0, I)); nats, for the whole training set."""
        return float(self.weight_posterior.kl_to_standard_normal())

    def use_mean_weights(self):
        """Let the decoder use the means of q(θ) instead of the last draw of it.

        To be called after training, and after `Trainer.load`, which restores q(θ) alone.
        """
        self.model.decoder.parameters.value[:] = self.weight_posterior.mean

    def settings(self):
        return {"objective": "full-bayes", "n_training": self.n_training}

    def draw_noise(self, generator, n_draws, n_examples):
        """The ELBO's noise, and the weights' own, (P,)."""
        noise = self.model.draw_noise(generator, n_draws, n_examples)
        shape = self.model.decoder.parameters.value.shape
        return noise, generator.standard_normal(shape, dtype=self.model.dtype)

    def value(self, x, noise):
        theta, q = self.model.decoder.parameters, self.weight_posterior
        noise, weight_noise = checks.parts_of_noise(noise, theta.value.shape)
        before = theta.value.copy()
        theta.value[:] = q.sample(weight_noise)
        try:
            return self.model.elbo(x, noise)
        finally:
            theta.value[:] = before  # to look at a model must not change it

    def value_and_gradient(self, x, noise):
        theta, q = self.model.decoder.parameters, self.weight_posterior
        noise, weight_noise = checks.parts_of_noise(noise, theta.value.shape)
        theta.value[:] = q.sample(weight_noise)
        elbo = self.model.elbo_and_gradient(x, noise)

        share = array_module(x).full((), 1 / self.n_training, dtype=x.dtype)
        dmean, dlog_var = q.sample_backward(weight_noise, theta.grad)
        dmean_kl, dlog_var_kl = q.kl_backward(share)
        vector = self.vectors["weight_posterior"]
        gradient = vector.views(vector.grad)
        gradient["mean"][:] = dmean + dmean_kl
        gradient["log_var"][:] = dlog_var + dlog_var_kl
        return elbo
