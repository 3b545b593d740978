"""How the paper's figures choose a step size, images and points: numbers of runs of any length."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import make_model, make_trainer, options
from drawn_figures import drawn, recorded  # noqa: F401
from test_figure_2 import record_curves

from demos.paper import (
    best_model,
    best_model_training,
    figure_2,
    figure_2_picture,
    figure_3,
    figure_3_estimates,
    full_bayes,
    settings,
)
from vae_np import datasets
from vae_np.checkpoints import CheckpointError
from vae_np.evaluation import evaluate_elbo
from vae_np.objectives import FullBayes
from vae_np.training.trainer import Trainer

# ruff: noqa: F811 - a fixture's name as an argument


@pytest.mark.parametrize(
    ("samples", "n_images", "seen", "epochs"),
    [(1, 300, 100, 1), (10_000, 5000, 2500, 1), (10_000, 300, 300, 9), (10**8, 9999, 9999, 21)],
)
def test_the_step_size_is_chosen_after_2000_steps_or_a_quarter_of_all(
    samples, n_images, seen, epochs, tmp_path
):
    def make(images, step_size):
        def fit(epochs, progress):
            fits.append((len(images), epochs))
            return True

        return SimpleNamespace(fit=fit, score=scores[step_size])

    fits, scores = [], dict(zip(settings.STEP_SIZES, (-3, -2, -4), strict=True))
    images, args = np.zeros((n_images, 1)), options(tmp_path, samples)
    chosen = settings.choose_step_size(make, lambda learner: learner.score, images, args)
    assert chosen == 0.02 and fits == 3 * [(seen, epochs)]


@pytest.mark.parametrize(("epochs", "mean"), [(1, 0), (3, 2), (7, 6), (8, 6.5), (12, 10)])
def test_the_late_elbo_is_of_the_last_quarter(epochs, mean):
    rows = [{"train_elbo": k} for k in range(epochs)]
    assert settings.late_elbo(SimpleNamespace(history=rows, epoch=epochs)) == mean


def test_a_checkpoint_that_lacks_one_of_the_settings_is_no_run_of_this_program(images, tmp_path):
    path = tmp_path / "a.npz"
    make_trainer(images).save(path, {"step_size": 0.02})
    assert settings.saved_settings(path, "step_size") == {"step_size": 0.02}
    with pytest.raises(CheckpointError, match=r"a\.npz is not of a run of this program"):
        settings.saved_settings(path, "step_size", "points")


def test_a_longer_run_of_figure_3_keeps_its_images_and_a_new_one_takes_a_hundred_at_most(
    small_data, monkeypatch, tmp_path
):
    def learn(samples, folder=tmp_path):
        setting, args = figure_3.Setting(150, "AEVB"), options(folder, samples)
        curve = figure_3.learn(setting, args, lambda n: None)
        assert curve["step_size"] == 150 / 7e3  # chosen on the images that are learned from
        return curve["images"]

    def sampled(model, parts, n_samples, seed):
        for name, images in parts.items():
            of = {"train": data.train[:150], "test": data.test}[name]
            assert np.array_equal(images, figure_3_estimates.evenly(of, len(images)))
        seen.append([len(part) for part in parts.values()])
        return {}

    seen, more, data = [], tmp_path / "more", datasets.load("mnist")
    monkeypatch.setattr(
        figure_3, "choose_step_size", lambda make, score, train, _: len(train) / 7e3
    )
    monkeypatch.setattr(figure_3, "due", lambda n: False)
    monkeypatch.setattr(figure_3, "importance_sampled", sampled)
    assert learn(20_100) == 3 and figure_3.IMAGES == 100
    monkeypatch.setattr(figure_3, "IMAGES", 2)
    assert learn(20_400) == 3
    more.mkdir()
    assert learn(20_100, more) == 2
    assert seen == [[3, 3], [3, 3], [2, 2]]


def test_figure_3_compares_its_last_model_though_that_was_interrupted(
    small_data, monkeypatch, tmp_path
):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(figure_3, "choose_step_size", lambda *_: 0.02)
    task = figure_3.Setting(300, "AEVB"), options(tmp_path, 300), lambda n: None
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(figure_3, "importance_sampled", interrupted)
        figure_3.learn(*task)
    curve = figure_3.learn(*task)
    assert curve["from_prior"] and len(curve["points"]) == 1


@pytest.mark.parametrize("count", [1, 3, 7, 100])
def test_images_are_chosen_evenly(count):
    chosen = figure_3_estimates.evenly(np.arange(50_000), count)
    assert len(chosen) == count and set(np.diff(chosen)) <= {50_000 // count}


def test_appendix_d_draws_a_hundred_times_from_each_posterior(images, rng, monkeypatch):
    """From starts that are as likely as draws of it."""

    def spy(decoder, x, initial, n_draws, generator):
        return len(initial) * n_draws, initial

    monkeypatch.setattr(figure_3_estimates, "appendix_d", spy)
    model, x = make_model(dtype=np.float64), images / 255
    model.decoder.parameters.value[:] *= 4
    n_draws, starts = figure_3_estimates.log_likelihood(model, images, seed=0)
    assert n_draws == 100 and starts.shape[1:] == (len(images), model.n_latent)
    log_p = model.decode(rng.standard_normal((20_000, 1, 3))).log_prob(x)
    weights = np.exp(log_p - log_p.max(axis=0))
    expected = (weights * log_p).sum() / weights.sum()
    assert model.decode(starts).log_prob(x).mean() == pytest.approx(expected, abs=0.2)
    assert log_p.mean() < expected - 1 and log_p.max(axis=0).mean() > expected + 1
    assert figure_3_estimates.IMPORTANCE_SAMPLES == 5000 == best_model_training.IMPORTANCE_SAMPLES


@pytest.mark.parametrize(("samples", "draws"), [(100, 200), (3000, 5000)])
def test_the_prior_is_drawn_from_twice_a_sample_up_to_a_limit(monkeypatch, samples, draws):
    def of_both(model, images, n_samples, prior_share, seed):
        assert (n_samples, prior_share, seed) == (5000, 0.5, 7)
        return SimpleNamespace(mean=-images, mean_standard_error=images / 10)

    asked = []
    monkeypatch.setattr(figure_3_estimates, "PRIOR_DRAWS", 5000)
    monkeypatch.setattr(
        figure_3_estimates, "prior_sampled", lambda *of: asked.append(of[1:]) or (of[1], 0.2)
    )
    monkeypatch.setattr(figure_3_estimates, "importance_sampled_log_likelihood", of_both)
    found = figure_3_estimates.importance_sampled(None, {"train": 1, "test": 2}, samples, 7)
    assert asked == [(1, draws, 7), (2, draws, 7)]
    assert found["from_prior"] == {"train": 1, "train_error": 0.2, "test": 2, "test_error": 0.2}
    expected = {"train": -1, "train_error": 0.1, "test": -2, "test_error": 0.2}
    assert found["half_from_q"] == expected


def test_a_long_run_is_measured_as_the_recorded_ones():
    for model in recorded("best_model")["models"]:
        every = math.ceil(model["epochs"] / best_model_training.POINTS)
        points = [*range(every, model["epochs"], every), model["epochs"]]
        assert [row["epoch"] for row in model["curve"]] == points
    draws = {run.get("weight_draws") for run in recorded("full_bayes")["runs"]}
    assert draws == {None, full_bayes.WEIGHT_DRAWS}
    assert {len(run["points"]) for run in recorded("full_bayes")["runs"]} == {full_bayes.POINTS}
    assert figure_3_estimates.PRIOR_DRAWS == 2_000_000


def test_the_error_of_the_fewest_draws_is_a_number(images):
    value, error = figure_3_estimates.prior_sampled(make_model(), images, 1, seed=0)
    assert np.isfinite(value) and 0 < error < 1


def test_a_point_of_full_bayes_is_the_mean_of_its_epochs(small_data, monkeypatch, tmp_path):
    class Kept(Trainer):
        def fit(self, *given, **more):
            rates.append(self.optimizer.learning_rate)
            trainers.append(self)
            return super().fit(*given, **more)

    rates, trainers = [], []
    monkeypatch.setattr(full_bayes, "Trainer", Kept)
    monkeypatch.setattr(full_bayes, "POINTS", 2)
    monkeypatch.setattr(full_bayes, "SAMPLES", 10)
    reports = []
    setting = full_bayes.Setting(20, "maximum likelihood")
    points = full_bayes.learn(setting, options(tmp_path, 120), reports.append)["points"]
    elbos = [row["train_elbo"] for row in trainers[0].history]
    assert [point["samples"] for point in points] == [60, 120] and reports == [60, 60]
    assert [point["train"] for point in points] == [np.mean(elbos[:3]), np.mean(elbos[3:])]
    assert rates == [full_bayes.LEARNING_RATE, full_bayes.LEARNING_RATE / 2]


def test_the_elbo_over_drawn_weights_is_a_mean_over_models(images, tmp_path):
    bayes, args = FullBayes(make_model(), 38, initial_std=1.0), options(tmp_path, 1)
    models = full_bayes.drawn_models(bayes, full_bayes.DRAWS_PER_POINT, args)
    each = [evaluate_elbo(model, images, seed=0).value for model in models]
    assert len(each) == 5 and np.ptp(each) > 1
    assert full_bayes.elbo_at_drawn_weights(bayes, images, args) == pytest.approx(np.mean(each))


def test_the_best_on_the_way_stands_in_brackets():
    points = [{"train": -9, "test": test} for test in (-8, -6, -7)]
    assert full_bayes.ends({"points": points}) == "-9.0 and -7.0 (-6.0)"


@pytest.mark.parametrize(
    ("demo", "key", "said"),
    [
        (figure_3, "curves", "1,000 digits, AEVB, step size 0.1: after 50,000,000 samples "),
        (full_bayes, "runs", "100 digits, maximum likelihood: training ELBO "),
        (best_model, "models", "784-200-200-50, tanh: test log p(x) "),
    ],
)
def test_what_has_ended_is_told_though_the_next_is_interrupted(
    demo, key, said, tmp_path, monkeypatch, small_data, drawn, capsys
):
    """And figure 3 is drawn as far as it has come."""

    def ending(function, tasks, args, total, data=()):
        yield recorded(demo.__name__.rpartition(".")[2])[key][0]
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "side_by_side", ending)
    with pytest.raises(KeyboardInterrupt):
        demo.experiment(options(tmp_path, 900))
    assert len(drawn) == (demo is figure_3)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(said)


WHOLE = {"samples": 1, "train": 1, "test": 1, "kl": 1}


CURVE = {"method": "AEVB", "step_size": 0.02, "points": [], "diverged": None}


def of_curve(**parts):
    return {"data": "frey", "latents": 2, "curves": [parts]}


def of_points(*points):
    return of_curve(**CURVE | {"points": [*points]})


@pytest.mark.parametrize(
    "content",
    [
        {"data": "frey", "latents": 20, "curves": []},
        {"data": "mnist", "latents": 2, "curves": []},
        {"data": "frey", "latents": 2},
        of_points(3),
        of_points(WHOLE, {"samples": 1}),
        of_curve() | {"curves": [CURVE, CURVE | {"points": [{"samples": 1}]}]},
        of_curve() | {"curves": [CURVE, {}]},
        *(of_points({key: 1 for key in WHOLE if key != left_out}) for left_out in WHOLE),
        *(of_curve(**{key: CURVE[key] for key in CURVE if key != left_out}) for left_out in CURVE),
        [1],
        None,
    ],
)
def test_a_file_that_is_no_record_is_named(content, tmp_path):
    record_curves(tmp_path, "mnist", 3, AEVB=[-200], wake_sleep=[-300])
    (tmp_path / "frey_2.json").write_text(json.dumps(content) if content else "{")
    with pytest.raises(CheckpointError, match=r"frey_2.json is not a record of Frey Face 2"):
        figure_2_picture.recorded(tmp_path)
    (tmp_path / "frey_2.json").write_text(json.dumps(of_points(WHOLE)))
    assert len(figure_2_picture.recorded(tmp_path)) == 2


@pytest.mark.parametrize("method", ["AEVB", "wake-sleep"])
def test_a_finished_curve_s_lost_file_is_written_again(method, small_data, monkeypatch, tmp_path):
    monkeypatch.setattr(figure_3, "importance_sampled", lambda *given: {"from_prior": {"test": 1}})
    setting, args = figure_3.Setting(100, method), options(tmp_path, 300)
    curve = figure_3.learn(setting, args, lambda n: None)
    path = tmp_path / f"{setting.stem}.json"
    path.unlink()
    again = figure_3.learn(setting, args, lambda n: None)
    assert again == curve == json.loads(path.read_bytes())


@pytest.mark.parametrize(("name", "units"), [("mnist", 500), ("frey", 200)])
def test_figures_4_and_5_have_the_paper_s_hidden_units(name, units, small_data, tmp_path):
    model, *_ = settings.trained_model(name, 2, options(tmp_path, 300), lambda n: None)
    assert [part.network.layers[0].n_out for part in (model.encoder, model.decoder)] == 2 * [units]


def test_figure_3_trains_all_three_methods_on_1000_and_on_50000_digits():
    asked = [(setting.n_training, setting.method) for setting in figure_3.SETTINGS]
    ways = "AEVB", "wake-sleep", "Monte Carlo EM"
    assert asked == [(n, way) for way in ways for n in (1000, 50_000)]


def test_figure_2_has_no_point_between_those_that_are_due(small_data, tmp_path):
    setting = figure_2.SETTINGS["MNIST 3"]
    for curve in figure_2.learn(setting, options(tmp_path, 2100), lambda n: None)["curves"]:
        epochs = [point["samples"] / 300 for point in curve["points"]]
        assert epochs == [1, 2, 3, 4, 6, 7]
