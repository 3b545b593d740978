"""log p(x) from weighed draws, to rounding: each weight from densities written out here."""

import numpy as np
import pytest
from conftest import LATENT, PIXELS, STD, exact, make_model, normal_log_density

from vae_np.distributions import log_mean_standard_error, log_sum_exp, normalized_weights
from vae_np.evaluation import importance_sampled_log_likelihood
from vae_np.inference import appendix_d
from vae_np.inference.hmc import PosteriorDraws
from vae_np.inference.importance_sampling import importance_sample
from vae_np.objectives.score_function import ScoreFunction, score_signal
from vae_np.objectives.sgvb_a import forward, log_weight

N, K = 3, 6


def known_log_joint(model, x, z):
    """log p(x, z) of one image at (K, Z) codes, from the weights."""
    layer = model.decoder.network.layers[0]
    means = z @ layer.weight + layer.bias
    log_px_given_z = [normal_log_density(x, mean, STD**2 * np.eye(PIXELS)) for mean in means]
    return np.array(log_px_given_z) + normal_log_density(z, 0, np.eye(LATENT))


@pytest.mark.parametrize("n_from_prior", [0, 2, 5, K])
def test_importance_sampling_weighs_by_the_mixture(linear, rng, n_from_prior):
    x, reported = rng.standard_normal((N, PIXELS)), []
    value, error = importance_sample(
        linear, x, K, n_from_prior, np.random.default_rng(3), 3, reported.append
    )
    noise, share = np.random.default_rng(3).standard_normal((K, N, LATENT)), n_from_prior / K
    q = linear.encode(x)
    for i in range(N):
        variances = np.exp(q.log_var[i])
        z = noise[:, i].copy()
        z[n_from_prior:] = q.mean[i] + np.sqrt(variances) * z[n_from_prior:]
        proposal = share * np.exp(normal_log_density(z, 0, np.eye(LATENT)))
        proposal += (1 - share) * np.exp(normal_log_density(z, q.mean[i], np.diag(variances)))
        w = np.exp(known_log_joint(linear, x[i], z)) / proposal
        assert value[i] == pytest.approx(np.log(w.mean()), rel=1e-9)
        assert error[i] == pytest.approx(w.std(ddof=1) / np.sqrt(K) / w.mean(), rel=1e-7)
    assert sum(reported) == K * N
    assert max(reported) == 3 * N  # three samples of every image at a time


def test_no_weight_over_or_underflows():
    """The largest is taken out first; weights of e^±1000 have shares, and a log of their sum."""
    for shift in (-1000.0, 1000.0):
        log_w = np.log([[1.0, 5.0], [3.0, 5.0]]) + shift
        np.testing.assert_allclose(normalized_weights(log_w), [[0.25, 0.5], [0.75, 0.5]])
        np.testing.assert_allclose(log_sum_exp(log_w), np.log([4, 10]) + shift)
    images = np.array([[-1000.0, 0.0], [-1000.0, 1000.0]])  # each is taken out of its own
    assert normalized_weights(images).tolist() == [[0.5, 0], [0.5, 1]]
    np.testing.assert_allclose(log_sum_exp(images), [np.log(2) - 1000, 1000])
    far_apart = np.array([[-2000.0], [0.0], [2000.0]])
    assert normalized_weights(far_apart).tolist() == [[0], [0], [1]]
    assert log_sum_exp(far_apart).tolist() == [2000]
    assert log_sum_exp(np.array([[-np.inf, -2000.0]])).tolist() == [-np.inf, -2000]


def test_a_log_px_below_what_exp_can_hold(linear):
    x = np.full((1, PIXELS), 100.0)  # p(x|z) of e^−60,000 at most
    estimate = importance_sampled_log_likelihood(linear, x, 50, prior_share=0.5)
    assert estimate.value[0] < -1e4
    assert estimate.value[0] <= exact(linear, x)[0][0] + 1


def test_the_error_of_a_log_mean_is_the_delta_methods(rng):
    w = rng.gamma(2, size=(40, 3))
    expected = w.std(axis=0, ddof=1) / np.sqrt(40) / w.mean(axis=0)
    for log_scale in (-1000, 0, 1000):
        log_sum = np.log(w.sum(axis=0)) + log_scale
        log_sum_of_squares = np.log((w**2).sum(axis=0)) + 2 * log_scale
        error = log_mean_standard_error(log_sum, log_sum_of_squares, 40)
        np.testing.assert_allclose(error, expected, rtol=1e-7)
    same = log_mean_standard_error(np.log([6.0]), np.log([12.0]), 3)  # three weights of 2
    np.testing.assert_allclose(same, 0, atol=1e-7)
    assert log_mean_standard_error(np.log([2.0]), np.log([4.0]), 1).tolist() == [np.inf]


