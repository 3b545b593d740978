"""demos/train.py as a user types it: mostly in a process of its own, in an empty folder."""

import csv
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import TINY, command, run

from demos import train
from demos.training import report
from demos.training.options import OBJECTIVES
from demos.training.run import CHECKPOINT, HISTORY, PICTURES, SUMMARY, check_free, parse
from vae_np.evaluation import evaluate_elbo
from vae_np.layers import Linear
from vae_np.objectives import ImportanceWeighted
from vae_np.optimizers import OPTIMIZERS
from vae_np.training.trainer import Trainer


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
    assert summary["test_elbo"] == float(history[-1]["test_elbo"])
    assert summary["train_elbo"] == float(history[-1]["train_elbo"])
    assert summary["test_elbo"] - 0.5 < summary["test_log_likelihood"] < 0
    assert summary["examples_per_second"] == pytest.approx(2 * 64 / summary["seconds"])
    assert summary["settings"]["hidden"] == [8]
    for row in history:
        parts = [float(row[f"test_{part}"]) for part in ("elbo", "reconstruction", "kl")]
        assert parts[0] == pytest.approx(parts[1] - parts[2])
    assert f"{summary['test_elbo']:.2f}" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["--binarize", "--samples", 3, "--activation", "relu", "--hidden", 8, 6],
        ["--decoder", "gaussian", "--optimizer", "adagrad", "--weight-prior", "--init", "paper"],
        ["--decoder", "gaussian", "--noise", "learned", "--optimizer", "sgd", "--kl-weight", 0],
        ["--decoder", "gaussian", "--noise", "fixed", "--activation", "softplus", "--latent", 3],
        ["--objective", "score-function", "--samples", 2],
        ["--objective", "wake-sleep", "--schedule", "1:1e-4"],
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
    (stripes / "runs/stripes/checkpoint.npz").unlink()  # no run to go on with is promised
    message = error_of(stripes, *options, "--out", "runs/stripes")
    assert message.endswith("holds another run's history.csv: --overwrite replaces it")
    diverging = ["--optimizer", "sgd", "--learning-rate", 1e30]
    error_of(stripes, *options, *diverging, "--out", "runs/stripes", "--overwrite")
    assert not (stripes / "runs/stripes/summary.json").exists()  # gone before the new one starts
    run(stripes, "train", *options, "--latent", 3, "--out", "runs/stripes", "--overwrite")
    assert (stripes / "runs/stripes/summary.json").read_bytes() != first
    assert not (stripes / "runs/stripes/manifold.png").exists()  # the old run's, with 2 latents


@pytest.mark.slow
def test_divergence_names_the_step_and_keeps_the_checkpoint(stripes, error_of):
    options = ["--data", "stripes.npz", *TINY, "--optimizer", "sgd"]
    message = error_of(stripes, *options, "--learning-rate", 1e30)
    assert "the ELBO is not finite at step 2 (epoch 1)" in message
    assert message.endswith("what was saved last is runs/stripes/checkpoint.npz")
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
        (["--learning-rate", "-0.1"], "learning_rate must be a finite number > 0, got -0.1"),
        (["--learning-rate", "nan"], "learning_rate must be a finite number > 0, got nan"),
        (["--kl-weight", "-1"], "wants a number of at least 0, got '-1'"),
        (["--noise", "fixed"], "--noise is the Gaussian decoder's"),
        (["--decoder", "gaussian", "--binarize"], "need a Bernoulli decoder"),
        (["--resume"], "there is no run in runs to resume"),
        (["--resume", "--data", "mnist"], "there is no run on mnist in runs to resume"),
        (["--samples", 10**18], "wants a whole number of at most 2147483647, got '1000000"),
        (
            ["--resume", "--out", "nowhere"],
            "there is no nowhere/checkpoint.npz: leave",
        ),
        (["--resume", "--overwrite"], "not allowed with argument"),
        (["--epoks", "3"], "error: unrecognized arguments: --epoks 3; did you mean --epochs?"),
        (["--resume", "a", "--out", "b"], "--resume a and --out b are two folders"),
        (["--resume", "nowhere"], "there is no nowhere/checkpoint.npz: leave"),
        (["--schedule", "40"], "wants N:RATE, from which epoch on which step size"),
        (["--schedule", "0:1e-4"], "N is at least 1, and what holds before is --learning-rate"),
        *((["--schedule", f"9:{rate}"], "wants N:RATE") for rate in ("nan", "inf", "0", "-1")),
        (["--schedule", "9:1e-4", "3:1e-5"], "--schedule wants epochs that rise, got 9:0.0001 3:"),
        (["--objective", "sleep"], "invalid choice: 'sleep'"),
        (["--objective", "score-function"], "add --samples 2 or more"),
        (["--objective", "sgvb-a", "--kl-weight", "2"], "--kl-weight is the ELBO's"),
        (["--objective", "sgvb-a", "--kl-weight", "0.5"], "it must be 1 for sgvb-a"),
        (["--objective", "sgvb-a", "--kl-warm-up", "1"], "--kl-warm-up is the ELBO's"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, error_of, options, message):
    error = error_of(tmp_path, *options)
    assert ": error: " in error and message in error
    assert not (tmp_path / "runs").exists()


