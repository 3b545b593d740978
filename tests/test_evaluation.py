"""The bound and log p(x) of data sets, against closed forms, grids and each other."""

import tracemalloc

import numpy as np
import pytest
from conftest import LATENT, PIXELS, STD, exact, exact_noise, make_model

from vae_np.evaluation import (
    LogLikelihood,
    evaluate_elbo,
    grid_log_likelihood,
    importance_sampled_log_likelihood,
    prior_sampled_log_likelihood,
    reciprocal_log_likelihood,
)


def test_evaluated_elbo_approaches_the_exact_one(linear, rng):
    x = rng.standard_normal((7, PIXELS))
    expected = linear.elbo(x, exact_noise(7))
    estimate = evaluate_elbo(linear, x, n_draws=20_000, batch_size=3)
    assert estimate.value == pytest.approx(expected.value.mean(), abs=0.02)
    assert estimate.kl == pytest.approx(expected.kl.mean(), rel=1e-12)
    assert estimate.value == pytest.approx(estimate.reconstruction - estimate.kl, rel=1e-12)


def test_importance_sampling_approaches_log_px_from_below(linear, rng):
    x = rng.standard_normal((200, PIXELS))
    log_px, _, _ = exact(linear, x)
    few, many = (importance_sampled_log_likelihood(linear, x, k) for k in (1, 3000))
    np.testing.assert_allclose(many.mean, log_px.mean(), atol=0.05)
    assert few.mean < many.mean - 0.1


def test_importance_sampling_is_exact_where_q_is_the_posterior(linear, rng):
    # An orthogonal decoder has a diagonal posterior, which the linear encoder can be set to.
    weight, bias = linear.decoder.network.layers[0].weight, linear.decoder.network.layers[0].bias
    weight[:] = np.linalg.qr(rng.standard_normal((PIXELS, LATENT)))[0].T
    head = linear.encoder.network.layers[0]
    variance = 1 / (1 + 1 / STD**2)
    head.weight[:] = 0
    head.weight[:, :LATENT] = weight.T * variance / STD**2
    head.bias[:LATENT] = -bias @ head.weight[:, :LATENT]
    head.bias[LATENT:] = np.log(variance)
    x = rng.standard_normal((7, PIXELS))
    log_px, _, _ = exact(linear, x)
    estimate = importance_sampled_log_likelihood(linear, x, 2)
    np.testing.assert_allclose(estimate.value, log_px, atol=1e-12)
    np.testing.assert_allclose(estimate.standard_error, 0, atol=1e-6)


def test_who_calls_is_told_of_every_sample(linear, rng):
    done = []
    x = rng.standard_normal((7, PIXELS))
    importance_sampled_log_likelihood(linear, x, 30, batch_size=5, progress=done.append)
    assert sum(done) == 7 * 30
    assert len(done) > 1


def test_counts_must_be_positive(linear, rng):
    with pytest.raises(ValueError, match="n_samples must be a whole number >= 1, got 0"):
        importance_sampled_log_likelihood(linear, rng.random((2, PIXELS)), 0)
    with pytest.raises(ValueError, match="n_draws must be a whole number >= 1, got 0"):
        evaluate_elbo(linear, rng.random((2, PIXELS)), n_draws=0)
    with pytest.raises(ValueError, match="batch_size must be a whole number >= 1, got -1"):
        evaluate_elbo(linear, rng.random((2, PIXELS)), batch_size=-1)
    with pytest.raises(ValueError, match="n_chains must be a whole number >= 1, got 0"):
        reciprocal_log_likelihood(linear, rng.random((2, PIXELS)), 20, n_chains=0)


SEEDED = [
    (evaluate_elbo, {}),
    (importance_sampled_log_likelihood, {"n_samples": 10}),
    (grid_log_likelihood, {"binary": True}),
    (reciprocal_log_likelihood, {"n_samples": 20}),
]


@pytest.mark.parametrize(("estimate", "options"), SEEDED)
def test_each_seed_has_its_own_estimate(estimate, options, rng):
    model, x = make_model(latent=2, dtype=np.float64), rng.random((2, 6))
    found = [str(estimate(model, x, seed=seed, **options)) for seed in (3, 3, 4, 2**40 + 3)]
    assert found[0] == found[1] and len(set(found)) == 3


