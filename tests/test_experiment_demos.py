"""The experiments: that each runs, draws and reports; what they find is in demos/results."""

import argparse
import importlib
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DEMOS, command, run

from demos.__main__ import scripts
from demos.common import command_line, experiment_options, findings, posteriors

EXPERIMENTS, OF_THE_PAPER = (
    [path.stem for path, _ in scripts() if path.parent.name == folder]
    for folder in ("questions", "paper")
)


@pytest.mark.slow
def test_demos_that_train_side_by_side_run_as_typed(tmp_path):
    result = run(tmp_path, "full_bayes", "--samples", 1, "--out", "out")
    assert result.stdout.strip().endswith("The picture and summary.json are in out")
    assert (tmp_path / "out" / "full_bayes.png").stat().st_size > 10_000


def test_the_gap_closes_at_the_maximum_likelihood_solution():
    summary = json.loads((DEMOS / "results" / "the_gap.json").read_text(encoding="utf-8"))
    last = summary["points"][-1]
    assert summary["largest_identity_error"] < 1e-9
    assert summary["largest_relative_variance_error"] < 0.02
    assert 0 < summary["maximum_log_likelihood"] - last["log_px"] < 0.05
    assert last["gap"] < 0.01 < summary["points"][0]["gap"]


@pytest.mark.slow
def test_a_second_run_goes_to_a_folder_of_its_own(tmp_path):
    for folder in ("the_gap", "the_gap-2"):
        result = run(tmp_path, "the_gap", "--epochs", 1)
        assert result.stdout.strip().endswith(f"runs/{folder}")
    run(tmp_path, "the_gap", "--epochs", 1, "--out", "runs/the_gap-2")  # its own: replaced


@pytest.mark.slow
def test_what_cannot_be_had_is_said_in_one_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "summary.json").write_text('{"test_elbo": -100}')
    for options, message in (
        (["--epochs", 0], "argument --epochs: wants a whole number of at least 1, got '0'"),
        (["--seed", "x"], "argument --seed: wants a whole number of at least 0, got 'x'"),
        (["--out", "file"], "the_gap.py: error: --out file is a file, not a folder"),
        (["--out", "file/folder"], "error: cannot make the folder file/folder: Not a directory"),
        (["--out", ""], "error: argument --out: wants a name, got nothing"),
        (["--out", "mine"], "error: --out mine holds a summary.json of another program: choose"),
    ):
        result = run(tmp_path, "the_gap", *options, status=2)
        assert message in result.stderr.splitlines()[-1]


