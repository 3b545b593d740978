"""The bounds on a linear-Gaussian model, where log p(x) and the posterior are known exactly."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import (
    LATENT,
    PIXELS,
    exact,
    exact_noise,
    kl_between_gaussians,
    make_model,
    make_trainer,
)

from vae_np import VAE
from vae_np.backend import Stream, random_generator
from vae_np.bounds import BOUNDS, importance_weighted, log_mean_exp, log_weight
from vae_np.evaluation import evaluate_bound


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


def test_both_sgvb_estimators_have_the_same_expectation(linear, rng):
    """On this model log w is quadratic in z, so that these draws give the exact expectation."""
    x, noise = rng.standard_normal((7, PIXELS)), exact_noise(7)
    a = VAE(linear.encoder, linear.decoder, bound="sgvb-a").bound(x, noise)
    b = linear.bound(x, noise)
    np.testing.assert_allclose(a.kl, b.kl, rtol=1e-12)
    np.testing.assert_allclose(a.value, b.value, rtol=1e-12)
    one_draw = VAE(linear.encoder, linear.decoder, bound="sgvb-a").bound(x, noise[:1])
    assert not np.allclose(one_draw.kl, b.kl)


def test_importance_weighted_bound_is_the_log_of_the_mean_weight(linear, rng):
    x, noise = rng.standard_normal((7, PIXELS)), rng.standard_normal((4, 7, LATENT))
    q = linear.encode(x)
    z = q.sample(noise)
    p = linear.decoder.forward(z)
    log_px, posterior_mean, covariance = exact(linear, x)
    # w = p(x) p(z|x) / q(z|x), from the closed-form posterior.
    difference = z - posterior_mean
    log_posterior = -0.5 * np.einsum(
        "lnj,jk,lnk->ln", difference, np.linalg.inv(covariance), difference
    ) - 0.5 * (np.linalg.slogdet(covariance)[1] + 2 * np.log(2 * np.pi))
    weight = np.exp(log_px + log_posterior - q.log_prob(z))
    np.testing.assert_allclose(np.exp(log_weight(x, q, p, z)), weight, rtol=1e-9)
    bound = importance_weighted(x, q, p, z)
    np.testing.assert_allclose(bound.value, np.log(weight.mean(axis=0)), rtol=1e-9)
    shares = weight / weight.sum(axis=0)
    np.testing.assert_allclose(bound.reconstruction, (shares * p.log_prob(x)).sum(axis=0))


def test_importance_weighted_bound_rises_from_the_elbo_to_log_px(linear, rng):
    x = np.repeat(rng.standard_normal((5, PIXELS)), 2000, axis=0)
    model = VAE(linear.encoder, linear.decoder, bound="importance-weighted")
    noise = rng.standard_normal((30, len(x), LATENT))
    means = [model.bound(x, noise[:k]).value.reshape(5, -1).mean(axis=1) for k in (1, 2, 5, 30)]
    elbo = linear.bound(x[::2000], exact_noise(5)).value
    log_px = exact(linear, x[::2000])[0]
    np.testing.assert_allclose(means[0], elbo, atol=0.1)
    for fewer, more in pairwise(means):
        assert (fewer < more).all()
    assert (means[-1] < log_px).all()
    assert (log_px - means[-1] < 0.3 * (log_px - elbo)).all()


def test_log_mean_exp_neither_over_nor_underflows():
    log_w = np.array([[-1e4, 1e4], [-1e4 + np.log(3), 1e4 + np.log(3)]])
    np.testing.assert_allclose(log_mean_exp(log_w), [-1e4 + np.log(2), 1e4 + np.log(2)])


@pytest.mark.parametrize("bound", BOUNDS)
def test_training_by_any_bound_raises_the_elbo(bound, images):
    trainer = make_trainer(images, n_draws=3, bound=bound)
    elbo_model = VAE(trainer.model.encoder, trainer.model.decoder)
    before = evaluate_bound(elbo_model, images, n_draws=50).value
    trainer.fit(60, progress=False)
    assert evaluate_bound(elbo_model, images, n_draws=50).value > before + 1


@pytest.mark.parametrize("bound", BOUNDS)
def test_the_evaluated_bound_is_the_models_own(bound, linear, rng):
    x, model = rng.standard_normal((7, PIXELS)), VAE(linear.encoder, linear.decoder, bound=bound)
    noise = random_generator([3, Stream.BOUND_NOISE]).standard_normal((5, 7, LATENT))
    evaluated, expected = evaluate_bound(model, x, n_draws=5, seed=3), model.bound(x, noise)
    np.testing.assert_allclose(evaluated.value, expected.value.mean())
    np.testing.assert_allclose(evaluated.kl, expected.kl.mean())


def test_bad_bounds_are_refused():
    model = make_model()
    with pytest.raises(ValueError, match=r"bound must be one of sgvb-b, .*, got 'elbo'"):
        VAE(model.encoder, model.decoder, bound="elbo")
    with pytest.raises(ValueError, match="kl_weight must be 1 for the bound"):
        VAE(model.encoder, model.decoder, kl_weight=0.5, bound="sgvb-a")
