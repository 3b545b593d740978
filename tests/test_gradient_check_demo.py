"""demos/gradient_check.py: every derivative is right, and a wrong one is caught and explained."""

import json
import os
import runpy
import sys

import numpy as np
import pytest
from conftest import run

from demos import gradient_check
from demos.gradients.planted import ERRORS, describe, planted
from demos.gradients.table import FULL_SIZE, LEVELS, table
from vae_np.gradcheck import check_gradient


@pytest.mark.slow
def test_every_gradient_is_right(tmp_path):
    result = run(tmp_path, "gradient_check", "--json", "table.json")
    checks = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert [check["name"] for check in checks] == [check.name for _, check in table()]
    assert all(
        check["verdict"] == "right" and 0 <= check["relative_error"] < 1e-9 for check in checks
    )
    lines = result.stdout.splitlines()
    assert [line[3:] for line in lines if line.startswith("-- ")] == list(LEVELS)
    assert sum(line.endswith("right") for line in lines) == len(checks)
    n = sum(check["derivatives"] for check in checks)
    assert lines[-1].startswith(f"{len(checks)} tensors, {n:,} derivatives: {len(checks)} right, 0")
    assert result.stdout.startswith("Is every gradient right?")  # the idea, before the numbers


# What is planted, the first row of the table that fails, its error, and what is said of the cause.
FIRST_FAILURES = [
    ("linear", "Linear dx", 1, "a sign is wrong"),
    ("tanh", "Tanh dx", 1, "a sign is wrong"),
    ("relu", "ReLU dx", 1, "a sign is wrong"),
    ("softplus", "Softplus dx", 1, "a sign is wrong"),
    ("sigmoid", "Sigmoid dx", 1, "a sign is wrong"),
    ("reparameterization", "Reparameterized z dlog_var", 1 / 3, "a 1/2 is missing"),
    ("gaussian-log-prob", "Gaussian log p(x) dlog_var", 1 / 3, "a 1/2 is missing"),
    ("bernoulli-log-prob", "Bernoulli log p(x) dlogits", 1, "a sign is wrong"),
    ("kl", "KL dlog_var", 1 / 3, "a 1/2 is missing"),
    ("encoder", "Encoder: 0.weight", None, "no common factor"),
    ("elbo", "VAE, Bernoulli: encoder 0.weight", None, "no common factor"),
    ("log-weight", "SGVB-A: encoder 0.weight", None, "no common factor"),
    ("importance-weighted", "Importance-weighted: encoder 0.weight", None, "no common factor"),
    ("score-function", "Score function, baseline none: encoder 0.weight", 1, "a sign is wrong"),
    ("log-joint", "HMC log p(x,z), Bernoulli dz", 1, "a sign is wrong"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "first", "error", "cause"), FIRST_FAILURES)
def test_a_planted_error_is_caught(name, first, error, cause):
    with planted(name):
        check = next(check for _, check in table() if not check.passed)
    assert check.name == first
    assert cause in check.seen + check.suggests
    if error:
        assert check.relative_error == pytest.approx(error, rel=1e-6)


DESCRIBED = """
Linear.backward_to_input: dx with the wrong sign
Tanh.backward: dx with the wrong sign
ReLU.backward: dx with the wrong sign
Softplus.backward: dx with the wrong sign
Sigmoid.backward: dx with the wrong sign
DiagonalGaussian.sample_backward: dlog_var without its ½
DiagonalGaussian.log_prob_backward: dlog_var without its ½
Bernoulli.log_prob_backward: dlogits with the wrong sign
DiagonalGaussian.kl_backward: dlog_var without its ½
GaussianEncoder.backward: mean and log_var exchanged
VAE.elbo_and_gradient: the KL subtracted twice
vae_np.objectives.sgvb_a.standard_normal_log_prob_backward: z's place in the prior p(z) forgotten
vae_np.objectives.importance_weighted.normalized_weights: the shares w_k / Σ w squared
vae_np.objectives.score_function.score_signal: the signal with the wrong sign
vae_np.inference.hmc.log_joint_and_gradient: the gradient with the wrong sign
"""


