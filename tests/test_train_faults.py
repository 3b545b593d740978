"""train.py beside another run, killed, or with its files gone: nothing is mixed or lost."""

import os
import signal
import subprocess
import time
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import TINY, command, run

from demos import train
from demos.common.command_line import claimed
from demos.training.run import PICTURES
from vae_np.checkpoints import read_checkpoint, write_checkpoint
from vae_np.training.divergence import DivergenceError
from vae_np.training.trainer import Trainer

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and claims are Unix's")
LONG = ["--data", "stripes.npz", *TINY, "--epochs", 100_000]


def started(folder, *options):
    """A run that has saved its first checkpoint."""
    pipe = subprocess.PIPE
    arguments = command("train", *LONG, *options)
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(arguments, cwd=folder, stdout=pipe, stderr=pipe, env=unbuffered)
    checkpoint, end = folder / "run" / "checkpoint.npz", time.monotonic() + 60
    while not checkpoint.exists() and process.poll() is None:
        if time.monotonic() > end:
            process.kill()
        time.sleep(0.05)
    return process


def test_a_folder_is_claimed_by_one_run_and_a_killed_one_claims_nothing(stripes, error_of):
    first = started(stripes, "--out", "run")
    message = error_of(stripes, *LONG, "--out", "run", "--overwrite")
    assert message.endswith("another run is writing to run: choose another --out")
    first.kill()
    first.communicate()
    with claimed(stripes / "run"):
        pass
    assert not [path for path in (stripes / "run").iterdir() if "lock" in path.name]


@pytest.mark.parametrize(
    "moment, stopped",
    [
        ("fit", None),  # before the last save
        ("train", None),  # after it
        ("fit", DivergenceError("the loss is not finite")),
        ("train", KeyboardInterrupt()),
    ],
)
def test_a_run_whose_folder_was_moved_knows_nothing_of_what_is_there_now(
    stripes, error_of, monkeypatch, moment, stopped
):
    """mv run mine, and another run is at work in a new one."""
    of, files = (Trainer, train)[moment == "train"], ("checkpoint.npz", "history.csv")
    inner = getattr(of, moment)

    def moved(*given, **options):
        finished = inner(*given, **options)
        (stripes / "run").rename(stripes / "mine")
        (stripes / "run").mkdir()
        for name in files:
            (stripes / "run" / name).write_bytes(b"another run's")
        if stopped:
            raise stopped
        return finished

    monkeypatch.setattr(of, moment, moved)
    arguments, status = ["--data", "stripes.npz", *TINY, "--out", "run"], 2
    message = "run was moved or removed: nothing more is written there"
    if isinstance(stopped, KeyboardInterrupt):
        message, status = "Interrupted.", 130
    elif stopped:
        message = f"{stopped}; {message}"
    assert error_of(stripes, *arguments, status=status).endswith(message)
    written = {path.name: path.read_bytes() for path in (stripes / "run").iterdir()}
    assert written == dict.fromkeys(files, b"another run's")
    assert (stripes / "mine" / "checkpoint.npz").exists()


