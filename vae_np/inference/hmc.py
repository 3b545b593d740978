"""Hamiltonian Monte Carlo: draws from the exact posterior p_θ(z|x) (Neal, 1206.1901).

z rolls as a ball does over the hills of −log p(x, z) after a random push r ~ N(0, I). The exact
motion keeps the energy −log p(x, z) + ½|r|². The leapfrog steps change it a little, and the new z
is accepted with probability min(1, exp(−change)). The posterior's normalizer p(x) is never needed.
"""

from dataclasses import dataclass

import numpy as np

from vae_np.backend import array_module
from vae_np.checks import between_0_and_1, pixels, positive_number, whole_number
from vae_np.distributions import standard_normal_log_prob, standard_normal_log_prob_backward
from vae_np.progress import progress_bar


@dataclass(frozen=True, eq=False)
class PosteriorDraws:
    """What `sample_posterior` returns.

    Attributes
    ----------
    z : (S, ..., N, Z) array
        S successive draws of each chain.
    acceptance : (..., N) array
        The mean acceptance probability of each chain after the warm-up.
    step_size : (..., N) array
        The leapfrog step of each chain, as the warm-up tuned it.
    """

    z: np.ndarray
    acceptance: np.ndarray
    step_size: np.ndarray


def log_joint(decoder, x, z):
    """log p(x, z) = log p(x|z) + log p(z) at z, (..., N, Z), for x, (N, D); (..., N), nats."""
    return decoder.forward(z).log_prob(x) + standard_normal_log_prob(z)


def log_joint_and_gradient(decoder, x, z):
    """log p(x, z), (..., N), and its derivative with respect to z, (..., N, Z): ∇ log p(z|x)."""
    p = decoder.forward(z)
    log_px = p.log_prob(x)
    upstream = array_module(z).ones(log_px.shape, dtype=z.dtype)
    dz = decoder.backward_to_input(*p.log_prob_backward(x, upstream))
    dz = dz + standard_normal_log_prob_backward(z, upstream)
    return log_px + standard_normal_log_prob(z), dz


def leapfrog(target, z, momentum, dz, step_size, n_steps):
    """Follow the motion dz/dt = r, dr/dt = ∇ log p for ``n_steps`` steps of length ``step_size``.

    ``target(z)`` returns the log density, (...,), and its derivative, ``dz`` at the start. z,
    ``momentum`` and ``dz`` are (..., Z), ``step_size`` (..., 1). Returns the new z and momentum,
    and the log density and derivative there.
    """
    log_density = None
    momentum = momentum + 0.5 * step_size * dz
    for step in range(n_steps):
        z = z + step_size * momentum
        log_density, dz = target(z)
        momentum = momentum + (0.5 if step == n_steps - 1 else 1) * step_size * dz
    return z, momentum, log_density, dz


def transition(target, state, step_size, n_leapfrog, generator):
    """One draw: a random push, ``n_leapfrog`` steps, and Metropolis' decision.

    Parameters
    ----------
    target : callable
        From z to the log density that is drawn from, up to a constant, and its derivative.
    state : tuple
        z, (..., Z), and ``target(z)``: the log density, (...,), and its derivative.
    step_size : (..., 1) array
    n_leapfrog : int
    generator : numpy.random.Generator or cupy.random.Generator

    Returns
    -------
    state : tuple
        Where each chain is now, which is where it was if the move was rejected.
    acceptance : (...,) array
        The probability with which the move was accepted.
    """
    z, log_density, dz = state
    xp, dtype = array_module(z), z.dtype
    momentum = generator.standard_normal(z.shape, dtype=dtype)
    # A path as long as the ball's period would end where it began: so each has its own length.
    jittered = step_size * (0.7 + 0.6 * generator.random(step_size.shape, dtype=dtype))
    new_z, new_momentum, new_log_density, new_dz = leapfrog(
        target, z, momentum, dz, jittered, n_leapfrog
    )
    kinetic_lost = 0.5 * ((momentum**2).sum(axis=-1) - (new_momentum**2).sum(axis=-1))
    energy_lost = new_log_density - log_density + kinetic_lost
    energy_lost = xp.where(xp.isfinite(energy_lost), energy_lost, -xp.inf)  # a far too long step
    acceptance = xp.exp(xp.minimum(energy_lost, 0))
    accepted = generator.random(acceptance.shape, dtype=dtype) < acceptance
    z = xp.where(accepted[..., None], new_z, z)
    dz = xp.where(accepted[..., None], new_dz, dz)
    return (z, xp.where(accepted, new_log_density, log_density), dz), acceptance