def test_every_planted_error_is_tested_and_is_what_it_is_called():
    assert [name for name, *_ in FIRST_FAILURES] == list(ERRORS)
    assert [describe(name) for name in ERRORS] == DESCRIBED.strip().splitlines()
    for name, _, _, cause in FIRST_FAILURES:
        assert gradient_check.make_parser().parse_args(["--break", name]).broken == name
        said = ERRORS[name][2]
        assert ("wrong sign" in said) == (cause == "a sign is wrong"), name
        assert ("½" in said) == (cause == "a 1/2 is missing"), name


@pytest.mark.slow
def test_the_first_failure_is_explained_and_what_follows_from_it(capsys):
    assert gradient_check.main(["--break", "kl"]) == 1
    out = capsys.readouterr().out
    assert "Planted in DiagonalGaussian.kl_backward: dlog_var without its ½." in out
    explained = " ".join(out.partition("Read this one first")[2].split())
    assert "KL dlog_var: WRONG (20 derivatives, relative error 3.3e-01" in explained
    assert "yours is 2 times the right one perhaps: a 1/2 is missing, or" in explained
    assert "1 more of the same level" in explained  # that of the Gaussian with one σ
    assert "more above it (the ELBO 2" in explained
    assert "Mend the first and run again: the others go with it" in explained
    assert "other objectives" in explained  # full Bayes has this KL twice
    assert "inference without an encoder 1" in explained  # that of the q of each image
    assert "-- layers" not in out and "--all shows every row." in out
    assert gradient_check.main(["--break", "kl", "--all"]) == 1
    table_of_all, _, rest = capsys.readouterr().out.partition("194 tensors")
    assert table_of_all.count("  right\n") + table_of_all.count("  WRONG\n") == 194
    read_first = " ".join(rest.partition("Read this one first")[2].split())
    assert explained == f"{read_first} --all shows every row."


@pytest.mark.slow
def test_an_error_in_one_bound_spoils_no_other():
    """The importance-weighted bound's two gradients share it."""
    with planted("importance-weighted"):
        failed = [check.name for _, check in table() if not check.passed]
    assert failed
    assert {name.split(":")[0] for name in failed} == {
        "Importance-weighted",
        "Doubly reparameterized",
    }


@pytest.mark.slow
def test_full_size(capsys, tmp_path):
    path = str(tmp_path / "table.json")
    assert gradient_check.main(["--full", "--json", path]) == 0
    out = capsys.readouterr().out
    assert "8 tensors, 815,824 derivatives: 8 right, 0 wrong" in out
    checks = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert all(check["directions"] == 5 for check in checks)


@pytest.mark.slow
def test_full_size_catches_a_planted_error(capsys):
    assert gradient_check.main(["--full", "--break", "kl"]) == 1
    out = capsys.readouterr().out
    assert "4 right, 4 wrong" in out  # the decoder does not meet the KL
    assert "encoder 0.weight: WRONG (392,000 derivatives along 5 random directions" in out
    assert "the table of small models says: leave out --full" in out


def test_the_seed_and_the_device_are_those_that_were_asked_for(monkeypatch, capsys):
    def noted(*given):
        asked.append(given)
        x = np.array([0.5])
        yield "layers", check_gradient("dx", lambda: 2 * x.sum(), x, np.array([2.0]))

    asked = []
    monkeypatch.setattr(gradient_check, "table", noted)
    monkeypatch.setattr(gradient_check, "device_module", lambda device: None)
    for options in ([], ["--seed", "7", "--device", "gpu"], ["--full"]):
        assert gradient_check.main(options) == 0
    assert asked == [(0, LEVELS, "cpu"), (7, LEVELS, "gpu"), (0, FULL_SIZE, "cpu")]
    assert "1 tensors, 1 derivatives: 1 right, 0 wrong (wanted" in capsys.readouterr().out


