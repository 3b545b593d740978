"""The objectives on a linear-Gaussian model, where log p(x) and the posterior are known exactly."""

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

from demos.training.options import OBJECTIVES
from vae_np.backend import Stream, random_generator
from vae_np.distributions import log_mean_exp
from vae_np.evaluation import evaluate_elbo
from vae_np.objectives import (
    ELBO,
    SGVB_A,
    DoublyReparameterized,
    FullBayes,
    ImportanceWeighted,
    ScoreFunction,
    WakeSleep,
)
from vae_np.objectives.sgvb_a import log_weight

OF_ALL_DRAWS = (ELBO, SGVB_A, ImportanceWeighted, DoublyReparameterized, ScoreFunction)


def test_elbo_is_log_px_minus_kl_to_the_posterior(linear, rng):
    x = rng.standard_normal((7, PIXELS))
    log_px, posterior_mean, covariance = exact(linear, x)
    q = linear.encode(x)
    gap = kl_between_gaussians(q.mean, np.exp(q.log_var), posterior_mean, covariance)
    bound = linear.elbo(x, exact_noise(7)).value
    np.testing.assert_allclose(bound, log_px - gap, rtol=0, atol=1e-10)
    assert (gap > 0.01).all()


def test_more_draws_give_the_mean_of_single_draws(linear, rng):
    x, noise = rng.standard_normal((7, PIXELS)), rng.standard_normal((3, 7, LATENT))
    singles = [linear.elbo(x, noise[i : i + 1]).value for i in range(3)]
    np.testing.assert_allclose(linear.elbo(x, noise).value, np.mean(singles, axis=0), rtol=1e-13)


def test_both_sgvb_estimators_have_the_same_expectation(linear, rng):
    """On this model log w is quadratic in z, so that these draws give the exact expectation."""
    x, noise = rng.standard_normal((7, PIXELS)), exact_noise(7)
    a = SGVB_A(linear).value(x, noise)
    b = linear.elbo(x, noise)
    np.testing.assert_allclose(a.kl, b.kl, rtol=1e-12)
    np.testing.assert_allclose(a.value, b.value, rtol=1e-12)
    one_draw = SGVB_A(linear).value(x, noise[:1])
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
    bound = ImportanceWeighted(linear).value(x, noise)
    np.testing.assert_allclose(bound.value, np.log(weight.mean(axis=0)), rtol=1e-9)
    shares = weight / weight.sum(axis=0)
    np.testing.assert_allclose(bound.reconstruction, (shares * p.log_prob(x)).sum(axis=0))


def test_importance_weighted_bound_rises_from_the_elbo_to_log_px(linear, rng):
    x = np.repeat(rng.standard_normal((5, PIXELS)), 2000, axis=0)
    objective = ImportanceWeighted(linear)
    noise = rng.standard_normal((30, len(x), LATENT))
    means = [objective.value(x, noise[:k]).value.reshape(5, -1).mean(axis=1) for k in (1, 2, 5, 30)]
    elbo = linear.elbo(x[::2000], exact_noise(5)).value
    log_px = exact(linear, x[::2000])[0]
    np.testing.assert_allclose(means[0], elbo, atol=0.1)
    for fewer, more in pairwise(means):
        assert (fewer < more).all()
    assert (means[-1] < log_px).all()
    assert (log_px - means[-1] < 0.3 * (log_px - elbo)).all()


def test_log_mean_exp_neither_over_nor_underflows():
    log_w = np.array([[-1e4, 1e4], [-1e4 + np.log(3), 1e4 + np.log(3)]])
    np.testing.assert_allclose(log_mean_exp(log_w), [-1e4 + np.log(2), 1e4 + np.log(2)])


@pytest.mark.parametrize("objective", (*OF_ALL_DRAWS, WakeSleep, lambda m: FullBayes(m, 38)))
def test_training_by_any_objective_raises_the_elbo(objective, images):
    trainer = make_trainer(images, n_draws=3, objective=objective)
    before = evaluate_elbo(trainer.model, images, n_draws=50).value
    trainer.fit(60, progress=False)
    assert evaluate_elbo(trainer.model, images, n_draws=50).value > before + 1


