"""What a checkpoint says of its run, and calls its arrays, is recorded: so older ones load."""

import json

import numpy as np
from as_recorded import check_letters
from conftest import make_model, make_trainer
from test_the_door import OBJECTIVES

from vae_np.checkpoints import read_checkpoint
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