def test_pictures_of_your_own_are_never_deleted(stripes, error_of):
    (stripes / "mine").mkdir()
    (stripes / "mine" / "samples.png").write_text("a photograph")
    message = error_of(stripes, "--data", "stripes.npz", *TINY, "--out", "mine")
    assert "--out mine holds another run's samples.png" in message
    assert (stripes / "mine" / "samples.png").read_text() == "a photograph"


def test_each_file_of_another_run_keeps_its_folder(tmp_path):
    for name in (CHECKPOINT, HISTORY, SUMMARY, *PICTURES):
        (tmp_path / name).touch()
        with pytest.raises(ValueError, match=f"holds another run's {name}: "):
            check_free(tmp_path)
        (tmp_path / name).unlink()
    check_free(tmp_path)


@pytest.mark.parametrize(
    ("moment", "kept"), [("make_trainer", ""), ("train", "; nothing was saved")]
)
@pytest.mark.parametrize("text", ["Unable to allocate 9 GiB", ""])
def test_a_full_memory_is_said_in_one_line(stripes, error_of, monkeypatch, moment, kept, text):
    def full(*of):
        raise MemoryError(text)

    monkeypatch.setattr(train, moment, full)
    message = error_of(stripes, "--data", "stripes.npz", *TINY)
    assert message == f"train.py: error: {text or 'the memory is full'}{kept}"
    assert not (stripes / "runs/stripes").exists()


@pytest.mark.parametrize("options", [[], ["--out", "new"], ["--out", "empty"]])
def test_ctrl_c_before_training_is_no_traceback(tmp_path, monkeypatch, capsys, options):
    def stop(name):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train.datasets, "load", stop)
    (tmp_path / "empty").mkdir()
    assert train.main(["--epochs", "1", *options]) == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"


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


@pytest.mark.parametrize("demo", ["train", "gradient_check"])
def test_help_teaches(tmp_path, demo):
    text = run(tmp_path, demo, "--help").stdout
    options = [line for line in text.splitlines() if line.startswith("  --")]
    assert len(options) >= 3
    assert "default" in text
    assert "--schedule N:RATE" in text or demo != "train"


def test_an_objective_and_an_optimizer_are_what_their_names_say():
    for name, objective in OBJECTIVES.items():
        assert name.replace("-", "") == objective.__name__.replace("_", "").lower()
    for name, optimizer in OPTIMIZERS.items():
        assert name == optimizer.__name__.lower()
        args, _ = parse(["--optimizer", name], "What?\n\nSo.")
        assert args.learning_rate == optimizer.default_learning_rate


@pytest.mark.slow
def test_default_run_learns(tmp_path):
    started = time.monotonic()
    run(tmp_path, "train")
    summary = json.loads((tmp_path / "runs/mnist5k/summary.json").read_text(encoding="utf-8"))
    assert summary["test_elbo"] >= -114
    assert summary["test_log_likelihood"] > summary["test_elbo"] + 3
    print(f"{time.monotonic() - started:.0f} s")


@pytest.mark.parametrize("n_draws", [1, 3])
def test_the_test_bound_is_of_the_training_bounds_kind(stripes, monkeypatch, capsys, n_draws):
    evaluated = []

    def record(model, images, **options):
        evaluated.append((type(options["objective"]), options["n_draws"]))
        return evaluate_elbo(model, images, **options)

    titles = []
    monkeypatch.chdir(stripes)
    monkeypatch.setattr(
        report.figures, "learning_curves", lambda history, path, kl: titles.append(kl)
    )
    monkeypatch.setattr(train, "evaluate_elbo", record)
    options = ["--data", "stripes.npz", *TINY, "--objective", "importance-weighted", "--samples"]
    assert train.main([*options, f"{n_draws}"]) == 0
    assert set(evaluated) == {(ImportanceWeighted, n_draws)}
    assert titles == ["Reconstruction − bound"]
    said = capsys.readouterr().out
    assert "which is not the KL of q here" in said
    assert ("of one draw this bound is the ELBO" in said) == (n_draws == 1)


@pytest.mark.parametrize("own", [True, False])
def test_only_a_folder_that_the_run_has_made_goes_when_nothing_was_saved(
    stripes, error_of, monkeypatch, own
):
    def full(*of):
        raise OSError("the disk is full")

    (stripes / "mine").mkdir()
    monkeypatch.setattr(Trainer, "save", full)
    options = ["--out", "mine"] if own else []
    message = error_of(stripes, "--data", "stripes.npz", *TINY, *options)
    assert message.endswith("the disk is full; nothing was saved")
    assert (stripes / "mine").is_dir() and not (stripes / "runs/stripes").exists()