@pytest.mark.parametrize("objective", OF_ALL_DRAWS)
def test_an_objective_can_be_evaluated(objective, linear, rng):
    x, objective = rng.standard_normal((7, PIXELS)), objective(linear)
    noise = random_generator([3, Stream.ELBO_NOISE]).standard_normal((5, 7, LATENT))
    evaluated = evaluate_elbo(linear, x, n_draws=5, seed=3, objective=objective)
    expected = objective.value(x, noise)
    np.testing.assert_allclose(evaluated.value, expected.value.mean())
    np.testing.assert_allclose(evaluated.kl, expected.kl.mean())
    if objective.settings()["objective"] == "elbo":
        assert evaluated.value == evaluate_elbo(linear, x, n_draws=5, seed=3).value


@pytest.mark.parametrize("objective", (*OF_ALL_DRAWS, WakeSleep, lambda m: FullBayes(m, 38)))
def test_the_value_beside_the_gradient_is_the_value(objective, rng):
    """And the weights that it fills are those that it names."""
    model = make_model(dtype=np.float64)
    objective, x = objective(model), rng.random((4, 6))
    noise = objective.draw_noise(rng, 2, 4)
    for vector in objective.vectors.values():
        vector.grad[:] = np.nan
    both = objective.value_and_gradient(x, noise)
    alone = objective.value(x, noise)
    np.testing.assert_allclose(both.reconstruction, alone.reconstruction, rtol=1e-12)
    np.testing.assert_allclose(both.kl, alone.kl, rtol=1e-12)
    for vector in objective.vectors.values():
        assert np.isfinite(vector.grad).all()


@pytest.mark.parametrize("objective", (*OF_ALL_DRAWS, WakeSleep))
def test_what_is_learned_is_the_encoder_and_then_the_decoder(objective, rng):
    """In this order, in which an optimizer's state is saved; and by as many draws as asked for."""
    model = make_model()
    objective = objective(model)
    assert list(objective.vectors.items()) == [
        ("encoder", model.encoder.parameters),
        ("decoder", model.decoder.parameters),
    ]
    for n_draws in (1, 3):
        noise = objective.draw_noise(rng, n_draws, 4)
        assert (noise[0] if isinstance(noise, tuple) else noise).shape == (n_draws, 4, 3)


