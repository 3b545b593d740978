"""demos/train.py stopped and resumed, as a user does it."""

import json
import os
import signal
import subprocess
from contextlib import contextmanager

import numpy as np
import pytest
from conftest import TINY, command, make_model, run

from demos import train
from vae_np import Adam, Trainer
from vae_np.checkpoints import read_checkpoint
from vae_np.objectives import ELBO
from vae_np.training.interrupt import Stop


@pytest.mark.slow
def test_resumed_run_equals_an_uninterrupted_one(stripes, error_of):
    options = ["--data", "stripes.npz", *TINY, "--binarize"]
    options += ["--schedule", "1:3e-3", "3:1e-4"]
    run(stripes, "train", *options, "--out", "short")
    message = error_of(stripes, "--resume", "short", "--epochs", 4, "--schedule", "1:3e-3")
    assert "has --schedule 1:0.003 3:0.0001, not 1:0.003: leave the option out" in message
    result = run(stripes, "train", "--resume", "short", "--epochs", 4)
    assert "Going on in short after 2 epochs" in result.stdout
    message = error_of(stripes, "--resume", "--out", "short")
    assert message.endswith("the run in short is complete: --epochs above 4 goes on")
    run(stripes, "train", *options, "--epochs", 4, "--out", "long")
    short, long = (checkpoint_arrays(stripes / f / "checkpoint.npz") for f in ("short", "long"))
    assert short.keys() == long.keys()
    for name in long:
        np.testing.assert_array_equal(short[name], long[name])
    summaries = [json.loads((stripes / f / "summary.json").read_text()) for f in ("short", "long")]
    assert summaries[0]["test_log_likelihood"] == summaries[1]["test_log_likelihood"]

    (stripes / "long" / "summary.json").unlink()  # killed after its last epoch
    run(stripes, "train", "--resume", "long")
    again = checkpoint_arrays(stripes / "long" / "checkpoint.npz")
    assert all(np.array_equal(again[name], long[name]) for name in long)
    summary = json.loads((stripes / "long" / "summary.json").read_text())
    assert summary["test_log_likelihood"] == summaries[1]["test_log_likelihood"]


WARM_UP = ["--data", "stripes.npz", *TINY, "--kl-weight", "2", "--kl-warm-up", "3"]
STEPS = 4  # an epoch: 64 images in minibatches of 20


@pytest.fixture
def trainers(stripes, monkeypatch):
    """Every Trainer of which a step was asked, in the folder with the stripes."""

    def train_step(trainer, *batch):
        seen.append(trainer)
        step(trainer, *batch)

    step, seen = Trainer._train_step, []
    monkeypatch.setattr(Trainer, "_train_step", train_step)
    monkeypatch.setattr(train, "draw_pictures", lambda *of: None)  # they take their time
    monkeypatch.chdir(stripes)
    return seen


def assert_goes_on_as_if_never_stopped():
    assert train.main(["--resume", "stopped", "--epochs", "4"]) == 0
    assert train.main([*WARM_UP, "--epochs", "4", "--out", "straight"]) == 0
    straight, stopped = (checkpoint_arrays(f"{f}/checkpoint.npz") for f in ("straight", "stopped"))
    assert straight.keys() == stopped.keys()
    for name in straight:
        np.testing.assert_array_equal(straight[name], stopped[name])


def test_the_kls_weight_rises_epoch_by_epoch_and_stays(trainers, monkeypatch):
    weights, elbo = [], ELBO.value_and_gradient

    def noted(objective, x, noise):
        weights.append(objective.kl_weight)
        return elbo(objective, x, noise)

    monkeypatch.setattr(ELBO, "value_and_gradient", noted)
    assert train.main([*WARM_UP, "--epochs", "5", "--out", "run"]) == 0
    assert weights == [w for w in (0, 2 * (1 / 3), 2 * (2 / 3), 2, 2) for _ in range(STEPS)]


def stopped_at(last_step, trainers, monkeypatch):
    step = Trainer._train_step

    def pressed(trainer, *batch):
        step(trainer, *batch)
        if len(trainers) == last_step:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "_train_step", pressed)
    assert train.main([*WARM_UP, "--epochs", "4", "--out", "stopped"]) == 130
    about, _ = read_checkpoint("stopped/checkpoint.npz")
    assert STEPS * about["epoch"] + about["step"] == last_step