@pytest.mark.parametrize(("estimate", "options"), SEEDED)
def test_bad_seeds_and_images_are_refused(estimate, options, rng):
    model, x = make_model(latent=2, dtype=np.float64), rng.random((2, 6))
    for seed in (-1, 1.5, None):
        with pytest.raises(ValueError, match=f"seed must be a whole number >= 0, got {seed}"):
            estimate(model, x, seed=seed, **options)
    with pytest.raises(ValueError, match="images must be an array of NumPy or CuPy, got None"):
        estimate(model, None, **options)
    with pytest.raises(ValueError, match="model must be a VAE, got NoneType"):
        estimate(None, x, **options)


def test_binary_evaluation_sees_the_same_binary_images_each_time(rng, monkeypatch):
    model, images, seen = make_model(), rng.random((9, 6)), []
    forward = model.encoder.forward
    monkeypatch.setattr(model.encoder, "forward", lambda x: (seen.append(x), forward(x))[1])
    for seed in (0, 0, 1):
        evaluate_elbo(model, images, binary=True, seed=seed, batch_size=20)
    assert set(np.unique(seen)) == {0, 1}
    np.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[0] != seen[2]).any()


def test_prior_sampling_approaches_log_px(linear, rng):
    x = rng.standard_normal((20, PIXELS))
    estimate = prior_sampled_log_likelihood(linear, x, 20_000)
    log_px, _, _ = exact(linear, x)
    assert np.abs((estimate.value - log_px) / estimate.standard_error).max() < 4
    assert estimate.n_samples == 20_000


def test_a_share_from_the_prior_finds_what_q_misses(linear, rng):
    x = rng.standard_normal((20, PIXELS))
    linear.encoder.network.layers[0].bias[:LATENT] += 3  # q looks in the wrong place,
    linear.encoder.network.layers[0].bias[LATENT:] -= 2  # and is sure of it
    log_px, _, _ = exact(linear, x)
    missed = importance_sampled_log_likelihood(linear, x, 5000)
    assert np.abs(missed.value - log_px).mean() > 1
    for share in (0.3, 0.5):
        found = importance_sampled_log_likelihood(linear, x, 20_000, prior_share=share)
        assert np.abs((found.value - log_px) / found.standard_error).max() < 4
        assert found.standard_error.max() < 0.1


@pytest.mark.parametrize(
    "estimator, n_samples",
    [
        (importance_sampled_log_likelihood, 400),
        (prior_sampled_log_likelihood, 4000),
        pytest.param(reciprocal_log_likelihood, 200, marks=pytest.mark.slow),
    ],
)
def test_standard_errors_are_the_spread_over_seeds(linear, rng, estimator, n_samples):
    x = rng.standard_normal((3, PIXELS))
    estimates = [estimator(linear, x, n_samples, seed=seed) for seed in range(25)]
    spread = np.std([estimate.value for estimate in estimates], axis=0)
    claimed = np.mean([estimate.standard_error for estimate in estimates], axis=0)
    assert (spread < 2 * claimed).all() and (claimed < 2 * spread).all()
    of_mean = np.std([estimate.mean for estimate in estimates])
    assert estimates[0].mean_standard_error == pytest.approx(of_mean, rel=0.6)


def test_the_error_of_a_mean_is_the_root_of_the_sum_of_squares_over_n():
    estimate = LogLikelihood(np.zeros(3), np.array([3.0, 4.0, 12.0]), n_samples=10)
    assert estimate.mean_standard_error == pytest.approx(13 / 3)


def test_one_sample_has_no_standard_error(linear, rng):
    estimate = importance_sampled_log_likelihood(linear, rng.random((2, PIXELS)), 1)
    assert np.isinf(estimate.standard_error).all()


def test_the_grid_is_exact(linear, rng):
    x = rng.standard_normal((7, PIXELS))
    for spacing in (0.2, 0.05):
        estimate = grid_log_likelihood(linear, x, spacing=spacing, batch_size=3)
        np.testing.assert_allclose(estimate.value, exact(linear, x)[0], rtol=0, atol=1e-8)
    assert estimate.standard_error.max() < 1e-6
    assert estimate.n_samples == 241**2
    coarse = grid_log_likelihood(linear, x, spacing=1.5)
    assert coarse.standard_error.max() > 1e-3


