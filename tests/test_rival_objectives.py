"""Wake-sleep, Monte Carlo EM and full Bayes: that they learn what they should."""

import numpy as np
import pytest
from conftest import exact, make_model, make_trainer, weights

from vae_np import SGD, VAE, Adam, GaussianDecoder, GaussianEncoder, Trainer
from vae_np.inference import linear_gaussian
from vae_np.objectives import FullBayes, WakeSleep
from vae_np.training.monte_carlo_em import MonteCarloEM

PIXELS = 5


@pytest.fixture
def toy(rng):
    """x = z w + b + σ ε with one latent: data, and the maximum-likelihood log p(x)."""
    x = rng.standard_normal((1600, 1)) @ rng.standard_normal((1, PIXELS)) + 1
    x += 0.5 * rng.standard_normal(x.shape)
    weight, bias, variance = linear_gaussian.maximum_likelihood(x, 1)
    best = GaussianDecoder(1, [], PIXELS, noise="fixed", std=np.sqrt(variance), dtype=np.float64)
    best.network.layers[0].weight[:], best.network.layers[0].bias[:] = weight, bias
    return x, best


def linear_decoder():
    return GaussianDecoder(1, [], PIXELS, noise="learned", std=1.0, dtype=np.float64)


def assert_recovered(decoder, best, x):
    loss = linear_gaussian.log_likelihood(best, x) - linear_gaussian.log_likelihood(decoder, x)
    assert 0 <= loss.mean() < 0.03
    weight, bias, variance = linear_gaussian.parameters_of(decoder)
    best_weight, best_bias, best_variance = linear_gaussian.parameters_of(best)
    np.testing.assert_allclose(weight.T @ weight, best_weight.T @ best_weight, rtol=0.2, atol=0.02)
    np.testing.assert_allclose(bias, best_bias, atol=0.1)
    # Across w, where no shift of all z can make up for it, the bias is known far better.
    shift = (bias - best_bias) @ best_weight[0] / (best_weight[0] @ best_weight[0])
    np.testing.assert_allclose(bias - shift * best_weight[0], best_bias, atol=0.02)
    assert variance == pytest.approx(best_variance, rel=0.1)


@pytest.mark.slow
def test_monte_carlo_em_recovers_a_linear_gaussian_model(toy):
    x, best = toy
    decoder = linear_decoder()
    em = MonteCarloEM(decoder, Adam([decoder.parameters], 0.01), x, batch_size=50)
    epochs = []
    em.fit(30, after_epoch=lambda: epochs.append(em.epoch), progress=False)
    em.optimizer.learning_rate = 0.0005
    em.fit(200, progress=False)
    assert epochs == list(range(1, 31))
    assert em.acceptance == pytest.approx(0.9, abs=0.05)
    assert_recovered(decoder, best, x)


@pytest.mark.parametrize("start", [0.01, 5])
def test_monte_carlo_em_tunes_its_step_before_an_image_is_seen_twice(start, toy, rng):
    x, best = toy
    em = MonteCarloEM(best, SGD([best.parameters], 1e-12), x, batch_size=40, step_size=start)
    em.fit(1, progress=False)
    assert em.e_step(np.arange(len(x)), rng).mean() == pytest.approx(0.9, abs=0.04)


def test_the_e_step_moves_the_codes_of_its_images_and_no_others_to_their_posterior(linear, rng):
    x = np.tile(rng.standard_normal(PIXELS), (2100, 1))
    em = MonteCarloEM(linear.decoder, SGD([linear.decoder.parameters]), x)
    rows, others = np.arange(2000), em.z[2000:].copy()
    for _ in range(20):
        em.e_step(rows, rng)
    _, (mean,), covariance = exact(linear, x[:1])
    error = 4.5 * np.sqrt(np.diag(covariance).max() / len(rows))
    np.testing.assert_allclose(em.z[rows].mean(axis=0), mean, atol=error)
    np.testing.assert_allclose(np.cov(em.z[rows].T), covariance, atol=2 * error)
    np.testing.assert_array_equal(em.z[2000:], others)


