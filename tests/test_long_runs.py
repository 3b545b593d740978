"""Trainings side by side, in processes of their own."""

import errno
import io
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import types

import pytest
from conftest import DEMOS, interrupt_at, make_trainer, options
from tqdm import tqdm

from demos.common import long_runs
from demos.common.command_line import claimed
from demos.common.experiment_options import Options
from demos.paper import best_model, figure_2, figure_3, figure_4
from demos.paper.figure_2 import Setting
from vae_np.checkpoints import read_checkpoint

ARGS = types.SimpleNamespace(device="cpu")


def square(task, args, report):
    report(task)
    if task == 13:
        raise ValueError("an unlucky task")
    return task**2


@pytest.fixture
def bars(monkeypatch):
    """The progress bars, which nobody sees."""
    seen, silent = [], io.StringIO()

    def bar(**options):
        seen.append(tqdm(**options | {"file": silent, "disable": False}))
        return seen[-1]

    monkeypatch.setattr(long_runs, "tqdm", bar)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("total", [6, 5])
def test_results_come_in_order_and_the_bar_gets_to_its_end(bars, total):
    """And no further, where whole epochs are more than was asked for."""
    assert list(long_runs.side_by_side(square, [3, 1, 2], ARGS, total, data=())) == [9, 1, 4]
    assert (bars[0].n, bars[0].total) == (total, total)


def wait(task, args, report):
    report(1)
    time.sleep(2)


@pytest.mark.slow
def test_the_bar_moves_while_a_training_goes_on(bars, monkeypatch):
    moves, update = [], tqdm.update
    monkeypatch.setattr(tqdm, "update", lambda bar, n: moves.append(n) or update(bar, n))
    list(long_runs.side_by_side(wait, [0], ARGS, total=1, data=()))
    assert (bars[0].n, moves[-1]) == (1, 0)  # at its end nothing is left to add


def threads(task, args, report):
    return [os.environ[variable] for variable in long_runs.THREADS]


@pytest.mark.slow
def test_each_process_takes_a_core_and_the_data_are_there_before_it(monkeypatch):
    """Or as many cores as somebody has asked for."""
    for variable in long_runs.THREADS:
        monkeypatch.setenv(variable, "7")  # so that it is as before in the end
        if variable != long_runs.THREADS[0]:
            monkeypatch.delenv(variable)
    loaded = []
    monkeypatch.setattr(long_runs.datasets, "load", loaded.append)
    (found,) = long_runs.side_by_side(threads, [0], ARGS, 1, data=("mnist", "frey"))
    assert found == ["7", "1", "1", "1"] and loaded == ["mnist", "frey"]


@pytest.mark.slow
def test_an_error_of_a_task_is_raised():
    with pytest.raises(ValueError, match="an unlucky task"):
        list(long_runs.side_by_side(square, [13, 1], ARGS, total=14, data=()))


def die(task, args, report):
    if task:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # another goes on


@pytest.mark.slow
def test_a_killed_process_is_noticed():
    said = r"^the process of a training was killed: is the memory full\?$"
    with pytest.raises(ChildProcessError, match=said):
        list(long_runs.side_by_side(die, [1, 0], ARGS, total=1, data=()))


def fit_and_save(trainer, folder, epochs, report, settings=None):
    args = types.SimpleNamespace(out=folder)
    long_runs.fit_and_save(trainer, args, "run.npz", epochs, report, settings)


def test_a_process_whose_parent_is_gone_ends_at_its_next_report(monkeypatch):
    """Or it would write on, into what is a second run's by then."""
    done, alive = multiprocessing.Value("q", 0), True
    monkeypatch.setattr(long_runs, "_done", done, raising=False)
    parent = types.SimpleNamespace(is_alive=lambda: alive)
    monkeypatch.setattr(long_runs, "parent_process", lambda: parent)
    long_runs._report(3)
    alive = False
    with pytest.raises(SystemExit):
        long_runs._report(4)
    assert done.value == 3


