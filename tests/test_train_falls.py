"""What train.py notices where a run is worse at its end than before, or has hardly begun."""

import json

import numpy as np
import pytest
from conftest import TINY, make_model, make_trainer

from demos import train
from demos.training import report
from demos.training.noticed import dead_units, elbo_of_training_set, spread, what_it_noticed
from vae_np import VAE, Adam, BernoulliDecoder, GaussianDecoder, GaussianEncoder, Trainer
from vae_np.datasets import Dataset
from vae_np.evaluation import evaluate_elbo
from vae_np.objectives import ELBO, SGVB_A
from vae_np.optimizers import Adagrad


def noticed(trainer, images, tests, trained=None):
    """The notes on a run whose test ELBOs were these, as was its training ELBO but at the end."""
    trainer.history[:] = [{"test_elbo": test, "train_elbo": test} for test in tests]
    with pytest.MonkeyPatch.context() as patch:
        if trained is not None:
            patch.setattr("demos.training.noticed.elbo_of_training_set", lambda trainer: trained)
        return what_it_noticed(trainer, Dataset(images, images, (2, 3)), "To go on: so")


def test_a_fall_from_the_best_epoch_is_no_climb(images):
    trainer = make_trainer(images, schedule=[(0, 0.25), (1, 0.01)])
    trainer._epoch = 4
    notes = noticed(trainer, images, [-9, -3.125, -80, -70], -2)
    assert not any("climbs" in note for note in notes)
    assert notes[-1] == (
        "On the test set the best was -3.125 nats, after epoch 2; now it is -70. On the training "
        "set it was -3.125 in that epoch and is -2 now: the model overfits. See docs/symptoms.md."
    )
    (both,) = noticed(trainer, images, [-9, -3, -80, -70], -3.5)
    assert both.endswith(
        "now it is -70. On the training set it was -3 in that epoch and is -3.5 now: that is "
        "hardly overfitting. Perhaps the step is too large: try a --learning-rate below 0.25."
    )


@pytest.mark.parametrize(("then", "now", "said"), [(-90, -95, False), (-90, -85, True)])
def test_where_both_fall_the_model_does_not_overfit_whatever_lay_between_them(
    images, then, now, said
):
    trainer = make_trainer(images)
    trainer.history[:] = [{"test_elbo": v, "train_elbo": then} for v in (-150, -110, -130)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demos.training.noticed.elbo_of_training_set", lambda trainer: now)
        (*_, note) = what_it_noticed(trainer, Dataset(images, images, (2, 3)), "")
    assert f"On the training set it was {then} in that epoch and is {now} now" in note
    assert ("the model overfits" in note) == said
    # Nor where only an epoch's running mean, which lags behind, was lower still.
    trainer.history[1]["train_elbo"] = -140
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demos.training.noticed.elbo_of_training_set", lambda trainer: -120)
        (*_, note) = what_it_noticed(trainer, Dataset(images, images, (2, 3)), "")
    assert "is -120 now: that is hardly overfitting" in note


def test_the_training_set_is_judged_with_the_weights_as_they_are(images):
    """Its epoch's own number is a running mean, from before a fall as well."""
    trainer = make_trainer(images, n_draws=3)
    trainer.fit(2, progress=False)
    found = elbo_of_training_set(trainer)
    assert found == evaluate_elbo(trainer.model, images, n_draws=3, seed=trainer.seed).value
    assert found != trainer.history[-1]["train_elbo"]
    fallen = [found + 2, found - 1]  # no image is better known than others: it is no overfitting
    *_, note = noticed(trainer, images, fallen)
    assert f"and is {found:.6g} now: that is hardly overfitting" in note


@pytest.mark.parametrize("option", ["binarize", "objective"])
def test_the_training_set_is_judged_by_what_is_climbed(images, option):
    model = make_model()
    given = (
        {"binarize": True} if option == "binarize" else {"objective": SGVB_A(model), "n_draws": 2}
    )
    trainer = Trainer(model, Adam(model.parameters), images, **given)
    found = elbo_of_training_set(trainer)
    options = {"binary": trainer.binarize, "n_draws": trainer.n_draws}
    assert found == evaluate_elbo(model, images, objective=trainer.objective, **options).value
    plain = evaluate_elbo(model, images, n_draws=trainer.n_draws).value
    assert found != plain


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ([-10, -9.4, -9.91], 1),  # 0.51 nats
        ([-10, -9.4, -9.89], 0),
        ([-210, -10, -10.9], 0),  # less than a two hundredth of the 200 that were gained
        ([-210, -10, -11.1], 1),
        ([-10, -12, -9], 0),
        ([-10, -9.4, -30, -9.8], 0),  # since when it has risen again
    ],
)
def test_a_small_fall_is_none(images, tests, said):
    notes = noticed(make_trainer(images), images, tests)
    assert sum("the best was" in note for note in notes) == said


@pytest.mark.parametrize("weight", [0, 0.5, 4])
def test_of_another_weight_the_elbo_may_fall(images, weight):
    trainer = make_trainer(images)
    model = trainer.model
    other = Trainer(model, Adam(model.parameters), images, ELBO(model, kl_weight=weight))
    assert noticed(other, images, [-9, -3, -80]) == []