@pytest.mark.parametrize("decoder", ["bernoulli", "per-output"])
@pytest.mark.parametrize("latent", [1, 2])
def test_every_estimate_agrees_with_the_grid(rng, decoder, latent):
    model = make_model(decoder, latent=latent, dtype=np.float64)
    model.decoder.parameters.value[:] *= 2
    x = rng.random((12, 6))
    grid = grid_log_likelihood(model, x)
    for estimate in (
        importance_sampled_log_likelihood(model, x, 20_000, batch_size=5000),
        prior_sampled_log_likelihood(model, x, 20_000, batch_size=5000),
        reciprocal_log_likelihood(model, x, 1000),
    ):
        np.testing.assert_allclose(estimate.value, grid.value, rtol=0, atol=0.05)


def test_many_small_chunks_add_up(rng):
    """In float32, a running sum of this many weights at this log p(x) would stop growing."""
    model = make_model("fixed", pixels=2000, hidden=(), latent=1)
    x = rng.random((2, 2000), dtype=np.float32)
    one_by_one = importance_sampled_log_likelihood(model, x, 6000, batch_size=2)
    at_once = importance_sampled_log_likelihood(model, x, 6000, batch_size=4000)
    np.testing.assert_allclose(one_by_one.value, at_once.value, rtol=0, atol=1e-5)


def test_the_grid_knows_what_lies_past_its_edge(linear, rng):
    x = rng.standard_normal((4, PIXELS))
    log_px, posterior_mean, _ = exact(linear, x)
    for limit in (np.abs(posterior_mean).max() + 0.3, np.abs(posterior_mean).max() / 2):
        estimate = grid_log_likelihood(linear, x, limit=float(limit))
        error = np.abs(estimate.value - log_px)
        assert error.max() > 0.05
        assert (estimate.standard_error > 0.2 * error).all()


def test_memory_does_not_grow_with_the_samples(rng):
    images, model = (255 * rng.random((10_000, 784))).astype(np.uint8), make_model(pixels=784)
    peaks = []
    for n_samples in (1, 4):
        tracemalloc.start()
        importance_sampled_log_likelihood(model, images, n_samples)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 50e6
    assert peaks[1] == pytest.approx(peaks[0], rel=0.1)


def test_bad_requests_are_refused(linear, rng):
    x = rng.random((2, PIXELS))
    wide = make_model(latent=5)
    with pytest.raises(ValueError, match="a grid needs a model of 1 or 2 latents, got 5"):
        grid_log_likelihood(wide, rng.random((2, 6)))
    with pytest.raises(ValueError, match="spacing must be at most limit, got 3 above 2"):
        grid_log_likelihood(linear, x, spacing=3, limit=2)
    with pytest.raises(ValueError, match="n_samples must be at least 10 a latent, 20, got 19"):
        reciprocal_log_likelihood(linear, x, 19)
    for share in (1.5, "1"):
        with pytest.raises(ValueError, match=r"prior_share must lie in \[0, 1\], got '?1"):
            importance_sampled_log_likelihood(linear, x, 5, prior_share=share)
    with pytest.raises(ValueError, match=r"prior_share 0\.1 of 4 samples is none or all"):
        importance_sampled_log_likelihood(linear, x, 4, prior_share=0.1)
    with pytest.raises(ValueError, match="binary images, which need a Bernoulli decoder"):
        evaluate_elbo(linear, x, binary=True)
    for estimator in (prior_sampled_log_likelihood, importance_sampled_log_likelihood):
        with pytest.raises(ValueError, match="n_samples must be a whole number >= 1, got 0"):
            estimator(linear, x, 0)


def test_a_log_px_that_is_not_finite_is_an_error(linear, rng):
    linear.decoder.parameters.value[-1] = np.nan
    x = rng.random((3, PIXELS))
    for estimate in (
        lambda: importance_sampled_log_likelihood(linear, x, 3),
        lambda: prior_sampled_log_likelihood(linear, x, 3),
        lambda: grid_log_likelihood(linear, x, spacing=1),
    ):
        with pytest.raises(ValueError, match=r"log p\(x\) of image 0 is nan"):
            estimate()
    with pytest.raises(ValueError, match="not finite as a chain starts"):
        reciprocal_log_likelihood(linear, x, 20)
