"""The scripts and the evaluation on a GPU: on the stand-in, and on CuPy under ``-m gpu``."""

import sys

import numpy as np
import pytest
from conftest import TINY, make_model

from demos import gradient_check, train
from demos.questions import why_mse
from vae_np import evaluation
from vae_np.training import recording
from vae_np.training.divergence import DivergenceError


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "more", "expected"),
    [("cpu", {}, 500), ("gpu", {}, 50_000), ("gpu", {"batch_size": 30}, 30)],
)
def test_as_many_pairs_are_decoded_at_a_time_as_suit_the_device(
    gpu, rng, monkeypatch, device, more, expected
):
    model, images, seen = make_model(device=device), rng.random((7, 6)), []
    inner = type(model.decoder).forward

    def forward(self, z):
        seen.append(z.shape[0] * z.shape[1])
        return inner(self, z)

    monkeypatch.setattr(type(model.decoder), "forward", forward)
    evaluation.importance_sampled_log_likelihood(model, images, expected // 5, **more)
    assert max(seen) == expected // 7 * 7
    seen.clear()
    evaluation.evaluate_elbo(model, images, n_draws=expected // 3, **more)
    assert max(seen) == expected // 3 * 3  # three images at a time


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--no-graph"]])
def test_train_records_its_steps_unless_told_not_to(gpu, options, stripes, monkeypatch):
    recorded = []

    def record(self):
        recorded.append(1)
        self.refused = True

    monkeypatch.setattr(recording._Recording, "_record", record)
    monkeypatch.chdir(stripes)
    arguments = ["--data", "stripes.npz", "--device", "gpu", *TINY, "--batch-size", "5", *options]
    assert train.main(arguments) == 0
    assert len(recorded) == (0 if options else 2)  # once an epoch


def test_every_gradient_is_checked_on_the_gpu(gpu, monkeypatch, capsys):
    monkeypatch.setattr(gradient_check, "LEVELS", {"layers": gradient_check.LEVELS["layers"]})
    assert gradient_check.main(["--device", "gpu"]) == 0
    assert " 0 wrong" in capsys.readouterr().out


def test_a_gpu_that_is_not_there_is_said(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert gradient_check.main(["--device", "gpu"]) == 2
    assert 'device "gpu" needs CuPy' in capsys.readouterr().err


def test_training_that_diverges_is_said_and_shown_as_far_as_it_came(monkeypatch, capsys):
    def train(model, images, args, epochs, after_epoch):
        assert epochs == 2
        after_epoch({"train_elbo": 3.0})
        raise DivergenceError("the ELBO is not finite at step 7")

    monkeypatch.setattr(why_mse, "train", train)
    monkeypatch.setattr(why_mse, "make_model", lambda *arguments: None)
    args = type("Args", (), {"epochs": 2})
    data = type("Data", (), {"train": np.zeros((2, 6))})
    assert why_mse.elbos_without_u(data, args) == [3.0]
    assert "the ELBO is not finite at step 7" in capsys.readouterr().out
