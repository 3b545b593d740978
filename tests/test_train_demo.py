"""demos/train.py as a user types it: mostly in a process of its own, in an empty folder."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import train
import train_options
from conftest import command, make_model, run

from vae_np import Adam, Trainer
from vae_np.checkpoints import write_checkpoint
from vae_np.evaluation import evaluate_bound
from vae_np.layers import Linear

TINY = ["--epochs", "2", "--hidden", "8", "--latent", "2", "--batch-size", "20"]


@pytest.fixture
def error_of(monkeypatch, capsys):
    """The last line of train.py's complaint; in this process, because there are many."""

    def last_line(cwd, *options):
        monkeypatch.chdir(cwd)
        try:
            status = train.main([str(option) for option in options])
        except SystemExit as leaving:  # argparse's own
            status = leaving.code
        assert status == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    return last_line


@pytest.fixture
def stripes(tmp_path, rng):
    x = np.tile(np.repeat(np.eye(2), 8, axis=1), (40, 1)) * 0.9 + 0.05
    np.savez(tmp_path / "stripes.npz", x=x.reshape(80, 4, 4))
    return tmp_path


def test_train_writes_everything_it_says(stripes):
    result = run(stripes, "train", "--data", "stripes.npz", *TINY)
    out = stripes / "runs" / "stripes"
    assert str(out.relative_to(stripes)) in result.stdout.splitlines()[-1]
    assert {path.name for path in out.iterdir()} == {
        "summary.json",
        "history.csv",
        "checkpoint.npz",
        "learning_curves.png",
        "reconstructions.png",
        "samples.png",
        "manifold.png",
        "latent_space.png",
    }
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    with open(out / "history.csv", encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert summary["test_bound"] == float(history[-1]["test_bound"])
    assert summary["train_bound"] == float(history[-1]["train_bound"])
    assert summary["test_bound"] - 0.5 < summary["test_log_likelihood"] < 0
    assert summary["examples_per_second"] == pytest.approx(2 * 64 / summary["seconds"])
    assert summary["settings"]["hidden"] == [8]
    for row in history:
        parts = [float(row[f"test_{part}"]) for part in ("bound", "reconstruction", "kl")]
        assert parts[0] == pytest.approx(parts[1] - parts[2])
    assert f"{summary['test_bound']:.2f}" in result.stdout


@pytest.mark.parametrize(
    "options",
    [
        ["--binarize", "--samples", 3, "--activation", "relu", "--hidden", 8, 6],
        ["--decoder", "gaussian", "--optimizer", "adagrad", "--weight-prior", "--init", "paper"],
        ["--decoder", "gaussian", "--noise", "learned", "--optimizer", "sgd", "--kl-weight", 0],
        ["--decoder", "gaussian", "--noise", "fixed", "--activation", "softplus", "--latent", 3],
    ],
)
def test_train_takes_every_option(stripes, options):
    run(stripes, "train", "--data", "stripes.npz", *TINY, *options)


@pytest.mark.slow
def test_a_second_run_never_destroys_the_first(stripes, error_of):
    options = ["--data", "stripes.npz", *TINY]
    run(stripes, "train", *options)
    first = (stripes / "runs/stripes/summary.json").read_bytes()
    second = run(stripes, "train", *options, "--seed", 1)
    assert "Results go to runs/stripes-2, beside an earlier run." in second.stdout
    assert "wants --out FOLDER" in error_of(stripes, *options, "--overwrite")
    message = error_of(stripes, *options, "--out", "runs/stripes")
    assert "--resume goes on with it, --overwrite replaces it" in message
    assert (stripes / "runs/stripes/summary.json").read_bytes() == first
    diverging = ["--optimizer", "sgd", "--learning-rate", 1e30]
    error_of(stripes, *options, *diverging, "--out", "runs/stripes", "--overwrite")
    assert (stripes / "runs/stripes/summary.json").read_bytes() == first
    run(stripes, "train", *options, "--latent", 3, "--out", "runs/stripes", "--overwrite")
    assert (stripes / "runs/stripes/summary.json").read_bytes() != first
    assert not (stripes / "runs/stripes/manifold.png").exists()  # the old run's, with 2 latents


def checkpoint_arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name != "about"}