def test_a_run_of_train_is_left_alone(tmp_path):
    """Stopped in the middle, it has no summary."""
    (tmp_path / "checkpoint.npz").touch()
    with pytest.raises(ValueError, match=r"holds a run of train\.py: choose another folder"):
        findings.check_owner(tmp_path, "the_gap")


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"experiment": "why_q"}'])
def test_another_programs_summary_is_left_alone(tmp_path, content):
    (tmp_path / "summary.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"holds a summary.json of (another program|why_q)"):
        findings.check_owner(tmp_path, "the_gap")
    if b"why_q" in content:
        findings.check_owner(tmp_path, "why_q")


def test_a_summary_of_train_is_known_without_its_checkpoint(tmp_path):
    (tmp_path / "summary.json").write_text('{"settings": {}}')
    with pytest.raises(ValueError, match=r"holds a run of train\.py: choose another folder"):
        findings.check_owner(tmp_path, "the_gap")


@pytest.mark.parametrize("option", ["--overwrite", "--resume", None])
def test_an_experiments_results_are_left_alone_by_train(tmp_path, error_of, option):
    (tmp_path / "summary.json").write_text('{"experiment": "why_q"}')
    message = error_of(tmp_path, "--out", tmp_path, *([option] if option else []))
    assert message.endswith("holds a summary.json of why_q: choose another folder")


def test_a_folder_without_permission_is_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # but root may
    with pytest.raises(OSError, match=r"cannot write into .*/locked"):
        command_line.make_folder(tmp_path / "locked")


def test_a_closed_terminal_is_no_error(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    command_line.prepare_streams()
    with sys.stdout, sys.stderr:
        print("to nobody")
        print("to nobody", file=sys.stderr)


def test_a_notebooks_streams_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr(sys, "stdout", object())
    command_line.prepare_streams()


def test_epochs_without_end_are_refused_before_the_memory_is_full(capsys):
    with pytest.raises(SystemExit):
        experiment_options.make_parser("", epochs=5).parse_args(["--epochs", "1e9"])
    assert "wants a whole number of at most 1000000, got '1e9'" in capsys.readouterr().err


def test_two_runs_at_once_have_a_folder_each(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: False)  # both look before either makes one
    base = tmp_path / "runs" / "mine"
    assert command_line.make_free_folder(base) == base
    assert command_line.make_free_folder(base) == tmp_path / "runs" / "mine-2"
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match=r"cannot make the folder .*file.mine: Not a directory"):
        command_line.make_free_folder(tmp_path / "file" / "mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")  # it looked for a free name without end
    with pytest.raises(OSError, match=r"cannot make the folder .*link.mine: .*link is no folder"):
        command_line.make_free_folder(tmp_path / "link" / "mine")


def test_a_folder_with_something_in_it_is_never_discarded(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").write_text("")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "full", tmp_path / "empty", tmp_path / "missing"):
        command_line.discard_if_empty(path)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pipe2"), reason="the shell's pipes are a Unix's")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_results_are_written_though_nobody_reads_on(tmp_path, unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        command("tug_of_war", "--epochs", 1, "--out", "out"),  # it prints on the way too
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "out" / "summary.json").exists()


def test_whole_numbers_are_exact():
    assert experiment_options.natural("9007199254740993") == 9007199254740993
    assert experiment_options.natural("1e6") == 1_000_000
    for text in ("1.5", "nan", "inf", "-1", "one", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="wants a whole number of at least 0"):
            experiment_options.natural(text)
    with pytest.raises(argparse.ArgumentTypeError, match="wants a whole number of at most 9, got"):
        command_line.number(int, 0, 9)("10")
    assert command_line.number(int, 0, 9)("9") == 9
    assert command_line.number(float, 0)("0.5") == 0.5


@pytest.mark.parametrize(
    "name",
    [f"questions.{name}" for name in EXPERIMENTS] + [f"paper.{name}" for name in OF_THE_PAPER],
)
def test_help_teaches(name, capsys):
    module = importlib.import_module(f"demos.{name}")
    with pytest.raises(SystemExit):
        experiment_options.make_parser(module.__doc__, samples=1).parse_args(["--help"])
    assert len(capsys.readouterr().out.split("options:")[0]) > 400


def test_r_hat_is_one_where_chains_agree_and_large_where_they_do_not(rng):
    draws = rng.standard_normal((5000, 4, 2))
    assert posteriors.r_hat(draws) == pytest.approx(1, abs=0.01)
    draws[:, :2, 1] += 2  # two chains of four are elsewhere, in one latent
    assert posteriors.r_hat(draws) == pytest.approx(math.sqrt(1 + 4 / 3), rel=0.02)


def test_an_experiment_draws_no_picture_into_another_runs_folder(tmp_path, monkeypatch, capsys):
    """runs/the_gap was moved while it worked; the run that is there now has drawn nothing yet."""
    pytest.importorskip("fcntl")

    def experiment(args):
        args.out.rename(tmp_path / "moved")
        Path("runs/the_gap").mkdir()
        (args.out / "the_gap.png").touch()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["the_gap.py"])
    assert findings.run(experiment, "Why?\n\nSo.") == 2
    said = "runs/the_gap was moved or removed: nothing more is written there"
    assert capsys.readouterr().err == f"the_gap.py: error: {said}\n"
    assert list(Path("runs/the_gap").glob("*")) == []
    assert Path("runs/the_gap").exists()  # empty, but not ours to remove