def test_monte_carlo_em_averages_the_acceptance_and_tunes_the_step_by_it(rng, monkeypatch):
    decoder, x = make_model(dtype=np.float64).decoder, rng.random((7, 6))
    options = {"batch_size": 3, "step_size": 0.2, "target_acceptance": 0.7}
    em = MonteCarloEM(decoder, SGD([decoder.parameters]), x, **options)
    em.fit(0, progress=False)
    assert em.epoch == 0 and np.isnan(em.acceptance)
    e_step, seen, step, epochs = em.e_step, [], 0.2, []
    monkeypatch.setattr(em, "e_step", lambda *args: (seen.append(e_step(*args)), seen[-1])[1])
    em.fit(1, lambda: epochs.append(em.epoch), progress=False)
    assert [len(acceptance) for acceptance in seen] == [3, 3, 1]
    assert em.acceptance == pytest.approx(np.concatenate(seen).mean(), rel=1e-12)
    for acceptance in seen:
        step *= np.exp(acceptance.mean() - 0.7)
    assert float(em.step_size[0, 0]) == pytest.approx(step, rel=1e-12)
    em.fit(3, lambda: epochs.append(em.epoch), progress=False)
    assert epochs == [1, 2, 3] and len(seen) == 9
    assert em.acceptance == pytest.approx(np.concatenate(seen[6:]).mean(), rel=1e-12)


@pytest.mark.parametrize("epoch", [0, 1, 20])
def test_the_weight_prior_of_monte_carlo_em_is_shared_among_all_images(rng, epoch):
    """Of log p(θ) each image bears 1/N, of whatever minibatch: a pull of θ/N."""
    decoder, x = make_model(dtype=np.float64).decoder, rng.random((8, 6))
    z, gradients = rng.standard_normal((3, 3)), []
    for weight_prior in (False, True):
        em = MonteCarloEM(decoder, SGD([decoder.parameters]), x, weight_prior=weight_prior)
        em._epoch = epoch
        em.fill_gradient(x[:3], z)
        gradients.append(decoder.parameters.grad.copy())
    plain, pulled = gradients
    np.testing.assert_allclose(pulled - plain, decoder.parameters.value / 8, atol=1e-12)


def test_full_bayes_starts_at_the_std_that_it_is_told():
    bayes = FullBayes(make_model(dtype=np.float64), 38, initial_std=0.3)
    np.testing.assert_allclose(bayes.weight_posterior.std, 0.3, rtol=1e-12)


@pytest.mark.slow
def test_wake_sleep_recovers_a_linear_gaussian_model(toy):
    x, best = toy
    encoder, decoder = GaussianEncoder(PIXELS, [], 1, dtype=np.float64), linear_decoder()
    model = VAE(encoder, decoder)
    assert linear_gaussian.kl_to_posterior(model.encode(x), best, x).mean() > 1
    schedule = [(0, 0.01), (100, 0.001)]
    Trainer(
        model,
        Adam(model.parameters),
        x,
        WakeSleep(model),
        batch_size=50,
        n_draws=5,
        schedule=schedule,
    ).fit(200, progress=False)
    assert_recovered(decoder, best, x)
    gap = linear_gaussian.kl_to_posterior(model.encode(x), decoder, x)
    assert gap.mean() < 0.06  # the encoder has learned the posterior from dreams alone


def test_wake_sleep_dreams_of_the_decoders_own_kind(rng):
    for decoder, kind in (("bernoulli", "binary"), ("per-output", "real")):
        model = make_model(decoder)
        objective = WakeSleep(model)
        noise = objective.draw_noise(rng, 2, 4)
        assert [array.shape for array in noise] == [(2, 4, 3), (4, 3), (4, 6)]
        assert all(array.dtype == np.float32 for array in noise)
        seen = []
        forward = model.encoder.forward
        model.encoder.forward = lambda x, f=forward, s=seen: (s.append(x), f(x))[1]
        objective.value_and_gradient(rng.random((4, 6), dtype=np.float32), noise)
        assert set(np.unique(seen[1])) <= {0, 1} if kind == "binary" else seen[1].min() < 0