def test_each_group_of_the_table_has_inputs_of_its_own_by_the_seed():
    def group(generator):
        yield generator.random()

    levels = {"layers": (group, group), "networks": (group,)}
    drawn = [number for seed in (0, 1) for _, number in table(seed, levels)]
    assert len({*drawn}) == 6
    assert [number for _, number in table(1, levels)] == drawn[3:]


def test_what_cannot_be_told_is_counted_apart_and_does_not_pass(monkeypatch, capsys):
    x = np.array([0.0, 1.0])
    kink = check_gradient("kink dx", lambda: np.abs(x).sum(), x, np.array([2.0, 1]))
    right = check_gradient("right dx", lambda: 3 * x.sum(), x, np.array([3.0, 3]))
    rows = [("layers", right), ("layers", kink), ("networks", right)]
    monkeypatch.setattr(gradient_check, "table", lambda *given: rows)
    assert gradient_check.main([]) == 1
    said = capsys.readouterr().out
    assert "3 tensors, 6 derivatives: 2 right, 0 wrong, 1 undecided (wanted: an" in said
    assert "Read this one first: it rests on no row that is wrong.\nkink dx: undecided" in said
    assert "more of the same level" not in said and "more above it" not in said
    assert gradient_check.main(["--all"]) == 1
    shown = capsys.readouterr().out.partition("-- networks")[0].splitlines()
    assert [line.split()[0] for line in shown if line.endswith("  undecided")] == ["kink"]


def test_the_largest_error_is_named(monkeypatch, capsys):
    x = np.array([1.0, 2.0])
    rows = [
        ("layers", check_gradient(name, lambda: (x**2).sum(), x, 2 * x * (1 + off)))
        for name, off in (("good dx", 0), ("worst dx", 8e-10), ("better dx", 2e-10))
    ]
    monkeypatch.setattr(gradient_check, "table", lambda *given: rows)
    assert gradient_check.main([]) == 0
    assert "; the largest is 4.0e-10, worst dx)\n" in capsys.readouterr().out


def test_a_bar_moves_while_the_tensors_are_checked(monkeypatch, capsys):
    x = np.array([0.5])
    row = ("layers", check_gradient("dx", lambda: 2 * x.sum(), x, np.array([2.0])))
    monkeypatch.setattr(gradient_check, "table", lambda *given: [row] * 3)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert gradient_check.main([]) == 0
    bar = capsys.readouterr().err
    assert "checking:" in bar and "tensor/s]" in bar and bar.endswith(" \r")  # wiped away after


def test_ctrl_c_is_no_traceback(monkeypatch, capsys):
    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("demos.gradients.table.table", stop)
    monkeypatch.setattr(sys, "argv", ["gradient_check.py"])
    with pytest.raises(SystemExit) as leaving:
        runpy.run_path(gradient_check.__file__, run_name="__main__")
    assert (leaving.value.code, capsys.readouterr().err) == (130, "\nInterrupted.\n")


@pytest.mark.slow
def test_what_cannot_be_had_is_said_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    for options, message in (
        (["--seed", -1], "argument --seed: wants a whole number of at least 0, got '-1'"),
        (["--json", tmp_path], f"error: --json {tmp_path} is a folder, not a file"),
        (["--json", ""], "argument --json: wants a name, got nothing"),
        (["--json", tmp_path / "file" / "table.json"], "error: --json"),
    ):
        result = run(tmp_path, "gradient_check", *options, status=2)
        assert message in result.stderr.splitlines()[-1]
        assert result.stdout == ""  # before the work


@pytest.mark.slow
def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, capsys):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    (tmp_path / "table.json").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    assert gradient_check.main(["--json", str(tmp_path / "table.json")]) == 2
    assert "table.json: No space left on device" in capsys.readouterr().err
    assert (tmp_path / "table.json").read_text() == "old"
