"""Hamiltonian Monte Carlo: draws from the posterior p_θ(z|x) itself (Neal, 1206.1901).

z rolls as a ball does on the surface −log p(x, z), whose valleys are the posterior's modes, after a
random push: a momentum r ~ N(0, I). The exact motion keeps the energy −log p(x, z) + ½|r|². The
leapfrog steps change it a little, and the new z is accepted with probability min(1, exp(−change)).
The posterior's normalizer p(x) is never needed. The longer a chain, the nearer its draws'
distribution is to the posterior; between modes that lie far apart it crosses seldom.
"""

from dataclasses import dataclass

import numpy as np

from vae_np import checks
from vae_np.backend import array_module, device_of
from vae_np.distributions import standard_normal_log_prob, standard_normal_log_prob_backward
from vae_np.progress import progress_bar


@dataclass(frozen=True, eq=False)
class PosteriorDraws:
    """What `sample_posterior` returns.

    Attributes
    ----------
    z : (S, C, N, Z) array
        S successive draws of each of C chains.
    acceptance : (C, N) array
        The mean acceptance probability of each chain after the warm-up.
    step_size : (C, N) array
        The leapfrog step of each chain, as the warm-up tuned it.
    """

    z: np.ndarray
    acceptance: np.ndarray
    step_size: np.ndarray


def log_joint(decoder, x, z):
    """log p(x, z) = log p(x|z) + log p(z) at z, (..., N, Z), for x, (N, D); (..., N), nats.

    ValueError if x has another width, dtype or device than the decoder.
    """
    checks.pixels_of(x, decoder)
    return decoder.forward(z).log_prob(x) + standard_normal_log_prob(z)


def log_joint_and_gradient(decoder, x, z):
    """log p(x, z), (..., N), and its derivative with respect to z, (..., N, Z): ∇ log p(z|x)."""
    p = decoder.forward(z)
    log_px_given_z = p.log_prob(x)
    upstream = array_module(z).ones_like(log_px_given_z)
    gradient = decoder.backward_to_input(*p.log_prob_backward(x, upstream))
    gradient = gradient + standard_normal_log_prob_backward(z, upstream)
    return log_px_given_z + standard_normal_log_prob(z), gradient


def leapfrog(target, z, momentum, gradient, step_size, n_steps):
    """Follow dz/dt = r, dr/dt = ∇ log p(x, z) for ``n_steps`` steps of length ``step_size``.

    ``target(z)`` returns the log density, (...,), and its gradient, which at the start is
    ``gradient``. z, ``momentum`` (r) and ``gradient`` are (..., Z), ``step_size`` (..., 1). Returns
    the new z and momentum, and the log density and gradient there.
    """
    momentum = momentum + 0.5 * step_size * gradient
    for step in range(n_steps):
        z = z + step_size * momentum
        log_density, gradient = target(z)
        momentum = momentum + (0.5 if step == n_steps - 1 else 1) * step_size * gradient
    return z, momentum, log_density, gradient


def transition(target, state, step_size, n_leapfrog, generator):
    """One draw: a random push, ``n_leapfrog`` steps, and Metropolis' decision.

    Parameters
    ----------
    target : callable
        From z to the log density that is drawn from, up to a constant, and its gradient.
    state : tuple
        z, (..., Z), and ``target(z)``: the log density, (...,), and its gradient.
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
    z, log_density, gradient = state
    xp, dtype = array_module(z), z.dtype
    momentum = generator.standard_normal(z.shape, dtype=dtype)
    # A path as long as the ball's period would end where it began: so each has its own length.
    jittered = step_size * (0.7 + 0.6 * generator.random(step_size.shape, dtype=dtype))
    new_z, new_momentum, new_log_density, new_gradient = leapfrog(
        target, z, momentum, gradient, jittered, n_leapfrog
    )
    kinetic_lost = 0.5 * ((momentum**2).sum(axis=-1) - (new_momentum**2).sum(axis=-1))
    energy_lost = new_log_density - log_density + kinetic_lost
    energy_lost = xp.where(xp.isfinite(energy_lost), energy_lost, -xp.inf)  # a far too long step
    acceptance = xp.exp(xp.minimum(energy_lost, 0))
    accepted = generator.random(acceptance.shape, dtype=dtype) < acceptance
    z = xp.where(accepted[..., None], new_z, z)
    gradient = xp.where(accepted[..., None], new_gradient, gradient)
    return (z, xp.where(accepted, new_log_density, log_density), gradient), acceptance


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
    """Draw from p_θ(z|x) for many images at once, by chains that each have their own step size.

    Parameters
    ----------
    decoder : BernoulliDecoder or GaussianDecoder
    x : (N, D) array
        Pixels, as `VAE.as_pixels` makes them.
    n_draws : int
        S, the successive draws that are kept of each chain.
    generator : numpy.random.Generator or cupy.random.Generator
        On the decoder's device.
    initial : (C, N, Z) array
        Where each image's C chains start. Draws from q(z|x) shorten the way.
    n_leapfrog : int
        Leapfrog steps per draw; the paper's appendix E has 10.
    target_acceptance : float
        What the warm-up tunes the step size to; the paper has 0.9.
    n_warmup : int
        Draws thrown away while the step sizes are tuned.
    step_size : float
        Where the tuning starts. The default warm-up can lengthen it some 60 times: where the
        acceptance stays far above its target, the chains hardly moved.
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
    checks.pixels_in_support(x, decoder)
    checks.generator_of(generator, device_of(x))
    checks.whole_number("n_draws", n_draws)
    checks.whole_number("n_leapfrog", n_leapfrog)
    checks.whole_number("n_warmup", n_warmup, minimum=0)
    checks.between_0_and_1("target_acceptance", target_acceptance)
    shape = getattr(initial, "shape", type(initial).__name__)
    if len(shape) != 3 or shape[0] == 0 or shape[1:] != (len(x), decoder.n_latent):
        raise ValueError(f"initial must have shape (C, {len(x)}, {decoder.n_latent}), got {shape}")
    xp = array_module(x)
    z = checks.plain_array("initial", initial).astype(x.dtype)
    steps = xp.full((*z.shape[:-1], 1), checks.step_size_of(step_size, x.dtype), dtype=x.dtype)

    def target(z):
        return log_joint_and_gradient(decoder, x, z)

    with np.errstate(over="ignore", invalid="ignore"):  # said below
        state = (z, *target(z))
    if not xp.isfinite(state[1]).all():
        raise ValueError("log p(x, z) is not finite as a chain starts: check x, initial, weights")
    draws = xp.empty((n_draws, *z.shape), dtype=x.dtype)
    total_acceptance = xp.zeros(z.shape[:-1], dtype=x.dtype)
    bar = progress_bar(progress, total=n_warmup + n_draws, desc="HMC", unit="draw", leave=False)
    with bar, np.errstate(all="ignore"):  # a far too long step is rejected
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