def sample_posterior(
    decoder,
    x,
    n_draws,
    generator,
    initial,
    n_leapfrog=10,
    target_acceptance=0.9,
    n_warmup=100,
    step_size=0.1,
    progress=False,
):
    """Draw from p_θ(z|x) for many images at once, each with a chain and a step size of its own.

    Parameters
    ----------
    decoder : BernoulliDecoder or GaussianDecoder
    x : (N, D) array
        Pixels, as `VAE.as_pixels` makes them.
    n_draws : int
        S, the successive draws that are kept of each chain.
    generator : numpy.random.Generator or cupy.random.Generator
        On the decoder's device.
    initial : (N, Z) array or (C, N, Z) array
        Where the chains start: one per image, or C. A draw from q(z|x) shortens the way.
    n_leapfrog : int
        Leapfrog steps per draw; the paper's appendix E has 10.
    target_acceptance : float
        What the warm-up tunes the step size to; the paper has 0.9.
    n_warmup : int
        Draws thrown away while the step sizes are tuned.
    step_size : float
        Where the tuning starts.
    progress : bool
        Show a progress bar, on a terminal.

    Returns
    -------
    PosteriorDraws

    Raises
    ------
    ValueError
        If an argument is out of range, or log p(x, z) is not finite where a chain starts.
    """
    pixels(x, decoder)
    for name, value in (("n_draws", n_draws), ("n_leapfrog", n_leapfrog)):
        whole_number(name, value)
    whole_number("n_warmup", n_warmup, minimum=0)
    between_0_and_1("target_acceptance", target_acceptance)
    if initial.ndim not in (2, 3) or initial.shape[-2:] != (len(x), decoder.n_latent):
        raise ValueError(
            f"initial must have shape (N, Z) or (C, N, Z) with N = {len(x)} and "
            f"Z = {decoder.n_latent}, got {initial.shape}"
        )
    xp = array_module(x)
    z = initial.astype(x.dtype)
    steps = xp.full((*z.shape[:-1], 1), positive_number("step_size", step_size), dtype=x.dtype)

    def target(z):
        return log_joint_and_gradient(decoder, x, z)

    with np.errstate(invalid="ignore"):
        state = (z, *target(z))
    if not xp.isfinite(state[1]).all():
        raise ValueError("log p(x, z) is not finite where a chain starts: check x and the weights")
    draws = xp.empty((n_draws, *z.shape), dtype=x.dtype)
    total_acceptance = xp.zeros(z.shape[:-1], dtype=x.dtype)
    bar = progress_bar(progress, total=n_warmup + n_draws, desc="HMC", unit="draw", leave=False)
    with bar, np.errstate(over="ignore", invalid="ignore"):  # a far too long step is rejected
        for i in range(-n_warmup, n_draws):
            state, acceptance = transition(target, state, steps, n_leapfrog, generator)
            if i < 0:  # stochastic approximation: ever smaller corrections
                gain = 3 * (i + n_warmup + 1) ** -0.6
                steps = steps * xp.exp(gain * (acceptance[..., None] - target_acceptance))
            else:
                draws[i] = state[0]
                total_acceptance += acceptance
            bar.update()
    return PosteriorDraws(draws, total_acceptance / n_draws, steps[..., 0])
