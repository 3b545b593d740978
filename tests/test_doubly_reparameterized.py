"""The doubly reparameterized gradient, on the linear-Gaussian model, beside exact expectations."""

import numpy as np
import pytest
from conftest import LATENT, PIXELS, exact, exact_noise, kl_between_gaussians, make_model

from vae_np.objectives import DoublyReparameterized, ImportanceWeighted

STEP = 1e-5  # of φ, for differences


def phi_gradient(objective, x, noise):
    objective.value_and_gradient(x, noise)
    return objective.vectors["encoder"].grad.copy()


def differences(model, loss):
    """The derivative of ``loss()`` with respect to each entry of φ, by central differences."""
    phi, slopes = model.encoder.parameters.value, []
    for i, value in enumerate(phi.copy()):
        ends = []
        for phi[i] in (value + STEP, value - STEP):
            ends.append(loss())
        phi[i] = value
        slopes.append((ends[0] - ends[1]) / (2 * STEP))
    return np.array(slopes)


@pytest.mark.parametrize("n_draws", [1, 5])
def test_the_bound_and_thetas_gradient_are_the_importance_weighted_ones(rng, n_draws):
    model = make_model(dtype=np.float64)
    x, noise = rng.random((4, 6)), rng.standard_normal((n_draws, 4, 3))
    expected = ImportanceWeighted(model).value_and_gradient(x, noise)
    phi, theta = (vector.grad.copy() for vector in model.parameters)
    bound = DoublyReparameterized(model).value_and_gradient(x, noise)
    np.testing.assert_array_equal(bound.value, expected.value)
    np.testing.assert_array_equal(bound.kl, expected.kl)
    np.testing.assert_array_equal(model.decoder.parameters.grad, theta)
    assert not np.allclose(model.encoder.parameters.grad, phi, rtol=0.01)


def test_with_one_draw_it_has_the_elbos_gradient_on_average(linear, rng):
    """These draws give the exact expectation; the ELBO is log p(x) − KL(q ‖ posterior)."""
    x, noise = rng.standard_normal((3, PIXELS)), exact_noise(3)
    objective = DoublyReparameterized(linear)
    mean = np.mean([phi_gradient(objective, x, draw[None]) for draw in noise], axis=0)

    def gap():
        q = linear.encode(x)
        return kl_between_gaussians(q.mean, np.exp(q.log_var), *exact(linear, x)[1:]).mean()

    np.testing.assert_allclose(mean, differences(linear, gap), rtol=1e-7, atol=1e-9)


def test_with_more_draws_it_has_the_bounds_gradient_on_average(linear, rng):
    """The bound of many draws, by differences: log of the mean of w = p(x) p(z|x) / q(z|x)."""
    image, repeats, n_draws = rng.standard_normal(PIXELS), 60, 4
    x = np.tile(image, (500, 1))
    log_px, posterior_mean, covariance = exact(linear, x)
    precision, objective = np.linalg.inv(covariance), DoublyReparameterized(linear)

    def minus_bound(noise):
        q = linear.encode(x)
        off = q.mean + np.exp(q.log_var / 2) * noise - posterior_mean
        log_w = (noise**2).sum(axis=-1) / 2 + q.log_var.sum(axis=-1) / 2 + log_px
        log_w += np.linalg.slogdet(precision)[1] / 2 - ((off @ precision) * off).sum(axis=-1) / 2
        return -np.log(np.exp(log_w).mean(axis=0)).mean()

    ours, theirs = [], []
    for _ in range(repeats):
        noise = rng.standard_normal((n_draws, len(x), LATENT))
        ours.append(phi_gradient(objective, x, noise))
        theirs.append(differences(linear, lambda noise=noise: minus_bound(noise)))
    off = np.subtract(ours, theirs)
    z = off.mean(axis=0) / (off.std(axis=0, ddof=1) / np.sqrt(repeats))
    assert np.abs(z).max() < 4
    assert np.abs(off).max() > 0.01  # for a single noise they differ
    signal = np.abs(np.mean(theirs, axis=0)) * np.sqrt(repeats) / np.std(off, axis=0)
    assert np.median(signal) > 30  # so that a factor of 0.9 would show


def set_encoder(model, x, mean, log_var):
    """Let q(z|x) have these means, (3, Z), which are linear in x, and log-variances, (Z,)."""
    heads = model.encoder.network.layers[0]
    heads.weight[:, LATENT:], heads.bias[LATENT:] = 0, log_var
    fitted = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), mean, rcond=None)[0]
    heads.weight[:, :LATENT], heads.bias[:LATENT] = fitted[:-1], fitted[-1]


def test_where_q_is_the_posterior_no_draw_moves_the_encoder(linear, rng):
    """With rows of W at right angles the posterior is a diagonal Gaussian, and w is p(x)."""
    weight = linear.decoder.network.layers[0].weight
    weight[...] = np.linalg.qr(rng.standard_normal((PIXELS, LATENT)))[0].T * [[0.7], [1.3]]
    x, noise = rng.standard_normal((3, PIXELS)), rng.standard_normal((4, 3, LATENT))
    _, mean, covariance = exact(linear, x)
    set_encoder(linear, x, mean, np.log(np.diag(covariance)))
    assert np.abs(phi_gradient(DoublyReparameterized(linear), x, noise)).max() < 1e-12
    assert np.abs(phi_gradient(ImportanceWeighted(linear), x, noise)).max() > 0.1


def test_more_draws_raise_its_signal_over_its_noise_and_lower_the_others(linear, rng):
    """About as √K and as 1/√K, where q covers the posterior (1802.04537).

    The signal, the length of the mean, is the same for both; the better one measures it.
    """
    x = rng.standard_normal((3, PIXELS))
    _, mean, covariance = exact(linear, x)
    set_encoder(linear, x, mean + 0.2, np.log(2 * np.diag(covariance)))

    def moments(kind, n_draws, repeats=600):
        noise = rng.standard_normal((repeats, n_draws, 3, LATENT))
        gradients = np.array([phi_gradient(kind(linear), x, one) for one in noise])
        variance = gradients.var(axis=0, ddof=1).sum()
        return (gradients.mean(axis=0) ** 2).sum() - variance / repeats, variance

    ours, theirs = [], []
    for n_draws in (5, 50):
        signal, variance = moments(DoublyReparameterized, n_draws)
        ours.append(np.sqrt(signal / variance))
        theirs.append(np.sqrt(signal / moments(ImportanceWeighted, n_draws)[1]))
    assert ours[0] > 2 * theirs[0]
    assert ours[1] > 2 * ours[0]
    assert theirs[1] < theirs[0] / 2
