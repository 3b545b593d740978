"""The best model: that it trains, goes on, is judged, and that its published weights are good."""

import itertools
import json

import numpy as np
import pytest
from conftest import has_real_data, in_this_process, options, picture

from demos.common import long_runs
from demos.paper import best_model, best_model_training
from vae_np.checkpoints import CheckpointError, read_checkpoint

RESULTS = best_model.PUBLISHED.parent


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
    resumed = best_model.learn(setting, stopped, lambda n: None)
    assert resumed["test_log_px"] == whole["test_log_px"]
    with pytest.raises(CheckpointError, match="of a run of 5 epochs, not 6"):
        best_model.learn(setting, options(tmp_path / "stopped", 1800), lambda n: None)


@pytest.mark.slow
def test_the_importance_weighted_bound_trains_the_smaller_model_alone(small_best_model, tmp_path):
    args = options(tmp_path, 900)
    args.objective, args.draws = "importance-weighted", 5
    summary, findings = best_model.experiment(args)
    (model,) = summary["models"]
    about, _ = read_checkpoint(tmp_path / "200_tanh.npz")
    assert about["identity"]["objective"] == "importance-weighted"
    assert about["identity"]["number of draws"] == 5
    assert (
        f"of 5 draws: 784-200-200-50, tanh after 3 epochs, {model['test_log_px']:.2f} " in findings
    )
    assert "Reported in 1509.00519 for the first: -85.54." in findings
    with pytest.raises(CheckpointError, match="another run: its objective is importance-weighted"):
        best_model.learn(best_model.SETTINGS[0], options(tmp_path, 900), lambda n: None)


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

    monkeypatch.setattr(best_model, "PUBLISHED", half)
    args.images = trained["test_images"]
    summary, findings = score(args)
    assert summary is None and "of the first 90 test images" in findings
    assert log_px_of(findings) == pytest.approx(trained["test_log_px"], abs=0.01)
    assert log_px_of(findings) != trained["test_log_px"]


@pytest.mark.slow
@pytest.mark.skipif(not has_real_data("mnist"), reason="VAE_NP_DATA holds no MNIST")
def test_the_published_weights_score_as_the_trained_ones(monkeypatch, tmp_path):
    """Within 0.05 nats of the float32 weights' log p(x), on the same 200 images and draws."""
    monkeypatch.undo()  # the real digits
    recorded = json.loads((RESULTS / "best_model.json").read_bytes())["published"]
    assert recorded["images"] == 200
    assert best_model.PUBLISHED.stat().st_size < 2e6
    _, findings = score(options(tmp_path, 1))
    assert "of the first 200 test images with 5,000 importance samples each" in findings
    assert log_px_of(findings) == pytest.approx(recorded["float32_log_px"], abs=0.05)


def score(args):
    args.score = True
    return best_model.experiment(args)


def log_px_of(findings):
    return float(findings.split("each is ")[1].split(" nats")[0])