def test_appendix_d_is_the_mean_of_reciprocals_and_its_error_the_chains_spread(
    linear, rng, monkeypatch
):
    n_draws, n_chains = 30, 4
    x = rng.standard_normal((N, PIXELS))
    _, mean, covariance = exact(linear, x)
    draws = (
        mean
        + rng.standard_normal((2 * n_draws, n_chains, N, LATENT))
        @ np.linalg.cholesky(1.5 * covariance).T
    )
    asked = []

    def drawn(decoder, x, n, generator, initial):
        asked.append(n)
        return PosteriorDraws(draws, None, None)

    monkeypatch.setattr(appendix_d, "sample_posterior", drawn)
    value, error = appendix_d.appendix_d(
        linear.decoder, x, np.zeros((n_chains, N, LATENT)), n_draws, rng
    )
    assert asked == [2 * n_draws]
    for i in range(N):
        fitted, averaged = (part[:, :, i].reshape(-1, LATENT) for part in np.split(draws, 2))
        log_r = normal_log_density(averaged, fitted.mean(axis=0), np.cov(fitted, rowvar=False))
        terms = np.exp(log_r - known_log_joint(linear, x[i], averaged))
        by_chain = terms.reshape(n_draws, n_chains).mean(axis=0)
        assert value[i] == pytest.approx(-np.log(terms.mean()), rel=1e-9)
        spread = by_chain.std(ddof=1) / np.sqrt(n_chains) / by_chain.mean()
        assert error[i] == pytest.approx(spread, rel=1e-6)


@pytest.mark.parametrize(("ratio", "in_a_plane"), [(0.9e-10, True), (1.5e-10, False)])
def test_where_a_plane_begins(rng, ratio, in_a_plane):
    """Draws whose least variance is 1e-10 of the largest lie in a plane, whatever their scale."""
    draws = np.array([[1.0, 0], [-1, 0], [0, np.sqrt(ratio)], [0, -np.sqrt(ratio)]])
    draws = 7 * draws[:, None, None, :]
    if in_a_plane:
        with pytest.raises(ValueError, match="lie in a plane"):
            appendix_d.fitted_gaussian_log_prob(draws, draws)
    else:
        assert np.isfinite(appendix_d.fitted_gaussian_log_prob(draws, draws)).all()


def test_one_image_s_draws_need_not_be_as_wide_as_anothers(rng):
    draws = rng.standard_normal((20, 2, 3, 2)) * [[1e-6], [1.0], [1e6]]
    together = appendix_d.fitted_gaussian_log_prob(draws, draws)
    for i in range(3):
        alone = draws[:, :, i : i + 1]
        expected = appendix_d.fitted_gaussian_log_prob(alone, alone)[..., 0]
        np.testing.assert_allclose(together[..., i], expected, rtol=1e-9)


def test_draws_of_float32_are_fitted_in_float64(rng):
    """In float32 the variance of what lies far from 0 is lost."""
    draws = (100 + 1e-3 * rng.standard_normal((20, 2, 1, 2))).astype(np.float32)
    single = appendix_d.fitted_gaussian_log_prob(draws, draws)
    double = appendix_d.fitted_gaussian_log_prob(draws.astype(float), draws.astype(float))
    np.testing.assert_array_equal(single, double)


def test_the_density_of_many_narrow_latents_is_finite(rng):
    narrow = 1e-3 * rng.standard_normal((200, 2, 1, 100))
    wide = appendix_d.fitted_gaussian_log_prob(1e3 * narrow, 1e3 * narrow)
    ours = appendix_d.fitted_gaussian_log_prob(narrow, narrow)  # variances whose product is 0
    np.testing.assert_allclose(ours, wide + 100 * np.log(1e3), rtol=1e-9)


def test_two_draws_of_one_latent_have_a_variance():
    draws = np.array([1.0, 3.0]).reshape(2, 1, 1, 1)  # mean 2, variance 2 / (2 − 1)
    log_prob = appendix_d.fitted_gaussian_log_prob(draws, draws)
    np.testing.assert_allclose(log_prob, -0.5 * (1 / 2 + np.log(2) + np.log(2 * np.pi)))


def test_the_leave_one_out_baseline_is_the_mean_of_the_others(rng):
    log_w = rng.standard_normal((4, 3))
    for i in range(4):
        others = np.delete(log_w, i, axis=0).mean(axis=0)
        signal = score_signal(log_w, "leave-one-out")
        np.testing.assert_allclose(signal[i], log_w[i] - others, rtol=1e-12)
    np.testing.assert_array_equal(score_signal(log_w, "none"), log_w)


def test_leave_one_out_of_three_draws_leaves_the_expected_gradient(rng):
    """With two draws a forgotten divisor is 1; here it shows in the model's own gradient."""
    model = make_model(dtype=np.float64)
    x, noise = rng.random((4, 6)), rng.standard_normal((3, 4, 3))
    q, z, p = forward(model, x, noise)
    log_w = log_weight(x, q, p, z)
    signal = 1.5 * (log_w - log_w.mean(axis=0))  # (L / (L − 1)) (log w − their mean)
    q = model.encoder.forward(x)
    model.encoder.backward(*q.log_prob_backward(z, -signal / signal.size))
    expected = model.encoder.parameters.grad.copy()
    ScoreFunction(model).value_and_gradient(x, noise)
    np.testing.assert_allclose(model.encoder.parameters.grad, expected, rtol=1e-10)
