"""What train.py saves of what was typed, and what it checks of it before a run goes on."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import make_trainer

from demos.training.run import go_on, latest_run, load, parse, settings
from demos.training.saved import check_history, check_test_images
from vae_np.checkpoints import CheckpointError, read_checkpoint, write_checkpoint
from vae_np.datasets import Dataset
from vae_np.training.resuming import checksum

CHECKSUM = "checksum of the test images"  # what the checkpoints of before call it
OTHERS = {
    "--latent 3": "--latent 20, not 3",
    "--hidden 500 9": "--hidden 500, not 500 9",
    "--activation relu": "--activation tanh, not relu",
    "--init paper": "--init fan-in, not paper",
    "--decoder gaussian": "--decoder bernoulli, not gaussian",
    "--noise learned": "--noise None, not learned",
    "--binarize": "--binarize False, not True",
    "--batch-size 9": "--batch-size 100, not 9",
    "--objective sgvb-a": "--objective elbo, not sgvb-a",
    "--samples 2": "--samples 1, not 2",
    "--kl-weight 0": "--kl-weight 1.0, not 0.0",
    "--kl-warm-up 1": "--kl-warm-up 0, not 1",
    "--optimizer sgd": "--optimizer adam, not sgd",
    "--learning-rate 0.01": "--learning-rate 0.001, not 0.01",
    "--schedule 4:1e-4": "--schedule 3:0.0001 9:1e-05, not 4:0.0001",
    "--weight-prior": "--weight-prior False, not True",
    "--seed 1": "--seed 0, not 1",
}


def asked(*options):
    """What is asked of train.py by these options."""
    return parse([str(option) for option in options], "What?\n\nSo.")[0]


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """Saves the settings of what is typed in a checkpoint, and returns them."""
    monkeypatch.chdir(tmp_path)
    Path("a/run").mkdir(parents=True)

    def save(*typed, **more):
        typed = settings(asked(*typed)) | more
        write_checkpoint(Path("a/run/checkpoint.npz"), {"settings": typed}, {})
        return typed

    return save


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "--kl-weight 0",
        "--learning-rate 0.0012345678912",
        "--hidden 30 20 --schedule 4:0.000123456789 9:1e-5 --seed 7",
        "--binarize --weight-prior --activation relu --init paper --latent 1",
        "--decoder gaussian --noise learned --optimizer adagrad --batch-size 9",
        "--kl-weight 0.5 --kl-warm-up 3",
        "--objective importance-weighted --samples 5 --device gpu",
    ],
)
def test_a_run_goes_on_with_all_that_was_typed(saved, typed):
    before = saved(*typed.split())
    assert not before.keys() & {"out", "resume", "overwrite", "threads", "graph"}
    for again in (["--resume", "a/run"], ["--resume", "a/run", "--out", "a/run", *typed.split()]):
        assert settings(asked(*again)) == before
    can_change = ["--epochs", 99, "--data", "frey", "--device", "cpu"]
    new = settings(asked("--resume", "a/run", *can_change, "--threads", 2, "--no-graph"))
    assert new == before | {"epochs": 99, "data": "frey", "device": "cpu"}


def test_no_setting_can_be_changed_on_the_way(saved):
    before = saved("--schedule", "3:1e-4", "9:1e-5")
    assert before["data"] == "mnist5k"
    assert len(OTHERS) == len(before.keys() - {"epochs", "data", "device"})
    for typed, message in OTHERS.items():
        with pytest.raises(ValueError) as raised:
            asked("--resume", "a/run", *typed.split())
        leave = "leave the option out to go on with it"
        assert str(raised.value) == f"the run in a/run has {message}: {leave}"


def test_what_was_typed_is_checked_before_anything_is_loaded(tmp_path):
    with pytest.raises(ValueError, match="--schedule wants epochs that rise"):
        asked("--schedule", "9:1e-4", "9:1e-5")
    (tmp_path / "history.csv").touch()
    with pytest.raises(ValueError, match="holds another run's history"):
        asked("--out", tmp_path)
    (tmp_path / "history.csv").unlink()
    (tmp_path / "summary.json").write_text('{"experiment": "why_q"}')
    for more in ([], ["--overwrite"], ["--resume"]):
        with pytest.raises(ValueError, match=r"holds a summary\.json of why_q: choose another"):
            asked("--out", tmp_path, *more)


def test_the_settings_of_another_version_are_refused(saved):
    saved(**{CHECKSUM: 5})
    assert CHECKSUM not in settings(asked("--resume", "a/run"))
    before = saved(a_new_one=1)
    with pytest.raises(ValueError, match=r"a/run/checkpoint\.npz was not .* another version"):
        asked("--resume", "a/run")
    del before["a_new_one"], before["weight_prior"]
    write_checkpoint(Path("a/run/checkpoint.npz"), {"settings": before}, {})
    with pytest.raises(ValueError, match=r"a/run/checkpoint\.npz was not .* another version"):
        asked("--resume", "a/run")


def test_the_test_images_are_those_of_before_where_that_is_known(tmp_path, images):
    path, new = tmp_path / "checkpoint.npz", images.copy()
    new[-1, -1] ^= 1
    for known in ({}, {"settings": None}, {"settings": {}}):
        write_checkpoint(path, known, {})
        check_test_images(path, images)
    write_checkpoint(path, {"settings": {CHECKSUM: checksum(images)}}, {})
    check_test_images(path, images)
    with pytest.raises(ValueError, match=r"test images have changed since .*checkpoint\.npz was"):
        check_test_images(path, new)


@pytest.mark.parametrize("lacking", ["test_elbo", "test_reconstruction", "test_kl"])
def test_each_row_of_the_history_has_the_test_set_s_numbers(lacking):
    row = dict.fromkeys(["epoch", "test_elbo", "test_reconstruction", "test_kl"], 1.0)
    for whole in ([], [row], [row, row, row]):
        check_history(whole, "c.npz")
    less = {name: row[name] for name in row if name != lacking}
    for ill in (
        [less, less],
        [less, row, row],
        [row, less, row],
        [row, row, less],
        [row | {"a": 1}, row],
    ):
        with pytest.raises(ValueError, match=r"c\.npz does not hold the history of a run"):
            check_history(ill, "c.npz")


@pytest.mark.parametrize("epoch", ["1", None, [1], 1.0, True, -1])
def test_an_ill_epoch_in_a_warm_up_is_refused_in_the_checkpoint_s_name(images, tmp_path, epoch):
    path, args = tmp_path / "c.npz", SimpleNamespace(kl_warm_up=3, kl_weight=1.0)
    make_trainer(images).save(path)
    about, arrays = read_checkpoint(path)
    del about["format"]
    write_checkpoint(path, about | {"epoch": epoch}, arrays)
    with pytest.raises(CheckpointError, match=r"c\.npz does not say where in its run it was"):
        load(make_trainer(images), args, path)


def test_the_latest_run_is_that_of_the_data_that_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = {"foo": "foo", "foo-2": "foo-2", "of one": "my/x.npz", "a[1]": "a[1]"}
    saved = {name: {"settings": {"data": data}} for name, data in runs.items()}
    foreign = {"foreign": {}, "with none": {"settings": None}, "a list": {"settings": ["data"]}}
    for i, (name, about) in enumerate((saved | foreign | {"a/deep": saved["foo"]}).items()):
        path = tmp_path / "runs" / name / "checkpoint.npz"
        path.parent.mkdir(parents=True)
        write_checkpoint(path, about, {})
        os.utime(path, (i, i))
        os.utime(path.parent, (99 - i, 99 - i))
    for name, data in runs.items():
        assert latest_run(data) == Path("runs") / name
    assert latest_run(None) == Path("runs/a list")
    with pytest.raises(ValueError, match=r"there is no run on your/x\.npz in runs to resume"):
        latest_run("your/x.npz")


@pytest.mark.parametrize(
    ("ill", "message"),
    [
        ({"activation": "nope"}, "argument --activation: invalid choice: 'nope'"),
        ({"latent": [2]}, "latent [2]"),
        ({"hidden": 8}, "hidden 8"),
        ({"epochs": None}, "epochs None"),
        ({"learning_rate": float("nan")}, "learning_rate nan"),
        ({"seed": "0"}, "seed 0"),
    ],
)
def test_a_saved_setting_that_cannot_be_typed_is_refused(saved, ill, message):
    saved(**ill)
    with pytest.raises(ValueError) as raised:
        asked("--resume", "a/run")
    told = f"a/run/checkpoint.npz holds settings that train.py does not take: {message}"
    assert str(raised.value).startswith(told)


@pytest.mark.parametrize(("epochs", "so_far"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs")])
def test_a_run_without_a_report_goes_on_to_it(images, tmp_path, capsys, epochs, so_far):
    trainer, args = make_trainer(images), SimpleNamespace(epochs=1, kl_warm_up=0)
    numbers = dict.fromkeys(["test_elbo", "test_reconstruction", "test_kl"], -4.0)
    trainer.fit(epochs, lambda: numbers, progress=False)
    trainer.save(tmp_path / "checkpoint.npz", {CHECKSUM: checksum(images)})
    data, again = Dataset(images, images, (2, 3)), make_trainer(images)
    go_on(again, args, data, tmp_path)
    assert again.epoch == epochs and args.epochs == max(1, epochs)
    assert f"Going on in {tmp_path} after {so_far} and 0 of 4 steps.\n" in capsys.readouterr().out
    with pytest.raises(ValueError, match="the test images have changed"):
        go_on(again, args, Dataset(images, images[:9], (2, 3)), tmp_path)
    (tmp_path / "summary.json").touch()
    args.epochs = epochs
    with pytest.raises(ValueError, match=f"is complete: --epochs above {epochs} goes on"):
        go_on(again, args, data, tmp_path)
