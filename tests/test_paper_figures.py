"""The figures of the paper: that they train, save, resume and draw; small data stand for MNIST."""

import itertools
import json
import math
import signal

import numpy as np
import pytest
from conftest import in_this_process, make_model, options, picture

from demos.common import long_runs
from demos.paper import (
    best_model,
    best_model_training,
    figure_2,
    figure_3,
    figure_3_estimates,
    figure_4,
    figure_5,
    full_bayes,
)
from demos.paper import settings as paper_settings
from vae_np import Adagrad, datasets
from vae_np.checkpoints import read_checkpoint
from vae_np.distributions import DiagonalGaussian
from vae_np.evaluation import grid_log_likelihood
from vae_np.objectives import FullBayes

DEMOS = (best_model, full_bayes, figure_2, figure_3, figure_4, figure_5)


@pytest.fixture(autouse=True)
def small(small_data, monkeypatch):
    for demo in DEMOS:
        monkeypatch.setattr(demo, "side_by_side", in_this_process)


@pytest.mark.parametrize("method", ["AEVB", "Monte Carlo EM"])
def test_the_step_size_is_one_that_learns(method, monkeypatch, tmp_path):
    monkeypatch.setattr(paper_settings, "STEP_SIZES", (1e30, 1e-9, 0.02, 1e-8))
    setting = figure_3.Setting(300, method)
    curve = figure_3.learn(setting, options(tmp_path, 10_000), lambda n: None)
    assert curve["step_size"] == 0.02


@pytest.fixture
def small_figure_3(monkeypatch):
    monkeypatch.setattr(figure_3, "TRAINING_SETS", (100, 300))
    settings = [
        figure_3.Setting(n, method) for method in paper_settings.COLOURS for n in (100, 300)
    ]
    monkeypatch.setattr(figure_3, "SETTINGS", settings)


@pytest.mark.slow
def test_figure_3_compares_the_three_methods_and_keeps_finished_curves(
    small_figure_3, monkeypatch, tmp_path
):
    # Of 20 draws appendix D errs by more than their spread shows: by 0.28 nats on one processor.
    monkeypatch.setattr(figure_3_estimates, "DRAWS", 200)
    summary, findings = figure_3.experiment(options(tmp_path, 10_000))
    assert len(summary["curves"]) == 6
    for curve in summary["curves"]:
        n_training, points = curve["training_images"], curve["points"]
        assert points[-1]["samples"] == -(-10_000 // n_training) * n_training
        assert points[-1]["test"] > -16 * np.log(2)  # better than 16 fair coins
        if curve["method"] == "AEVB":
            for sampled in (curve["from_prior"], curve["half_from_q"]):
                error = np.hypot(points[-1]["test_error"], sampled["test_error"])
                assert abs(points[-1]["test"] - sampled["test"]) < 0.05 + 4 * error
    assert "nats above importance sampling" in findings
    assert picture(tmp_path, "figure_3")

    monkeypatch.setattr(figure_3, "choose_step_size", None)  # nothing is trained again
    monkeypatch.setattr(figure_3, "importance_sampled", None)
    again, _ = figure_3.experiment(options(tmp_path, 10_000))
    assert again == json.loads(json.dumps(summary))


def learn_figure_3(method, tmp_path, samples, report=lambda n: None):
    return figure_3.learn(figure_3.Setting(100, method), options(tmp_path, samples), report)


def without_seconds(points):
    return [{key: point[key] for key in point if key != "seconds"} for point in points]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["AEVB", "wake-sleep", "Monte Carlo EM"])