@pytest.mark.parametrize("kind", ["wake-sleep", "full-bayes"])
def test_an_interrupted_run_goes_on_bit_for_bit(kind, images, tmp_path):
    def make():
        if kind == "wake-sleep":
            return make_trainer(images, objective=WakeSleep)
        return make_trainer(images, objective=lambda model: FullBayes(model, len(images)))

    straight, first, second = make(), make(), make()
    straight.fit(4, progress=False)
    first.fit(2, after_epoch=lambda row: first.save(tmp_path / "c.npz"), progress=False)
    second.load(tmp_path / "c.npz")
    second.fit(4, progress=False)
    np.testing.assert_array_equal(weights(straight), weights(second))


def test_full_bayes_without_data_to_speak_of_is_the_prior(images):
    """The KL of the weights outweighs one image's bound: q(θ) must go to N(0, I)."""
    model = make_model()
    bayes = FullBayes(model, n_training=1)
    vars(bayes)["n_training"] = 1e-6  # set so, it would be refused
    trainer = Trainer(model, Adam(list(bayes.vectors.values()), 0.05), images, bayes)
    trainer.fit(600, progress=False)
    assert bayes.weight_kl() < 0.01
    np.testing.assert_allclose(bayes.weight_posterior.mean, 0, atol=0.02)


def test_full_bayes_is_sure_of_its_weights_where_data_are_many(images):
    stds = []
    for n_training in (38, 38_000):
        trainer = make_trainer(
            images, learning_rate=0.02, objective=lambda model, n=n_training: FullBayes(model, n)
        )
        trainer.fit(150, progress=False)
        bayes, theta = trainer.objective, trainer.model.decoder.parameters
        stds.append(bayes.weight_posterior.std.mean())
        mean = bayes.weight_posterior.mean
        assert (theta.value != mean).any()
        bayes.use_mean_weights()
        np.testing.assert_array_equal(theta.value, mean)
    assert stds[1] < 0.5 * stds[0] < 1


def test_bad_arguments_are_refused(rng):
    model = make_model(dtype=np.float64)
    decoder, x = model.decoder, rng.random((4, 6))
    adam = Adam([decoder.parameters])
    for options, message in (
        (
            {"optimizer": Adam(model.parameters)},
            "optimizer must be made from this model's parameters",
        ),
        ({"x": x[:, :3]}, r"x must have shape \(N, 6\) with N >= 1, got \(4, 3\)"),
        ({"x": x.astype(np.float32)}, "x must be float64 on cpu as the decoder is, got float32"),
        ({"target_acceptance": 0}, "target_acceptance must lie strictly between 0 and 1, got 0"),
        ({"n_weight_updates": 0}, "n_weight_updates must be a whole number >= 1, got 0"),
        ({"weight_prior": "no"}, "weight_prior must be True or False, got 'no'"),
        ({"step_size": -1}, "step_size must be a finite number > 2.22045e-16, got -1"),
        ({"x": x * np.nan}, "x must be finite"),
        ({"x": 1.2 * x}, r"x must lie in \[0, 1\] for the decoder"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1, got 0"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            MonteCarloEM(decoder, **{"optimizer": adam, "x": x, **options})
    diverging = MonteCarloEM(decoder, Adam([decoder.parameters], 1e308), x)
    with pytest.raises(ValueError, match="a weight is not finite in epoch 1: training diverged"):
        diverging.fit(3, progress=False)
    with pytest.raises(ValueError, match="n_training must be a whole number >= 1, got 0"):
        FullBayes(model, 0)
    for objective in (WakeSleep(model), FullBayes(model, 4)):
        for method in (objective.value, objective.value_and_gradient):
            with pytest.raises(ValueError, match="arrays that draw_noise returns, got ndarray"):
                method(x, np.zeros((1, 4, 3)))
        with pytest.raises(ValueError, match=r"noise must have shape .*, got tuple"):
            model.elbo(x, objective.draw_noise(rng, 1, 4))
    bayes = FullBayes(model, 4)
    optimizer = Adam(list(bayes.vectors.values()))
    said = "weight_prior is one of theta, which this objective does not learn"
    with pytest.raises(ValueError, match=said):
        Trainer(model, optimizer, x, bayes, weight_prior=True)
    with pytest.raises(ValueError, match="objective must be an object made from this model"):
        Trainer(make_model(dtype=np.float64), optimizer, x, bayes)
    with pytest.raises(ValueError, match="optimizer must be made from this model's parameters"):
        Trainer(model, Adam(model.parameters), x, bayes)
