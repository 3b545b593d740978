"""use_it.py with another seed, on few digits and on images of one's own: what it says and draws.

That is recorded: a change of it is seen in the commit, and a test that fails names the file.
"""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from as_recorded import check_told, numbers_of
from drawn_figures import all_bars_shown, described, drawn  # noqa: F401
from of_few_digits import few_digits

from demos import train, use_it
from demos.using import features, unusual
from vae_np import datasets

# ruff: noqa: F811 - a fixture's name as an argument

LOAD, DIGITS = datasets.load, datasets.load("mnist5k")
LEFT_OUT = re.compile(r"(kl|change|between_classes|latents|lowest)\.(?!0$)\d+$")
TINY = "--epochs 20 --hidden 16 --batch-size 20 --seed 3 --learning-rate 0.01".split()
RUNS = {
    "of_three_labels": ["--latent", "8", "--binarize"],  # eight latents, six rows of a walk
    "unlabelled": ["--latent", "2", "--decoder", "gaussian"],
}


def own_images(labelled):
    """Digits of 8 × 6 pixels: 0, 1 and 2 with their names, or floats without."""
    chosen = np.flatnonzero(DIGITS.train_labels < 3)[:65]
    x = DIGITS.train[chosen].reshape(-1, 28, 28)[:, 2:26, 5:23].reshape(-1, 8, 3, 6, 3)
    x = x.mean(axis=(2, 4)).round().astype(np.uint8)
    if labelled:
        return {"x": x, "y": np.array(["nought", "one", "two"])[DIGITS.train_labels[chosen]]}
    return {"x": x / np.float32(255)}


@pytest.fixture
def used(tmp_path, monkeypatch, drawn, capsys):
    """What is said, drawn and found, for the run in a folder or without one: all in lines."""
    few = few_digits(400, 111)
    all_bars_shown(monkeypatch)
    monkeypatch.setattr(datasets, "load", {"mnist5k": few}.__getitem__)  # which needs no download

    def use(folder):
        args = SimpleNamespace(folder=folder, seed=3, epochs=2, device="cpu", out=tmp_path)
        capsys.readouterr()
        summary, findings = use_it.experiment(args)
        pictures = ("\n".join(described(figure)) for figure in drawn)
        return [capsys.readouterr().out, findings, *pictures, numbers_of(summary, LEFT_OUT)]

    return use


@pytest.mark.slow
def test_what_it_makes_of_few_digits_is_as_recorded(used, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "REPEATS", 3)
    monkeypatch.setattr(unusual, "DRAWS", 12)
    check_told(tmp_path / "use_it_of_few_digits.txt", used(None), absolute=0.002)


@pytest.mark.parametrize("name", RUNS)
def test_what_it_makes_of_a_run_on_own_images_is_as_recorded(used, tmp_path, monkeypatch, name):
    monkeypatch.setattr(train, "draw_pictures", lambda *of: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load", LOAD)
    np.savez("own.npz", **own_images(name == "of_three_labels"))
    assert train.main([*TINY, *RUNS[name], "--data", "own.npz", "--out", "run"]) == 0
    parts = used(tmp_path / "run")
    check_told(tmp_path / f"use_it_{name}.txt", parts, absolute=0.002)


def test_of_many_images_the_first_ones_are_taken_with_their_labels(monkeypatch):
    rows = [np.arange(n, dtype=np.float32)[:, None] for n in (10_050, 1_050)]
    seen = []
    monkeypatch.setattr(use_it, "a_model", lambda args: (None, given, False))
    for name in ("interpolate", "walk", "find_unusual", "classify"):
        monkeypatch.setattr(use_it, name, lambda *of, **more: seen.append(of[1]) or ({}, ""))
    for labels in ((None, None), [x[:, 0] for x in rows]):
        given = datasets.Dataset(*rows, (1, 1), *labels)
        use_it.experiment(None)
    for data, labelled in zip(seen, 4 * [False] + 4 * [True], strict=True):
        np.testing.assert_array_equal(data.train, rows[0][:10_000])
        np.testing.assert_array_equal(data.test, rows[1][:1_000])
        if labelled:
            np.testing.assert_array_equal(data.train_labels, data.train[:, 0])
            np.testing.assert_array_equal(data.test_labels, data.test[:, 0])
        else:
            assert data.train_labels is data.test_labels is None


def test_an_area_of_half_is_chance_and_no_more_usual():
    area = dict.fromkeys(unusual.SCORES, 0.5)
    kinds = ("turned by 90°", unusual.ERASED, unusual.BLACK)
    numbers = {"log_px": 1, "draws": 50, "lowest": [0], "highest_log_px": 2}
    numbers["kinds"] = {name: {"log_px": 1, "roc_area": area} for name in kinds}
    assert "the area is 0.50; and" in unusual.describe(numbers)
    numbers["kinds"][unusual.ERASED]["roc_area"] = dict.fromkeys(unusual.SCORES, 0.4)
    assert "the area is 0.40: they look *more* usual" in unusual.describe(numbers)