def test_the_results_of_an_earlier_state_go_as_a_later_one_is_saved(stripes, error_of, monkeypatch):
    monkeypatch.chdir(stripes)
    assert train.main(["--data", "stripes.npz", *map(str, TINY), "--out", "run"]) == 0
    assert len(list((stripes / "run").iterdir())) > 5
    message = error_of(stripes, "--resume", "run", "--epochs", 1)
    assert message.endswith("the run in run is complete: --epochs above 2 goes on")
    inner = train.train

    def ends(*given):
        inner(*given)
        raise OSError("the power fails")

    monkeypatch.setattr(train, "train", ends)
    assert "what was saved last is run" in error_of(stripes, "--resume", "run", "--epochs", 9)
    assert [path.name for path in (stripes / "run").iterdir()] == ["checkpoint.npz"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_kill_or_a_closed_terminal_keeps_what_was_trained(stripes, number):
    process = started(stripes, "--out", "run")
    next(line for line in process.stdout if line.startswith(b"epoch"))
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert b"--resume run" in out + err
    assert (stripes / "run" / "checkpoint.npz").exists()


@pytest.mark.slow
def test_a_killed_run_that_replaces_another_never_goes_on_with_the_old_one(stripes, error_of):
    """Even killed before it has saved anything: the old run's files are gone by then."""
    run(stripes, "train", "--data", "stripes.npz", *TINY, "--out", "run")
    old = {path.name: path.read_bytes() for path in (stripes / "run").iterdir()}
    process = started(stripes, "--out", "run", "--overwrite", "--seed", 5)
    while any((stripes / "run" / name).exists() for name in PICTURES):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    left = {path.name: path.read_bytes() for path in (stripes / "run").iterdir()}
    assert not {name for name in left if left[name] == old.get(name)}


def test_without_a_checkpoint_nothing_is_resumed(stripes, error_of):
    (stripes / "run").mkdir()
    message = error_of(stripes, "--resume", "run")
    assert message.endswith("there is no run/checkpoint.npz: leave --resume out to start afresh")
    assert "argument --out: wants a name, got nothing" in error_of(stripes, "--out", "")


def test_a_checkpoint_exists_before_the_first_epoch_is_over(stripes, monkeypatch):
    def broken(self, *args, **more):
        raise OSError("no more electricity")

    monkeypatch.chdir(stripes)
    monkeypatch.setattr(Trainer, "fit", broken)
    assert train.main(["--data", "stripes.npz", *TINY, "--out", "run"]) == 2
    assert (stripes / "run" / "checkpoint.npz").exists()


def test_what_an_epoch_has_learned_is_saved_as_it_ends(stripes, monkeypatch):
    def said(text, *_):
        if text.startswith("epoch"):
            epochs.append(read_checkpoint(stripes / "run" / "checkpoint.npz")[0]["epoch"])

    epochs, at_once = [], lambda save, seconds: SimpleNamespace(save=save, save_in_time=save)
    monkeypatch.chdir(stripes)
    monkeypatch.setattr(train, "Saver", at_once)
    monkeypatch.setattr(train, "say", said)
    assert train.main(["--data", "stripes.npz", *TINY, "--out", "run"]) == 0
    assert epochs == [1, 2]


def test_no_ctrl_c_keeps_the_last_save_from_being_made(stripes, monkeypatch, capsys):
    save = Trainer.save

    def pressed(trainer, *args):
        for _ in range(2 * (trainer.epoch == 2)):
            signal.raise_signal(signal.SIGINT)
        save(trainer, *args)

    monkeypatch.chdir(stripes)
    monkeypatch.setattr(Trainer, "save", pressed)
    assert train.main(["--data", "stripes.npz", *TINY, "--out", "run"]) == 130
    assert "--resume run goes on from what was saved" in capsys.readouterr().err
    assert read_checkpoint(stripes / "run" / "checkpoint.npz")[0]["epoch"] == 2


def test_a_folder_that_is_filled_while_the_data_load_is_refused(stripes, error_of, monkeypatch):
    load, theirs = train.datasets.load, stripes / "run" / "checkpoint.npz"

    def slow(name):
        theirs.parent.mkdir()
        theirs.write_bytes(b"of another run")
        return load(name)

    monkeypatch.setattr(train.datasets, "load", slow)
    message = error_of(stripes, "--data", "stripes.npz", *TINY, "--out", "run")
    assert "--out run holds another run's checkpoint.npz: --resume goes on with it" in message
    assert theirs.read_bytes() == b"of another run"


@pytest.mark.slow
def test_a_checkpoint_is_gone_on_from_by_the_run_that_holds_its_folder(
    stripes, error_of, monkeypatch
):
    def look(trainer, args, data, out):
        with pytest.raises(OSError, match="another run is writing to run"), claimed(out):
            pass
        raise ValueError("looked")

    run(stripes, "train", "--data", "stripes.npz", *TINY, "--out", "run")
    monkeypatch.setattr(train, "go_on", look)
    assert error_of(stripes, "--resume", "run").endswith("looked")


@pytest.mark.slow
def test_other_test_images_are_noticed(stripes, error_of):
    run(stripes, "train", "--data", "stripes.npz", *TINY, "--out", "run")
    with np.load(stripes / "stripes.npz") as file:
        x = file["x"]
    order = np.random.default_rng(0).permutation(len(x))  # as the package splits it
    x[order[0]] = 1 - x[order[0]]
    np.savez(stripes / "stripes.npz", x=x)
    message = error_of(stripes, "--resume", "run", "--epochs", 3)
    assert message.endswith("the test images have changed since run/checkpoint.npz was saved")


@pytest.mark.slow
def test_plausible_mistakes_in_the_data_are_printed(stripes):
    np.savez(stripes / "few.npz", x=np.full((10, 4, 4), 9, np.uint8))
    out = run(stripes, "train", "--data", "few.npz", *TINY).stdout
    assert "note: the pixels reach 9 of 255: the images are nearly black" in out
    assert "note: 8 training images are few" in out


def test_what_is_no_file_is_refused_and_not_waited_for(stripes, error_of):
    os.mkfifo(stripes / "pipe.npz")
    assert "pipe.npz is not a file" in error_of(stripes, "--data", "pipe.npz")
    (stripes / "folder.npy").mkdir()
    assert "folder.npy is not a file" in error_of(stripes, "--data", "folder.npy")
    (stripes / "loop.npz").symlink_to("loop.npz")
    assert "loop.npz" in error_of(stripes, "--data", "loop.npz")


@pytest.mark.parametrize("shape", ["(1099511627776, 28, 28)", "(True, 6, 6)", "(-1, 6, 6)", "6"])
def test_headers_that_claim_too_much(stripes, error_of, shape):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (117 - len(header)) + "\n"
    magic = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    (stripes / "claims.npy").write_bytes(magic + header.encode() + bytes(36))
    assert "claims.npy" in error_of(stripes, "--data", "claims.npy")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The checkpoint of a run of two epochs."""
    folder = tmp_path_factory.mktemp("saved")
    np.save(folder / "own.npy", np.random.default_rng(0).random((40, 4, 4)))
    run(folder, "train", "--data", "own.npy", *TINY, "--out", "run")
    return folder / "run" / "checkpoint.npz"


def edited(name, value):
    """What a hand changes in all rows of the history, or in the settings."""

    def edit(about):
        for row in about["history"] if name in about["history"][0] else [about["settings"]]:
            row[name] = value

    return edit


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (edited("activation", "nope"), "argument --activation: invalid choice: 'nope'"),
        (edited("decoder", {}), "argument --decoder: invalid choice: '{}'"),
        (edited("latent", True), "argument --latent: expected one argument"),
        (edited("latent", [2]), "holds settings that train.py does not take: latent [2]"),
        (edited("hidden", 8), "does not take: hidden 8"),
        (edited("epochs", None), "does not take: epochs None"),
        (edited("learning_rate", float("nan")), "does not take: learning_rate nan"),
        (edited("schedule", 3), "argument --schedule: wants N:RATE"),
        (edited("train_kl", float("nan")), "does not say where in its run"),
        (edited("test_kl", "x"), "does not say where in its run"),
        (edited("epoch", 1), "does not say where in its run"),
        (lambda about: about.update(history=[1, 2]), "does not say where in its run it was saved"),
        (lambda about: about.update(history=[{}, {}]), "does not say where in its run"),
        (lambda about: about.update(seconds=float("inf")), "does not say where in its run"),
        (lambda about: about["history"][0].update(more=1), "does not hold the history of a run"),
        (lambda about: about["history"][1].pop("test_kl"), "does not hold the history of a run"),
    ],
)
def test_a_checkpoint_edited_by_hand_is_refused_in_one_line(
    saved, tmp_path, error_of, edit, message
):
    about, arrays = read_checkpoint(saved)
    del about["format"]
    edit(about)
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run" / "checkpoint.npz", about, arrays)
    line = error_of(tmp_path, "--resume", "run", "--epochs", 3)
    assert "run/checkpoint.npz" in line
    assert message in line
