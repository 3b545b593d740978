"""The best model: that it trains, goes on, is judged, and that its published weights are good."""

import itertools
import json
import math

import numpy as np
import pytest
from conftest import has_real_data, in_this_process, options, picture

from demos.common import long_runs
from demos.paper import best_model, best_model_training
from vae_np import datasets
from vae_np.checkpoints import CheckpointError, read_checkpoint
from vae_np.evaluation import evaluate_elbo

RESULTS = best_model.PUBLISHED.parent
RUN = "best_model_doubly_reparameterized.json"  # whose weights are published


@pytest.fixture(autouse=True)
def small(small_data, monkeypatch):
    monkeypatch.setattr(best_model, "side_by_side", in_this_process)


@pytest.fixture
def small_best_model(monkeypatch):
    for module in (best_model, best_model_training):
        monkeypatch.setattr(module, "IMPORTANCE_SAMPLES", 50)
    monkeypatch.setattr(best_model_training, "SAMPLES_PER_TEST_IMAGE", 10)


@pytest.mark.slow
def test_best_model_reports_and_draws(small_best_model, tmp_path):
    summary, findings = best_model.experiment(options(tmp_path, 1800))
    first, second = summary["models"]
    assert (first["epochs"], second["epochs"]) == (6, 2)
    for model in (first, second):
        assert model["test_images"] == 100
        assert model["test_log_px"] > model["test_elbo"]
        assert f"{model['test_log_px']:.2f} " in findings
    assert picture(tmp_path, "best_model")


