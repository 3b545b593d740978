"""What all commands do alike: their folders, their names of files, and errors in one line."""

import ast
import os
from types import SimpleNamespace

import pytest
from conftest import DEMOS

from demos.common.command_line import claimed, complain, named_path
from demos.training import report
from demos.training.options import make_parser
from demos.training.run import choose_folder, parse_once

MINE = "backup-" + 32 * "a" + ".part"


def test_only_what_a_killed_run_had_half_written_is_removed(tmp_path):
    for name in (MINE, 32 * "b" + ".part", "vae_np-" + 32 * "c" + ".part"):
        (tmp_path / name).touch()
    with claimed(tmp_path):
        assert {file.name for file in tmp_path.iterdir()} == {MINE, 32 * "b" + ".part"}


def test_a_folder_that_was_moved_is_written_to_no_more(tmp_path):
    """mv a c; the next run makes an a of its own, and the first must not write there."""
    pytest.importorskip("fcntl")
    a = tmp_path / "a"
    a.mkdir()
    with claimed(a) as still_ours:
        still_ours()
        a.rename(tmp_path / "c")
        for _ in range(2):
            with pytest.raises(OSError, match="a was moved or removed: nothing more is written"):
                still_ours()
            a.mkdir(exist_ok=True)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    """The shell leaves it in --out=~/x."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert named_path("~/x") == tmp_path / "x"
    args = make_parser("").parse_args(["--out=~/x", "--data=~/d.npz"])
    assert choose_folder(args) == tmp_path / "x"
    assert args.data == os.path.join(tmp_path, "d.npz")
    for again in (["--resume=~/x"], ["--resume=~/x", "--out", str(tmp_path / "x")]):
        assert parse_once(make_parser(""), again).out == tmp_path / "x"


def test_every_option_that_names_a_file_or_a_folder_knows_the_tilde():
    """All of them are read by `named_path`, and no other option is."""
    options = []
    for path in DEMOS.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            words = {word.arg: word.value for word in getattr(call, "keywords", ())}
            if isinstance(words.get("metavar"), ast.Constant):
                read = getattr(words.get("type"), "id", None) == "named_path"
                names_a_path = words["metavar"].value in ("FOLDER", "FILE", "WEIGHTS")
                assert read == names_a_path, f"{path}:{call.lineno}"
                options.append(read)
    assert sum(options) > 10 and len(options) > 2 * sum(options)


def test_no_error_is_an_empty_line(capsys):
    complain("train.py", MemoryError())
    assert capsys.readouterr().err == "train.py: error: the memory is full\n"


def test_more_threads_than_cores_are_noted(monkeypatch):
    monkeypatch.setattr(report, "cores", lambda: 2)
    assert report.too_many_threads(SimpleNamespace(threads=2)) == []
    (note,) = report.too_many_threads(SimpleNamespace(threads=99))
    assert note == "--threads 99 on 2 cores wait for each other: far slower"
