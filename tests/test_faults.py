"""The hunt for faults, kept: runs killed at random moments, two writers of one file, a full disk.

``FAULTS=50 python -m pytest -m slow tests/test_faults.py`` kills fifty runs; the default is 20.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import command, run

from demos.training.run import PICTURES
from vae_np.checkpoints import read_checkpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="signals and limits are Unix's"),
]
N_KILLS = int(os.environ.get("FAULTS", 20))
N_READS = 600 * N_KILLS
SMALL = "--epochs 40 --hidden 200 --latent 3 --batch-size 20 --samples 5 --binarize".split()


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A folder with data and a run that nothing has stopped, and how many seconds it took."""
    folder = tmp_path_factory.mktemp("straight")
    np.save(folder / "own.npy", np.random.default_rng(0).random((1000, 8, 8)))
    started = time.monotonic()
    run(folder, "train", "--data", "own.npy", *SMALL, "--out", "run")
    return folder, time.monotonic() - started


def what_was_learned(folder):
    """The arrays, and the history without its seconds."""
    about, arrays = read_checkpoint(folder / "checkpoint.npz")
    for row in about["history"]:
        del row["seconds"]
    return about["epoch"], about["history"], {k: v.tobytes() for k, v in arrays.items()}


def killed(folder, number, seconds, at_first):
    """Send the signal to a run after so many seconds; with ``at_first``, of its first epoch."""
    arguments = command("train", "--data", folder.parent / "own.npy", *SMALL, "--out", folder)
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while at_first and not (folder / "checkpoint.npz").exists():
        time.sleep(0.001)
    time.sleep(seconds)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    return err.decode()


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP"])
def test_runs_killed_at_random_moments_resume_bit_for_bit(straight, name, capsys):
    """Or say in one line that nothing was saved; and what was half written is gone again.

    Every third kill strikes in the first 50 ms after the first checkpoint, which are in the first
    epoch; the others at any moment from the start of Python to the end of the run.
    """
    data, seconds = straight
    expected, moments, counts = what_was_learned(data / "run"), random.Random(name), Counter()
    for i in range(N_KILLS // 3 + (name == "SIGKILL") * (N_KILLS % 3)):
        folder, at_first = data / f"{name}-{i}", i % 3 == 0
        moment = moments.uniform(0, 0.05 if at_first else seconds)
        err = killed(folder, getattr(signal, name), moment, at_first)
        assert "Traceback" not in err or not folder.exists(), err  # Python's own, as it starts
        saved = (folder / "checkpoint.npz").exists()
        finished = (folder / "summary.json").exists()
        epoch = what_was_learned(folder)[0] if saved else None
        arguments = command("train", "--resume", folder)
        again = subprocess.run(arguments, cwd=data, capture_output=True, text=True)
        if not saved:
            assert again.returncode == 2
            (line,) = again.stderr.strip().splitlines()
            assert line.endswith("leave --resume out to start afresh")
            counts["said that nothing was saved"] += 1
            continue
        if finished:
            assert "is complete" in again.stderr
            counts["was complete"] += 1
        else:
            assert again.returncode == 0, again.stderr
            counts["resumed in the first epoch" if epoch == 0 else "resumed later"] += 1
        assert what_was_learned(folder) == expected
        assert not list(folder.glob("*.part"))
    with capsys.disabled():
        print(f"\n{name}: {dict(counts)}")
    if name == "SIGKILL":  # the others save where they stop, which may be in the second epoch
        assert counts["resumed in the first epoch"]
    assert counts["resumed in the first epoch"] + counts["resumed later"]


WRITER = """
import sys
import numpy as np
from vae_np.checkpoints import write_checkpoint

path, own = sys.argv[1], int(sys.argv[2])
while True:
    write_checkpoint(path, {"own": own}, {n: np.full(2000, own) for n in "abc"})
"""


def test_two_writers_of_one_checkpoint_are_never_mixed(tmp_path, capsys):
    path = tmp_path / "checkpoint.npz"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, str(own)]) for own in range(2)]
    while not path.exists():
        time.sleep(0.01)
    seen = [0, 0]
    try:
        for _ in range(N_READS):
            about, arrays = read_checkpoint(path)
            numbers = {about["own"], *np.concatenate(list(arrays.values())).tolist()}
            assert len(numbers) == 1, numbers
            seen[about["own"]] += 1
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    with capsys.disabled():
        print(f"\nreads of the two writers' files: {seen}")
    assert min(seen) > 0


def test_a_full_disk_names_the_file_that_it_could_not_write(straight, tmp_path):
    """A limit on the size of a file stands for it: the same error of the same calls."""
    options = ["--data", straight[0] / "own.npy", "--epochs", 1, "--hidden", 8, "--latent", 2]
    folder, _ = limited(tmp_path, "train", options)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert {"checkpoint.npz", "history.csv", *PICTURES} <= sizes.keys()
    for limit in (0, *sorted(sizes.values())[:-1]):
        folder, result = limited(tmp_path, "train", options, limit)
        (line,) = result.stderr.strip().splitlines()
        assert result.returncode == 2
        blamed = Path(line.partition("cannot write ")[2].partition(": File too large")[0])
        assert blamed.parent == folder
        assert sizes[blamed.name] > limit - 100, line  # a checkpoint's varies a little
        assert not list(folder.glob("*.part"))
        for path in folder.iterdir():  # what is there is whole
            assert path.stat().st_size == pytest.approx(sizes[path.name], rel=0.2)


def test_an_experiment_on_a_full_disk_names_its_picture(tmp_path):
    folder, result = limited(tmp_path, "the_gap", ["--epochs", 1], 4000)
    (line,) = result.stderr.strip().splitlines()
    assert line == f"the_gap.py: error: cannot write {folder / 'the_gap.png'}: File too large"
    assert list(folder.iterdir()) == []


def limited(tmp_path, demo, options, limit=None):
    """A demo that cannot write more than ``limit`` bytes into a file: its folder, and its end."""
    folder = tmp_path / f"{demo}-{limit}"
    _, *arguments = command(demo, *options, "--out", folder)
    size = "resource.RLIM_INFINITY" if limit is None else limit
    code = (
        "import resource, runpy, sys; sys.argv[:] = sys.argv[1:]\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    arguments = [sys.executable, "-c", code, *arguments]
    return folder, subprocess.run(arguments, capture_output=True, text=True)