def test_resumed_run_equals_an_uninterrupted_one(stripes, error_of):
    options = ["--data", "stripes.npz", *TINY, "--binarize"]
    run(stripes, "train", *options, "--out", "short")
    result = run(stripes, "train", "--resume", "--epochs", 4, "--out", "short")
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
    assert "To go on:\n  python demos/train.py --resume --out runs/stripes" in rest
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


def test_divergence_names_the_step_and_keeps_the_checkpoint(stripes, error_of):
    options = ["--data", "stripes.npz", *TINY, "--optimizer", "sgd"]
    message = error_of(stripes, *options, "--learning-rate", 1e30)
    assert "the bound is not finite at step 2 (epoch 1)" in message
    assert message.endswith("nothing was saved")
    run(stripes, "train", *options, "--learning-rate", 1e-6, "--out", "good")
    # The same run goes on into divergence: its weights are made huge behind its back.
    path = stripes / "good" / "checkpoint.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["decoder"][:] = 1e38
    np.savez(path, **arrays)
    before = path.read_bytes()
    message = error_of(stripes, "--resume", "--epochs", 5, "--out", "good")
    assert message.endswith("what was saved last is good/checkpoint.npz")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "missing.npz"], "missing.npz: No such file"),
        (["--data", "cifar"], "data must be one of mnist5k, mnist, frey or the path"),
        (["--latent", "0"], "wants a whole number of at least 1, got '0'"),
        (["--hidden", "five"], "wants a whole number of at least 1, got 'five'"),
        (["--learning-rate", "0"], "learning_rate must be a finite number > 0, got 0.0"),
        (["--learning-rate", "nan"], "learning_rate must be a finite number > 0, got nan"),
        (["--kl-weight", "-1"], "wants a number of at least 0, got '-1'"),
        (["--noise", "fixed"], "--noise is the Gaussian decoder's"),
        (["--decoder", "gaussian", "--binarize"], "need a Bernoulli decoder"),
        (["--resume"], "there is no run in runs to resume"),
        (["--resume", "--data", "mnist"], "there is no run on mnist in runs to resume"),
        (["--samples", 10**18], "wants a whole number of at most 2147483647, got '1000000"),
        (["--resume", "--out", "nowhere"], "there is no checkpoint at nowhere/checkpoint.npz"),
        (["--resume", "--overwrite"], "not allowed with argument"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, error_of, options, message):
    assert message in error_of(tmp_path, *options)
    assert not (tmp_path / "runs").exists()


def test_resuming_with_other_settings_or_a_broken_checkpoint(stripes, error_of):
    options = ["--data", "stripes.npz", *TINY, "--out", "r"]
    run(stripes, "train", *options)
    message = error_of(stripes, "--resume", "--out", "r", "--latent", 5)
    assert "the run in r has --latent 2, not 5" in message
    whole = (stripes / "r/checkpoint.npz").read_bytes()
    (stripes / "r/checkpoint.npz").write_bytes(whole[:1000])
    assert "cut short" in error_of(stripes, "--resume", "--out", "r")


def test_a_run_whose_data_file_was_moved_can_be_resumed(stripes, error_of):
    run(stripes, "train", "--data", "stripes.npz", *TINY, "--out", "r")
    (stripes / "stripes.npz").rename(stripes / "moved.npz")
    again = ["--resume", "--out", "r", "--epochs", 3]
    assert "stripes.npz: No such file" in error_of(stripes, *again)
    np.savez(stripes / "other.npz", x=np.zeros((80, 4, 4)))
    assert "checksum of the training images" in error_of(stripes, *again, "--data", "other.npz")
    run(stripes, "train", *again, "--data", "moved.npz", "--learning-rate", 0.001)


def test_the_latest_run_is_that_of_the_data_that_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, (name, data) in enumerate((("foo", "foo"), ("foo-2", "foo-2"), ("a[1]", "a[1]"))):
        path = tmp_path / "runs" / name / "checkpoint.npz"
        path.parent.mkdir(parents=True)
        write_checkpoint(path, {"settings": {"data": data}}, {})
        os.utime(path, (i, i))
    for data, name in (("foo", "foo"), ("a[1]", "a[1]"), (None, "a[1]")):
        assert train_options.latest_run(data) == Path("runs") / name


