"""What the options of train.py take, and what they then are."""

from pathlib import Path

import pytest
from conftest import TINY

from demos import train
from demos.training.making import make_trainer
from demos.training.run import parse
from vae_np.datasets import NAMES, Dataset

LEAST = {
    "--latent": 1,
    "--hidden": 1,
    "--epochs": 1,
    "--batch-size": 1,
    "--samples": 1,
    "--kl-weight": 0,
    "--kl-warm-up": 0,
    "--seed": 0,
    "--threads": 1,
}


def trainer_of(images, *typed):
    args, _ = parse(typed, "")
    return make_trainer(args, Dataset(images, images, (2, 3)))


@pytest.mark.parametrize(("option", "least"), LEAST.items())
def test_the_least_number_is_taken_and_none_below(tmp_path, error_of, option, least):
    args, _ = parse([option, f"{least}"], "")
    assert getattr(args, option[2:].replace("-", "_")) in (least, [least])
    message = error_of(tmp_path, option, least - 1)
    assert f"argument {option}: wants a " in message
    assert f"number of at least {least}, got '{least - 1}'" in message


@pytest.mark.parametrize("option", ["--hidden", "--schedule"])
def test_an_option_of_several_values_wants_one_at_least(tmp_path, error_of, option):
    assert f"argument {option}: expected at least one argument" in error_of(tmp_path, option)


def test_images_of_ones_own_are_named_by_their_whole_path(tmp_path, monkeypatch):
    """--resume may be typed in another folder. What is called as a data set is, is that."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        assert parse(["--data", name], "")[0].data == name
    for path in ("own.npz", "deep/own.npy", "deep/mnist", "MNIST"):
        assert parse(["--data", path], "")[0].data == str(Path.cwd() / path)


@pytest.mark.parametrize("latent", [1, 4])
def test_the_widths_are_those_that_were_typed(images, latent):
    model = trainer_of(images, "--hidden", "5", "3", "--latent", f"{latent}").model
    for network, widths in (
        (model.encoder, [(6, 5), (5, 3), (3, 2 * latent)]),
        (model.decoder, [(latent, 3), (3, 5), (5, 6)]),
    ):
        assert [layer.weight.shape for layer in network.network.layers[::2]] == widths


def test_a_minibatch_may_be_large(images):
    assert trainer_of(images, "--batch-size", "300").batch_size == 300


def test_a_schedule_is_written_in_one_way_however_it_is_typed():
    args, _ = parse(["--schedule", "1e1:25e-1", "040:3e-4"], "")
    assert args.schedule == ["10:2.5", "40:0.0003"]


def test_the_pictures_are_of_the_runs_seed(stripes, monkeypatch):
    def draw(trainer, data, out, seed):
        drawn.append(seed)

    drawn = []
    monkeypatch.chdir(stripes)
    monkeypatch.setattr(train, "draw_pictures", draw)
    assert train.main(["--data", "stripes.npz", *TINY, "--seed", "5", "--out", "run"]) == 0
    assert train.main(["--resume", "run", "--epochs", "3"]) == 0
    assert drawn == [5, 5]


def test_an_epoch_is_evaluated_on_all_test_images_however_small_a_minibatch(stripes, monkeypatch):
    def evaluated(model, images, **options):
        counts.append(len(images))
        return evaluate(model, images, **options)

    counts, evaluate = [], train.evaluate_elbo
    monkeypatch.chdir(stripes)
    monkeypatch.setattr(train, "draw_pictures", lambda *of: None)
    monkeypatch.setattr(train, "evaluate_elbo", evaluated)
    assert train.main(["--data", "stripes.npz", *TINY, "--batch-size", "7"]) == 0
    assert counts == [16, 16]