@pytest.mark.parametrize(("noise", "said"), [("per-output", 1), ("learned", 0), ("fixed", 0)])
def test_a_sigma_for_each_pixel_is_told_of_the_safer_one(images, noise, said):
    model = VAE(GaussianEncoder(6, [5], 3), GaussianDecoder(3, [5], 6, noise=noise))
    trainer = Trainer(model, Adam(model.parameters), images)
    notes = noticed(trainer, images, [-9, -3, -80, -70], -2)
    advice = "One sigma for all pixels, --noise learned, is safer."
    assert [n.endswith(advice) for n in notes if "now: the model overfits" in n] == [said]


def alike(images, rate, schedule=None, optimizer=Adam):
    """A run whose decoder makes nothing of z."""
    model = VAE(GaussianEncoder(6, [5], 3), BernoulliDecoder(3, [5], 6))
    model.decoder.network.layers[-1].weight[...] = 0
    model.encoder.network.layers[0].weight[...] *= 30
    trainer = Trainer(model, optimizer(model.parameters, rate), images, schedule=schedule)
    trainer._epoch = 3
    return trainer


@pytest.mark.parametrize(
    ("optimizer", "rate", "said"),
    [  # Adam's is 0.001, Adagrad's 0.02: a tenth of it is far below
        (Adam, 3e-06, "small: try a --learning-rate above 3e-06"),
        (Adam, 9e-05, "small: try a --learning-rate above 9e-05"),
        (Adam, 0.00011, "large: try a --learning-rate below 0.00011"),
        (Adagrad, 0.0019, "small: try a --learning-rate above 0.0019"),
        (Adagrad, 0.0021, "large: try a --learning-rate below 0.0021"),
    ],
)
def test_a_step_far_below_the_default_is_not_called_too_large(images, optimizer, rate, said):
    trainer = alike(images, rate, optimizer=optimizer)
    (note,) = noticed(trainer, images, [-5, -5, -5])
    assert note.endswith(f"Perhaps the step was too {said}, or another seed.")
    assert "all the same; the decoder makes nothing of z." in note


def test_dead_units_are_looked_for_in_both_networks(images):
    """And where most are dead, a step that is small by now is not called too small."""
    for part in ("encoder", "decoder"):
        encoder = GaussianEncoder(6, [5], 3, activation="relu")
        model = VAE(encoder, BernoulliDecoder(3, [5], 6, activation="relu"))
        for network in (model.encoder, model.decoder):
            network.network.layers[0].bias[...] = 9
        getattr(model, part).network.layers[0].bias[:4] = -1e4
        trainer = Trainer(model, Adam(model.parameters, 1e-6), images)
        model.decoder.network.layers[-1].weight[...] = 0
        (note,) = noticed(trainer, images, [-5, -5, -5])
        assert "80% of the ReLU units of a layer are 0 for every image" in note
        assert "Perhaps the step was too large: try a --learning-rate below 1e-06" in note


def test_a_unit_that_some_draw_of_z_wakes_is_not_dead(images):
    """At q's means alone, which are alike, half of the units of a decoder would look dead."""
    model = VAE(GaussianEncoder(6, [5], 3), BernoulliDecoder(3, [64], 6, activation="relu"))
    model.encoder.network.layers[-1].weight[...] = 0  # q is the prior, for every image
    generator, q = np.random.default_rng(0), model.encode(images)
    model.reconstruct_mean(images)
    assert model.decoder.network.layers[1].positive.any(axis=0).mean() < 0.7
    assert dead_units(model, q, generator) == 0
    model.decoder.network.layers[0].bias[:16] = -100
    assert dead_units(model, q, generator) == 0.25


def test_of_a_gaussian_it_is_the_mean_that_makes_nothing_of_z(images):
    model = VAE(GaussianEncoder(6, [5], 3), GaussianDecoder(3, [5], 6, noise="learned"))
    model.decoder.network.layers[-1].weight[...] = 0
    model.encoder.network.layers[0].weight[...] *= 30
    note, _ = noticed(Trainer(model, Adam(model.parameters), images), images, [-5, -5, -5])
    assert "all the same; the decoder's mean makes nothing of z." in note


def test_the_largest_rate_of_a_schedule_is_named(images):
    trainer = alike(images, 1e-5, [(0, 0.1), (2, 1e-5), (3, 0.5)])
    (note,) = noticed(trainer, images, [-5, -5, -5])
    assert "too large: try a --learning-rate below 0.1, or" in note