def test_full_bayes_learns_the_encoder_and_then_the_means_and_log_variances_of_weights():
    model = make_model()
    weights = model.decoder.parameters.value
    vectors = FullBayes(model, 38, initial_std=0.5).vectors
    assert list(vectors) == ["encoder", "weight_posterior"]
    assert vectors["encoder"] is model.encoder.parameters
    expected = [*weights, *np.full(len(weights), 2 * np.log(0.5))]
    np.testing.assert_allclose(vectors["weight_posterior"].value, expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_an_objective_draws_besides_comes_after_the_elbos_noise(dtype):
    """In this order and dtype, or no seed would give the results that are recorded."""
    model = make_model(dtype=dtype)
    for objective, more in (
        (WakeSleep(model), [("standard_normal", (4, 3)), ("random", (4, 6))]),
        (FullBayes(model, 38), [("standard_normal", model.decoder.parameters.value.shape)]),
    ):
        again = np.random.default_rng(7)
        drawn = objective.draw_noise(np.random.default_rng(7), 2, 4)
        for part, (draw, shape) in zip(drawn, [("standard_normal", (2, 4, 3)), *more], strict=True):
            expected = getattr(again, draw)(shape, dtype=dtype)
            assert part.dtype == dtype
            np.testing.assert_array_equal(part, expected)


def test_to_evaluate_full_bayes_leaves_the_model_as_it_was(images):
    model = make_model()
    bayes = FullBayes(model, len(images), initial_std=0.5)
    np.testing.assert_array_equal(bayes.weight_posterior.mean, model.decoder.parameters.value)
    model.decoder.parameters.value[:] += 0.25  # as after a step: no more the means
    before = model.decoder.parameters.value.copy()
    evaluate_elbo(model, images, objective=bayes)
    np.testing.assert_array_equal(model.decoder.parameters.value, before)
    with pytest.raises(ValueError, match="x must be float32 as the model is"):  # nor must an error
        bayes.value(images / 255, bayes.draw_noise(np.random.default_rng(0), 1, len(images)))
    np.testing.assert_array_equal(model.decoder.parameters.value, before)


def test_what_is_written_into_q_of_the_weights_is_used():
    """As by who prunes those whose spread is larger than they are."""
    bayes = FullBayes(make_model(), 38)
    bayes.weight_posterior.mean[:5] = 0
    bayes.use_mean_weights()
    assert not bayes.model.decoder.parameters.value[:5].any()
    assert bayes.model.decoder.parameters.value[5:].any()


@pytest.mark.parametrize("std", [0, -1, np.nan, None])
def test_the_weights_start_with_a_spread(std):
    with pytest.raises(ValueError, match=f"initial_std must be a finite number > 0, got {std}"):
        FullBayes(make_model(), 38, initial_std=std)


def test_the_kl_of_all_weights_is_their_sum():
    """Each of N(μ, σ²) from N(0, 1): ½ (μ² + σ² − 1 − log σ²)."""
    bayes = FullBayes(make_model(dtype=np.float64), 38, initial_std=0.3)
    mean, variance = bayes.weight_posterior.mean, 0.09
    kl = 0.5 * (mean**2 + variance - 1 - np.log(variance)).sum()
    assert bayes.weight_kl() == pytest.approx(kl, rel=1e-12)
    assert type(bayes.weight_kl()) is float


def test_no_kl_in_the_loss_leaves_an_autoencoder(rng):
    """With a KL weight of 0, the gradient of q's log-variance comes from the noise alone."""
    model = make_model(dtype=np.float64)
    ELBO(model, kl_weight=0).value_and_gradient(rng.random((4, 6)), np.zeros((1, 4, 3)))
    heads = model.encoder.parameters.views(model.encoder.parameters.grad)["2.bias"]
    assert heads[:3].any()
    assert not heads[3:].any()


@pytest.mark.parametrize("weight", [0.3, 4, 1e3])
def test_the_gradient_has_as_much_of_the_kl_as_its_weight(rng, weight):
    model = make_model(dtype=np.float64)
    x, noise = rng.random((4, 6)), rng.standard_normal((1, 4, 3))
    gradients = []
    for of in (0, 1, weight):
        ELBO(model, of).value_and_gradient(x, noise)
        gradients.append(model.encoder.parameters.grad.copy())
    none, one, much = gradients
    np.testing.assert_allclose(much, none + weight * (one - none), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("weight", [0, 3])
def test_the_elbo_that_is_reported_has_the_weight_1(rng, weight):
    model = make_model(dtype=np.float64)
    x, noise = rng.random((4, 6)), rng.standard_normal((1, 4, 3))
    expected = model.elbo(x, noise)
    for method in (ELBO(model, weight).value, ELBO(model, weight).value_and_gradient):
        np.testing.assert_array_equal(method(x, noise).value, expected.value)
        np.testing.assert_array_equal(method(x, noise).kl, expected.kl)


def test_a_checkpoint_names_an_objective_as_one_types_it(linear):
    assert {name: of(linear).settings()["objective"] for name, of in OBJECTIVES.items()} == {
        name: name for name in OBJECTIVES
    }


def test_the_kl_weight_may_change_between_steps(rng):
    x, noise = rng.random((4, 6)), rng.standard_normal((1, 4, 3))
    gradients = []
    for start, then in ((1.0, 0.3), (0.3, 0.3)):
        objective = ELBO(make_model(dtype=np.float64), start)
        objective.kl_weight = then
        objective.value_and_gradient(x, noise)
        gradients.append(objective.vectors["encoder"].grad)
    np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "1"])
def test_bad_kl_weights_are_refused(weight):
    with pytest.raises(ValueError, match="kl_weight must be a finite number >= 0, got"):
        ELBO(make_model(), weight)
    objective = ELBO(make_model())
    with pytest.raises(ValueError, match="kl_weight must be"):
        objective.kl_weight = weight