def test_a_training_is_saved_as_it_goes_and_at_the_end(images, tmp_path, monkeypatch):
    path, reports = tmp_path / "run.npz", []
    fit_and_save(make_trainer(images), tmp_path, 2, reports.append, {"a": 1})
    about, _ = read_checkpoint(path)
    assert (about["epoch"], about["settings"], reports) == (2, {"a": 1}, [38, 38])

    monkeypatch.setattr(long_runs, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    monkeypatch.setattr(long_runs, "SHARE_FOR_CHECKPOINTS", math.inf)  # however long a save takes
    trainer, saved = make_trainer(images), []
    trainer.load(path)
    monkeypatch.setattr(trainer, "save", lambda *_: saved.append(trainer.epoch))
    fit_and_save(trainer, tmp_path, 4, reports.append)
    assert reports[2:] == [38, 38]
    assert saved == [3, 4, 4]

    def gone(n):
        raise SystemExit  # as `_report` does

    with pytest.raises(SystemExit):
        fit_and_save(trainer, tmp_path, 5, gone)
    assert saved == [3, 4, 4]


def test_a_training_that_hears_a_kill_saves_and_ends(images, tmp_path, monkeypatch):
    trainer = make_trainer(images)
    interrupt_at(trainer, 6, monkeypatch)
    with pytest.raises(SystemExit):
        fit_and_save(trainer, tmp_path, 3, lambda n: None)
    about, _ = read_checkpoint(tmp_path / "run.npz")
    assert (about["epoch"], about["step"]) == (1, 2)


def test_saving_takes_a_small_share_of_the_time(images, tmp_path, monkeypatch):
    clock = iter(range(1000))  # a second passes between any two looks at it
    monkeypatch.setattr(long_runs.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(long_runs, "SECONDS_BETWEEN_CHECKPOINTS", 5)
    monkeypatch.setattr(long_runs, "SHARE_FOR_CHECKPOINTS", 0.1)
    trainer, saved = make_trainer(images), []
    monkeypatch.setattr(trainer, "save", lambda *_: saved.append(trainer.epoch))
    fit_and_save(trainer, tmp_path, 40, lambda n: None)
    assert saved == [6, 17, 28, 39, 40]  # a save takes a second: ten then lie between two


def write_after_a_move(task, args, report):
    """As `fit_and_save` in a process: the folder is moved, and a second run makes its own."""
    (args.out / "before").touch()
    args.out.rename(args.out.with_name("moved"))
    args.where.mkdir()
    (args.out / "after").touch()


@pytest.mark.slow
def test_a_process_writes_no_more_to_a_folder_that_was_moved(tmp_path):
    pytest.importorskip("fcntl")
    args = Options(device="cpu", out=tmp_path / "a")
    args.out.mkdir()
    with claimed(args.out) as args.still_ours:
        with pytest.raises(OSError, match="a was moved or removed: nothing more is written there"):
            list(long_runs.side_by_side(write_after_a_move, [1], args, total=1, data=()))
    assert [path.name for path in (tmp_path / "moved").iterdir()] == ["before"]
    assert not any((tmp_path / "a").iterdir())


@pytest.mark.parametrize(
    ("module", "due"), [(figure_2, 1), (figure_3, 1), (figure_3, 0), (figure_4, 1), (best_model, 1)]
)
def test_every_file_of_a_training_is_of_its_own_folder(
    module, due, small_data, tmp_path, monkeypatch
):
    """Moved after the first epoch: the second run's folder stays empty."""
    pytest.importorskip("fcntl")
    monkeypatch.setattr(figure_3, "due", lambda n: due)
    for name in ("SECONDS_BETWEEN_CHECKPOINTS", "SECONDS_BETWEEN_LOOKS"):
        monkeypatch.setattr(long_runs, name, 0)
    monkeypatch.setattr(long_runs, "SHARE_FOR_CHECKPOINTS", math.inf)
    task = {figure_2: Setting("mnist", 3), figure_4: "mnist", best_model: best_model.SETTINGS[0]}
    args, moves = Options(**vars(options(tmp_path / "a", 900))), []

    def report(n):
        if n and not moves:
            moves.append(args.where.rename(tmp_path / "moved"))
            args.where.mkdir()

    args.out.mkdir()
    with claimed(args.out) as args.still_ours:
        with pytest.raises(OSError, match="a was moved or removed"):
            module.learn(task.get(module, figure_3.Setting(300, "AEVB")), args, report)
    assert moves and not any((tmp_path / "a").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("work", ["time.sleep(60)", "train(task, report)"])
def test_ctrl_c_ends_the_processes_at_once(tmp_path, work):
    """Both processes end, and nothing but the script's one line is printed."""
    script = tmp_path / "workers.py"
    script.write_text(
        "import os, signal, sys, threading, time, types\n"
        "import numpy as np\n"
        f"sys.path.insert(0, {str(DEMOS.parent)!r})\n"
        "from demos.common.long_runs import side_by_side\n"
        "from vae_np import SGD, VAE, BernoulliDecoder, GaussianEncoder, Trainer\n"
        "def train(seed, report):\n"
        "    model = VAE(GaussianEncoder(6, [5], 2), BernoulliDecoder(2, [5], 6))\n"
        "    optimizer = SGD(model.parameters, 1e-6)\n"
        "    trainer = Trainer(model, optimizer, np.zeros((1000, 6)), batch_size=1, seed=seed)\n"
        "    while True:\n"
        "        trainer.fit(trainer.epoch + 1, progress=False)\n"
        "        report(0)\n"
        "def work(task, args, report):\n"
        f"    {work}\n"
        "if __name__ == '__main__':\n"
        "    threading.Timer(4, os.killpg, (0, signal.SIGINT)).start()\n"
        "    try:\n"
        "        list(side_by_side(work, [1, 2], types.SimpleNamespace(device='cpu'), 2, ()))\n"
        "    except KeyboardInterrupt:\n"
        "        print('stopped')\n"
    )
    result = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=20, start_new_session=True
    )
    assert (result.stdout, result.stderr, result.returncode) == ("stopped\n", "", 0)


def test_a_full_disk_is_no_divergence(monkeypatch):
    curve = figure_2.Curve.__new__(figure_2.Curve)
    curve.trainer, curve.diverged, curve.step_size = types.SimpleNamespace(epoch=0), None, 0.1
    curve.args, curve.checkpoint = None, "mnist_3_AEVB.npz"

    def full(*given):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(figure_2, "fit_and_save", full)
    with pytest.raises(OSError, match="No space left"):
        curve.learn(1, None)
    assert curve.diverged is None
