"""Each question can be asked on a GPU: on the stand-in, and on CuPy under ``-m gpu``."""

import importlib
import json
from types import SimpleNamespace

import pytest
from drawn_figures import drawn  # noqa: F401

from demos.__main__ import scripts
from vae_np import datasets

# ruff: noqa: F811 - a fixture's name as an argument

FEWER = {  # repeats, draws and steps than suit the question
    "amortization": {"FIT_STEPS": 3, "BOUND_DRAWS": 20, "SAMPLES": 30},
    "clouds": {"PRIOR_DRAWS": 100},
    "posterior": {"CANDIDATE_DRAWS": 100, "ELBO_DRAWS": 100, "CHAIN_DRAWS": 4},
    "q_family": {"STEPS": 3, "DRAWS": 20, "SPACING": 0.4},
    "signal_to_noise": {"REPEATS": 3, "DRAWS": (1, 2, 3)},
    "two_estimators": {"REPEATS": 3, "DRAWS": (1, 2, 3)},
    "why_q": {"Q_SAMPLES": (1, 10, 30), "PRIOR_SAMPLES": {2: (1, 10), 20: (1, 10)}},
    "why_reparameterize": {"REPEATS": 3},
}
IMAGES = {  # that are judged after one epoch
    "amortization": lambda of: (len(of["training"]["amortization"]["of_each_image"]), 5),
    "posterior": lambda of: (len(of["gaps"]), 6),
    "q_family": lambda of: (of["20 latents"]["images"], 2),
    "why_q": lambda of: (of["images"], 1),
}
QUESTIONS = [path.stem for path, _ in scripts() if path.parent.name == "questions"]


@pytest.mark.slow
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_can_be_asked_on_a_gpu(name, gpu, drawn, monkeypatch, tmp_path):
    digits = datasets.load("mnist5k")
    few = datasets.Dataset(
        digits.train[:60],
        digits.test[:30],
        (28, 28),
        digits.train_labels[:60],
        digits.test_labels[:30],
    )
    monkeypatch.setattr(datasets, "load", lambda name: few)
    question = importlib.import_module(f"demos.questions.{name}")
    for constant, value in FEWER.get(name, {}).items():
        monkeypatch.setattr(question, constant, value)
    args = SimpleNamespace(seed=0, epochs=1, device=gpu, out=tmp_path)
    summary, findings = question.experiment(args)
    assert json.dumps(summary) and findings and drawn  # plain numbers, all copied from the GPU
    if name in IMAGES:
        images, wanted = IMAGES[name](summary)
        assert images == wanted