def test_figure_3_goes_on_as_if_never_stopped(method, monkeypatch, tmp_path):
    monkeypatch.setattr(long_runs, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    monkeypatch.setattr(long_runs, "SHARE_FOR_CHECKPOINTS", math.inf)
    calls = itertools.count()

    def interrupted(n):
        if next(calls) == 105:  # five epochs after the first point
            raise KeyboardInterrupt

    whole = learn_figure_3(method, tmp_path, 20_000)
    assert [point["samples"] for point in whole["points"]] == [10_000, 20_000]
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    with pytest.raises(KeyboardInterrupt):
        learn_figure_3(method, stopped, 20_000, interrupted)
    recorded = json.loads((stopped / f"{method}_100.json".replace(" ", "_")).read_bytes())
    assert without_seconds(recorded["points"]) == without_seconds(whole["points"][:1])
    reports = []
    resumed = learn_figure_3(method, stopped, 20_000, reports.append)
    assert without_seconds(resumed["points"]) == without_seconds(whole["points"])
    assert resumed["points"][1]["seconds"] > recorded["points"][0]["seconds"]
    assert 10_000 < reports[0] < 10_600 and sum(reports) == 20_000

    longer = learn_figure_3(method, stopped, 50_000)
    assert longer["points"][:2] == resumed["points"]
    assert [point["samples"] for point in longer["points"][2:]] == [50_000]
    if method == "AEVB":  # of the last model
        assert longer["from_prior"] != resumed["from_prior"]


def test_figure_3_cuts_monte_carlo_em(tmp_path):
    args = options(tmp_path, 300)
    args.em_minutes = 0
    setting = figure_3.Setting(100, "Monte Carlo EM")
    curve = figure_3.learn(setting, args, lambda n: None)
    assert [point["samples"] for point in curve["points"]] == [100]
    args.em_minutes = 30  # and goes on when it is given more
    curve = figure_3.learn(setting, args, lambda n: None)
    assert [point["samples"] for point in curve["points"]] == [100, 300]


@pytest.mark.parametrize(("method", "epochs"), [("AEVB", 5), ("Monte Carlo EM", 3)])
def test_a_minute_is_60_seconds_of_the_core_s_and_of_monte_carlo_em_alone(
    method, epochs, monkeypatch, tmp_path
):
    clock = itertools.count(step=25)  # so long does an epoch take
    monkeypatch.setattr(figure_3, "core_clock", lambda device: clock.__next__)
    monkeypatch.setattr(figure_3, "choose_step_size", lambda *_: 0.02)
    args = options(tmp_path, 500)
    args.em_minutes = 1
    (point,) = figure_3.learn(figure_3.Setting(100, method), args, lambda n: None)["points"]
    assert (point["samples"], point["seconds"]) == (100 * epochs, 25 * epochs)


@pytest.mark.parametrize("method", ["AEVB", "Monte Carlo EM"])
def test_figure_3_ends_when_it_hears_a_kill_and_keeps_what_was_trained(
    method, monkeypatch, tmp_path
):
    """In the last step of its third epoch, after which a point is due."""

    def killed(optimizer):
        if optimizer.steps == updates and not heard:
            heard.append(signal.raise_signal(signal.SIGINT))
        step(optimizer)

    heard, step, updates = [], Adagrad.step, 2 if method == "AEVB" else 14
    monkeypatch.setattr(Adagrad, "step", killed)
    monkeypatch.setattr(figure_3, "choose_step_size", lambda *_: 0.02)
    monkeypatch.setattr(figure_3, "due", lambda n: n in (100, 300))
    clock = itertools.count(step=25)  # so long does an epoch take
    monkeypatch.setattr(figure_3, "core_clock", lambda device: clock.__next__)
    with pytest.raises(SystemExit):
        learn_figure_3(method, tmp_path, 400)
    state = tmp_path / f"{method}_100.npz".replace(" ", "_")
    assert read_checkpoint(state)[0]["epoch"] == 3
    curve = learn_figure_3(method, tmp_path, 400)
    assert [(point["samples"], point["seconds"]) for point in curve["points"]] == [
        (100, 25),
        (300, 75),
        (400, 100),
    ]


def test_figure_3_is_estimated_at_round_numbers():
    samples = [n for n in range(1000, 1_000_001, 1000) if figure_3.due(n)]
    assert samples == [10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000]


def test_figure_3_sums_up_each_part_by_its_own_images():
    value, error = np.array([1.0, 3, 8, 8, 5]), np.array([3.0, 4, 1, 2, 2])
    assert figure_3_estimates.summarize(value, error, n_train=2) == pytest.approx(
        {
            "train": 2,
            "train_error": math.hypot(3, 4) / 2,
            "train_between_images": 1 / math.sqrt(2),
            "test": 7,
            "test_error": 1,
            "test_between_images": math.sqrt(2 / 3),
        }
    )


def test_figure_3_samples_the_prior_and_knows_how_well(rng):
    model, images = make_model(latent=2, dtype=np.float64), rng.random((7, 6))
    for vector in model.parameters:
        vector.value[:] = rng.standard_normal(vector.value.shape)
    exact = grid_log_likelihood(model, images, spacing=0.1, limit=6).mean
    found = [figure_3_estimates.prior_sampled(model, images, 5000, seed) for seed in range(40)]
    off, said = (np.array(part) for part in zip(*found, strict=True))
    off -= exact
    assert abs(off.mean()) < 4 * off.std() / math.sqrt(40) < 0.01
    assert np.sqrt((off**2).mean()) == pytest.approx(np.sqrt((said**2).mean()), rel=0.4)


@pytest.mark.parametrize("figure", [figure_4, figure_5])
def test_figures_4_and_5_draw_and_go_on(figure, monkeypatch, tmp_path):
    monkeypatch.setattr(figure_5, "LATENTS", (2, 5))
    short, _ = figure.experiment(options(tmp_path, 600))
    longer, findings = figure.experiment(options(tmp_path, 3000))
    for before, after in zip(short["models"], longer["models"], strict=True):
        assert (before["samples"], after["samples"]) == (600, 3000)
        for elbo in ("train_elbo", "test_elbo"):
            assert after[elbo] > before[elbo]
        assert before["train_elbo"] == pytest.approx(before["test_elbo"], rel=0.2)
        assert f"{after['test_elbo']:.1f}" in findings
    assert picture(tmp_path, figure.__name__.rpartition(".")[2])
    reports = []
    task = {figure_4: "frey", figure_5: 5}[figure]
    summary, _ = figure.learn(task, options(tmp_path, 3100), reports.append)
    assert reports == [3000, 300]  # what was trained before, and one epoch
    assert summary["samples"] == 3300  # whole epochs


def test_figure_4_judges_how_sure_the_decoder_is():
    model = make_model("per-output", pixels=8, dtype=np.float64)
    images = np.random.default_rng(0).integers(0, 256, (5, 8), dtype=np.uint8)
    p = model.decode(model.encode(images / 255).mean)
    squared = [(x / 255 - mean) ** 2 for x, mean in zip(images.flat, p.mean.flat, strict=True)]
    over = [s / math.exp(log_var) for s, log_var in zip(squared, p.log_var.flat, strict=True)]
    found = figure_4.errors(model, images)
    assert found["squared_error"] == pytest.approx(math.fsum(squared) / 40)
    assert found["error_over_variance"] == pytest.approx(math.fsum(over) / 40)


def test_figure_4_judges_each_set_by_its_own_name(monkeypatch, tmp_path):
    monkeypatch.setattr(figure_4, "errors", lambda model, images: images)
    summary, _ = figure_4.learn("frey", options(tmp_path, 600), lambda n: None)
    for name in ("train", "test"):
        assert np.array_equal(summary[name], getattr(datasets.load("frey"), name))


@pytest.mark.slow
def test_full_bayes_compares_by_size(monkeypatch, tmp_path):
    monkeypatch.setattr(full_bayes, "TRAINING_SETS", (20, 300))
    settings = [full_bayes.Setting(n, method) for n in (20, 300) for method in full_bayes.METHODS]
    monkeypatch.setattr(full_bayes, "SETTINGS", settings)
    monkeypatch.setattr(full_bayes, "WEIGHT_DRAWS", 3)  # not one for each 800 samples
    summary, findings = full_bayes.experiment(options(tmp_path, 3000))
    for trained in summary["runs"]:
        assert trained["points"][-1]["samples"] == 3000
        assert np.isfinite([point["test"] for point in trained["points"]]).all()
        bayes = trained["method"] == "full Bayes"
        assert all(("test_drawn" in point) == bayes for point in trained["points"])
        if bayes:  # q(θ) is on its way to the prior
            kl = [point["weight_kl_per_image"] for point in trained["points"]]
            assert kl[-1] < kl[0]
            assert trained["weight_draws"] == 3
            assert trained["test_log_px_drawn"] > trained["points"][-1]["test_drawn"]
        through_encoder = trained["test_log_px_through_encoder"]
        assert trained["test_log_px"] > through_encoder - 0.01 > trained["points"][-1]["test"]
    assert "20 training digits: maximum likelihood" in findings
    assert picture(tmp_path, "full_bayes")


def test_full_bayes_predicts_by_the_mean_of_probabilities(tmp_path):
    model = make_model(pixels=16, latent=2, dtype=np.float64)
    bayes = FullBayes(model, n_training=10, initial_std=1.0)
    images, args = datasets.load("mnist5k").test[:20], options(tmp_path, 1000)
    x, prior = model.as_pixels(images), DiagonalGaussian(np.zeros((20, 2)), np.zeros((20, 2)))
    drawn = full_bayes.drawn_models(bayes, 10, args)
    exact = [grid_log_likelihood(each, images).value for each in drawn]
    expected = np.log(np.exp(exact).mean(axis=0)).mean()
    assert expected > np.mean(exact) + 0.1
    found = full_bayes.log_px_over_weights(bayes, x, prior, 10, args)
    assert found == pytest.approx(expected, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("demo", "task"),
    [
        (best_model, best_model.SETTINGS[0]),
        (full_bayes, full_bayes.Setting(100, "full Bayes")),
        (figure_2, figure_2.SETTINGS["MNIST 3"]),
        (figure_3, figure_3.Setting(300, "AEVB")),
        (figure_3, figure_3.Setting(300, "Monte Carlo EM")),
        (figure_4, "frey"),
        (figure_5, 2),
    ],
)
def test_they_learn_on_a_gpu(demo, task, gpu, monkeypatch, tmp_path):
    args, clocks = options(tmp_path, 600), []
    monkeypatch.setattr(best_model_training, "IMPORTANCE_SAMPLES", 50)
    for module in (best_model_training, figure_3):  # whose training has seconds of its own
        monkeypatch.setattr(
            module, "core_clock", lambda device: clocks.append(device) or (lambda: 0.0)
        )
    args.device = gpu
    assert demo.learn(task, args, lambda n: None)
    assert clocks == [gpu] * (demo in (best_model, figure_3))
