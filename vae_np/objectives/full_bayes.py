"""Full variational Bayes (the paper's appendix F): the decoder's weights are uncertain too.

A Gaussian q(θ) over all of θ, one mean and one variance per weight, learns by the same estimator:
θ = mean + std ⊙ noise, once per minibatch, and KL(q(θ) ‖ p(θ)) for the prior p(θ) = N(0, I).
"""

import math

import numpy as np

from vae_np.backend import array_module, to_numpy
from vae_np.checks import positive_number, whole_number
from vae_np.distributions import DiagonalGaussian
from vae_np.layers import ParameterVector
from vae_np.vae import VAE


class FullBayesVAE(VAE):
    """A `VAE` with q(θ) over its decoder's weights.

    Parameters
    ----------
    encoder, decoder
        As for `VAE`. The means of q(θ) start at the decoder's weights.
    n_training : int
        N, the size of the training set. The bound on log p(X) is then N times the bound per
        example minus KL(q(θ) ‖ p(θ)), so that each example bears 1/N of that KL.
    initial_std : float
        Where the standard deviations of q(θ) start.

    Attributes
    ----------
    weight_parameters : ParameterVector
        "mean" and "log_var" of q(θ), (P,) each.
    """

    def __init__(self, encoder, decoder, n_training, initial_std=0.01):
        super().__init__(encoder, decoder)
        self.n_training = whole_number("n_training", n_training)
        mean = to_numpy(decoder.parameters.value)
        log_var = np.full_like(mean, 2 * math.log(positive_number("initial_std", initial_std)))
        start = {"mean": mean, "log_var": log_var}
        self.weight_parameters = ParameterVector(start, self.dtype, self.device)
        self.parameters = [encoder.parameters, self.weight_parameters]
        self.bound_name = f"full Bayes over {self.n_training} examples"

    @property
    def weight_posterior(self):
        """q(θ), a `DiagonalGaussian` over all weights."""
        return DiagonalGaussian(**self.weight_parameters.views(self.weight_parameters.value))

    def weight_kl(self):
        """KL(q(θ) ‖ N(0, I)); nats, for the whole training set."""
        return float(self.weight_posterior.kl_to_standard_normal())

    def use_mean_weights(self):
        """Let the decoder use the means of q(θ) instead of the last draw of it.

        To be called after training, and after `Trainer.load`, which restores q(θ) alone.
        """
        self.decoder.parameters.value[:] = self.weight_posterior.mean

    def draw_noise(self, generator, n_draws, n_examples):
        """As `VAE.draw_noise`, and the weights' own noise, (P,)."""
        noise = super().draw_noise(generator, n_draws, n_examples)
        shape = self.decoder.parameters.value.shape
        return noise, generator.standard_normal(shape, dtype=self.dtype)

    def bound_and_gradient(self, x, noise, log_prior_scale=0.0):
        """As `VAE.bound_and_gradient`, at θ drawn from q(θ) by the noise of `draw_noise`.

        The bound that is returned is that at the drawn θ, without the KL of the weights, which
        enters the gradient.
        """
        if log_prior_scale:
            raise ValueError("the weight prior is part of full Bayes; log_prior_scale must be 0")
        if not isinstance(noise, tuple):
            raise ValueError("noise must be the two arrays that draw_noise returns, got one")
        noise, weight_noise = noise
        q = self.weight_posterior
        self.decoder.parameters.value[:] = q.sample(weight_noise)
        bound = super().bound_and_gradient(x, noise)

        share = array_module(x).full((), 1 / self.n_training, dtype=x.dtype)
        dmean, dlog_var = q.sample_backward(weight_noise, self.decoder.parameters.grad)
        dmean_kl, dlog_var_kl = q.kl_backward(share)
        gradient = self.weight_parameters.views(self.weight_parameters.grad)
        gradient["mean"][:] = dmean + dmean_kl
        gradient["log_var"][:] = dlog_var + dlog_var_kl
        return bound
