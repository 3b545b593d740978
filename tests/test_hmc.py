"""HMC, step by step: against 1206.1901's figure 2, one chain at a time, on a known posterior."""

import numpy as np
import pytest
from conftest import LATENT, PIXELS, exact, make_model

from vae_np import Adam
from vae_np.inference import appendix_d
from vae_np.inference.hmc import log_joint_and_gradient, sample_posterior, transition
from vae_np.training.monte_carlo_em import MonteCarloEM

IMAGES, CHAINS, LEAPFROG = 3, 40, 4


@pytest.fixture
def target(linear, rng):
    """x, and log p(x, z) and its slope in z, from the library and from the closed posterior."""
    x = rng.standard_normal((IMAGES, PIXELS))
    log_px, mean, covariance = exact(linear, x)
    precision = np.linalg.inv(covariance)
    normalizer = 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]

    def known(image, z):
        difference = z - mean[image]
        density = log_px[image] - normalizer - 0.5 * difference @ precision @ difference
        return density, -precision @ difference

    return x, lambda z: log_joint_and_gradient(linear.decoder, x, z), known


def one_chain(known, z, r, step, uniform, n_leapfrog):
    """Neal's figure 2: the next z, and the probability with which the move was accepted."""
    q, p = z, r + step * known(z)[1] / 2
    for i in range(n_leapfrog):
        q = q + step * p
        p = p + step * known(q)[1] / (2 if i == n_leapfrog - 1 else 1)
    energies = [-known(place)[0] + (push @ push) / 2 for place, push in ((z, r), (q, p))]
    acceptance = min(1, np.exp(energies[0] - energies[1]))
    return (q if uniform < acceptance else z), acceptance


@pytest.mark.parametrize("n_leapfrog", [1, LEAPFROG])
def test_a_transition_is_neals(target, rng, n_leapfrog):
    _, ours, known = target
    z = 2 * rng.standard_normal((CHAINS, IMAGES, LATENT))
    steps = rng.uniform(0.5, 2.0, (CHAINS, IMAGES, 1))
    (new_z, log_density, gradient), acceptance = transition(
        ours, (z, *ours(z)), steps, n_leapfrog, np.random.default_rng(5)
    )
    again = np.random.default_rng(5)
    push, jitter = again.standard_normal(z.shape), again.random(steps.shape)
    uniform = again.random((CHAINS, IMAGES))
    moved = 0
    for c, n in np.ndindex(CHAINS, IMAGES):
        step = steps[c, n, 0] * (0.7 + 0.6 * jitter[c, n, 0])  # from 70 to 130 %
        place, probability = one_chain(
            lambda z, n=n: known(n, z), z[c, n], push[c, n], step, uniform[c, n], n_leapfrog
        )
        moved += (place != z[c, n]).any()
        np.testing.assert_allclose(new_z[c, n], place, atol=1e-9)
        assert acceptance[c, n] == pytest.approx(probability, abs=1e-9)
        density, slope = known(n, new_z[c, n])
        assert log_density[c, n] == pytest.approx(density, abs=1e-9)
        np.testing.assert_allclose(gradient[c, n], slope, atol=1e-9)
    assert 0.2 < moved / (CHAINS * IMAGES) < 0.8  # both happen


@pytest.mark.parametrize("density", [np.nan, np.inf, -np.inf])
def test_a_move_to_where_log_p_is_not_finite_is_rejected(density, rng):
    def ours(z):
        return np.where((z == 0).all(axis=-1), 0.0, density), np.zeros_like(z)

    start = np.zeros((5, 2))
    (z, log_density, _), acceptance = transition(
        ours, (start, *ours(start)), np.ones((5, 1)), LEAPFROG, rng
    )
    np.testing.assert_array_equal(z, start)
    assert not log_density.any() and not acceptance.any()