def test_what_has_hardly_begun_is_not_called_collapsed_alone(images):
    trainer = alike(images, 1e-3)
    trainer.model.encoder.network.layers[-1].weight[...] = 0
    (note,) = noticed(trainer, images, [-5, -5, -5])
    assert note.startswith("Posterior collapse.")
    assert note.endswith("Or training has hardly begun: try more epochs first.")
    trainer.optimizer.learning_rate = 9e-5  # a tenth of Adam's own, and less
    (note,) = noticed(trainer, images, [-5, -5, -5])
    assert note.endswith("try more epochs first, or a --learning-rate above 9e-05.")
    trainer.optimizer.learning_rate = 1e-3
    rows = [{"test_elbo": -5, "test_kl": kl} for kl in (0.2, 0.0)]
    trainer.history[:] = rows
    (note,) = what_it_noticed(trainer, Dataset(images, images, (2, 3)), "r")
    assert note.endswith("for its causes.")
    rows[0]["test_elbo"] = -9  # it still climbs
    (note,) = what_it_noticed(trainer, Dataset(images, images, (2, 3)), "r")
    assert note.endswith("Or training has hardly begun: try more epochs first.")


@pytest.mark.parametrize(
    ("tests", "begins"),
    [
        ([-9, -3], ["1 of 3 latents are in use", "These pixels are real", "It still climbs"]),
        ([-9, -3, -80], ["1 of 3 latents are", "On the test set the best", "These pixels are"]),
    ],
)
def test_each_thing_noticed_has_a_note_of_its_own(images, tests, begins):
    model = VAE(GaussianEncoder(6, [5], 3), GaussianDecoder(3, [5], 6))
    model.encoder.network.layers[-1].weight[:, 1:] = 0
    notes = noticed(Trainer(model, Adam(model.parameters), images), images, tests)
    assert [note[: len(begin)] for note, begin in zip(notes, begins, strict=True)] == begins


def test_a_warm_up_that_is_not_over_is_told(stripes, monkeypatch, capsys):
    monkeypatch.setattr(train, "draw_pictures", lambda *arguments: None)
    monkeypatch.chdir(stripes)
    run = ["--data", "stripes.npz", *TINY, "--out", "r", "--overwrite", "--kl-warm-up"]
    assert train.main([*run, "7"]) == 0
    notes = json.loads((stripes / "r" / "summary.json").read_text(encoding="utf-8"))["notes"]
    said = "The warm-up of the KL's weight takes 7 epochs, and this run had 2. To go on:"
    assert any(note.startswith(said) and note.endswith("--epochs 14") for note in notes)
    assert train.main([*run, "2"]) == 0
    assert "warm-up of the KL's weight takes" not in capsys.readouterr().out.split("\nResults")[-1]


def test_a_model_that_cannot_be_judged_is_told_in_one_line(stripes, monkeypatch, capsys):
    def judge(*arguments, **options):
        raise ValueError("log p(x) of image 0 is nan: are the weights finite?")

    monkeypatch.setattr(train, "draw_pictures", lambda *arguments: None)
    monkeypatch.setattr(report, "importance_sampled_log_likelihood", judge)
    monkeypatch.chdir(stripes)
    rates = ["--learning-rate", "1", "--schedule", "1:2", "2:0.5", "--epochs", "3"]
    assert train.main(["--data", "stripes.npz", *TINY, "--out", "r", *rates]) == 2
    assert capsys.readouterr().err == (
        "train.py: error: log p(x) of image 0 is nan: are the weights finite? Training has all but "
        "diverged; a learning rate below 2 may help; what was saved last is r/checkpoint.npz\n"
    )


def test_where_every_image_is_its_own_class_no_share_is_told():
    from demos.using.walks import fairly_many_of_each

    assert fairly_many_of_each(np.repeat(np.arange(4), 5))
    assert not fairly_many_of_each(np.repeat(np.arange(4), 5)[1:])


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ([-30] * 18 + [-20, -21], "by 9.5 nats on the test set over the last 2 epochs. To go on:"),
        ([-30] * 18 + [-20], "by 10 nats on the test set over the last epoch. To go on:"),
    ],
)
def test_a_climb_is_told_though_the_very_last_epoch_was_worse(images, tests, said):
    assert said in noticed(make_trainer(images), images, tests)[-1]


def test_a_fall_of_another_objective_is_told(images):
    (note,) = noticed(make_trainer(images, objective=SGVB_A), images, [-9, -3, -80])
    assert "the best was -3 nats" in note


def test_the_spread_of_images_is_their_standard_deviation_pixel_by_pixel():
    assert spread(np.array([[0, 0], [2, 4]])) == pytest.approx(np.sqrt((1 + 4) / 2))
    assert spread(np.array([[0.5], [0.5002]])) == pytest.approx(1e-4)


def test_it_judges_by_the_test_images_and_each_latents_use_by_all_of_them(rng):
    """The training images differ where nobody looks, and 500 of the test images not at all."""
    train, test = np.full((40, 6), 0.5), np.full((600, 6), 0.5)
    train[:, 0], test[500:, 1:] = rng.random(40), rng.random((100, 5))
    trainer = make_trainer(train)
    trainer.model.encoder.network.layers[0].weight[0] = 0
    trainer.model.encoder.network.layers[-1].weight[...] *= 30
    trainer.history[:] = [{"test_elbo": -5}] * 3
    assert what_it_noticed(trainer, Dataset(train, test, (2, 3)), "r") == []
