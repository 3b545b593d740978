"""Distributions against independent computations: quadrature, enumeration, known identities."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_np import backend
from vae_np.distributions import Bernoulli, DiagonalGaussian, binarize, log_sum_exp

GRID = np.linspace(-60, 60, 60_001)


def density(log_prob):
    return np.exp(log_prob)


@given(st.floats(-3, 3), st.floats(-4, 3))
def test_gaussian_density_integrates_to_one_with_its_mean_and_variance(mean, log_var):
    gaussian = DiagonalGaussian(np.array([mean]), np.array([log_var]))
    p = density(gaussian.log_prob(GRID[:, None]))
    assert np.trapezoid(p, GRID) == pytest.approx(1, abs=1e-9)
    assert np.trapezoid(p * GRID, GRID) == pytest.approx(mean, abs=1e-8)
    variance = np.trapezoid(p * (GRID - mean) ** 2, GRID)
    assert variance == pytest.approx(np.exp(log_var), rel=1e-8)


@given(st.floats(-3, 3), st.floats(-4, 3))
def test_kl_against_quadrature(mean, log_var):
    q = DiagonalGaussian(np.array([mean]), np.array([log_var]))
    standard = DiagonalGaussian(np.zeros(1), np.zeros(1))
    log_q, log_p = q.log_prob(GRID[:, None]), standard.log_prob(GRID[:, None])
    expected = np.trapezoid(density(log_q) * (log_q - log_p), GRID)
    assert q.kl_to_standard_normal() == pytest.approx(expected, abs=1e-8)


def test_kl_sums_latents_and_is_zero_at_the_prior(rng):
    mean, log_var = rng.standard_normal((2, 5, 3))
    kl = DiagonalGaussian(mean, log_var).kl_to_standard_normal()
    parts = [
        DiagonalGaussian(mean[:, i : i + 1], log_var[:, i : i + 1]).kl_to_standard_normal()
        for i in range(3)
    ]
    np.testing.assert_allclose(kl, sum(parts), rtol=1e-14)
    assert not DiagonalGaussian(np.zeros((2, 3)), np.zeros((2, 3))).kl_to_standard_normal().any()


def test_gaussian_with_std_root_half_is_squared_error_plus_a_constant(rng):
    x, mean = rng.random((2, 7, 5))
    log_prob = DiagonalGaussian(mean, np.array(np.log(0.5))).log_prob(x)
    squared_error = ((x - mean) ** 2).sum(axis=1)
    np.testing.assert_allclose(log_prob, -squared_error - 5 / 2 * np.log(np.pi), rtol=1e-13)


def test_one_shared_log_var_equals_the_same_number_everywhere(rng):
    x, mean, noise = rng.standard_normal((3, 7, 5))
    shared = DiagonalGaussian(mean, np.array(0.3))
    full = DiagonalGaussian(mean, np.full((7, 5), 0.3))
    np.testing.assert_allclose(shared.log_prob(x), full.log_prob(x), rtol=1e-14)
    np.testing.assert_allclose(shared.sample(noise), full.sample(noise), rtol=1e-14)
    np.testing.assert_allclose(
        shared.kl_to_standard_normal(), full.kl_to_standard_normal(), rtol=1e-14
    )


def test_kl_is_never_negative_near_the_prior():
    log_var = np.linspace(-0.01, 0.01, 1001, dtype=np.float32)[:, None]
    assert (DiagonalGaussian(np.zeros_like(log_var), log_var).kl_to_standard_normal() >= 0).all()


def test_sample_moments(rng):
    q = DiagonalGaussian(np.array([1.0, -2.0]), np.log(np.array([4.0, 0.25])))
    z = q.sample(rng.standard_normal((200_000, 2)))
    np.testing.assert_allclose(z.mean(axis=0), [1, -2], atol=0.02)
    np.testing.assert_allclose(z.var(axis=0), [4, 0.25], rtol=0.02)


def test_bernoulli_sums_to_one_over_all_images(rng):
    p = Bernoulli(3 * rng.standard_normal(6))
    images = np.array(list(itertools.product([0.0, 1.0], repeat=6)))
    probabilities = density(p.log_prob(images))
    assert probabilities.sum() == pytest.approx(1, rel=1e-13)
    np.testing.assert_allclose(probabilities @ images, p.mean, rtol=1e-12)


def test_bernoulli_is_minus_binary_cross_entropy(rng):
    logits, x = rng.standard_normal((5, 4)), rng.random((5, 4))
    p = 1 / (1 + np.exp(-logits))
    expected = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1)
    np.testing.assert_allclose(Bernoulli(logits).log_prob(x), expected, rtol=1e-13)


def test_each_pixel_is_white_where_its_own_noise_is_below_its_probability(rng):
    logits, noise = rng.standard_normal((4, 3)), rng.random((2, 4, 3))
    expected = noise < 1 / (1 + np.exp(-logits))
    np.testing.assert_array_equal(Bernoulli(logits).sample(noise), expected)


def test_binarize_draws_white_with_the_given_probability(rng):
    draws = binarize(np.full(100_000, 0.3), rng.random(100_000))
    assert set(np.unique(draws)) == {0, 1}
    assert draws.mean() == pytest.approx(0.3, abs=0.01)
    assert binarize(np.ones(2, np.float32), np.zeros(2)).dtype == np.float32
    # 0 and 1 are certain: noise in [0, 1) never reaches 1.
    np.testing.assert_array_equal(
        binarize(np.array([0.0, 1.0]), np.array([0.0, 1 - 1e-16])), [0, 1]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bernoulli_is_stable_at_extreme_logits(dtype):
    logits = np.array([[1e4, -1e4, 1e4, -1e4]], dtype)
    x = np.array([[1, 0, 0, 1]], dtype)
    p = Bernoulli(logits)
    assert p.log_prob(x) == [-2e4]
    assert p.log_prob(x).dtype == dtype
    (dlogits,) = p.log_prob_backward(x, np.ones(1, dtype))
    np.testing.assert_array_equal(dlogits, [[0, 0, -1, 1]])
    tiny = Bernoulli(np.array([20.0], dtype)).log_prob(np.ones(1, dtype))
    assert tiny == pytest.approx(-np.log1p(np.exp(-20.0)), rel=200 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinite_logits_give_the_limit(dtype):
    inf = np.inf
    logits = np.array(
        [[inf, -inf, 0], [inf, -inf, 0], [-inf, 2, 2], [inf, 200, -200], [1, 2, 3]], dtype
    )
    x = np.array([[1, 0, 1], [0, 0, 1], [0.5, 1, 1], [1, 0, 0.5], [1, 0, 1]], dtype)
    last = Bernoulli(logits[4:]).log_prob(x[4:])[0]
    log_px = Bernoulli(logits).log_prob(x)
    np.testing.assert_allclose(log_px, [np.log(0.5), -inf, -inf, -300, last], rtol=1e-6)
    assert log_px.dtype == dtype
    (dlogits,) = Bernoulli(logits).log_prob_backward(x, np.ones(5, dtype))
    np.testing.assert_allclose(dlogits[:3, 0], [0, -1, 0.5])


def test_log_sum_exp_at_infinity():
    inf = np.inf
    log_w = np.array([[-inf, -inf, inf, 0], [-inf, 1, 2, 0]])
    np.testing.assert_allclose(log_sum_exp(log_w), [-inf, 1, inf, np.log(2)])


@pytest.mark.parametrize("log_var", [-80.0, -40.0, 80.0])
def test_gaussian_is_finite_where_the_truth_is(log_var):
    mean = np.array([[0.5, 0.25]], np.float32)
    p = DiagonalGaussian(mean, np.full((1, 2), log_var, np.float32))
    np.testing.assert_allclose(p.log_prob(mean), -log_var - np.log(2 * np.pi), rtol=1e-6)
    dmean, dlog_var = p.log_prob_backward(mean, np.ones(1, np.float32))
    np.testing.assert_array_equal(dmean, 0)
    np.testing.assert_array_equal(dlog_var, -0.5)
    assert np.isfinite(p.kl_to_standard_normal()).all()
    tiny_step = np.float32(1e-17)
    close = DiagonalGaussian(np.zeros(1, np.float32), np.full(1, -80, np.float32))
    expected = -0.5 * (1e-34 * np.exp(80.0) - 80 + np.log(2 * np.pi))
    assert close.log_prob(np.array([tiny_step])) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_never_promoted(rng, dtype):
    mean, log_var, noise, x = rng.standard_normal((4, 5, 3)).astype(dtype)
    upstream = np.ones(5, dtype)
    q, p = DiagonalGaussian(mean, log_var), Bernoulli(mean)
    generator = np.random.default_rng(0)
    results = [
        q.std,
        q.sample(noise),
        q.draw(generator),
        q.log_prob(x),
        q.kl_to_standard_normal(),
        *q.sample_backward(noise, x),
        *q.log_prob_backward(x, upstream),
        *q.kl_backward(upstream),
        p.mean,
        p.draw(generator),
        p.log_prob(x),
        *p.log_prob_backward(x, upstream),
    ]
    assert {result.dtype for result in results} == {np.dtype(dtype)}


@pytest.mark.parametrize("shape", [(50, 7), (3, 50, 7), (2, 3, 50, 7), (7,)])
def test_rows_in_small_blocks_give_what_all_at_once_give(shape, rng, monkeypatch):
    logits, x = rng.standard_normal(shape), rng.random(shape[-2:])
    upstream = rng.standard_normal(shape[:-1])
    results = []
    for cached in (10**6, 100, 1):
        monkeypatch.setattr(backend, "CACHED", cached)
        p = Bernoulli(logits)
        results.append([p.log_prob(x), *p.log_prob_backward(x, upstream)])
    whole, *in_blocks = results
    assert [array.shape for array in whole] == [shape[:-1], shape]
    for blocks in in_blocks:
        for ours, theirs in zip(blocks, whole, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize(
    ("cached", "blocks"),
    [(700, [50]), (699, [49, 1]), (100, [7] * 7 + [1]), (28, [2] * 25), (27, [1] * 50)],
)
def test_a_block_has_as_many_rows_as_the_cache_holds(cached, blocks, rng, monkeypatch):
    """Of (2, 50, 7) numbers, 14 a row; never none, and all at once where they fit."""
    monkeypatch.setattr(backend, "CACHED", cached)
    shapes = []

    @backend.in_one_pass
    def formula(xp, x, a):
        shapes.append(np.broadcast_shapes(x.shape, a.shape))
        return (x * a).sum(axis=-1)

    x, a = rng.random((50, 7)), rng.random((2, 50, 7))
    np.testing.assert_allclose(formula(x, a), (x * a).sum(axis=-1))
    assert shapes == [(2, rows, 7) for rows in blocks]
    shapes.clear()
    assert formula.__name__ == "formula"  # as help() shows it
    formula(a[0, 0], a[1, 0])  # one row has no rows to take
    assert shapes == [(7,)]


@pytest.mark.parametrize("shape", [(), (3,), (1, 3), (2, 1), (1, 1), (2, 3)])
def test_a_broadcast_log_var_gets_the_sum_of_what_it_was_broadcast_to(shape, rng):
    mean, x, noise = rng.standard_normal((3, 2, 3))
    log_var, upstream = rng.standard_normal(shape), rng.standard_normal(2)
    q = DiagonalGaussian(mean, log_var)
    full = DiagonalGaussian(mean, np.broadcast_to(log_var, (2, 3)).copy())
    axes = {(): (0, 1), (3,): 0, (1, 3): 0, (2, 1): 1, (1, 1): (0, 1), (2, 3): ()}[shape]
    for derivatives in (
        lambda q: q.log_prob_backward(x, upstream),
        lambda q: q.kl_backward(upstream),
        lambda q: q.sample_backward(noise, x),
        lambda q: q.sample_backward(np.stack([noise, x, mean]), np.stack([x, x, noise])),
    ):
        (dmean, dlog_var), (dmean_full, dlog_var_full) = derivatives(q), derivatives(full)
        np.testing.assert_allclose(dmean, dmean_full, rtol=1e-12)
        assert dlog_var.shape == shape
        np.testing.assert_allclose(dlog_var, dlog_var_full.sum(axis=axes).reshape(shape))


def test_a_log_var_of_one_image_gets_the_sum_over_its_pixels(rng):
    mean, x = rng.standard_normal((2, 1, 3))
    dlog_var = DiagonalGaussian(mean, np.zeros((1, 1))).log_prob_backward(x, np.ones(1))[1]
    np.testing.assert_allclose(dlog_var, [[(((x - mean) ** 2 - 1) / 2).sum()]])