@pytest.mark.parametrize("n_leapfrog", [1, LEAPFROG])
def test_the_warm_up_tunes_each_chains_step_by_ever_smaller_corrections(
    target, linear, rng, n_leapfrog
):
    x, ours, _ = target
    start = rng.standard_normal((2, IMAGES, LATENT))
    result = sample_posterior(
        linear.decoder,
        x,
        3,
        np.random.default_rng(7),
        start,
        n_leapfrog=n_leapfrog,
        target_acceptance=0.8,
        n_warmup=5,
        step_size=0.3,
    )
    generator, state = np.random.default_rng(7), (start, *ours(start))
    steps, draws, accepted = np.full((2, IMAGES, 1), 0.3), [], []
    for i in range(8):
        state, acceptance = transition(ours, state, steps, n_leapfrog, generator)
        if i < 5:
            steps = steps * np.exp(3 / (i + 1) ** 0.6 * (acceptance[..., None] - 0.8))
        else:
            draws.append(state[0])
            accepted.append(acceptance)
    np.testing.assert_allclose(result.z, draws, rtol=1e-9)
    np.testing.assert_allclose(result.acceptance, np.mean(accepted, axis=0), rtol=1e-9)
    np.testing.assert_allclose(result.step_size, steps[..., 0], rtol=1e-9)


def test_a_density_that_is_infinite_is_refused_though_its_slope_is_not(linear, rng):
    x = np.zeros((2, PIXELS))
    x[1] = 1e200  # (x − μ)² overflows, (x − μ)/σ² does not
    with pytest.raises(ValueError, match="not finite as a chain starts"):
        sample_posterior(linear.decoder, x, 1, rng, np.zeros((1, 2, LATENT)))


def test_one_chain_that_starts_where_log_p_is_infinite_is_refused(linear, rng):
    start = np.zeros((3, 2, LATENT))
    start[2, 1] = 1e200
    with pytest.raises(ValueError, match="not finite as a chain starts"):
        sample_posterior(linear.decoder, np.zeros((2, PIXELS)), 1, rng, start)


def test_an_infinite_weight_is_refused_without_a_warning_beside_it(linear, rng):
    linear.decoder.network.layers[0].weight[0] = np.inf  # 0 · ∞
    with pytest.raises(ValueError, match="not finite as a chain starts"):
        sample_posterior(linear.decoder, np.zeros((2, PIXELS)), 1, rng, np.zeros((1, 2, LATENT)))


def test_chains_that_start_in_float64_are_drawn_in_the_decoders_dtype(rng):
    decoder, x = make_model().decoder, rng.random((4, 6), np.float32)
    start = rng.standard_normal((3, 4, 3), np.float32)
    ours, theirs = (
        sample_posterior(decoder, x, 5, np.random.default_rng(1), start.astype(dtype))
        for dtype in (np.float64, np.float32)
    )
    for name in ("z", "acceptance", "step_size"):
        assert getattr(ours, name).dtype == np.float32
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_that_rounding_swallows_is_refused(dtype, rng):
    """z + step would be z: an acceptance of 1, and no move at all."""
    model = make_model(latent=2, dtype=dtype)
    x, start = rng.random((4, 6)).astype(dtype), rng.standard_normal((3, 4, 2)).astype(dtype)
    decoder, adam = model.decoder, Adam([model.decoder.parameters])
    for short in (1e-60, float(np.finfo(dtype).eps)):
        for call in (
            lambda short=short: sample_posterior(decoder, x, 2, rng, start, step_size=short),
            lambda short=short: MonteCarloEM(decoder, adam, x, step_size=short),
        ):
            with pytest.raises(ValueError, match=r"step_size must be a finite number > .*e-"):
                call()


def test_appendix_d_averages_over_draws_that_its_gaussian_was_not_fitted_to(
    linear, rng, monkeypatch
):
    def noted(name, function):
        monkeypatch.setattr(appendix_d, name, lambda *given: seen(given, function(*given)))

    def seen(given, found):
        calls.append((given, found))
        return found

    calls, x = [], rng.standard_normal((IMAGES, PIXELS))
    for name in ("sample_posterior", "fitted_gaussian_log_prob", "log_joint"):
        noted(name, getattr(appendix_d, name))
    start = rng.standard_normal((2, IMAGES, LATENT))
    appendix_d.appendix_d(linear.decoder, x, start, 7, rng)
    (_, posterior), (given, _), *averaged = calls
    first, second = posterior.z[:7], posterior.z[7:]
    for ours, theirs in ((given[0], first), (given[1], second)):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal([at for (_, _, at), _ in averaged], second)
