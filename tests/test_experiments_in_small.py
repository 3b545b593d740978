"""Experiments on models of which all is known, or on few images: what they measure and say."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import exact, kl_between_gaussians, make_model
from drawn_figures import drawn, numbers, recorded  # noqa: F401

from demos import use_it
from demos.common.models import digit_model
from demos.questions import (
    amortization,
    clouds,
    collapse,
    convolution,
    more_samples,
    q_family,
    signal_to_noise,
    the_gap,
    tug_of_war,
    two_estimators,
    why_mse,
)
from demos.training.making import make_trainer
from demos.training.run import parse, progress_of
from vae_np import VAE, GaussianDecoder, datasets

# ruff: noqa: F811 - a fixture's name as an argument


@pytest.fixture
def args(tmp_path):
    return SimpleNamespace(seed=0, device="cpu", epochs=2, out=tmp_path)


@pytest.fixture
def few_digits(monkeypatch):
    data = datasets.load("mnist5k")
    few = datasets.Dataset(data.train[:40], data.test[:40], (28, 28))
    monkeypatch.setattr(datasets, "load", lambda name: few)
    return few


def test_both_gaps_are_those_of_a_known_posterior(linear, rng, args, monkeypatch):
    x, counts = rng.standard_normal((8, 5)), []
    decoder, encoder = (part.network.layers[0] for part in (linear.decoder, linear.encoder))
    decoder.weight[1] = decoder.weight[0] + 0.5 * decoder.weight[1]  # a tilted posterior
    _, mean, covariance = exact(linear, np.vstack([np.zeros(5), np.eye(5)]))
    log_var = np.log(np.diag(covariance))
    encoder.weight[:] = np.hstack([mean[1:] - mean[0], 0.2 * rng.standard_normal((5, 2))])
    encoder.bias[:] = np.hstack([mean[0] + 0.3, log_var - 0.5])  # beside it, and too narrow
    estimate = amortization.importance_sampled_log_likelihood

    def counted(model, images, n_samples, **options):
        counts.append(n_samples)
        return estimate(model, images, n_samples, **options)

    monkeypatch.setattr(amortization, "importance_sampled_log_likelihood", counted)
    found = amortization.measure(linear, x, args)
    log_px, mean, covariance = exact(linear, x)
    q, precision = linear.encode(x), np.linalg.inv(covariance)
    of_encoder = kl_between_gaussians(q.mean, np.exp(q.log_var), mean, covariance)
    of_best = 0.5 * (np.log(np.diag(precision)).sum() + np.linalg.slogdet(covariance)[1])
    assert of_best > 0.01 and of_encoder.mean() > 1.2 * of_best
    assert counts == [amortization.SAMPLES]
    for name, gaps in (
        ("approximation", of_best + 0 * log_px),
        ("amortization", of_encoder - of_best),
    ):
        near = 5 * found[name]["standard_error"] + 0.01
        assert found[name]["mean"] == pytest.approx(gaps.mean(), abs=near)
        assert near < 0.2 * of_encoder.mean()
        np.testing.assert_allclose(found[name]["of_each_image"], gaps, atol=0.3)
        spread = gaps.std() / np.sqrt(len(gaps))
        assert found[name]["standard_error_between_images"] == pytest.approx(spread, abs=0.05)
    assert found["log_px"] == pytest.approx(log_px.mean(), abs=0.02)
    assert found["log_px_through_encoder"] == pytest.approx(log_px.mean(), abs=0.1)
    elbo = log_px.mean() - of_encoder.mean()
    assert found["encoder_elbo"] == pytest.approx(
        elbo, abs=5 * found["amortization"]["standard_error"]
    )


def test_the_identity_s_error_is_the_largest_of_all_points(drawn, args, monkeypatch):
    measure, errors = the_gap.measure, iter([1e-9, 3e-3, 1e-8])
    monkeypatch.setattr(
        the_gap, "measure", lambda *of: measure(*of) | {"identity_error": next(errors)}
    )
    wide = SimpleNamespace(log_var=np.full(3, 99.0))
    monkeypatch.setattr(the_gap.linear_gaussian, "mean_field", lambda *of: wide)
    summary, said = the_gap.experiment(args)
    assert summary["largest_identity_error"] == 3e-3
    assert summary["largest_relative_variance_error"] == pytest.approx(1)  # one of 0 is 100 % off
    assert "to 3e-03 nats" in said and "all 3 points" in said


def test_the_identity_holds_for_every_example_as_far_as_the_worst_says(linear, rng, monkeypatch):
    kl_to_posterior = the_gap.linear_gaussian.kl_to_posterior

    def one_wrong(*of):
        return kl_to_posterior(*of) + 0.5 * np.eye(5)[3]

    monkeypatch.setattr(the_gap.linear_gaussian, "kl_to_posterior", one_wrong)
    measured = the_gap.measure(linear, rng.standard_normal((5, 5)))
    assert measured["identity_error"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("epochs", "measured"),
    [(1, []), (12, [1, 2, 3, 5, 7, 10]), (60, [1, 2, 3, 5, 7, 10, 15, 20, 30, 50])],
)
def test_the_estimators_are_compared_at_some_epochs_and_at_the_last(
    args, monkeypatch, epochs, measured
):
    def train(model, images, args, after_epoch):
        for epoch in range(1, epochs + 1):
            after_epoch({"epoch": epoch})

    def compare(model, x, args, epoch, n_draws):
        numbers = [f"{of}_variance_{name}" for of in ("gradient", "value") for name in "AB"]
        return dict.fromkeys([*numbers, "value_z", "gradient_z"], 1) | {"epoch": epoch}

    args.epochs = epochs
    monkeypatch.setattr(two_estimators, "train", train)
    monkeypatch.setattr(two_estimators, "compare", compare)
    for name in ("draw", "describe"):
        monkeypatch.setattr(two_estimators, name, lambda *given: None)
    summary, _ = two_estimators.experiment(args)
    assert [of["epoch"] for of in summary["points"]] == [0, 0, 0, *measured, *[epochs] * 3]


def test_as_many_images_as_are_recorded_get_a_best_q(drawn, args, monkeypatch):
    """The run itself takes too long to be repeated."""
    of = recorded("q_family")
    args.epochs = of["options"]["epochs"]
    monkeypatch.setattr(q_family, "train", lambda *given: None)
    for name, fewer in {"STEPS": 1, "FIT_DRAWS": 1, "DRAWS": 20, "SPACING": 0.5}.items():
        monkeypatch.setattr(q_family, name, fewer)
    summary, _ = q_family.experiment(args)
    assert [each["images"] for each in summary.values()] == [of[name]["images"] for name in summary]


def test_beside_a_model_s_images_are_its_own_numbers(few_digits, args, monkeypatch):
    seen = []
    for demo in (tug_of_war, collapse):
        monkeypatch.setattr(demo, "draw", lambda *given: seen.append(given))
    models = [digit_model(few_digits, SimpleNamespace(seed=k, device="cpu"), 20) for k in range(6)]
    made = iter(models)
    monkeypatch.setattr(tug_of_war, "train_one", lambda *given: (next(made), [1.0, 0.9]))
    tug_of_war.experiment(args)
    results, rows, _, _ = seen.pop()
    for of, (name, text, reconstructed, _), model in zip(results, rows, models, strict=False):
        assert numbers(name) == [of["kl_weight"]]
        elbo, variance, active, latents = numbers(text)
        assert elbo == pytest.approx(of["elbo"], abs=0.051)
        q = model.encode(few_digits.test)
        assert variance == pytest.approx(np.exp(q.log_var).mean(), rel=0.06)
        assert [active, latents] == [(q.mean.var(axis=0) > 0.01).sum(), 20]
        images = model.decode(model.encode(few_digits.test[:7]).mean).mean
        np.testing.assert_allclose(reconstructed, images, atol=1e-6)

    made = iter(enumerate(models))

    def train_one(data, name, args):
        k, model = next(made)
        result = {"elbo": -100.5 - k, "kl": 2.0 + k, "latents_in_use": 7 + k}
        return model, result

    monkeypatch.setattr(collapse, "train_one", train_one)
    monkeypatch.setattr(collapse, "describe", lambda *given: "")
    collapse.experiment(args)
    _, results, rows, _ = seen.pop()
    for k, ((name, of), row) in enumerate(zip(results.items(), rows, strict=True)):
        assert row[0] == name and of["elbo"] == -100.5 - k
        assert numbers(row[1]) == [-100.5 - k, 2 + k, 7 + k, 20]


def test_what_stands_under_a_cloud_is_decoded_from_its_cross(few_digits, args, monkeypatch):
    model = digit_model(few_digits, args, 2)
    model.decoder.parameters.value[:] *= 20  # that another z is another image
    monkeypatch.setattr(clouds, "digit_model", lambda *given: model)
    monkeypatch.setattr(clouds, "train", lambda *given, **more: None)
    found = clouds.train_one(few_digits, 2, 1, args)
    ((z, image),) = zip(found["shown"], found["decoded"], strict=True)
    wanted = model.decode(np.array([z], np.float32)).mean[0]
    assert np.ptp(wanted) > 0.5
    decoded = np.frombuffer(bytes.fromhex(image), np.uint8) / 255
    np.testing.assert_allclose(decoded, wanted, atol=0.02)


def test_the_steps_of_a_run_are_those_of_all_its_epochs(args, monkeypatch):
    trained = SimpleNamespace(epoch=8, steps_per_epoch=40, step=3)
    monkeypatch.setattr(signal_to_noise, "train", lambda *given, **more: trained)
    monkeypatch.setattr(signal_to_noise, "measure", lambda *given: {})
    for name in ("signal_and_noise", "draw", "describe"):
        monkeypatch.setattr(signal_to_noise, name, lambda *given: None)
    summary, _ = signal_to_noise.experiment(args)
    assert [of["steps"] for of in summary["runs"].values()] == [320] * 4


def test_the_sigmas_that_are_drawn_are_those_of_the_same_images(few_digits, args, monkeypatch):
    seen, made = [], {}
    make, rows = why_mse.make_model, [{"train_elbo": -1.0}]
    monkeypatch.setattr(
        why_mse, "make_model", lambda kind, *given: made.setdefault(kind, make(kind, *given))
    )
    trained = SimpleNamespace(history=rows)
    monkeypatch.setattr(why_mse, "train", lambda *given, **more: trained)
    monkeypatch.setattr(why_mse, "draw", lambda *given: seen.append(given))
    monkeypatch.setattr(why_mse, "describe", lambda *given: "")
    summary, _ = why_mse.experiment(args)
    ((_, pictures, data, std, *_),) = seen
    of_bug = made["bug"].reconstruct_mean((few_digits.test + 0.5) / 256)  # all, not those drawn
    apart = summary["largest_difference_between_reconstructions_of_the_bug"]
    assert apart == pytest.approx((of_bug.max(axis=0) - of_bug.min(axis=0)).max(), rel=0.01)
    assert apart > np.ptp(pictures[-1][2], axis=0).max() > 0
    assert std.shape == (why_mse.IMAGES, 784) and data is few_digits
    model = made["per-output"]
    ((_, _, reconstructed, _),) = (of for of in pictures if of[0] == why_mse.NAMES["per-output"])
    test = (few_digits.test[: why_mse.IMAGES] + 0.5) / 256
    p = model.decode(model.encode(test.astype(np.float32)).mean)
    np.testing.assert_allclose(reconstructed, p.mean, atol=0.01)
    np.testing.assert_allclose(std, p.std, rtol=0.1)


def test_squared_error_is_a_log_likelihood_as_far_as_the_worst_pixel_says():
    encoder = make_model(dtype=np.float64).encoder
    decoder = GaussianDecoder(3, [], 6, noise="fixed", std=0.6, dtype=np.float64)  # not of √½
    model, x = VAE(encoder, decoder), np.linspace(0, 1, 24).reshape(4, 6)
    mean = model.decode(model.encode(x).mean).mean
    log_prob = -0.5 * (((x - mean) / 0.6) ** 2 + np.log(2 * np.pi * 0.6**2))
    off = abs(log_prob + (x - mean) ** 2 + 0.5 * np.log(np.pi))
    assert why_mse.identity_error(model, x) == pytest.approx(off.max())
    assert off.max() > 1.2 * off.mean()


def test_the_gradients_error_is_the_largest_of_all_checks(few_digits, args, monkeypatch):
    checks = [SimpleNamespace(relative_error=error) for error in (1e-9, 3e-3, 1e-8)]
    rows = [{"test_elbo": -2.0, "train_elbo": -1.0, "seconds": 1.0}]
    trained = SimpleNamespace(history=rows)
    monkeypatch.setattr(convolution, "gradient_checks", lambda rng: checks)
    monkeypatch.setattr(convolution, "train", lambda *given, **more: trained)
    monkeypatch.setattr(convolution, "draw", lambda *given: None)
    summary, said = convolution.experiment(args)
    assert summary["largest_error"] == 3e-3 and "right to 3e-03." in said


@pytest.mark.parametrize(("epochs", "samples"), [(1, 100), (4, 400), (9, 500)])
def test_a_model_of_few_epochs_is_judged_by_fewer_samples(args, monkeypatch, epochs, samples):
    def estimate(model, images, n_samples, **options):
        return SimpleNamespace(mean=n_samples, mean_standard_error=0.1)

    args.epochs = epochs
    monkeypatch.setattr(more_samples, "importance_sampled_log_likelihood", estimate)
    monkeypatch.setattr(more_samples, "evaluate_elbo", lambda *of, **more: SimpleNamespace(value=0))
    assert more_samples.measure(None, None, args)["log_px"] == samples


def test_each_likelihood_has_its_own_caption():
    of = {"elbo": 12.34, "median_elbo": 56, "kl": 7.8, "squared_error": 9.1, "std": [0.25, 0.5]}
    assert numbers(why_mse.caption("bernoulli", of)) == [12.3, 7.8, 9.1]
    assert numbers(why_mse.caption("per-output", of)) == [12.3, 56, 7.8, 9.1]
    for kind in ("fixed", "learned", "bug"):
        assert numbers(why_mse.caption(kind, of)) == [0.25, 12.3, 7.8, 9.1]


def test_of_larger_data_the_first_images_and_their_labels_are_looked_at(args, monkeypatch):
    names = ("interpolate", "walk", "find_unusual", "classify")
    images = np.arange(40, dtype=np.uint8)[:, None] + np.zeros((1, 4), np.uint8)
    data = datasets.Dataset(images[:25], images[25:], (2, 2), np.arange(25), np.arange(25, 40))
    monkeypatch.setattr(use_it, "a_model", lambda args: (None, data, True))
    monkeypatch.setattr(use_it, "TRAIN", 20)
    monkeypatch.setattr(use_it, "TEST", 12)
    seen = []
    for name in names:
        monkeypatch.setattr(
            use_it, name, lambda model, of, args, name=name, **more: ({name: seen.append(of)}, name)
        )
    summary, said = use_it.experiment(args)
    assert said == "\n\n".join(names)
    assert [list(of) for of in summary.values()] == [[name] for name in names]
    for of in seen:
        assert of.train[:, 0].tolist() == of.train_labels.tolist() == [*range(20)]
        assert of.test[:, 0].tolist() == of.test_labels.tolist() == [*range(25, 37)]


def test_a_run_says_how_far_it_is():
    trainer = SimpleNamespace(epoch=1, step=3, steps_per_epoch=40)
    assert progress_of(trainer) == "1 epoch and 3 of 40 steps"
    trainer.epoch = 2
    assert progress_of(trainer) == "2 epochs and 3 of 40 steps"


def test_a_gaussian_s_means_of_train_py_are_between_black_and_white(few_digits):
    options, _ = parse(["--decoder", "gaussian", "--latent", "2", "--hidden", "5"], "What?\n\nSo.")
    decoder = make_trainer(options, few_digits).model.decoder
    decoder.parameters.value[:] *= 100
    mean = decoder.forward(np.array([[9.0, -9.0], [-9.0, 9.0]], np.float32)).mean
    assert mean.min() >= 0 and mean.max() <= 1 and np.ptp(mean) > 0.5
