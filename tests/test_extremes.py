"""The ends of the ranges: certain pixels, tiny and vast variances, one of everything, 100 draws."""

import math

import numpy as np
import pytest
from conftest import make_model
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_np.distributions import (
    Bernoulli,
    DiagonalGaussian,
    log_mean_exp,
    log_sum_exp,
    normalized_weights,
)
from vae_np.objectives import (
    ELBO,
    SGVB_A,
    DoublyReparameterized,
    FullBayes,
    ImportanceWeighted,
    ScoreFunction,
    WakeSleep,
)

OBJECTIVES = (ELBO, SGVB_A, ImportanceWeighted, DoublyReparameterized, ScoreFunction, WakeSleep)
LOGITS = st.one_of(
    st.sampled_from([-math.inf, math.inf, -1e4, 1e4, -80.0, 80.0, 0.0, -0.0]), st.floats(-1e4, 1e4)
)
PIXELS = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1, width=16))
LOG_VARS = st.one_of(st.sampled_from([-80.0, 80.0, 0.0]), st.floats(-80, 80))
DTYPES = st.sampled_from([np.float32, np.float64])


def log_bernoulli(x, a):
    """x log p + (1 − x) log(1 − p) for one logit; what has no weight counts for nothing."""
    log_p, log_not_p = (-float(np.logaddexp(0, s)) for s in (-a, a))
    return (x * log_p if x else 0) + ((1 - x) * log_not_p if x < 1 else 0)


@settings(deadline=None)
@given(st.lists(st.tuples(LOGITS, PIXELS), min_size=1, max_size=4), DTYPES)
def test_bernoulli_of_any_logits(pairs, dtype):
    logits, x = (np.array(column, dtype)[None] for column in zip(*pairs, strict=True))
    p = Bernoulli(logits)
    expected = sum(map(log_bernoulli, x[0].tolist(), logits[0].tolist()))
    log_px = p.log_prob(x)
    assert log_px.dtype == dtype
    rounding = float(np.finfo(dtype).eps)
    of_logits = 4 * rounding * np.abs(logits[np.isfinite(logits)]).sum(dtype=np.float64)
    tolerance = 200 * rounding
    assert float(log_px[0]) == pytest.approx(expected, rel=tolerance, abs=tolerance + of_logits)
    (dlogits,) = p.log_prob_backward(x, np.ones(1, dtype))
    mean = np.exp(-np.logaddexp(0, -logits.astype(np.float64)))
    np.testing.assert_allclose(dlogits, x - mean, atol=tolerance)
    np.testing.assert_allclose(p.mean, mean, atol=tolerance)
    assert set(np.unique(p.sample(np.full_like(logits, 0.5)))) <= {0, 1}


@settings(deadline=None)
@given(LOG_VARS, st.floats(-5, 5), st.floats(-5, 5), DTYPES)
def test_gaussian_of_any_log_variance(log_var, mean, steps, dtype):
    """At x = μ + steps · σ its log density is −½ (steps² + log σ² + log 2π)."""
    q = DiagonalGaussian(np.zeros((1, 1), dtype), np.full((1, 1), log_var, dtype))
    log_var = float(q.log_var[0, 0])
    x = q.sample(np.full((1, 1), steps, dtype))
    rel = 1e-4 if dtype == np.float32 else 1e-12  # exp of up to 80: 80 roundings' worth
    assert float(x[0, 0]) == pytest.approx(float(dtype(steps)) * math.exp(log_var / 2), rel=rel)
    expected = -0.5 * (float(dtype(steps)) ** 2 + log_var + math.log(2 * math.pi))
    assert float(q.log_prob(x)[0]) == pytest.approx(expected, rel=rel, abs=10 * rel)
    _, dlog_var = q.log_prob_backward(x, np.ones(1, dtype))
    assert float(dlog_var[0, 0]) == pytest.approx((float(dtype(steps)) ** 2 - 1) / 2, abs=50 * rel)
    far = DiagonalGaussian(np.full((1, 1), mean, dtype), q.log_var)
    kl = 0.5 * (float(dtype(mean)) ** 2 + math.expm1(log_var) - log_var)
    assert float(far.kl_to_standard_normal()[0]) == pytest.approx(kl, rel=rel, abs=1e-6)
    dmean, dlog_var = far.kl_backward(np.ones(1, dtype))
    assert float(dmean[0, 0]) == float(dtype(mean))
    assert float(dlog_var[0, 0]) == pytest.approx(math.expm1(log_var) / 2, rel=rel, abs=1e-30)