def test_pictures_of_your_own_are_never_deleted(stripes, error_of):
    (stripes / "mine").mkdir()
    (stripes / "mine" / "samples.png").write_text("a photograph")
    message = error_of(stripes, "--data", "stripes.npz", *TINY, "--out", "mine")
    assert "--out mine holds another run's samples.png" in message
    assert (stripes / "mine" / "samples.png").read_text() == "a photograph"


def test_ctrl_c_before_training_is_no_traceback(tmp_path, monkeypatch, capsys):
    def stop(name):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train.datasets, "load", stop)
    assert train.main(["--epochs", "1"]) == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise on Windows")
def test_a_reader_that_leaves_stops_the_run_and_leaves_a_checkpoint(stripes):
    process = subprocess.Popen(
        command("train", "--data", "stripes.npz", *TINY, "--epochs", 100_000, "--out", "my run"),
        cwd=stripes,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
        encoding="utf-8",
    )
    with process:
        next(line for line in process.stdout if line.startswith("epoch"))
        process.stdout.close()
        message = process.stderr.read()
    assert process.returncode == 130
    assert "--resume --out 'my run' goes on from what was saved" in message
    assert "Traceback" not in message
    assert (stripes / "my run" / "checkpoint.npz").exists()


def test_out_that_cannot_be_a_folder(stripes, error_of):
    (stripes / "file").write_text("mine")
    message = error_of(stripes, "--data", "stripes.npz", *TINY, "--out", "file")
    assert message.endswith("--out file is a file, not a folder")
    assert (stripes / "file").read_text() == "mine"


def test_gpu_without_one_is_refused(tmp_path, error_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # makes `import cupy` an ImportError
    message = error_of(tmp_path, "--device", "gpu")
    assert message.startswith('train.py: error: device "gpu" needs CuPy')


@pytest.mark.parametrize("demo", ["train", "gradient_check"])
def test_a_terminal_without_greek_letters(tmp_path, demo):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command(demo, "--help"), cwd=tmp_path, env=environment)
    assert result.returncode == 0


def test_a_bug_shows_its_traceback(stripes, monkeypatch):
    """A reader who breaks the source sees where."""
    monkeypatch.chdir(stripes)
    monkeypatch.setattr(Linear, "backward", lambda self, dy: dy @ self.weight)
    with pytest.raises(ValueError, match="matmul"):
        train.main(["--data", "stripes.npz", *TINY])


@pytest.mark.slow
def test_resume_takes_the_run_that_was_saved_last(stripes):
    options = ["--data", "stripes.npz", *TINY, "--epochs", 1]
    for out in ("runs/stripes-7", "runs/stripes", "runs/stripes-3"):
        run(stripes, "train", *options, "--out", out)
    result = run(stripes, "train", "--resume", "--data", "stripes.npz", "--epochs", 2)
    assert "Going on in runs/stripes-3" in result.stdout


@pytest.mark.parametrize("demo", ["train", "gradient_check"])
def test_help_teaches(tmp_path, demo):
    text = run(tmp_path, demo, "--help").stdout
    options = [line for line in text.splitlines() if line.startswith("  --")]
    assert len(options) >= 3
    assert "default" in text


@pytest.mark.slow
def test_default_run_learns(tmp_path):
    started = time.monotonic()
    run(tmp_path, "train")
    summary = json.loads((tmp_path / "runs/mnist5k/summary.json").read_text(encoding="utf-8"))
    assert summary["test_bound"] >= -114
    assert summary["test_log_likelihood"] > summary["test_bound"] + 3
    print(f"{time.monotonic() - started:.0f} s")


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


def test_the_test_bound_is_of_the_training_bounds_kind(stripes, monkeypatch, capsys):
    evaluated = []

    def record(model, images, **options):
        evaluated.append((model.bound_name, options["n_draws"]))
        return evaluate_bound(model, images, **options)

    monkeypatch.chdir(stripes)
    monkeypatch.setattr(train, "evaluate_bound", record)
    options = ["--data", "stripes.npz", *TINY, "--bound", "importance-weighted", "--samples", "3"]
    assert train.main(options) == 0
    assert set(evaluated) == {("importance-weighted", 3)}
    assert "which is not the KL of q here" in capsys.readouterr().out
