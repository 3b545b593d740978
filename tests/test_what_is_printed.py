"""What a person reads who types a command, and what train.py draws, is recorded.

A change of it is seen in the commit: a test that fails names the file to copy.
"""

import csv
import json
import re
import runpy
import shlex
import signal
import sys
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest
from as_recorded import RECORDED, check_picture, check_text
from conftest import DEMOS
from small_data import one_after_the_other, small

from demos import train
from demos.__main__ import listing, scripts
from demos.common import long_runs
from demos.training import report
from demos.training.run import PICTURES
from vae_np import datasets
from vae_np.training.trainer import Trainer

pytestmark = pytest.mark.slow
FOLDERS = (DEMOS, DEMOS / "questions", DEMOS / "paper")
HELPED = [path for path, _ in scripts() if path.parent in FOLDERS and "one_page" not in path.name]
TINY = "python demos/train.py --data digits.npz --hidden 8 --latent 2 --batch-size 20 --epochs 2"
DRAWN = "digits-2"  # the second run's folder
RESUME = "python demos/train.py --resume"
REFUSED = [
    "--data missing.npz",
    "--data cifar",
    "--data digits.npz --latent 1.5",
    "--hidden five",
    "--batch-size 0",
    "--learning-rate 0",
    "--kl-weight -1",
    "--seed 1e99",
    "--samples 3000000000",
    "--out ''",
    "--noise fixed",
    "--kl-weight 2 --objective sgvb-a",
    "--kl-warm-up 2 --objective wake-sleep",
    "--objective score-function",
    "--decoder gaussian --binarize --data digits.npz",
    "--schedule 40",
    "--schedule 0:1e-4",
    "--schedule 9:1e-4 3:1e-5",
    "--overwrite",
    "--overwrite --resume",
    "--resume nowhere",
    "--resume runs/digits --out other",
    "--resume --data frey",
    "--out digits.npz",
    "--epoks 3",
    "--zebra",
]
SESSION = [
    TINY,
    "cat runs/digits/summary.json",
    "cat runs/digits/history.csv",
    TINY,  # beside it
    f"{TINY} --out runs/digits",
    RESUME,
    f"{RESUME} runs/digits",
    f"{RESUME} runs/digits --epochs 3",
    f"{RESUME} runs/digits --latent 3",
    f"{TINY} --out runs/digits --overwrite --decoder gaussian --activation relu --hidden 8 6",
    f"{TINY} --out bound --objective importance-weighted",
    f"{TINY} --out other/dr --objective doubly-reparameterized --samples 3 --binarize",
    f"{TINY} --out warm --kl-warm-up 2 --kl-weight 1000 --learning-rate 0.02 --epochs 9",
    f"{TINY} --out dead --activation relu --learning-rate 0.5 --epochs 9",
    f"{TINY} --out longer --latent 4 --learning-rate 0.02 --epochs 20 --schedule 15:1e-3",
    f"{TINY} --out diverged --optimizer sgd --learning-rate 1e30",
    f"{TINY} --out stopped  # and Ctrl-C in the sixth step",
    f"{RESUME} stopped --threads 2",
    *(f"python demos/train.py {options}" for options in REFUSED),
]
PAPER = [
    "best_model.py --score --images 5",
    "best_model.py --score nowhere",
    "figure_2.py --draw --out two",
    "figure_2.py --setting 'MNIST 3' --samples 600 --out two",
    "figure_2.py --draw --out two",
    "figure_2.py --setting 'MNIST 3' --samples 600 --out two  # and Ctrl-C",
    "figure_2.py --setting Mars",
    "figure_4.py --samples 300 --out two",
    "figure_4.py  # and Ctrl-C",
    "figure_3.py --em-minutes 0",
    "figure_5.py --samples many",
    "full_bayes.py --device gpu",
]


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """A folder with a hundred digits and their labels in a file of one's own."""
    data, some = datasets.load("mnist5k"), slice(100)
    images = data.train[some].reshape(-1, 28, 28)
    np.savez(tmp_path / "digits.npz", x=images, y=data.train_labels[some])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(path):
    """Of summary.json or history.csv, without the seconds."""
    if path.suffix == ".csv":
        with open(path, encoding="utf-8", newline="") as file:
            *columns, seconds = zip(*csv.reader(file), strict=True)
        assert seconds[0] == "seconds" and all(float(second) > 0 for second in seconds[1:])
        return "".join(",".join(row) + "\n" for row in zip(*columns, strict=True))
    about = json.loads(path.read_text(encoding="utf-8"))
    about["settings"]["data"] = Path(about["settings"]["data"]).name
    return json.dumps(about | {"seconds": "?", "examples_per_second": "?"}, indent=1) + "\n"


