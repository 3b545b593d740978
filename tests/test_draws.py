"""Every draw is of the distribution that it is said to be of: normal, uniform, binary."""

import numpy as np
import pytest
from conftest import LATENT, PIXELS, STD, make_model, make_trainer

from vae_np import backend
from vae_np.distributions import Bernoulli, DiagonalGaussian
from vae_np.evaluation import evaluate_elbo
from vae_np.layers import Linear
from vae_np.objectives import FullBayes, WakeSleep
from vae_np.optimizers import SGD
from vae_np.training.monte_carlo_em import MonteCarloEM

N = 20_000
GREY = np.linspace(0.05, 0.95, 6, dtype=np.float32)


def assert_normal(draws, mean=0.0, std=1.0):
    """The first four moments, of many draws of one normal distribution."""
    standardized = (np.ravel(draws).astype(np.float64) - mean) / std
    expected = (0, 1), (1, 2), (0, 15), (3, 96)  # of z, z², z³, z⁴: mean and variance
    for power, (moment, variance) in enumerate(expected, start=1):
        error = 4.5 * np.sqrt(variance / standardized.size)
        assert (standardized**power).mean() == pytest.approx(moment, abs=error)


def assert_binary_with_the_mean(draws, mean):
    assert set(np.unique(draws)) <= {0, 1}
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=4.5 * 0.5 / np.sqrt(len(draws)))


def test_images_of_the_prior_are_those_of_normal_codes(linear, rng):
    """Of a linear decoder they are normal, with the covariance Wᵀ W; a drawn image adds σ²."""
    layer = linear.decoder.network.layers[0]
    covariance = layer.weight.T @ layer.weight
    for images, noise in ((linear.sample_mean(N, rng), 0), (linear.sample_draw(N, rng), STD**2)):
        total = covariance + noise * np.eye(PIXELS)
        np.testing.assert_allclose(images.mean(axis=0), layer.bias, atol=0.05)
        np.testing.assert_allclose(np.cov(images, rowvar=False), total, atol=0.05)
        assert_normal(images[:, 0], layer.bias[0], np.sqrt(total[0, 0]))


def test_the_noise_of_all_that_draw_is_normal(rng):
    model = make_model()
    assert_normal(model.draw_noise(rng, 20, 300))
    weight_noise = [FullBayes(model, 38).draw_noise(rng, 1, 1)[1] for _ in range(200)]
    assert weight_noise[0].shape == model.decoder.parameters.value.shape
    assert_normal(np.array(weight_noise))
    for decoder, uniform in (("bernoulli", True), ("fixed", False)):
        noise, dream_z, pixel_noise = WakeSleep(make_model(decoder)).draw_noise(rng, 1, 4000)
        assert_normal(noise)
        assert_normal(dream_z)
        if uniform:
            assert 0 <= pixel_noise.min() and pixel_noise.max() < 1
            assert pixel_noise.mean() == pytest.approx(0.5, abs=0.01)
            assert pixel_noise.var() == pytest.approx(1 / 12, abs=0.002)
        else:
            assert_normal(pixel_noise)


def test_other_noise_comes_after_the_models_own(rng):
    """The same generator gives every objective the same draws of z."""
    model = make_model()
    expected = model.draw_noise(np.random.default_rng(1), 2, 4)
    for objective in (WakeSleep(model), FullBayes(model, 38)):
        noise = objective.draw_noise(np.random.default_rng(1), 2, 4)[0]
        np.testing.assert_array_equal(noise, expected)


def test_one_draw_of_each_distribution(rng):
    assert_normal(DiagonalGaussian(np.full(N, 2.0), np.full(N, np.log(9.0))).draw(rng), 2, 3)
    logits = np.log(GREY / (1 - GREY))
    assert_binary_with_the_mean(Bernoulli(np.tile(logits, (N, 1))).draw(rng), GREY)
    p = Bernoulli(np.tile(logits, (3, 1)).astype(np.float32))
    noise = np.random.default_rng(7).random((3, 6), np.float32)  # of the model's dtype
    np.testing.assert_array_equal(p.draw(np.random.default_rng(7)), noise < p.mean)
    zeros = np.zeros((2, 3, 50))
    for p in (Bernoulli(zeros), DiagonalGaussian(zeros, np.array(0.0))):
        rows = p.draw(rng).reshape(6, 50)
        assert len({row.tobytes() for row in rows}) == 6  # each by its own noise


def test_no_two_uses_of_random_numbers_share_draws():
    streams = backend.Stream.__members__.values()
    draws = {backend.random_generator([0, stream]).random() for stream in streams}
    assert len(draws) == len(streams)
    several = [backend.random_generator(seed).random() for seed in ([1, 2], [2, 1], [1, 3], 3)]
    assert len(set(several)) == 4
    names = (  # in the order of their numbers: what is recorded was drawn by them
        "SHUFFLE TRAINING_NOISE BINARIZE_TEST ELBO_NOISE IMPORTANCE_NOISE ENCODER DECODER PICTURES "
        "POSTERIOR DATA CHAIN_STARTS"
    )
    assert {stream.name: stream.value for stream in streams} == {
        name: number for number, name in enumerate(names.split(), 1)
    }


def test_monte_carlo_em_starts_at_draws_of_the_prior(rng):
    decoder = make_model().decoder
    x = rng.random((3000, 6), dtype=np.float32)
    assert_normal(MonteCarloEM(decoder, SGD([decoder.parameters]), x).z)


def test_initial_weights_are_of_their_kind(rng):
    assert_normal(Linear(300, 200, "paper").initial_values(rng)["weight"], 0, 0.01)
    assert_normal(Linear(1, 5000, "paper").initial_values(rng)["bias"], 0, 0.01)
    weight = Linear(100, 500).initial_values(rng)["weight"]
    assert np.abs(weight).max() == pytest.approx(0.1, rel=1e-3)  # uniform within ±1/√100
    assert weight.mean() == pytest.approx(0, abs=0.002)
    assert weight.var() == pytest.approx(0.1**2 / 3, rel=0.02)


def seen_by_the_encoder(model):
    seen, forward = [], model.encoder.forward
    model.encoder.forward = lambda x: (seen.append(x), forward(x))[1]
    return seen


def test_binary_images_are_white_as_often_as_the_grey_ones_say():
    """In training, where each epoch draws new ones, and in evaluation."""
    images = np.tile(GREY, (2000, 1))
    trainer = make_trainer(images, binarize=True)
    seen = seen_by_the_encoder(trainer.model)
    trainer.fit(2, progress=False)
    first, second = np.concatenate(seen[:200]), np.concatenate(seen[200:])
    evaluated = make_model()
    seen = seen_by_the_encoder(evaluated)
    evaluate_elbo(evaluated, images, binary=True)
    for draws in (first, second, np.concatenate(seen)):
        assert len(draws) == len(images)
        assert_binary_with_the_mean(draws, GREY)
    assert (first != second).any()


def test_noise_and_latents_have_the_widths_of_the_model(rng):
    model = make_model()
    assert model.draw_noise(rng, 2, 5).shape == (2, 5, model.n_latent)
    assert model.sample_mean(4, rng).shape == (4, model.n_pixels)
    assert LATENT != PIXELS