@settings(deadline=None)
@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=5), st.floats(-1e4, 1e4))
def test_shifted_log_weights_have_the_same_shares(log_w, shift):
    log_w = np.array(log_w)[:, None]
    weights = normalized_weights(log_w + shift)
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    assert weights[np.argmax(log_w + shift)] == weights.max()
    both = log_sum_exp(log_w + shift) - log_sum_exp(log_w)
    assert float(both[0]) == pytest.approx(shift, rel=1e-9, abs=1e-9)
    assert log_w.min() - 1e-9 <= log_mean_exp(log_w)[0] <= log_w.max() + 1e-9


@pytest.mark.parametrize("log_var", [-80, 80])
@pytest.mark.parametrize("decoder", ["bernoulli", "per-output"])
def test_a_model_whose_codes_are_certain_or_anywhere_stays_finite(decoder, log_var, rng):
    model = make_model(decoder)
    heads = model.encoder.parameters.views(model.encoder.parameters.value)
    heads["2.weight"][:], heads["2.bias"][3:] = 0, log_var
    x, noise = rng.random((4, 6), dtype=np.float32), model.draw_noise(rng, 2, 4)
    value = model.elbo_and_gradient(x, noise)
    kl = 0.5 * (3 * (math.expm1(log_var) - log_var) + (heads["2.bias"][:3] ** 2).sum())
    np.testing.assert_allclose(value.kl, kl, rtol=1e-4)
    assert np.isfinite(value.value).all()
    assert all(np.isfinite(vector.grad).all() for vector in model.parameters)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([1, 3]), st.sampled_from([1, 4]), st.sampled_from([1, 2]),
    st.sampled_from([2, 100]), st.sampled_from(["bernoulli", "fixed", "learned", "per-output"]),
    st.sampled_from([ELBO, SGVB_A, ImportanceWeighted]),
)  # fmt: skip
def test_one_of_everything_and_many_draws(pixels, examples, latent, draws, decoder, objective):
    """The gradient along a random direction, against a difference of the value."""
    rng = np.random.default_rng(3)
    model = make_model(decoder, pixels=pixels, latent=latent, hidden=(2,), dtype=np.float64)
    objective = objective(model)
    x, noise = rng.random((examples, pixels)), objective.draw_noise(rng, draws, examples)
    objective.value_and_gradient(x, noise)
    directions = [rng.standard_normal(vector.value.shape) for vector in model.parameters]
    slope = sum(v.grad @ d for v, d in zip(model.parameters, directions, strict=True))
    losses = []
    for step in (1e-5, -1e-5):
        for vector, direction in zip(model.parameters, directions, strict=True):
            vector.value += step * direction
        losses.append(-objective.value(x, noise).value.mean())
        for vector, direction in zip(model.parameters, directions, strict=True):
            vector.value -= step * direction
    assert slope == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("decoder", ["bernoulli", "per-output"])
@pytest.mark.parametrize("objective", (*OBJECTIVES, lambda model: FullBayes(model, 1)))
def test_every_objective_takes_one_image_of_one_pixel_and_one_latent(objective, decoder, rng):
    model = make_model(decoder, pixels=1, latent=1, hidden=(1,))
    objective = objective(model)
    x = np.full((1, 1), 0.25, np.float32)
    for draws in (2, 100):
        value = objective.value_and_gradient(x, objective.draw_noise(rng, draws, 1))
        assert value.value.shape == value.kl.shape == (1,)
        assert np.isfinite(value.value).all()
        for vector in objective.vectors.values():
            assert np.isfinite(vector.grad).all() and vector.grad.any()