@pytest.mark.parametrize("own_folder", [True, False])
def test_an_interrupted_experiment_discards_its_own_empty_folder_alone(
    tmp_path, monkeypatch, capsys, own_folder
):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    arguments = [] if own_folder else ["--out", "mine"]
    monkeypatch.setattr(sys, "argv", ["the_gap.py", *arguments])
    assert findings.run(interrupted, "Why?\n\nBecause.", epochs=1) == 130
    assert capsys.readouterr().err == "\nInterrupted: nothing was saved.\n"
    assert (tmp_path / "mine").exists()
    assert not (tmp_path / "runs" / "the_gap").exists()


@pytest.mark.parametrize("epochs", [1, 4, 5])
def test_findings_of_few_epochs_are_marked_so(tmp_path, monkeypatch, capsys, epochs):
    def experiment(args):
        return {"gap": 1.0}, "The gap has closed."

    monkeypatch.setattr(
        sys, "argv", ["the_gap.py", "--epochs", f"{epochs}", "--out", f"{tmp_path}"]
    )
    assert findings.run(experiment, "Why?\n\nBecause.", epochs=10) == 0
    said = [" ".join(capsys.readouterr().out.split())]
    said.append(json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["findings"])
    after = f"After {epochs} epoch{'s' * (epochs != 1)} instead of 10"
    caution = f"{after} the models may not have learned enough: the numbers"
    assert [caution in text for text in said] == 2 * [epochs < 5]
    assert all("The gap has closed." in text for text in said)


def test_findings_keep_their_paragraphs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["the_gap.py", "--out", f"{tmp_path}"])
    said = "The gap has closed.", "The rest is " + "long " * 50 + "to tell."
    assert findings.run(lambda args: ({}, "\n\n".join(said)), "Why?\n\nSo.", epochs=1) == 0
    _, question, *printed, last = capsys.readouterr().out.strip().split("\n\n")
    assert [" ".join(part.split()) for part in printed] == list(said)
    assert max(map(len, printed[1].splitlines())) <= findings.WIDTH
    assert question == "So." and last.startswith("The picture")


def test_an_unfinished_run_goes_on_in_its_folder(tmp_path):
    base = tmp_path / "figure"
    assert findings.unfinished_folder(base) == base
    base.mkdir()
    assert findings.unfinished_folder(base) == base
    (base / "summary.json").write_text("{}")
    assert findings.unfinished_folder(base) == tmp_path / "figure-2"


def test_a_folder_is_claimed_by_one_experiment(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["the_gap.py", "--out", "mine"])
    (tmp_path / "mine").mkdir()
    with command_line.claimed(tmp_path / "mine"):
        assert findings.run(None, "Why?\n\nBecause.", epochs=1) == 2
    assert "another run is writing to mine: choose another --out" in capsys.readouterr().err
    for name in (f"vae_np-{'0f' * 16}.part", f"{'0f' * 16}.part", "my.part"):  # one is ours
        (tmp_path / "mine" / name).touch()
    assert findings.run(lambda args: (None, "Seen."), "Why?\n\nBecause.", epochs=1) == 0
    left = {path.name for path in (tmp_path / "mine").iterdir()}
    assert left == {f"{'0f' * 16}.part", "my.part"}


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_kill_or_a_closed_terminal_is_heard_by_an_experiment(tmp_path, monkeypatch, capsys, name):
    before = signal.getsignal(getattr(signal, name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["the_gap.py"])

    def killed(args):
        assert signal.getsignal(getattr(signal, name)) is signal.default_int_handler
        signal.raise_signal(getattr(signal, name))

    try:
        assert findings.run(killed, "Why?\n\nBecause.", epochs=1) == 130
    finally:
        signal.signal(getattr(signal, name), before)
    assert "Interrupted: nothing was saved." in capsys.readouterr().err
    assert not (tmp_path / "runs" / "the_gap").exists()
