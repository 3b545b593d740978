"""The score function's gradient, on the linear-Gaussian model, where the exact one is known."""

import numpy as np
import pytest
from conftest import LATENT, PIXELS, exact_noise

from vae_np.objectives import SGVB_A, ScoreFunction


def repeated_gradients(objective, x, rng, repeats=3000, n_draws=2):
    gradients = []
    for _ in range(repeats):
        objective.value_and_gradient(x, rng.standard_normal((n_draws, len(x), LATENT)))
        gradients.append(objective.vectors["encoder"].grad.copy())
    return np.array(gradients)


def test_score_function_has_the_right_mean_and_more_variance(linear, rng):
    x = rng.standard_normal((4, PIXELS))
    linear.elbo_and_gradient(x, exact_noise(4))  # these draws give the exact expectation
    expected = linear.encoder.parameters.grad.copy()
    variances = []
    for objective in (
        SGVB_A(linear),
        ScoreFunction(linear, "leave-one-out"),
        ScoreFunction(linear, "none"),
    ):
        gradients = repeated_gradients(objective, x, rng)
        standard_error = gradients.std(axis=0) / np.sqrt(len(gradients))
        assert (np.abs(gradients.mean(axis=0) - expected) < 5 * standard_error).all()
        variances.append(gradients.var(axis=0).sum())
    reparameterized, with_baseline, without = variances
    assert 2 * reparameterized < with_baseline < without / 2


def test_score_function_leaves_the_decoders_gradient_and_the_bound_alone(linear, rng):
    x, noise = rng.standard_normal((4, PIXELS)), rng.standard_normal((3, 4, LATENT))
    expected = SGVB_A(linear).value_and_gradient(x, noise)
    theta = linear.decoder.parameters.grad.copy()
    value = ScoreFunction(linear).value_and_gradient(x, noise)
    np.testing.assert_allclose(value.value, expected.value)
    np.testing.assert_allclose(linear.decoder.parameters.grad, theta, rtol=1e-12)


def test_score_function_refuses_bad_arguments(linear, rng):
    with pytest.raises(ValueError, match="baseline must be one of none, leave-one-out, got 'mean'"):
        ScoreFunction(linear, "mean")
    one_draw = rng.random((4, PIXELS)), np.zeros((1, 4, LATENT))
    with pytest.raises(ValueError, match="needs noise of L >= 2 draws, got 1"):
        ScoreFunction(linear).value_and_gradient(*one_draw)
    assert ScoreFunction(linear, "none").value_and_gradient(*one_draw).value.shape == (4,)
