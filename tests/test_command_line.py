"""What all commands do alike: their folders, their names of files, and errors in one line."""

import ast
import io
import os
import sys
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import DEMOS
from threadpoolctl import threadpool_info

from demos import train
from demos.common import long_runs, machine
from demos.common.command_line import (
    claimed,
    complain,
    make_free_folder,
    named_path,
    prepare_streams,
)
from demos.common.experiment_options import make_parser as make_experiments_parser
from demos.paper import best_model, figure_3
from demos.training import report
from demos.training.making import make_trainer
from demos.training.options import make_parser
from demos.training.run import choose_folder, parse, parse_once
from vae_np import datasets
from vae_np.checkpoints import whole_file
from vae_np.training import resuming

MINE = "backup-" + 32 * "a" + ".part"


def test_only_what_a_killed_run_had_half_written_is_removed(tmp_path):
    with whole_file(tmp_path / "a.npz"):
        (written,) = tmp_path.iterdir()  # under the name that it has till it is whole
    for name in (MINE, 32 * "b" + ".part", "vae_np-" + 32 * "c" + ".part", written):
        (tmp_path / name).touch()
    with claimed(tmp_path):
        assert {file.name for file in tmp_path.iterdir()} == {MINE, 32 * "b" + ".part", "a.npz"}


def test_folders_are_numbered_after_their_whole_name(tmp_path):
    for name in ("digits.v2", "digits.v2-2", "digits"):
        assert make_free_folder(tmp_path / name.removesuffix("-2")) == tmp_path / name


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
    monkeypatch.chdir(tmp_path)  # --resume may start elsewhere
    assert make_parser("").parse_args(["--data=d.npz"]).data == args.data
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


LEAST = {  # of the numbers, as the help and the paper have them: 0 epochs would train nothing
    "latent": 1,
    "hidden": 1,
    "epochs": 1,
    "batch_size": 1,
    "samples": 1,
    "kl_weight": 0,
    "kl_warm_up": 0,
    "seed": 0,
    "threads": 1,
    "draws": 1,
    "images": 1,
    "em_minutes": 1,
}


@pytest.mark.parametrize(
    "make",
    [
        make_parser,
        lambda about: make_experiments_parser(about, epochs=9),
        lambda about: add_to(best_model.add_options, make_experiments_parser(about, samples=9)),
        lambda about: add_to(figure_3.add_options, make_experiments_parser(about)),
    ],
    ids=["train", "question", "best_model", "figure_3"],
)
def test_the_least_number_is_taken_and_none_below(make, capsys):
    parser = make("")
    for action in parser._actions:
        if getattr(action.type, "__qualname__", "").startswith("number."):
            option, least = action.option_strings[0], LEAST[action.dest]
            taken = vars(parser.parse_args([option, f"{least}"]))[action.dest]
            assert taken in (least, [least])
            with pytest.raises(SystemExit):
                parser.parse_args([f"{option}={least - 1}"])
            assert f"at least {least}, got '{least - 1}'" in capsys.readouterr().err


def test_no_more_images_are_judged_than_there_are(capsys):
    parser = add_to(best_model.add_options, make_experiments_parser("", samples=9))
    assert parser.parse_args(["--images", "10000"]).images == 10_000
    with pytest.raises(SystemExit):
        parser.parse_args(["--images", "10001"])
    assert "wants a whole number of at most 10000, got '10001'" in capsys.readouterr().err


def add_to(add_options, parser):
    add_options(parser)
    return parser


def test_a_result_says_what_it_was_measured_on(tmp_path, monkeypatch):
    about = "model name\t: Great {0}\ncpu family\t: 7\nmodel\t\t: 3\nflags\t: a {1} b\n\n"
    found = []
    for name, flag in (("CPU", "avx512f"), ("Chip", "avx2")):
        (tmp_path / name).write_text(about.format(name, flag) * 2)  # a part for each core
        monkeypatch.setattr(machine, "Path", lambda path, name=name: tmp_path / name)
        found.append(machine.machine())
    assert [of["processor"] for of in found] == [
        "Great CPU (family 7, model 3), AVX-512",
        "Great Chip (family 7, model 3), no AVX-512",
    ]
    of = found[0]
    assert of["date"] == time.strftime("%Y-%m-%d")
    blas = next((one for one in threadpool_info() if one["user_api"] == "blas"), None)
    assert blas is None or str(blas["version"]) in of["products"]
    assert blas is None or f"{blas.get('architecture', 'unknown')} kernels" in of["products"]
    assert of["numpy"] == np.__version__ and sys.version.startswith(of["python"])
    if hasattr(os, "sched_getaffinity"):  # Linux has it
        assert of["cores"] == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("cpuinfo", [None, "processor\t: 0\nCPU implementer\t: 0x41\n"])
def test_a_machine_that_is_no_linux_on_x86_is_named_too(tmp_path, monkeypatch, cpuinfo):
    if cpuinfo:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(machine, "Path", lambda path: tmp_path / "cpuinfo")
    monkeypatch.setattr(machine.platform, "machine", lambda: "arm64")
    for name, shown in (("Apple", "Apple"), ("", "arm64")):
        monkeypatch.setattr(machine.platform, "processor", lambda name=name: name)
        assert machine.processor() == shown


