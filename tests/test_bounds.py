"""The bound on a linear-Gaussian model, where log p(x) and the posterior are known exactly."""

import numpy as np
import pytest
from conftest import make_model

from vae_np import VAE, GaussianDecoder, GaussianEncoder
from vae_np.evaluation import evaluate_bound, importance_sampled_log_likelihood

PIXELS, LATENT, STD = 5, 2, 0.6


@pytest.fixture
def linear(rng):
    """x = z W + b + σ ε with z ~ N(0, I), and an arbitrary linear encoder."""
    common = {"dtype": np.float64}
    encoder = GaussianEncoder(PIXELS, [], LATENT, **common)
    decoder = GaussianDecoder(LATENT, [], PIXELS, noise="fixed", std=STD, **common)
    for network in (encoder, decoder):
        network.parameters.value[:] = 0.4 * rng.standard_normal(network.parameters.value.shape)
    return VAE(encoder, decoder)


def normal_log_density(x, mean, covariance):
    difference = x - mean
    _, log_det = np.linalg.slogdet(covariance)
    mahalanobis = (difference @ np.linalg.inv(covariance) * difference).sum(axis=-1)
    return -0.5 * (mahalanobis + log_det + len(covariance) * np.log(2 * np.pi))


def exact(model, x):
    """log p(x), and the posterior's means and covariance."""
    weight, bias = model.decoder.network.layers[0].weight, model.decoder.network.layers[0].bias
    log_px = normal_log_density(x, bias, weight.T @ weight + STD**2 * np.eye(PIXELS))
    covariance = np.linalg.inv(np.eye(LATENT) + weight @ weight.T / STD**2)
    return log_px, (x - bias) @ weight.T @ covariance / STD**2, covariance


def kl_between_gaussians(mean, variances, posterior_mean, covariance):
    """KL(N(mean, diag(variances)) ‖ N(posterior_mean, covariance)) of each example."""
    precision = np.linalg.inv(covariance)
    difference = posterior_mean - mean
    return 0.5 * (
        variances @ np.diag(precision)
        + (difference @ precision * difference).sum(axis=1)
        - LATENT
        + np.linalg.slogdet(covariance)[1]
        - np.log(variances).sum(axis=1)
    )


def exact_noise(n_examples):
    """±√Z eᵢ: its average of a quadratic function is the expectation under N(0, I)."""
    points = np.sqrt(LATENT) * np.concatenate([np.eye(LATENT), -np.eye(LATENT)])
    return np.repeat(points[:, None, :], n_examples, axis=1)


def test_elbo_is_log_px_minus_kl_to_the_posterior(linear, rng):
    x = rng.standard_normal((7, PIXELS))
    log_px, posterior_mean, covariance = exact(linear, x)
    q = linear.encode(x)
    gap = kl_between_gaussians(q.mean, np.exp(q.log_var), posterior_mean, covariance)
    bound = linear.bound(x, exact_noise(7)).value
    np.testing.assert_allclose(bound, log_px - gap, rtol=0, atol=1e-10)
    assert (gap > 0.01).all()


def test_more_draws_give_the_mean_of_single_draws(linear, rng):
    x, noise = rng.standard_normal((7, PIXELS)), rng.standard_normal((3, 7, LATENT))
    singles = [linear.bound(x, noise[i : i + 1]).value for i in range(3)]
    np.testing.assert_allclose(linear.bound(x, noise).value, np.mean(singles, axis=0), rtol=1e-13)


def test_evaluated_bound_approaches_the_exact_one(linear, rng):
    x = rng.standard_normal((7, PIXELS))
    expected = linear.bound(x, exact_noise(7))
    estimate = evaluate_bound(linear, x, n_draws=20_000, batch_size=3)
    assert estimate.value == pytest.approx(expected.value.mean(), abs=0.02)
    assert estimate.kl == pytest.approx(expected.kl.mean(), rel=1e-12)
    assert estimate.value == pytest.approx(estimate.reconstruction - estimate.kl, rel=1e-12)


def test_importance_sampling_approaches_log_px_from_below(linear, rng):
    x = rng.standard_normal((200, PIXELS))
    log_px, _, _ = exact(linear, x)
    few, many = (importance_sampled_log_likelihood(linear, x, k) for k in (1, 3000))
    np.testing.assert_allclose(many.mean(), log_px.mean(), atol=0.05)
    assert few.mean() < many.mean() - 0.1


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
    np.testing.assert_allclose(importance_sampled_log_likelihood(linear, x, 1), log_px, atol=1e-12)


def test_counts_must_be_positive(linear, rng):
    with pytest.raises(ValueError, match="n_samples must be a whole number ≥ 1, got 0"):
        importance_sampled_log_likelihood(linear, rng.random((2, PIXELS)), 0)
    with pytest.raises(ValueError, match="n_draws must be a whole number ≥ 1, got 0"):
        evaluate_bound(linear, rng.random((2, PIXELS)), n_draws=0)
    with pytest.raises(ValueError, match="batch_size must be a whole number ≥ 1, got -1"):
        evaluate_bound(linear, rng.random((2, PIXELS)), batch_size=-1)


def test_binary_evaluation_sees_the_same_binary_images_each_time(rng, monkeypatch):
    model, images, seen = make_model(), rng.random((9, 6)), []
    bound = model.bound
    monkeypatch.setattr(model, "bound", lambda x, noise: (seen.append(x), bound(x, noise))[1])
    for seed in (0, 0, 1):
        evaluate_bound(model, images, binary=True, seed=seed, batch_size=20)
    assert set(np.unique(seen)) == {0, 1}
    np.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[0] != seen[2]).any()
