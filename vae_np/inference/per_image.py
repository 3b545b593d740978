"""Variational inference without an encoder: a q(z|x) of its own for every image.

This is what an encoder amortizes. Where nothing has a closed form, each image's mean and variance
climb the same ELBO as in training; where it has, see `linear_gaussian.mean_field`.
"""

import numpy as np

from vae_np.backend import array_module, device_of, to_numpy
from vae_np.checks import generator_of, pixels_in_support, positive_number, whole_number
from vae_np.distributions import DiagonalGaussian
from vae_np.optimizers import Adam
from vae_np.parameters import ParameterVector
from vae_np.progress import progress_bar
from vae_np.vae import Bound


def elbo_and_gradient(parameters, decoder, x, noise):
    """The ELBO of each image, and the gradient of minus their sum to ``parameters.grad``.

    Parameters
    ----------
    parameters : ParameterVector
        Of "mean" and "log_var", (N, Z) each: the variational parameters.
    decoder : BernoulliDecoder or GaussianDecoder
        Held fixed.
    x : (N, D) array
    noise : (L, N, Z) array

    Returns
    -------
    Bound
    """
    gradient = parameters.views(parameters.grad)
    q = DiagonalGaussian(**parameters.views(parameters.value))
    z = q.sample(noise)
    p = decoder.forward(z)
    ones = array_module(x).ones(len(x), dtype=x.dtype)
    dz = decoder.backward_to_input(*p.log_prob_backward(x, -ones / len(noise)))
    dmean, dlog_var = q.sample_backward(noise, dz)
    dmean_kl, dlog_var_kl = q.kl_backward(ones)
    gradient["mean"][...] = dmean + dmean_kl
    gradient["log_var"][...] = dlog_var + dlog_var_kl
    return Bound(p.log_prob(x).mean(axis=0), q.kl_to_standard_normal())


def fit(
    decoder, x, initial, generator, n_steps=300, n_draws=10, learning_rate=0.03, progress=False
):
    """Fit q(z|x) = N(mean, diag(σ²)) to each image by gradient ascent on its own ELBO.

    Parameters
    ----------
    decoder : BernoulliDecoder or GaussianDecoder
        Held fixed.
    x : (N, D) array
        Pixels, as `VAE.as_pixels` makes them.
    initial : DiagonalGaussian
        Where to start, over (N, Z): the encoder's q refines it.
    generator : numpy.random.Generator or cupy.random.Generator
        For the noise; on the decoder's device.
    n_steps, n_draws : int
        Steps of Adam, and draws per image in each. Over the second half of the steps the step size
        falls to 0, so that the draws' noise averages out.
    learning_rate : float
    progress : bool
        Show a progress bar, on a terminal.

    Returns
    -------
    DiagonalGaussian
        Over (N, Z).

    Raises
    ------
    ValueError
        If an argument is out of range or does not fit the decoder, the ELBO is not finite at the
        start, or the fit diverged.
    """
    pixels_in_support(x, decoder)
    learning_rate = positive_number("learning_rate", learning_rate)
    generator_of(generator, device_of(x))
    n_steps, n_draws = whole_number("n_steps", n_steps), whole_number("n_draws", n_draws)
    shape = (len(x), decoder.n_latent)
    if not isinstance(initial, DiagonalGaussian):
        raise ValueError(f"initial must be a DiagonalGaussian, got {type(initial).__name__}")
    if initial.mean.shape != shape or initial.log_var.shape != shape:
        raise ValueError(
            f"initial must have a mean and log_var of shape {shape}, got {initial.mean.shape} and "
            f"{initial.log_var.shape}"
        )
    values = {"mean": to_numpy(initial.mean), "log_var": to_numpy(initial.log_var)}
    if not np.isfinite([*values.values()]).all():
        raise ValueError("initial must be finite, and its mean or log_var is not everywhere")
    parameters = ParameterVector(values, x.dtype, device_of(x))
    optimizer = Adam([parameters], learning_rate)
    steps = progress_bar(
        progress, iterable=range(n_steps), desc="fitting q", unit="step", leave=False
    )
    with np.errstate(all="ignore"):  # what is not finite is said here, and below
        at_the_mean = array_module(x).zeros((1, *shape), dtype=x.dtype)
        start = elbo_and_gradient(parameters, decoder, x, at_the_mean)
        if not np.isfinite(to_numpy(start.value)).all():
            raise ValueError(
                "the ELBO is not finite where the fit starts: check x, initial and the weights"
            )
        for step in steps:
            noise = generator.standard_normal((n_draws, *shape), dtype=x.dtype)
            elbo_and_gradient(parameters, decoder, x, noise)
            optimizer.learning_rate = learning_rate * min(1, 2 * (1 - step / n_steps))
            optimizer.step()
    if not np.isfinite(to_numpy(parameters.value)).all():
        raise ValueError(f"the fit diverged; a learning_rate below {learning_rate:g} may help")
    return DiagonalGaussian(**parameters.views(parameters.value))
