"""`python demos`, what each script says first, and where its recorded result lies."""

import importlib
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DEMOS

from demos.__main__ import listing, scripts
from demos.common import findings

EXPERIMENTS = [path for path, _ in scripts() if path.parent.name in ("questions", "paper")]


def test_python_demos_lists_every_script_and_its_question(tmp_path):
    old = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # reads as ASCII too
    environment = {**os.environ, **old, "PYTHONIOENCODING": "ascii"}  # a terminal without ∫
    for folder, typed in ((DEMOS.parent, "demos/questions/the_gap.py"), (tmp_path, str(DEMOS))):
        result = subprocess.run(
            [sys.executable, str(DEMOS)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        assert typed in result.stdout and "To start with: python" in result.stdout
        listed = {line.split()[0] for line in result.stdout.splitlines() if line.startswith("  ")}
        assert {
            "train.py",
            "one_page_vae.py",
            "the_gap.py",
            "figure_2.py",
            "benchmark.py",
        } <= listed
        assert not listed & {
            "options.py",
            "models.py",
            "settings.py",
            "peers.py",
            "__main__.py",
        }
    assert "  one_page_vae.py         A variational autoencoder on one page" in result.stdout
    assert "What is the ELBO, and what is the gap to log p(x)?" in result.stdout
    assert "Why is p(x) = ? p(x|z) p(z) dz hard" in result.stdout


def test_scripts_of_one_s_own_are_listed_and_what_is_gone_is_not_advised(tmp_path, monkeypatch):
    main = 'if __name__ == "__main__":\n    pass\n'
    (tmp_path / "mine.py").write_text(main)
    (tmp_path / "train.py").write_text(f'"""Train. Or do not.\n\nMore."""\n{main}')
    (tmp_path / "used.py").write_text('"""What both use."""\n')
    monkeypatch.setattr("demos.__main__.HERE", tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    assert [line.rstrip() for line in listing().splitlines()] == [
        *("", tmp_path.name, "  mine.py", "  train.py                Train. Or do not."),
        *("", f"To train: python {Path(tmp_path.name, 'train.py')}"),
    ]


def test_a_reader_who_has_seen_enough_is_no_error():
    reads, writes = os.pipe()
    os.close(reads)  # as `| head` does
    result = subprocess.run([sys.executable, str(DEMOS)], stdout=writes, stderr=subprocess.PIPE)
    os.close(writes)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")
@pytest.mark.parametrize(
    "script",
    [
        DEMOS,
        DEMOS / "exercises.py",
        pytest.param(DEMOS / "gradient_check.py", marks=pytest.mark.slow),
    ],
)
def test_where_nothing_can_be_printed_there_is_no_traceback(script):
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, script], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert result.stderr.splitlines() == [
        f"{script.name}: error: cannot print: No space left on device"
    ]
    assert result.returncode == 1 or script != DEMOS
    closed = f'exec "{sys.executable}" "{script}" >&-'
    result = subprocess.run(["sh", "-c", closed], stderr=subprocess.PIPE, text=True)
    assert result.stderr == ""
    assert result.returncode == (script.name == "exercises.py")  # none of them is written yet


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_the_idea_is_two_or_three_sentences(path):
    module = importlib.import_module(f"demos.{path.parent.name}.{path.stem}")
    question, answer = findings.idea(module.__doc__).split("\n\n")
    assert "\n" not in question
    assert 20 < len(answer.split()) < 90
    assert answer.count(". ") + answer.count(".\n") <= 4


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_what_cannot_be_had_is_a_script_s_status(path, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", [str(path), "--out", f"{tmp_path / 'file'}"])
    with pytest.raises(SystemExit) as leaving:
        runpy.run_path(str(path), run_name="__main__")
    assert leaving.value.code == 2
    assert "file is a file, not a folder" in capsys.readouterr().err


def test_a_recorded_result_is_named_after_its_script():
    names = {path.stem for path, _ in scripts()} | {"gpu_prototype"}  # whose page says what it is
    results = DEMOS / "results"
    for result in {*results.iterdir(), *(results / "small").iterdir()} - {results / "small"}:
        owned = any(f"{result.stem}_".startswith(f"{name}_") for name in names)
        assert owned, f"{result.name} is of no script"


def test_the_top_holds_what_a_person_runs_and_nothing_else():
    top = {path.name for path in DEMOS.glob("*.py")}
    assert top - {"__main__.py"} <= {path.name for path, _ in scripts()}
    assert len(top) <= 10


def test_no_demo_is_longer_than_two_hundred_lines():
    for path in DEMOS.rglob("*.py"):
        length = len(path.read_text(encoding="utf-8").splitlines())
        assert length <= (240 if path.name == "one_page_vae.py" else 200), path