def test_best_model_goes_on_as_if_never_stopped(small_best_model, monkeypatch, tmp_path):
    monkeypatch.setattr(long_runs, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    monkeypatch.setattr(long_runs, "SHARE_FOR_CHECKPOINTS", math.inf)
    clock = itertools.count()  # an epoch takes a second
    monkeypatch.setattr(best_model_training, "core_clock", lambda device: clock.__next__)
    setting = best_model.SETTINGS[0]
    calls = itertools.count()

    def interrupted(n):
        if next(calls) == 2:  # in the second epoch
            raise KeyboardInterrupt

    reports = []
    whole = best_model.learn(setting, options(tmp_path, 1500), reports.append)
    assert sum(reports) == 1500 + whole["test_images"] * 50
    (tmp_path / "stopped").mkdir()
    stopped = options(tmp_path / "stopped", 1500)
    with pytest.raises(KeyboardInterrupt):
        best_model.learn(setting, stopped, interrupted)
    again = []
    resumed = best_model.learn(setting, stopped, again.append)
    assert sum(again) == sum(reports)  # what was trained before counts as done
    assert resumed["test_log_px"] == whole["test_log_px"]
    assert resumed["training_seconds"] == whole["training_seconds"] == 5
    said = r"/200_tanh\.npz falls to 0 over 5 epochs, not to 0 over 6 epochs: give the same "
    said += "--schedule and --samples, or another --out$"
    with pytest.raises(CheckpointError, match=rf"^the step size of .*{said}"):
        best_model.learn(setting, options(tmp_path / "stopped", 1800), lambda n: None)


def by_stages(folder, samples):
    folder.mkdir(exist_ok=True)
    args = options(folder, samples)
    args.schedule = "stages"
    return best_model.learn(best_model.SETTINGS[0], args, lambda n: None)


def test_the_stages_are_those_of_1509_00519():
    """Its appendix: 3^i passes with 0.001 · 10^(−i/7), i = 0 to 7; 3,280 passes in all."""
    lengths = np.diff([start for start, _ in best_model_training.STAGES])
    assert lengths.tolist() == [1, 3, 9, 27, 81, 243, 729]
    assert best_model_training.STAGE_ENDS[-1] == 1 + 3 + 9 + 27 + 81 + 243 + 729 + 2187
    rates = [rate for _, rate in best_model_training.STAGES]
    assert rates[0] == 1e-3 and rates[-1] == pytest.approx(1e-4)
    assert np.diff(np.log10(rates)) == pytest.approx(-1 / 7)


def test_a_run_by_stages_can_be_lengthened(small_best_model, tmp_path):
    whole = by_stages(tmp_path / "whole", 1500)
    shorter = by_stages(tmp_path / "parts", 900)
    assert (shorter["epochs"], whole["epochs"]) == (3, 5)
    assert by_stages(tmp_path / "parts", 1500)["test_log_px"] == whole["test_log_px"]
    there = by_stages(tmp_path / "parts", 1)
    assert (there["test_log_px"], there["epochs"]) == (whole["test_log_px"], 5)
    assert [row["epoch"] for row in whole["curve"]] == [1, 2, 3, 4, 5]
    stages = {path.name for path in (tmp_path / "parts").glob("best_model_*_*_*.npz")}
    assert stages == {"best_model_200_tanh_1.npz", "best_model_200_tanh_4.npz"}
    with pytest.raises(CheckpointError, match="falls by stages, not to 0 over 5 epochs"):
        best_model.learn(best_model.SETTINGS[0], options(tmp_path / "parts", 1500), lambda n: None)


@pytest.mark.parametrize(("schedule", "points"), [("line", [3, 5]), ("stages", [1, 3, 4, 5])])
def test_a_long_curve_has_few_points_and_the_end_of_each_stage(
    small_best_model, monkeypatch, tmp_path, schedule, points
):
    monkeypatch.setattr(best_model_training, "POINTS", 2)
    args = options(tmp_path, 1500)
    args.schedule = schedule
    found = best_model.learn(best_model.SETTINGS[0], args, lambda n: None)
    assert [row["epoch"] for row in found["curve"]] == points
    kept = {int(path.stem.rpartition("_")[2]) for path in tmp_path.glob("best_model_200_tanh_*")}
    assert kept == ({1, 4} if schedule == "stages" else set())  # the weights of each stage


def test_the_test_set_s_bound_is_the_one_that_is_climbed(small_best_model, monkeypatch, tmp_path):
    args, setting, data = options(tmp_path, 300), best_model.SETTINGS[0], datasets.load("mnist")
    data = datasets.Dataset(data.train, np.concatenate([data.test, data.train]), data.image_shape)
    monkeypatch.setattr(datasets, "load", lambda name: data)  # no hundred images alone
    args.objective, args.draws, args.seed = "importance-weighted", 3, 4
    monkeypatch.setattr(best_model_training, "active_units", lambda model, x, args: len(x))
    found = best_model.learn(setting, args, lambda n: None)
    trainer = best_model_training.make_trainer(setting, data, args)
    trainer.load(tmp_path / "200_tanh.npz")
    how = {"binary": True, "seed": 4, "objective": trainer.objective}
    of = {k: evaluate_elbo(trainer.model, data.test, n_draws=k, **how).value for k in (1, 3)}
    both = [found["test_elbo"], found["curve"][-1]["test_elbo"]]
    assert found["active_units"] == found["curve"][-1]["active_units"] == len(data.test)
    assert both == pytest.approx([of[3]] * 2, rel=1e-6)  # another number of threads rounds so
    assert of[3] > of[1] + 1e-4


def test_active_units_are_latents_whose_mean_varies_over_binary_images(tmp_path):
    """Means of c times a pixel that is black and white in half of the images each: c² / 4."""
    data = best_model.datasets.load("mnist")
    model = best_model.make_model(best_model.SETTINGS[0], data, options(tmp_path, 300))
    model.encoder.parameters.value[...] = 0
    first, _, second, _, heads = model.encoder.network.layers
    first.weight[0, 0], second.weight[0, 0] = 0.01, 1  # where tanh is a line
    heads.weight[0, :3] = 0, 19, 21  # as grey images vary, by 0.9 as much, the last were none
    means = model.encode(data.test).mean
    assert means.var(axis=0)[:3] == pytest.approx([0, 0.19**2 / 4, 0.21**2 / 4], rel=0.2)
    assert means.var(axis=0)[2] < 0.01 < 0.21**2 / 4
    assert best_model.active_units(model, data.test, options(tmp_path, 300)) == 1
    heads.weight[0, 2] = 40
    # Of 60 black images more, which come first, no latent tells any two apart.
    after = np.concatenate([np.zeros_like(data.test[:60]), data.test])
    assert best_model.active_units(model, after, options(tmp_path, 300)) == 1


@pytest.mark.parametrize(
    ("objective", "draws", "schedule", "alone"),
    [
        ("elbo", 1, "line", False),
        ("elbo", 1, "stages", True),
        ("elbo", 2, "line", True),
        ("importance-weighted", 1, "line", True),
    ],
)
def test_both_models_are_trained_in_the_usual_way_alone(
    monkeypatch, tmp_path, objective, draws, schedule, alone
):
    def asked(function, tasks, args, total):
        assert tasks == best_model.SETTINGS[: 2 - alone]
        raise KeyboardInterrupt

    monkeypatch.setattr(best_model, "side_by_side", asked)
    args = options(tmp_path, 600)
    args.objective, args.draws, args.schedule = objective, draws, schedule
    with pytest.raises(KeyboardInterrupt):
        best_model.experiment(args)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "draws", "reported"),
    [
        ("importance-weighted", 5, "Reported in 1509.00519 for the first: -85.54."),
        ("importance-weighted", 50, "Reported in 1509.00519 for the first: -84.78."),
        ("elbo", 50, "Reported in 1509.00519 for the first: -86.35."),
        ("doubly-reparameterized", 5, "for the first, by the bound's own gradient: -85.54."),
        ("doubly-reparameterized", 50, "for the first, by the bound's own gradient: -84.78."),
        ("importance-weighted", 2, "with 50 importance samples each"),
    ],
)
def test_another_bound_or_more_draws_train_the_smaller_model_alone(
    small_best_model, tmp_path, objective, draws, reported
):
    args = options(tmp_path, 900)
    args.objective, args.draws, args.schedule = objective, draws, "stages"
    summary, findings = best_model.experiment(args)
    (model,) = summary["models"]
    about, _ = read_checkpoint(tmp_path / "200_tanh.npz")
    assert about["identity"]["objective"] == objective
    assert about["identity"]["number of draws"] == draws
    said = f"of {draws} draws: 784-200-200-50, tanh after 3 epochs, {model['test_log_px']:.2f} "
    assert said in findings
    assert reported in findings
    args.objective = "elbo" if objective != "elbo" else "importance-weighted"
    with pytest.raises(CheckpointError, match=f"another run: its objective is {objective}"):
        best_model.learn(best_model.SETTINGS[0], args, lambda n: None)


