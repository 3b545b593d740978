"""The paper's figure 2: one setting at a time, recorded as it goes, and drawn from the records."""

import json

import numpy as np
import pytest
from conftest import in_this_process, make_model, options, picture
from drawn_figures import drawn, numbers  # noqa: F401

from demos.common.findings import run
from demos.paper import best_model, figure_2, figure_2_picture, figure_3, full_bayes
from demos.paper import settings as paper_settings
from demos.paper.figure_2 import Setting
from vae_np import datasets, figures
from vae_np.checkpoints import CheckpointError
from vae_np.objectives import WakeSleep
from vae_np.training.divergence import DivergenceError
from vae_np.training.trainer import Trainer

# ruff: noqa: F811 - a fixture's name as an argument


@pytest.fixture(autouse=True)
def small(small_data, monkeypatch):
    monkeypatch.setattr(figure_2, "side_by_side", in_this_process)


def run_figure_2(tmp_path, samples, *names, draw=False):
    args = options(tmp_path, samples)
    args.setting, args.draw = names, draw
    return figure_2.experiment(args)


def curves_of(folder, setting):
    return json.loads((folder / f"{setting}.json").read_bytes())["curves"]


@pytest.mark.slow
def test_figure_2_draws_reports_and_goes_on(tmp_path):
    _, findings = run_figure_2(tmp_path, 900, "MNIST 20", "Frey Face 2")
    assert "settings. AEVB's and wake-sleep's" in findings and "of 2 settings" in findings
    before = [*curves_of(tmp_path, "mnist_20"), *curves_of(tmp_path, "frey_2")]
    assert [curve["method"] for curve in before] == ["AEVB", "wake-sleep"] * 2
    for curve in before:
        assert [point["samples"] for point in curve["points"]] == [300, 600, 900]
        assert curve["step_size"] in paper_settings.STEP_SIZES
        assert np.isfinite([point["test"] for point in curve["points"]]).all()
    assert picture(tmp_path, "figure_2")

    _, findings = run_figure_2(tmp_path, 1800, "MNIST 20")
    for earlier, later in zip(before, curves_of(tmp_path, "mnist_20"), strict=False):
        assert later["points"][:3] == earlier["points"]
        assert later["points"][-1]["samples"] == 1800
        assert later["step_size"] == earlier["step_size"]
    assert curves_of(tmp_path, "frey_2") == before[2:]
    assert "MNIST 20 (1.8e3): " in findings and "Frey Face 2 (9e2): " in findings


def test_figure_2_is_recorded_as_it_goes(monkeypatch, tmp_path):
    """At any time, in the setting's file, the one method has got as far as the other."""
    recorded, options_of = [], []

    def spy(path, record):
        recorded.append([len(curve["points"]) for curve in record["curves"]])
        options_of.append(record["options"])

    monkeypatch.setattr(figure_2, "write_json", spy)
    reports = []
    setting = figure_2.SETTINGS["MNIST 3"]
    figure_2.learn(setting, options(tmp_path, 900), reports.append)
    with monkeypatch.context() as patch:  # a run that goes on keeps its step size
        patch.setattr(figure_2, "choose_step_size", None)
        figure_2.learn(setting, options(tmp_path, 1200), reports.append)
    assert recorded == [[1, 1], [2, 2], [3, 3], *[[3, 3]] * 3, [4, 4]]
    assert sum(reports) == 2 * (900 + 900 + 300)  # what was trained before counts as done
    (tmp_path / "other").mkdir()
    args = options(tmp_path / "other", 300)
    args.seed = 7
    figure_2.learn(setting, args, reports.append)
    assert [of["samples"] for of in options_of] == [900] * 3 + [1200] * 4 + [300]
    assert options_of[-1] == {"samples": 300, "seed": 7, "device": "cpu"}


@pytest.mark.parametrize("demo", [figure_2, figure_3, best_model])
def test_a_checkpoint_of_another_program_is_refused(demo, tmp_path):
    setting = {
        figure_2: figure_2.SETTINGS["MNIST 3"],
        figure_3: figure_3.Setting(100, "AEVB"),
        best_model: best_model.SETTINGS[0],
    }[demo]
    stem = f"{setting.stem}_AEVB" if demo is figure_2 else setting.stem
    make_model().save(tmp_path / f"{stem}.npz")
    with pytest.raises(CheckpointError, match="npz is not of a run of this program: choose"):
        demo.learn(setting, options(tmp_path, 300), None)


def record_curves(folder, data, latents, **tests):
    curves = [
        {
            "method": method.replace("_", "-"),
            "step_size": 0.02,
            "points": [
                {"samples": 10**n, "train": test + 1, "test": test, "kl": 5}
                for n, test in enumerate(elbos, 3)
            ],
            "seconds": 1.0,
            "diverged": None,
        }
        for method, elbos in tests.items()
    ]
    content = {"data": data, "latents": latents, "curves": curves}
    (folder / f"{data}_{latents}.json").write_text(json.dumps(content))


