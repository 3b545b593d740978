"""Run an experiment as it is typed, but of small data: the digits that are part of the package.

    python tests/small_data.py demos/paper/figure_5.py --samples 4000 --out FOLDER

They stand for MNIST; their middle columns, as many pixels, under noise, for Frey Face. So it takes
seconds and no download, and yet runs every line that computes a result; all of it in this process.
FOLDER's summary.json gets what the other records there hold, and is kept in demos/results/small.
"""

import json
import runpy
import sys
from pathlib import Path

import numpy as np

from demos.common import long_runs
from vae_np import datasets

FACES = 400, 100  # training and test images


def small(load):
    """What stands for `datasets.load`, here ``load``: a function of the name."""

    def faces(images):
        middle = images.reshape(-1, 28, 28)[:, :, 4:24].reshape(len(images), 560)
        return middle // 2 + np.random.default_rng(0).integers(0, 128, middle.shape, np.uint8)

    digits, (n_train, n_test) = load("mnist5k"), FACES
    train, test = faces(digits.train[:n_train]), faces(digits.test[:n_test])
    known = {"mnist5k": digits, "mnist": digits, "frey": datasets.Dataset(train, test, (28, 20))}
    return known.__getitem__


def one_after_the_other(function, tasks, args, total, data=()):
    """For `side_by_side`."""
    return (function(task, args, lambda n: None) for task in tasks)


def joined(folder):
    """The summary in the folder, and what the other records there hold, by their names."""
    paths = sorted(folder.glob("*.json"))
    records = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    return records.pop("summary") | records


if __name__ == "__main__":
    datasets.load = small(datasets.load)
    long_runs.side_by_side = one_after_the_other
    del sys.argv[0]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    out = Path(sys.argv[sys.argv.index("--out") + 1])
    content = json.dumps(joined(out), indent=1) + "\n"
    (out / "summary.json").write_text(content, encoding="utf-8")