def test_weights_of_float16_score_as_those_of_float32(small_best_model, monkeypatch, tmp_path):
    setting, args = best_model.SETTINGS[0], options(tmp_path, 900)
    trained = best_model.learn(setting, args, lambda n: None)
    half = tmp_path / "best_model_200_tanh.npz"
    whole = tmp_path / "200_tanh.npz"
    _, halves = read_checkpoint(half)
    _, floats = read_checkpoint(whole)
    assert halves.keys() == {"encoder", "decoder"}
    for name, values in halves.items():
        assert values.dtype == np.float16
        np.testing.assert_allclose(values, floats[name], rtol=2**-11, atol=2**-24)

    def judged(*given, progress, **more):
        assert progress is True  # it takes a while
        return judge(*given, **more)

    judge = best_model.importance_sampled_log_likelihood
    monkeypatch.setattr(best_model, "importance_sampled_log_likelihood", judged)
    args.images = trained["test_images"]
    summary, findings = score(args, half)
    assert summary is None and "of the first 90 test images" in findings
    assert log_px_of(findings) == pytest.approx(trained["test_log_px"], abs=0.01)
    assert log_px_of(findings) != trained["test_log_px"]


@pytest.mark.slow
@pytest.mark.skipif(not has_real_data("mnist"), reason="VAE_NP_DATA holds no MNIST")
def test_the_published_weights_score_as_the_trained_ones(monkeypatch, tmp_path):
    """Within 0.05 nats of the float32 weights' log p(x), on the same 200 images and draws."""
    monkeypatch.undo()  # the real digits
    recorded = json.loads((RESULTS / RUN).read_bytes())["published"]
    assert recorded["images"] == 200
    assert best_model.PUBLISHED.stat().st_size < 2e6
    _, findings = score(options(tmp_path, 1), best_model.PUBLISHED)
    assert "of the first 200 test images with 5,000 importance samples each" in findings
    assert log_px_of(findings) == pytest.approx(recorded["float32_log_px"], abs=0.05)


def score(args, weights):
    args.score = weights
    return best_model.experiment(args)


def log_px_of(findings):
    return float(findings.split("each is ")[1].split(" nats")[0])
