"""What a checkpoint says of its run, and calls its arrays, is recorded: so older ones load.

All that going on needs is there, and nothing is taken for it that is not.
"""

import json

import numpy as np
import pytest
from as_recorded import check_letters
from conftest import make_model, make_trainer
from test_the_door import OBJECTIVES

from vae_np.checkpoints import CheckpointError, read_checkpoint, write_checkpoint
from vae_np.networks import GaussianDecoder
from vae_np.optimizers import SGD, Adagrad, Adam
from vae_np.training.monte_carlo_em import MonteCarloEM

IMAGES = np.arange(0, 240, 5, dtype=np.uint8).reshape(8, 6)


def saved():
    """What is saved, one after the other."""
    for objective in OBJECTIVES:
        yield make_trainer(IMAGES, objective=objective)
    for optimizer in (SGD, Adagrad):
        yield make_trainer(IMAGES, optimizer)
    schedule = [(0, 0.1), (2, 0.01)]
    yield make_trainer(IMAGES, schedule=schedule, binarize=True, seed=3)
    yield make_trainer(IMAGES, decoder="per-output", weight_prior=True)
    decoder = GaussianDecoder(3, (5,), 6, noise="fixed", std=0.25)
    yield MonteCarloEM(decoder, Adam([decoder.parameters]), (IMAGES / 255).astype(np.float32))
    yield make_model()


def test_what_is_saved_is_called_as_recorded(tmp_path):
    path, lines = tmp_path / "a.npz", []
    for one in saved():
        one.save(path)
        about, arrays = read_checkpoint(path)
        lines += [json.dumps([about["identity"], sorted(about), sorted(arrays)], indent=1)]
    check_letters(tmp_path, "saved.txt", "\n".join(lines) + "\n")


LACKING = {"format": "cut short or not a vae_np checkpoint", "identity": "is of another run: its"}
NAMES = "format identity epoch step optimizer_steps threads seconds history".split()


@pytest.mark.parametrize("lacking", NAMES)
def test_a_checkpoint_that_lacks_a_name_is_refused(tmp_path, lacking):
    decoder, path = make_model().decoder, tmp_path / "c.npz"
    em = MonteCarloEM(decoder, Adam([decoder.parameters]), (IMAGES / 255).astype(np.float32))
    for saver in (make_trainer(IMAGES), em, make_model()):
        saver.save(path)
        about, arrays = read_checkpoint(path)
        if lacking in about:
            about = {name: about[name] for name in about if name != lacking}
            np.savez(path, about=json.dumps(about), **arrays)
            said = LACKING.get(lacking, "does not say where in its run it was saved")
            with pytest.raises(CheckpointError, match=said):
                saver.load(path)


def test_a_long_history_is_saved_to_its_beginning(tmp_path):
    trainer, again = make_trainer(IMAGES), make_trainer(IMAGES)
    trainer.fit(150, progress=False)
    trainer.save(tmp_path / "c.npz")
    again.load(tmp_path / "c.npz")
    assert again.history == trainer.history and len(again.history) == 150


def test_a_key_that_json_cannot_hold_is_not_left_out(tmp_path):
    with pytest.raises(ValueError, match=r"settings must be what JSON can hold .*\(1, 2\) is 3$"):
        make_trainer(IMAGES).save(tmp_path / "c.npz", {"a": 1, (1, 2): 3})
    for part in (3, {}, {"a": 1}):
        with pytest.raises((TypeError, ValueError)):
            write_checkpoint(tmp_path / "c.npz", {(1, 2): part}, {})
    assert not list(tmp_path.iterdir())
