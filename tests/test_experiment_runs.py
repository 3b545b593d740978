"""A run of an experiment: what ends it, what is kept of it, and in which folder it goes on."""

import json
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import interrupt_at, make_model
from matplotlib.figure import Figure

from demos.common import command_line, findings, long_runs, models, plots
from vae_np.checkpoints import CheckpointError
from vae_np.datasets import DataError
from vae_np.training.divergence import DivergenceError
from vae_np.training.trainer import Trainer


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Run an experiment in an empty folder, with these options; its exit status."""
    monkeypatch.chdir(tmp_path)

    def run(experiment, *options, **of_run):
        monkeypatch.setattr(sys, "argv", ["figure.py", *options])
        return findings.run(experiment, "Why?\n\nSo.", **of_run)

    return run


def raising(error):
    def experiment(args):
        raise error

    return experiment


@pytest.mark.parametrize("resumes", [True, False])
@pytest.mark.parametrize(
    "kind", [CheckpointError, DataError, DivergenceError, OSError, MemoryError, ChildProcessError]
)
def test_what_may_go_wrong_is_said_in_one_line(started, capsys, kind, resumes):
    assert started(raising(kind("it fell apart")), resumes=resumes) == 2
    assert capsys.readouterr().err == "figure.py: error: it fell apart\n"
    assert not Path("runs/figure").exists()  # nothing was saved


@pytest.mark.parametrize("resumes", [True, False])
def test_a_device_that_cannot_be_had_leaves_no_folder(started, monkeypatch, resumes):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert started(lambda args: pytest.fail(), "--device", "gpu", resumes=resumes) == 2
    assert not any(Path().iterdir())


def test_a_bug_in_an_experiment_shows_its_traceback(started):
    with pytest.raises(ZeroDivisionError):
        started(lambda args: 1 // 0)
    assert not Path("runs/figure").exists()


@pytest.mark.parametrize(
    ("resumes", "saved", "kept"),
    [
        (True, True, "the same command with --out mine goes on from what is saved there"),
        (True, False, "nothing was saved"),
        (False, True, "nothing was saved"),  # which could be gone on from
    ],
)
def test_ctrl_c_says_what_the_same_command_would_do(started, capsys, resumes, saved, kept):
    def experiment(args):
        if saved:
            (args.out / "some.npz").touch()
        raise KeyboardInterrupt

    assert started(experiment, "--out", "mine", resumes=resumes) == 130
    assert capsys.readouterr().err == f"\nInterrupted: {kept}.\n"


@pytest.mark.parametrize("resumes", [True, False])
def test_without_out_an_interrupted_run_goes_on_where_its_files_are(started, resumes):
    """And the next one has a folder of its own; as has each run of what is saved at its end."""
    seen = []

    def experiment(args):
        seen.append(args.out.name)
        (args.out / f"{len(seen)}.npz").touch()
        if len(seen) == 1:
            raise KeyboardInterrupt
        return {}, "Seen."

    assert [started(experiment, resumes=resumes) for _ in range(3)] == [130, 0, 0]
    assert seen == ["figure", "figure" if resumes else "figure-2", f"figure-{3 - resumes}"]


def test_the_options_are_recorded_as_they_were_typed(started):
    def add_options(parser):
        parser.add_argument("folder", type=command_line.named_path)

    options = ["a/b", "--out", "mine", "--seed", "3", "--epochs", "2"]
    experiment = lambda args: ({"gap": 1.5}, "Seen.")  # noqa: E731
    assert started(experiment, *options, epochs=3, add_options=add_options) == 0
    summary = json.loads(Path("mine/summary.json").read_text(encoding="utf-8"))
    typed = {"epochs": 2, "seed": 3, "device": "cpu", "folder": str(Path("a/b"))}
    assert summary["options"] == typed and summary["gap"] == 1.5
    assert summary["experiment"] == "figure"


def test_what_was_told_to_be_ignored_stays_so(monkeypatch):
    """nohup ignores a closed terminal."""
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    monkeypatch.setattr(signal, "signal", lambda number, _: pytest.fail(number.name))
    command_line.hear_every_stop()


def test_ctrl_c_ends_an_experiment_s_training(images, monkeypatch):
    trainers, args = [], SimpleNamespace(epochs=3, seed=0)

    def stopped(trainer, *given):
        trainers.append(trainer)
        interrupt_at(trainer, 2, monkeypatch)
        return fit(trainer, *given)

    fit = Trainer.fit
    monkeypatch.setattr(Trainer, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        models.train(make_model(), images, args, batch_size=10)
    assert (trainers[0].epoch, trainers[0].step) == (0, 2)


@pytest.mark.parametrize(("device", "at_once"), [("cpu", [2, 4]), ("gpu", [1, 1])])
def test_on_a_gpu_one_training_runs_at_a_time(monkeypatch, device, at_once):
    def pool(count, *given):
        counts.append(count)
        raise MemoryError

    counts, context = [], SimpleNamespace(Value=lambda *of: None, Pool=pool)
    monkeypatch.setattr(long_runs, "cores", lambda: 4)
    monkeypatch.setattr(long_runs, "get_context", lambda method: context)
    for tasks in ([1, 2], range(9)):
        with pytest.raises(MemoryError):
            list(long_runs.side_by_side(None, tasks, SimpleNamespace(device=device), 9, ()))
    assert counts == at_once


def test_after_one_epoch_a_curve_is_a_dot_and_epochs_are_whole():
    axes = Figure().subplots()
    plots.curve(axes, [1], [-100.0])
    plots.curve(axes, [1, 2], [-100.0, -90.0])
    assert [line.get_marker() for line in axes.get_lines()] == ["o", "None"]
    for last in (1, 2, 5):
        axes.set_xlim(0, last)
        plots.epochs_axis(axes)
        ticks = axes.get_xticks()
        assert all(tick == round(tick) for tick in ticks) and last in ticks
