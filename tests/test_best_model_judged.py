"""The best model: how its step size falls, and by what its weights are judged."""

import pytest
from conftest import options

from demos.paper import best_model, best_model_training
from demos.paper.best_model_picture import reported_for
from vae_np import datasets
from vae_np.evaluation import evaluate_elbo


@pytest.fixture(autouse=True)
def small(small_data, monkeypatch):
    for module in (best_model, best_model_training):
        monkeypatch.setattr(module, "IMPORTANCE_SAMPLES", 50)


@pytest.mark.parametrize("seed", [0, 3])
def test_weights_are_judged_by_the_images_and_the_seed_that_are_asked_for(
    monkeypatch, tmp_path, seed
):
    args, setting, test = (
        options(tmp_path, 900),
        best_model.SETTINGS[0],
        datasets.load("mnist").test,
    )
    best_model.learn(setting, args, lambda n: None)
    model = best_model.make_model(setting, datasets.load("mnist"), args)
    model.load(tmp_path / "best_model_200_tanh.npz")
    args.images, args.seed, how = 7, seed, {"binary": True, "seed": seed}
    log_px = best_model.importance_sampled_log_likelihood(model, test[:7], 50, **how)
    monkeypatch.setattr(best_model, "active_units", lambda model, images, args: len(images))
    args.score = tmp_path / "best_model_200_tanh.npz"
    _, said = best_model.experiment(args)
    assert (
        f"of the first 7 test images with 50 importance samples each is {log_px.mean:.3f}" in said
    )
    assert f"(± {log_px.mean_standard_error:.3f} by the samples" in said
    elbo = evaluate_elbo(model, test[:7], **how).value
    assert f"and their ELBO {elbo:.2f}; 7 of 50 latents are active" in said


def test_a_run_of_60_epochs_has_a_point_for_each(monkeypatch, tmp_path):
    data = datasets.load("mnist")
    few = datasets.Dataset(data.train[:10], data.test[:10], data.image_shape)
    monkeypatch.setattr(datasets, "load", lambda name: few)
    for epochs, points in ((60, 60), (61, 31)):
        args = options(tmp_path / f"{epochs}", 10 * epochs)
        args.out.mkdir()
        found = best_model.learn(best_model.SETTINGS[0], args, lambda n: None)
        assert len(found["curve"]) == points


@pytest.mark.parametrize("setting", best_model.SETTINGS)
def test_the_step_size_falls_to_0_in_a_line_or_by_stages(tmp_path, setting):
    data, args = datasets.load("mnist"), options(tmp_path, 900 / setting.share)
    line = best_model_training.make_trainer(setting, data, args).schedule
    highest = setting.learning_rate
    assert [rate for _, rate in line] == pytest.approx([highest, highest * 3 / 4, highest / 2])
    args.schedule = "stages"
    stages = best_model_training.make_trainer(setting, data, args).schedule
    assert list(map(tuple, stages)) == best_model_training.STAGES


def test_one_draw_of_either_bound_s_gradient_is_the_elbo(tmp_path):
    args = options(tmp_path, 1)
    reported = {}
    for args.objective in best_model_training.OBJECTIVES:
        reported[args.objective] = reported_for(args)
    assert set(reported.values()) == {-86.76}