@pytest.mark.parametrize("last_step", [1, 4, 6, 8])
def test_a_warm_up_that_was_stopped_goes_on_bit_for_bit(trainers, monkeypatch, last_step):
    stopped_at(last_step, trainers, monkeypatch)
    assert_goes_on_as_if_never_stopped()


def test_an_epoch_under_way_is_trained_to_its_end(trainers, monkeypatch):
    """Or its weights would stand beside the numbers of those before it."""
    stopped_at(6, trainers, monkeypatch)
    assert train.main(["--resume", "stopped", "--epochs", "1"]) == 0
    about, _ = read_checkpoint("stopped/checkpoint.npz")
    assert (about["epoch"], about["step"]) == (2, 0)


def test_a_warm_up_that_was_killed_between_two_epochs_goes_on_bit_for_bit(trainers, monkeypatch):
    """The epoch is counted, and the next one's weight not yet set."""

    @contextmanager
    def held(stop):
        with hold(stop):
            yield
        if len(trainers) == STEPS and trainers[-1].step == 0:
            trainers.append(None)  # once
            raise KeyboardInterrupt

    hold = Stop.held
    monkeypatch.setattr(Stop, "held", held)
    assert train.main([*WARM_UP, "--epochs", "4", "--out", "stopped"]) == 130
    assert read_checkpoint("stopped/checkpoint.npz")[0]["epoch"] == 1
    assert_goes_on_as_if_never_stopped()


def test_an_impatient_ctrl_c_keeps_the_steps_so_far(trainers, monkeypatch):
    """In the second epoch's evaluation: the epoch is not counted, and its steps are all made."""

    def pressed(*given, **more):
        for _ in range(2 * (trainers[-1].epoch == 1)):
            signal.raise_signal(signal.SIGINT)
        return evaluate(*given, **more)

    evaluate = train.evaluate_elbo
    monkeypatch.setattr(train, "evaluate_elbo", pressed)
    assert train.main([*WARM_UP, "--out", "stopped"]) == 130
    about, _ = read_checkpoint("stopped/checkpoint.npz")
    assert (about["epoch"], about["step"]) == (1, STEPS)


def test_ctrl_c_while_the_data_load_says_how_to_go_on(trainers, monkeypatch, capsys):
    def stop(name):
        raise KeyboardInterrupt

    assert train.main([*WARM_UP, "--out", "a/my run"]) == 0
    monkeypatch.setattr(train.datasets, "load", stop)
    assert train.main(["--resume", "a/my run", "--epochs", "9"]) == 130
    again = "python demos/train.py --resume 'a/my run' goes on from what was saved"
    assert capsys.readouterr().err == f"\nInterrupted: {again}.\n"


@pytest.mark.slow
def test_a_warm_up_is_the_elbos_and_its_own_runs(stripes, error_of):
    run(stripes, "train", *WARM_UP, "--out", "run")
    message = error_of(stripes, "--resume", "run", "--kl-warm-up", 5)
    assert "the run in run has --kl-warm-up 3, not 5: leave the option out" in message
    message = error_of(stripes, *WARM_UP[:-4], "--kl-warm-up", 3, "--objective", "sgvb-a")
    assert message.endswith("--kl-warm-up is the ELBO's: leave it out for sgvb-a")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one process")
def test_ctrl_c_keeps_what_was_trained(stripes):
    options = ["--data", "stripes.npz", *TINY, "--epochs", 100_000]
    process = subprocess.Popen(
        command("train", *options),
        cwd=stripes,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )
    with process:
        for line in process.stdout:
            if line.startswith("epoch 3 "):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == 130
    assert "To go on:\n  python demos/train.py --resume runs/stripes" in rest
    out = stripes / "runs" / "stripes"
    for name in ("checkpoint.npz", "history.csv", "samples.png", "learning_curves.png"):
        assert (out / name).stat().st_size > 0
    assert not (out / "summary.json").exists()
    with np.load(out / "checkpoint.npz") as file:
        done = json.loads(str(file["about"]))["epoch"]
    assert done >= 3
    result = run(stripes, "train", "--resume", "--data", "stripes.npz", "--epochs", done + 2)
    assert "Going on in runs/stripes" in result.stdout
    assert (out / "summary.json").exists()
    assert f"epoch {done + 2} " in result.stdout