def run(command, capsys, monkeypatch):
    """What a command of the session prints."""
    program, *arguments = shlex.split(command, comments=True)
    if program == "cat":
        return contents(Path(arguments[0]))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", arguments)
        if "Ctrl-C" in command:
            step, seen = Trainer._train_step, []

            def pressed(*given):
                seen.append(step(*given))
                if len(seen) == 6:
                    signal.raise_signal(signal.SIGINT)

            patch.setattr(Trainer, "_train_step", pressed)
        try:
            status = train.main(arguments[1:])
        except SystemExit as leaving:
            status = leaving.code
    out, err = (text.replace(f"{Path.cwd()}/", "") for text in capsys.readouterr())
    out = re.sub(r"[\d,]+ examples per second", "some examples per second", out)
    return f"{out}{err}{f'(exit status {status})' if status else ''}"


def test_what_train_py_prints_and_draws(digits, capsys, monkeypatch):
    def draw(trainer, data, out, seed):
        if out.name == DRAWN:
            draw_pictures(trainer, data, out, seed)

    draw_pictures = train.draw_pictures
    monkeypatch.setattr(train, "draw_pictures", draw)  # it takes the time
    monkeypatch.setattr(report, "cores", lambda: 2)
    found = [f"$ {command}\n{run(command, capsys, monkeypatch)}" for command in SESSION]
    (digits / "train.txt").write_text("\n\n".join(found), encoding="utf-8")
    check_text(digits / "train.txt", RECORDED / "train.txt")
    drawn = [path.name for path in (digits / "runs" / DRAWN).glob("*.png")]
    assert sorted(drawn) == sorted(PICTURES)
    for name in PICTURES:
        check_picture(digits / "runs" / DRAWN / name, RECORDED / f"train_{name}")


def paper(command, capsys, monkeypatch):
    """What a command of `PAPER` prints, of the small data and in this process."""
    script, *arguments = shlex.split(command, comments=True)
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as leaving:
        if "Ctrl-C" in command:
            patch.setattr(long_runs, "side_by_side", interrupted)
        runpy.run_path(str(DEMOS / "paper" / script), run_name="__main__")
    out, err = capsys.readouterr()
    return f"{out}{err}{f'(exit status {leaving.value.code})' if leaving.value.code else ''}"


def interrupted(*given, **more):
    raise KeyboardInterrupt


def test_what_the_paper_s_scripts_print(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load", small(datasets.load))
    monkeypatch.setattr(long_runs, "side_by_side", one_after_the_other)
    monkeypatch.setitem(sys.modules, "cupy", None)
    found = [
        f"$ python demos/paper/{command}\n{paper(command, capsys, monkeypatch)}"
        for command in PAPER
    ]
    (tmp_path / "paper.txt").write_text("\n\n".join(found), encoding="utf-8")
    check_text(tmp_path / "paper.txt", RECORDED / "paper.txt")


@pytest.mark.parametrize("path", HELPED, ids=lambda path: path.stem)
def test_what_help_says(path, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    parsers, print_help = [], ArgumentParser.print_help
    monkeypatch.setattr(
        ArgumentParser, "print_help", lambda self: (parsers.append(self), print_help(self))
    )
    with pytest.raises(SystemExit) as leaving:
        runpy.run_path(str(path), run_name="__main__")
    assert not leaving.value.code
    typed = vars(parsers[0].parse_args([]))
    usage, _, rest = capsys.readouterr().out.partition("\n\n")  # whose lines depend on Python
    found = tmp_path / f"{path.stem}.txt"
    text = f"{' '.join(usage.split())}\n\n{rest}\nwithout options: {typed}\n"
    found.write_text(text, encoding="utf-8")
    check_text(found, RECORDED / "help" / found.name)
    if path.parent.name == "questions":
        recorded = json.loads((DEMOS / "results" / f"{path.stem}.json").read_text("utf-8"))
        assert {name: typed[name] for name in recorded["options"]} == recorded["options"]


def test_what_can_be_run_is_listed(tmp_path, monkeypatch):
    monkeypatch.chdir(DEMOS.parent)
    (tmp_path / "demos.txt").write_text(listing(), encoding="utf-8")
    check_text(tmp_path / "demos.txt", RECORDED / "help" / "demos.txt")
