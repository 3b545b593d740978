"""exercises.py in a course: the scores that an autograder reads, and a copy without solutions."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from documents import ROOT, Document
from exercise_answers import NAMES, answers

from demos.exercising.exercise_grader import main

KEYS = {"name", "score", "max_score", "output"}


def scores(path):
    return json.loads(path.read_text(encoding="utf-8"))["tests"]


def test_each_exercise_has_its_score_and_its_report(tmp_path, capsys):
    def later(y, dy):
        raise NotImplementedError("write dx")

    learner = answers(tanh_backward=later, kl_backward=lambda m, v, u: (m, v))
    path = tmp_path / "new" / "results.json"
    assert main(learner, ["--json", str(path)]) == 1
    tests = scores(path)
    assert [test["name"] for test in tests] == list(NAMES)
    assert all(test.keys() == KEYS and test["max_score"] == 1 for test in tests)
    assert [test["score"] for test in tests] == [0, 0, 1, 1, 1, 1, 1, 1]
    assert not any(isinstance(test["score"], bool) for test in tests)
    assert tests[0]["output"] == "not yet: write dx"
    assert tests[1]["output"].startswith("WRONG\ndmean: WRONG (15 derivatives")
    assert re.match(r"right to \de-\d\d$", tests[2]["output"])
    assert "6 of 8 right, 1 wrong, 1 left to write." in capsys.readouterr().out  # as without it
    assert main(answers(), ["--json", str(path)]) == 0
    assert sum(test["score"] for test in scores(path)) == 8


def test_an_answer_file_that_cannot_be_read_scores_nothing(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("def f(:")
    assert main(answers(), [str(tmp_path / "mine.py"), "--json", str(tmp_path / "r.json")]) == 2
    tests = scores(tmp_path / "r.json")
    assert [test["name"] for test in tests] == list(NAMES)
    assert not any(test["score"] for test in tests)
    assert all("SyntaxError: invalid syntax" in test["output"] for test in tests)


def test_a_place_where_nothing_can_be_written_is_said_in_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    for path, message in (
        (tmp_path, f"--json {tmp_path} is a folder, not a file"),
        (tmp_path / "file" / "r.json", f"--json {tmp_path / 'file'} is a file, not a folder"),
    ):
        assert main(answers(), ["--json", str(path)]) == 2
        assert capsys.readouterr().err == f"exercises.py: error: {message}\n"


def test_a_folder_in_place_of_the_answers_is_named(tmp_path, capsys):
    """It can be run, and has no function: all answers would be called wrong."""
    assert main(answers(), [str(tmp_path)]) == 2
    said = f"exercises.py: error: {tmp_path} is a folder: name a file in it\n"
    assert capsys.readouterr() == ("", said)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the commands are a Unix shell's")
def test_a_class_gets_a_copy_without_the_solutions_that_still_grades(tmp_path):
    """As docs/teaching.md says it, command by command."""
    copy = tmp_path / "class"
    for folder in ("vae_np", "demos", "docs", "tests"):
        caches = shutil.ignore_patterns("__pycache__", "results", "*.gif", "*.png")
        shutil.copytree(ROOT / folder, copy / folder, ignore=caches)
    (copy / "README.md").write_text("what a class needs")
    page = dict(Document(ROOT / "docs" / "teaching.md").sections())["solutions"]
    shell = [block.text for block in page.blocks if block.kind == "indented"]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PATH": path_of_this_python()}
    for commands in shell:
        subprocess.run(["sh", "-ec", commands], cwd=copy, env=environment, check=True)

    files = [*copy.rglob("*.py"), *copy.rglob("*.ipynb"), *copy.rglob("*.md")]
    texts = [path.read_text(encoding="utf-8") for path in files]
    assert texts and not any("def kl_backward(self" in text for text in texts)
    assert not any(re.search("dlog_var = dz|dlogits = ", text) for text in texts)
    for gone in ("docs", "tests", "demos/one_page_vae.py", "demos/page", "demos/questions"):
        assert not (copy / gone).exists()

    told = f"{sys.executable} -c 'import vae_np.layers as a; print(a.Tanh.backward.__doc__)'"
    said = subprocess.run(["sh", "-ec", told], cwd=copy, env=environment, capture_output=True)
    assert said.stdout == b"None\n", said.stderr  # nor does help() say a derivative
    listing = [sys.executable, "demos"]
    shown = subprocess.run(listing, cwd=copy, env=environment, capture_output=True, text=True)
    names = re.findall(r"^To .*: python (\S+)", shown.stdout, re.M)
    assert names and all((copy / name).exists() for name in names)

    def exercises(*arguments):
        command = [sys.executable, "demos/exercises.py", *arguments]
        return subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, encoding="utf-8"
        )

    untouched = exercises()
    assert untouched.stdout.startswith("1. tanh_backward: not yet: write dx"), untouched.stderr
    refused = exercises("--solutions", "kl_backward")
    message = "this copy of vae_np has no source of DiagonalGaussian.kl_backward"
    assert (refused.returncode, refused.stderr) == (2, f"exercises.py: error: {message}\n")
    (copy / "mine.py").write_text(inspect.getsource(answers_file()))
    right = exercises("mine.py")
    assert "8 of 8 right" in right.stdout, right.stdout + right.stderr


def path_of_this_python():
    return os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])


def answers_file():
    import exercise_answers

    return exercise_answers
