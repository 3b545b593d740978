"""Appendix D of the paper: log p(x) from draws of the posterior, and what its chains must do."""

import numpy as np
import pytest
from conftest import LATENT, PIXELS, exact, make_model

from vae_np import evaluation
from vae_np.evaluation import reciprocal_log_likelihood
from vae_np.inference import appendix_d


def test_appendix_d_approaches_log_px(linear, rng):
    x = rng.standard_normal((7, PIXELS))
    estimate = reciprocal_log_likelihood(linear, x, 2000)
    difference = estimate.value - exact(linear, x)[0]
    assert np.abs(difference).max() < 0.02
    assert estimate.standard_error.max() < 0.02


def test_appendix_d_wants_chains_that_move(linear, rng, monkeypatch):
    """Frozen, they would fit a Gaussian to where they started, which says nothing of p(z|x)."""
    sample = appendix_d.sample_posterior

    def all_but_the_first_frozen(*arguments):
        draws = sample(*arguments)
        draws.z[:, :, 1:] = draws.z[0, :, 1:]
        return draws

    monkeypatch.setattr(appendix_d, "sample_posterior", all_but_the_first_frozen)
    with pytest.raises(ValueError, match=r"HMC never moved for image 1: too steep a log p\(x, z\)"):
        reciprocal_log_likelihood(linear, rng.standard_normal((3, PIXELS)), 100)


@pytest.mark.parametrize(
    ("latents", "fault"),
    [(slice(None), "never moved for image 3"), (slice(1), "image 3 lie in a plane")],
)
def test_appendix_d_counts_an_image_among_all(linear, rng, monkeypatch, latents, fault):
    sample, batches = appendix_d.sample_posterior, []

    def second_image_of_the_second_batch_still(*arguments):
        draws = sample(*arguments)
        batches.append(draws)
        if len(batches) == 2:
            draws.z[..., 1, latents] = 0
        return draws

    monkeypatch.setattr(appendix_d, "sample_posterior", second_image_of_the_second_batch_still)
    with pytest.raises(ValueError, match=fault):
        reciprocal_log_likelihood(linear, rng.standard_normal((5, PIXELS)), 100, batch_size=2)


def test_appendix_d_wants_draws_that_fill_the_space(rng):
    two_points = rng.standard_normal((2, 1, 4, 3))[rng.integers(2, size=20)]
    for draws in (two_points, two_points[:1], 1e7 * two_points):
        with pytest.raises(ValueError, match="draws of image 0 lie in a plane"):
            appendix_d.fitted_gaussian_log_prob(draws, draws)
    draws, z = rng.standard_normal((30, 2, 4, 3)), rng.standard_normal((5, 2, 4, 3))
    appendix_d.fitted_gaussian_log_prob(1e-7 * draws, z)  # however small the space
    for image in range(4):
        mean = draws[:, :, image].mean(axis=(0, 1))
        covariance = np.cov(draws[:, :, image].reshape(-1, 3), rowvar=False)
        difference = z[:, :, image] - mean
        mahalanobis = (difference @ np.linalg.inv(covariance) * difference).sum(axis=-1)
        expected = -0.5 * (mahalanobis + np.linalg.slogdet(2 * np.pi * covariance)[1])
        ours = appendix_d.fitted_gaussian_log_prob(draws, z)[:, :, image]
        np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_appendix_d_wants_chains_and_a_whole_number_of_draws(linear, rng):
    x = rng.standard_normal((3, PIXELS))
    with pytest.raises(ValueError, match=r"initial must have shape \(C, 3, 2\), got \(3, 2\)"):
        appendix_d.appendix_d(linear.decoder, x, rng.standard_normal((3, LATENT)), 10, rng)
    with pytest.raises(ValueError, match=r"n_draws must be a whole number >= 1, got 2\.5"):
        appendix_d.appendix_d(linear.decoder, x, rng.standard_normal((2, 3, LATENT)), 2.5, rng)
    with pytest.raises(ValueError, match=r"n_samples must be a whole number >= 1, got 20\.5"):
        reciprocal_log_likelihood(linear, x, 20.5)


def test_chains_that_rest_at_first_have_moved_in_the_end(linear, rng, monkeypatch):
    sample = appendix_d.sample_posterior

    def resting(*arguments):
        draws = sample(*arguments)
        draws.z[1:5, :, 1] = draws.z[0, :, 1]
        draws.z[:, 0, 2] = draws.z[0, 0, 2]  # and one of an image's ten chains all the time
        return draws

    monkeypatch.setattr(appendix_d, "sample_posterior", resting)
    x = rng.standard_normal((3, PIXELS))
    estimate = reciprocal_log_likelihood(linear, x, 2000)
    np.testing.assert_allclose(estimate.value, exact(linear, x)[0], atol=0.5)


def test_appendix_d_starts_its_chains_at_draws_from_q(linear, rng, monkeypatch):
    x, calls = rng.standard_normal((7, PIXELS)), []

    def appendix_d(decoder, x, initial, n_draws, generator, first):
        calls.append((initial, n_draws, first))
        return np.zeros(len(x)), np.ones(len(x))

    monkeypatch.setattr(evaluation, "appendix_d", appendix_d)
    estimate = reciprocal_log_likelihood(linear, x, 2001, n_chains=2000, batch_size=3)
    assert estimate.n_samples == 4000
    assert [call[1:] for call in calls] == [(2, 0), (2, 3), (2, 6)]
    q, start = linear.encode(x), np.concatenate([initial for initial, *_ in calls], axis=1)
    assert start.shape == (2000, 7, LATENT)
    noise = (start - q.mean) / q.std
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(noise.std(axis=0), 1, atol=0.1)


def test_appendix_d_wants_ten_draws_for_each_latent(rng):
    for latent in (1, 3):
        model, enough = make_model(latent=latent), 10 * latent
        with pytest.raises(ValueError, match=f"10 a latent, {enough}, got {enough - 1}"):
            reciprocal_log_likelihood(model, rng.random((2, 6)), enough - 1)
        reciprocal_log_likelihood(model, rng.random((2, 6)), enough)