@pytest.mark.slow
def test_resuming_with_other_settings_or_a_broken_checkpoint(stripes, error_of):
    options = ["--data", "stripes.npz", *TINY, "--out", "r"]
    run(stripes, "train", *options)
    message = error_of(stripes, "--resume", "--out", "r", "--latent", 5)
    assert "the run in r has --latent 2, not 5" in message
    whole = (stripes / "r/checkpoint.npz").read_bytes()
    (stripes / "r/checkpoint.npz").write_bytes(whole[:1000])
    assert "cut short" in error_of(stripes, "--resume", "--out", "r")


@pytest.mark.slow
def test_a_run_whose_data_file_was_moved_can_be_resumed(stripes, error_of):
    run(stripes, "train", "--data", "stripes.npz", *TINY, "--out", "r")
    (stripes / "stripes.npz").rename(stripes / "moved.npz")
    again = ["--resume", "--out", "r", "--epochs", 3]
    assert "stripes.npz: No such file" in error_of(stripes, *again)
    np.savez(stripes / "other.npz", x=np.zeros((80, 4, 4)))
    assert "checksum of the training images" in error_of(stripes, *again, "--data", "other.npz")
    run(stripes, "train", *again, "--data", "moved.npz", "--learning-rate", 0.001)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="terminals and pipes end otherwise on Windows")
@pytest.mark.parametrize("ends", ["pipe", "openpty"])
def test_a_run_goes_on_when_its_reader_or_its_terminal_is_gone(stripes, ends):
    """A reader such as `tee` hears the Ctrl-C too, and is gone when the run says its last words."""
    reader, writer = getattr(os, ends)()
    process = subprocess.Popen(
        command("train", "--data", "stripes.npz", *TINY, "--epochs", 100_000, "--out", "run"),
        cwd=stripes,
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    os.close(writer)
    said = b""
    while b"epoch 3 " not in said:
        said += os.read(reader, 1000)
    os.close(reader)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (130, b"")
    assert read_checkpoint(stripes / "run" / "checkpoint.npz")[0]["epoch"] >= 3
    assert (stripes / "run" / "samples.png").exists()


@pytest.mark.slow
def test_resume_takes_the_run_that_was_saved_last(stripes):
    options = ["--data", "stripes.npz", *TINY, "--epochs", 1]
    for out in ("runs/stripes-7", "runs/stripes", "runs/stripes-3"):
        run(stripes, "train", *options, "--out", out)
    result = run(stripes, "train", "--resume", "--data", "stripes.npz", "--epochs", 2)
    assert "Going on in runs/stripes-3" in result.stdout


def test_a_checkpoint_of_another_program_is_not_resumed(stripes, error_of):
    model = make_model()
    trainer = Trainer(model, Adam(model.parameters), np.zeros((5, 6)))
    for number, own in enumerate(({"note": "x"}, ["a list"], None)):
        (stripes / f"run{number}").mkdir()
        trainer.save(stripes / f"run{number}" / "checkpoint.npz", own)
        message = error_of(stripes, "--resume", "--out", f"run{number}")
        assert message.endswith(
            "checkpoint.npz was not written by this program, or by another version of it"
        )


def checkpoint_arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name != "about"}


@pytest.mark.slow
def test_a_resumed_run_keeps_its_threads_or_says_what_changes(stripes):
    options = ["--data", "stripes.npz", *TINY, "--out", "run"]
    assert (
        "examples per second, 2 threads" in run(stripes, "train", *options, "--threads", 2).stdout
    )
    for more, threads, said in (([], 2, False), (["--threads", 1], 1, True)):
        epochs = 3 if not more else 4
        result = run(stripes, "train", "--resume", "--out", "run", "--epochs", epochs, *more)
        assert ("It goes on with --threads 1, not 2: the results may" in result.stdout) == said
        summary = json.loads((stripes / "run" / "summary.json").read_text())
        assert summary["threads"] == threads
