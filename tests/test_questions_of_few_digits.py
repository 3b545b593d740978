"""Each question asked of a few digits: on the stand-in for a GPU, and on CuPy under ``-m gpu``.

And with another seed and other epochs: what it finds, prints and draws then is recorded too.
"""

import importlib
import json
from functools import partial
from types import SimpleNamespace

import pytest
from drawn_figures import all_bars_shown, drawn  # noqa: F401
from of_few_digits import check_experiment, few_digits

from demos.__main__ import scripts
from vae_np import datasets
from vae_np.inference.hmc import sample_posterior

# ruff: noqa: F811 - a fixture's name as an argument

FEWER = {  # repeats, draws and steps than suit the question
    "amortization": {"FIT_STEPS": 3, "BOUND_DRAWS": 20, "SAMPLES": 30},
    "clouds": {"PRIOR_DRAWS": 100},
    "posterior": {
        **{"CANDIDATE_DRAWS": 100, "ELBO_DRAWS": 100, "CHAIN_DRAWS": 4},
        "sample_posterior": partial(sample_posterior, n_warmup=2),  # before rounding parts chains
    },
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


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """Asks a question of a few digits: its summary and its findings."""

    def asked(name, device, seed=0, epochs=1):
        question = importlib.import_module(f"demos.questions.{name}")
        for constant, value in FEWER.get(name, {}).items():
            monkeypatch.setattr(question, constant, value)
        args = SimpleNamespace(seed=seed, epochs=epochs, device=device, out=tmp_path)
        return question.experiment(args)

    few = few_digits()
    monkeypatch.setattr(datasets, "load", lambda name: few)
    return asked


@pytest.mark.slow
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_can_be_asked_on_a_gpu(name, gpu, drawn, ask):
    summary, findings = ask(name, gpu)
    assert json.dumps(summary) and findings and drawn  # plain numbers, all copied from the GPU
    if name in IMAGES:
        images, wanted = IMAGES[name](summary)
        assert images == wanted


@pytest.mark.slow
@pytest.mark.parametrize("name", QUESTIONS)
def test_another_seed_and_other_epochs_are_heard(name, drawn, ask, tmp_path, capsys, monkeypatch):
    """Their numbers in what is said, printed and drawn are the run's own; all bars are shown."""
    all_bars_shown(monkeypatch)
    summary, findings = ask(name, "cpu", seed=3, epochs=2)
    found = tmp_path / f"{name}.txt"
    check_experiment(found, capsys.readouterr().out, findings, summary, drawn[0])