@pytest.mark.parametrize(("count", "cores"), [(8, 8), (None, 1)])
def test_where_no_process_is_bound_to_cores_all_of_them_count(monkeypatch, count, cores):
    """macOS and Windows."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert machine.cores() == cores


@pytest.mark.parametrize(
    ("libraries", "named"),
    [
        ([{"user_api": "openmp"}], "a library that threadpoolctl does not know"),
        (
            [
                {"user_api": "openmp", "internal_api": "openmp", "version": "9"},
                {"user_api": "blas", "internal_api": "mkl", "version": "2.1"},
            ],
            "mkl 2.1, unknown kernels",
        ),
    ],
)
def test_the_library_of_products_is_named_as_far_as_it_is_known(monkeypatch, libraries, named):
    monkeypatch.setattr(machine, "threadpool_info", lambda: libraries)
    assert machine.products_library() == named


def test_without_file_locks_a_folder_is_looked_at_still(tmp_path, monkeypatch):
    """Windows has no fcntl."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    a = tmp_path / "a"
    a.mkdir()
    with claimed(a) as still_ours:
        still_ours()
        a.rename(tmp_path / "c")
        with pytest.raises(OSError, match="a was moved or removed: nothing more is written"):
            still_ours()


def test_a_long_run_is_saved_as_often_as_it_is_said():
    """Twice a minute, and train.py's after an epoch, but not every second: in a hundredth."""
    assert long_runs.SECONDS_BETWEEN_CHECKPOINTS == 60 / 2
    assert train.SECONDS_BETWEEN_CHECKPOINTS == 5
    assert long_runs.SHARE_FOR_CHECKPOINTS == 0.01
    assert long_runs.core_clock("cpu") is time.process_time
    assert long_runs.core_clock("gpu") is time.perf_counter


def test_a_letter_that_a_terminal_cannot_write_is_a_question_mark(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    written = {name: io.BytesIO() for name in ("stdout", "stderr")}
    for name, buffer in written.items():
        monkeypatch.setattr(sys, name, io.TextIOWrapper(buffer, encoding="ascii"))
    prepare_streams()
    for name, buffer in written.items():
        print("½ → x", file=getattr(sys, name), flush=True)
        assert buffer.getvalue().split() == [b"?", b"?", b"x"]


def test_a_warning_is_a_note_in_one_line(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # it comes back
    prepare_streams()
    said = warnings.formatwarning("the step is long", UserWarning, "steps.py", 3, "step *= 9")
    assert said == "note: the step is long\n"


def identity(options):
    """What a run of train.py with these options is: with which a checkpoint is compared."""
    args, _ = parse(["--hidden", "5", "4", *options.split()], "What?\n\nSo.")
    images = np.arange(48, dtype=np.uint8).reshape(8, 6)
    trainer = make_trainer(args, datasets.Dataset(images, images, (2, 3)))
    known = resuming.identity(trainer) | {"threads": trainer.threads, "graph": trainer.graph}
    first, *_, last = trainer.model.decoder.network.layers
    size = abs(first.weight).max()
    return known | {"initial weights": "small" if size < 0.1 else size, "bias": last.bias[0]}


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ("--latent 2", {"encoder": " 4)", "decoder": "(2, ", "initial weights": ""}),
        ("--activation relu", {"encoder": "ReLU", "decoder": "ReLU"}),
        ("--init paper", {"initial weights": "small", "bias": ""}),
        ("--decoder gaussian", {"decoder": "noise per-output, mean squashed"}),
        ("--decoder gaussian --noise fixed", {"decoder": "noise fixed at sigma 0.707"}),
        ("--decoder gaussian --noise learned", {"decoder": "noise learned"}),
        ("--binarize", {"binarize": "True"}),
        ("--batch-size 7", {"batch size": "7"}),
        ("--objective sgvb-a", {"objective": "sgvb-a"}),
        ("--objective wake-sleep", {"objective": "wake-sleep"}),
        ("--objective score-function --samples 2", {"objective": "score", "number of draws": "2"}),
        ("--samples 5", {"number of draws": "5"}),
        ("--kl-weight 4", {"kl_weight": "4.0"}),
        ("--kl-weight 4 --kl-warm-up 3", {"kl_weight": "0.0"}),
        ("--optimizer sgd", {"optimizer": "SGD"}),
        ("--optimizer adagrad", {"optimizer": "Adagrad", "learning rate": "0.02"}),
        ("--learning-rate 0.5", {"learning rate": "0.5"}),
        ("--schedule 4:0.5", {"learning rate": "[[0, 0.001], [4, 0.5]]"}),
        ("--weight-prior", {"weight prior": "True"}),
        ("--seed 3", {"seed": "3", "initial weights": ""}),
        ("--threads 2", {"threads": "2"}),
        ("--no-graph", {"graph": "False"}),
    ],
)
def test_an_option_of_train_py_is_the_trainer_s(options, changed):
    usual, found = identity(""), identity(options)
    different = {key for key in usual.keys() & found if usual[key] != found[key]}
    new = found.keys() - usual.keys()
    assert usual["bias"] == pytest.approx(np.log(21 / 234))  # of the mean of the first pixel
    assert different == changed.keys() and new <= {"baseline"}
    for key, text in changed.items():
        assert text in str(found[key])