def test_figure_2_draws_curves_of_different_reach(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no setting is recorded in .*mnist_3.json"):
        run_figure_2(tmp_path, 1e6, draw=True)
    record_curves(tmp_path, "mnist", 3, AEVB=[-200, -150], wake_sleep=[-300, -250])
    record_curves(tmp_path, "frey", 20, AEVB=[1, 900, 500, 400], wake_sleep=[1, 600, 550])
    _, findings = run_figure_2(tmp_path, 1e6, draw=True)
    assert "above wake-sleep's in 1 of 2 settings (not: Frey Face 20)" in findings
    assert "MNIST 3 (1e4): -150.0, -250.0; Frey Face 20 (1e5): 500.0, 550.0." in findings
    assert "Frey Face 20, AEVB: from 900.0 after 1e4 to 400.0 after 1e6" in findings
    assert "MNIST 3, AEVB: from" not in findings
    assert picture(tmp_path, "figure_2")


@pytest.mark.parametrize(
    ("points", "reached"), [([-300], "1e3): -200.0, -300.0"), ([], "1e4): -150.0, -inf")]
)
def test_a_run_that_diverged_is_told_so_wherever_it_had_got(
    tmp_path, monkeypatch, capsys, points, reached
):
    record_curves(tmp_path, "mnist", 3, AEVB=[-200, -150], wake_sleep=points)
    monkeypatch.setattr(figures, "save", lambda *of: None)  # it takes its time
    path = tmp_path / "mnist_3.json"
    record = json.loads(path.read_text())
    for curve, why in zip(record["curves"], (None, "it fell apart"), strict=True):
        curve["diverged"] = why
    path.write_text(json.dumps(record))
    monkeypatch.setattr(figure_2, "side_by_side", lambda *_, **__: [record])
    _, findings = run_figure_2(tmp_path, 1e4, "MNIST 3")
    assert capsys.readouterr().out.splitlines() == [
        "MNIST 3, AEVB, step size 0.02: test ELBO -150.0",
        "MNIST 3, wake-sleep, step size 0.02: it fell apart",
    ]
    assert findings.endswith("Diverged: MNIST 3, wake-sleep: it fell apart")
    assert f"MNIST 3 ({reached}. " in findings and "in 1 of 1 settings" in findings


def test_settings_are_counted_where_both_methods_have_got(tmp_path, drawn):
    record_curves(tmp_path, "mnist", 3, AEVB=[1, 2, 9], wake_sleep=[1, 5])
    record_curves(tmp_path, "mnist", 5, AEVB=[3, 4], wake_sleep=[2, 1])
    record_curves(tmp_path, "mnist", 10, AEVB=[3], wake_sleep=[])
    record_curves(tmp_path, "mnist", 20, AEVB=[], wake_sleep=[1])
    record_curves(tmp_path, "mnist", 200, AEVB=[1, 2], wake_sleep=[3, 2])  # as high, not above
    for latents, method, point in ((3, 0, -1), (3, 1, 0), (5, 0, -1), (5, 1, -1)):
        path = tmp_path / f"mnist_{latents}.json"
        record = json.loads(path.read_text())
        record["curves"][method]["points"][point]["kl"] = 0.09
        path.write_text(json.dumps(record))
    _, findings = run_figure_2(tmp_path, 1e4, draw=True)
    assert "in 2 of 5 settings (not: MNIST 3, MNIST 20, MNIST 200)." in findings
    assert "(a KL below 0.1 nats) in 1 of 5 settings: MNIST 5." in findings
    assert numbers(drawn[0].get_suptitle()) == [2, 5]


def test_a_setting_where_both_diverged_at_once_is_told_too(tmp_path):
    record_curves(tmp_path, "mnist", 3, AEVB=[], wake_sleep=[])
    path = tmp_path / "mnist_3.json"
    path.write_text(path.read_text().replace('"diverged": null', '"diverged": "it fell apart"'))
    _, findings = run_figure_2(tmp_path, 1e4, draw=True)
    assert "in 0 of 0 settings" in findings and "Step sizes chosen: 0.02." in findings
    both = "MNIST 3, AEVB: it fell apart; MNIST 3, wake-sleep: it fell apart"
    assert findings.endswith(f"Diverged: {both}")


def test_a_panel_is_fitted_to_what_is_late_though_one_method_diverged_at_once(tmp_path, drawn):
    record_curves(tmp_path, "mnist", 3, AEVB=[-5000, -200, -150, -149, -148], wake_sleep=[])
    run_figure_2(tmp_path, 1e4, draw=True)
    panel = drawn[0].axes[0]
    assert -300 < panel.get_ylim()[0] < -200
    assert [text.get_text() for text in panel.texts] == ["starts below, at -5000"]


def test_where_one_method_diverges_the_other_goes_on(tmp_path, monkeypatch):
    def fit(trainer, *given):
        if isinstance(trainer.objective, WakeSleep):
            tried.append(trainer.epoch)
            raise DivergenceError("it fell apart")
        fit_and_save(trainer, *given)

    fit_and_save, tried = figure_2.fit_and_save, []
    monkeypatch.setattr(figure_2, "fit_and_save", fit)
    record = figure_2.learn(Setting("mnist", 3), options(tmp_path, 900), lambda n: None)
    assert record["curves"] == curves_of(tmp_path, "mnist_3")
    assert [curve["diverged"] for curve in record["curves"]] == [None, "it fell apart"]
    assert [len(curve["points"]) for curve in record["curves"]] == [3, 0]
    assert tried == [0]  # once


@pytest.mark.parametrize(
    ("names", "settings"),
    [
        (("MNIST 5", "Frey Face 2", "MNIST 5"), [("mnist", 5), ("frey", 2)]),
        (
            (),
            [*(("mnist", n) for n in (3, 5, 10, 20, 200)), *(("frey", n) for n in (2, 5, 10, 20))],
        ),
    ],
)
def test_a_setting_is_trained_once_however_often_it_is_named(
    tmp_path, monkeypatch, names, settings
):
    """And all of the paper's, if none is."""

    def asked(function, tasks, args, total, data):
        assert tasks == [Setting(*of) for of in settings]
        assert total == len(settings) * 2 * 900 and set(data) == {"mnist", "frey"}
        raise KeyboardInterrupt

    monkeypatch.setattr(figure_2, "side_by_side", asked)
    with pytest.raises(KeyboardInterrupt):
        run_figure_2(tmp_path, 900, *names)


def test_a_broken_record_is_refused_before_the_training(tmp_path, monkeypatch):
    (tmp_path / "frey_5.json").write_text("{")
    monkeypatch.setattr(figure_2, "side_by_side", None)
    with pytest.raises(CheckpointError, match=r"frey_5.json is not a record of Frey Face 5"):
        run_figure_2(tmp_path, 900, "MNIST 3")


def test_the_settings_that_have_ended_are_told_though_the_next_is_interrupted(
    tmp_path, monkeypatch, drawn, capsys
):
    def ending(function, tasks, args, total, data):
        record_curves(tmp_path, "mnist", 5, AEVB=[-200], wake_sleep=[-300])
        yield json.loads((tmp_path / "mnist_5.json").read_text())
        raise KeyboardInterrupt

    monkeypatch.setattr(figure_2, "side_by_side", ending)
    with pytest.raises(KeyboardInterrupt):
        run_figure_2(tmp_path, 900, "MNIST 5", "MNIST 3")
    assert len(drawn) == 1
    assert capsys.readouterr().out.splitlines() == [
        "MNIST 5, AEVB, step size 0.02: test ELBO -200.0",
        "MNIST 5, wake-sleep, step size 0.02: test ELBO -300.0",
    ]


@pytest.mark.parametrize(
    ("demo", "task"),
    [(figure_2, Setting("mnist", 3)), (full_bayes, full_bayes.Setting(100, "full Bayes"))],
)
def test_a_kill_that_is_heard_ends_a_training_at_once(demo, task, tmp_path, monkeypatch):
    """While the step size is chosen, or between two points."""
    monkeypatch.setattr(Trainer, "fit", lambda trainer, *given, **more: False)
    with pytest.raises(SystemExit):
        demo.learn(task, options(tmp_path, 900), lambda n: None)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("setting", ["MNIST 21", "frey", ""])
def test_figure_2_names_its_settings(setting, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["figure_2.py", "--setting", setting])
    with pytest.raises(SystemExit) as leaving:
        run(figure_2.experiment, "", samples=1, add_options=figure_2.add_options)
    assert leaving.value.code == 2
    assert "wants one of MNIST 3, MNIST 5" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("method", ["AEVB", "wake-sleep", "Monte Carlo EM"])
def test_the_seed_is_the_one_that_was_asked_for_and_the_rest_the_paper_s(tmp_path, images, method):
    args = options(tmp_path, 300)
    args.seed = 7
    learner, _ = figure_3.make_learner(figure_3.Setting(38, method), images, 0.1, args)
    assert (learner.seed, learner.prior_share, learner.batch_size) == (7, 1 / 38, 100)


def test_points_are_even_on_a_logarithmic_axis():
    epochs = [epoch for epoch in range(1, 10_001) if figure_2.due(epoch)]
    assert epochs[:8] == [1, 2, 3, 4, 6, 7, 10, 13]
    per_decade = [sum(10**k < epoch <= 10 ** (k + 1) for epoch in epochs) for k in (1, 2, 3)]
    assert per_decade == [figure_2.POINTS_PER_DECADE] * 3


def test_without_latents_a_decoder_can_have_the_pixels_means_and_variances():
    data = datasets.load("frey")
    x, test = data.train / 255, data.test / 255
    mean, var = x.mean(axis=0), x.var(axis=0)
    gaussian = -0.5 * ((test - mean) ** 2 / var + np.log(2 * np.pi * var)).sum(axis=1).mean()
    entropy = -(test * np.log(mean) + (1 - test) * np.log(1 - mean)).sum(axis=1).mean()
    assert figure_2_picture.without_latents("frey") == pytest.approx(gaussian, rel=1e-9)
    assert figure_2_picture.without_latents("mnist") == pytest.approx(-entropy, rel=1e-9)
