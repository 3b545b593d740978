"""exercises.py and Ctrl-C, and answers that are bare: no docstrings."""

import json
import os
import signal
import subprocess
import sys

import pytest
from conftest import command
from exercise_answers import NAMES, answers

from demos.exercising import grading
from demos.exercising.exercise_grader import main

ENDLESS = ": does a loop there never end?"
IN_AN_ANSWER = """
def tanh_backward(y, dy):
    return dy * (1 - y**2)


def kl_backward(mean, log_var, upstream):
    print("on and on")
    while True:
        pass
"""
IN_THE_FILE = "print('on and on')\nwhile True:\n    pass\n"


def stopped(folder, text):
    """What is printed where the answers are ``text`` and Ctrl-C is pressed; and the scores."""
    (folder / "mine.py").write_text(text)
    grader = subprocess.Popen(
        command("exercises", "mine.py", "--json", "scores.json"),
        cwd=folder,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert any(line == "on and on\n" for line in grader.stdout)
    grader.send_signal(signal.SIGINT)
    out, err = grader.communicate(timeout=30)
    assert grader.returncode == 130 and "Traceback" not in err
    return out, err, json.loads((folder / "scores.json").read_text(encoding="utf-8"))["tests"]


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another signal there")
def test_an_answer_that_never_ends_is_named_and_the_others_are_graded(tmp_path):
    out, err, scores = stopped(tmp_path, IN_AN_ANSWER)
    lines = out.splitlines()
    assert not err
    assert lines[0] in [f"2. kl_backward: interrupted in line {n}{ENDLESS}" for n in (7, 8, 9)]
    assert lines[1].startswith("3. bernoulli_backward: WRONG: there is no function of this name")
    assert lines[-2:] == [
        "1 of 8 right, 7 wrong, 0 left to write.",
        "Next: kl_backward (mine.py:6)",
    ]
    assert [test["score"] for test in scores] == [1] + 7 * [0]
    assert scores[1]["output"] == lines[0].removeprefix("2. kl_backward: ")


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another signal there")
def test_a_file_that_never_ends_is_named(tmp_path):
    _, err, scores = stopped(tmp_path, IN_THE_FILE)
    reasons = [f"cannot read mine.py: interrupted in line {n}{ENDLESS}" for n in (1, 2, 3)]
    assert err.removeprefix("exercises.py: error: ").rstrip("\n") in reasons
    assert all(test["output"] in reasons and test["score"] == 0 for test in scores)


def test_the_status_tells_of_ctrl_c_in_a_line_of_the_learners(tmp_path, capsys):
    def pressed(*arguments):
        raise KeyboardInterrupt

    assert main(answers(kl_backward=pressed), []) == 130
    assert "\n2. kl_backward: interrupted in line" in capsys.readouterr().out
    (tmp_path / "mine.py").write_text("\nraise KeyboardInterrupt\n")
    assert main(answers(), [str(tmp_path / "mine.py")]) == 130
    assert f"mine.py: interrupted in line 2{ENDLESS}" in capsys.readouterr().err


def test_ctrl_c_in_no_line_of_the_learners_is_no_traceback(monkeypatch, capsys):
    def pressed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(grading, "check_gradient", pressed)
    assert main(answers(), []) == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"


@pytest.mark.parametrize("python", [[], ["-OO"]])  # the latter drops our docstrings too
def test_an_answer_needs_no_docstring(tmp_path, python):
    lines = [f"def {name}(*given):\n    raise NotImplementedError('later')\n" for name in NAMES]
    (tmp_path / "mine.py").write_text("".join(lines))
    script, *arguments = command("exercises", "mine.py")[1:]
    result = subprocess.run(
        [sys.executable, *python, script, *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (1, "")
    assert "0 of 8 right, 0 wrong, 8 left to write.\nNext: tanh_backward (" in result.stdout
