"""The paper's experiments on a few digits with another seed: what they find, print and draw."""

import importlib
import json
import runpy
import sys
import types
from functools import partial
from pathlib import Path

import pytest
from conftest import DEMOS, in_this_process
from drawn_figures import drawn  # noqa: F401
from of_few_digits import check_experiment, few_digits
from small_data import small

from demos.__main__ import scripts
from demos.common import long_runs
from demos.paper import best_model, best_model_training, figure_3, full_bayes
from demos.paper import figure_3_estimates as estimates
from demos.paper import settings as paper_settings
from vae_np import datasets
from vae_np.inference import appendix_d
from vae_np.inference.hmc import sample_posterior

# ruff: noqa: F811 - a fixture's name as an argument

PAPER = [path.stem for path, _ in scripts() if path.parent.name == "paper"]
SAMPLES = 120  # two epochs
SIZES = 20, 30, 60  # of training sets
FEWER = {  # so that little is computed, and chains are not parted by rounding
    best_model: {"IMPORTANCE_SAMPLES": 50},
    best_model_training: {"IMPORTANCE_SAMPLES": 50, "SAMPLES_PER_TEST_IMAGE": 10},
    estimates: {"CHAINS": 2, "DRAWS": 4, "STARTS": 30, "IMPORTANCE_SAMPLES": 50},
    appendix_d: {"sample_posterior": partial(sample_posterior, n_warmup=2)},
    figure_3: {
        "TRAINING_SETS": SIZES[1:],
        "SETTINGS": [
            figure_3.Setting(n, method) for method in paper_settings.METHODS for n in SIZES[1:]
        ],
    },
    paper_settings: {"STEP_SIZES": (0.002, 0.005)},  # where rounding does not grow
    full_bayes: {
        "TRAINING_SETS": SIZES,
        "SETTINGS": [full_bayes.Setting(n, way) for n in SIZES for way in full_bayes.METHODS],
        **{"POINTS": 4, "IMAGES": 20, "SAMPLES": 50},
        **{"TRAINING_SAMPLES_PER_WEIGHT_DRAW": 40},
        **{"SAMPLES_PER_WEIGHT_DRAW": 10, "FIT_STEPS_PER_WEIGHT_DRAW": 5},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPER)
def test_another_seed_is_heard(name, drawn, tmp_path, capsys, monkeypatch):
    """Its numbers in what is said, printed and drawn are the run's own."""
    script, digits = importlib.import_module(f"demos.paper.{name}"), few_digits()
    known = small(datasets.load)
    faces = known("frey")
    few = {"frey": datasets.Dataset(faces.train[:60], faces.test[:30], faces.image_shape)}
    monkeypatch.setattr(datasets, "load", lambda of: few.get(of, digits))
    monkeypatch.setattr(script, "side_by_side", in_this_process)
    for module, constants in FEWER.items():
        for constant, value in constants.items():
            monkeypatch.setattr(module, constant, value)
    args = types.SimpleNamespace(samples=SAMPLES, seed=3, device="cpu", out=tmp_path)
    args.objective, args.draws, args.schedule, args.score = "elbo", 1, "line", None
    args.setting, args.draw, args.em_minutes = ["MNIST 200", "Frey Face 2"], False, 30
    summary, findings = script.experiment(args)
    if name == "figure_2":  # whose curves are in files of their own
        files = sorted(tmp_path.glob("*.json"))
        summary |= {file.stem: json.loads(file.read_bytes())["curves"] for file in files}
    told = capsys.readouterr().out, findings, summary, drawn[-1]
    check_experiment(tmp_path / f"{name}.txt", *told, relative=1e-5, pictures=True)


@pytest.mark.parametrize("name", [name for name in PAPER if name != "full_bayes"])
def test_the_same_command_goes_on_where_it_was_stopped(name, tmp_path, capsys, monkeypatch):
    def stopped(function, tasks, args, *given, **more):
        (args.out / "weights.npz").touch()
        raise KeyboardInterrupt

    digits = few_digits()
    monkeypatch.setattr(datasets, "load", lambda of: digits)
    monkeypatch.setattr(long_runs, "side_by_side", stopped)
    monkeypatch.setattr(sys, "argv", [f"{name}.py"])
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with pytest.raises(SystemExit) as leaving:
            runpy.run_path(str(DEMOS / "paper" / f"{name}.py"), run_name="__main__")
        assert leaving.value.code == 130
        said = f"the same command with --out {Path('runs') / name} goes on from what is saved there"
        assert said in capsys.readouterr().err
