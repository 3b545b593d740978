"""What train.py notices about a run, and the pictures' words."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import TINY, make_trainer

from demos import train
from demos.training import noticed, report
from demos.training.noticed import last_rise, what_it_noticed
from vae_np import VAE, Adam, BernoulliDecoder, GaussianEncoder, Trainer
from vae_np.datasets import Dataset
from vae_np.distributions import DiagonalGaussian


@pytest.fixture
def notes(stripes, monkeypatch, capsys):
    """train.py's notes on a run with these options, as it prints and records them."""

    monkeypatch.setattr(train, "draw_pictures", lambda *arguments: None)  # it takes the time

    def of(*options):
        monkeypatch.chdir(stripes)
        arguments = ["--data", "stripes.npz", *TINY, "--out", "r", "--overwrite", *options]
        assert train.main([str(argument) for argument in arguments]) == 0
        notes = json.loads((stripes / "r" / "summary.json").read_text(encoding="utf-8"))["notes"]
        printed = " ".join(capsys.readouterr().out.split())
        for note in notes:
            assert " ".join(note.split()) in printed
        return notes

    return of


def test_a_collapsed_posterior_is_named(notes):
    collapse = notes("--kl-weight", 1000, "--epochs", 30, "--learning-rate", 0.02)[0]
    assert collapse.startswith("Posterior collapse. All reconstructions are alike")
    assert "The KL is 0.0" in collapse and collapse.endswith("for its causes.")
    assert not any("collapse" in note for note in notes("--learning-rate", 0.02, "--epochs", 60))


def test_latents_that_no_image_uses_are_counted(notes):
    """The stripes are two images: one latent tells them apart."""
    settings = ["--latent", 4, "--learning-rate", 0.02, "--epochs", 150]
    (unused,) = (note for note in notes(*settings) if "latents are in use" in note)
    assert unused.startswith(
        ("1 of 4 latents are in use: the means of the other 3 hardly differ", "2 of 4 latents are")
    )
    assert "That costs nothing" in unused


def test_a_density_is_named(notes):
    assert any("are densities: above 0 is no error" in n for n in notes("--decoder", "gaussian"))
    assert not any("densities" in note for note in notes())


def test_a_run_that_still_climbs_says_so(notes):
    (climbs,) = (note for note in notes("--learning-rate", 0.05) if "still climbs" in note)
    assert climbs.endswith("python demos/train.py --resume r --epochs 4")
    assert "nats on the test set over the last epoch. To go on:" in climbs
    assert not any("still climbs" in note for note in notes("--learning-rate", 1e-6))


@pytest.mark.parametrize(
    ("values", "rise", "epochs"),
    [
        ([-9.0], 0, 1),
        ([-9, -8], 1, 1),
        ([*[-7] * 18, -6, -4], 2, 2),
        ([-1.0] * 30, 0, 3),
        ([*[-7] * 108, *[-3] * 12], 4, 12),
    ],
)
def test_the_last_rise_is_that_of_the_last_tenth(values, rise, epochs):
    history = [{"test_elbo": value} for value in values]
    assert last_rise(history) == (pytest.approx(rise), epochs)


def dead_trainer(images, dead):
    """A model whose decoder answers every z alike: its units are 0, or all its weights are."""
    encoder = GaussianEncoder(6, [5], 3, activation="relu")
    decoder = BernoulliDecoder(3, [5], 6, activation="relu" if dead else "tanh")
    model = VAE(encoder, decoder)
    first, _, last = decoder.network.layers
    encoder.network.layers[0].weight[...] *= 30  # codes that differ
    encoder.network.layers[0].bias[...] = 1
    (first.bias if dead else last.weight)[...] = -1e4 if dead else 0
    trainer = Trainer(model, Adam(model.parameters, 0.1), images)
    trainer.history.extend({"test_elbo": value} for value in (-50.0, -5.0))
    return trainer


BEGUN = "Perhaps it needs more epochs; if they do not help, the step may be too large: try"


@pytest.mark.parametrize("dead", [True, False])
@pytest.mark.parametrize(
    ("values", "begun"), [((-50, -5), True), ((-50,), True), ((-50, -5, -5), False)]
)
def test_a_dead_model_is_not_told_that_it_is_well(images, dead, values, begun, tmp_path):
    """Its codes differ and its ELBO has climbed: only the pictures show it."""
    data, trainer = Dataset(images, images, (2, 3)), dead_trainer(images, dead)
    trainer.history[:] = [{"test_elbo": value} for value in values]
    (note,) = what_it_noticed(trainer, data, tmp_path)
    assert note.startswith(
        "All reconstructions are alike: from image to image a pixel varies by 0 "
    )
    assert ("100% of the ReLU units of a layer are 0 for" in note) == dead
    assert (BEGUN in note) == (begun and not dead)
    assert "too large: try a --learning-rate below 0.1" in note
    assert ("Perhaps the step was too large" in note) == (dead or not begun)


def test_unused_latents_that_cost_are_not_said_to_cost_nothing(images, tmp_path):
    """Their q is the same for every image, and yet not the prior."""
    trainer = dead_trainer(images, dead=False)
    last = trainer.model.encoder.network.layers[-1]
    last.weight[:, 1:] = 0
    last.bias[1] = 3
    trainer.model.decoder.network.layers[-1].weight[...] = 9
    note = what_it_noticed(trainer, Dataset(images, images, (2, 3)), tmp_path)[0]
    assert note == (
        "1 of 3 latents are in use: the means of the other 2 hardly differ from image to image. "
        "That costs 4.5 nats of KL; longer training may bring more into use."
    )
    last.weight[:, 1] = 0.3
    note = noticed.unused_latents(trainer.model, images)
    assert note.startswith("2 of 3 latents are in use: the mean of the other one hardly differs")


def test_of_one_test_image_no_latent_is_said_to_be_unused(images, tmp_path):
    trainer = make_trainer(images)
    trainer.fit(1, progress=False)
    trainer.history[:] = [{"test_elbo": -30.0}] * 20
    assert what_it_noticed(trainer, Dataset(images, images[:1], (2, 3)), tmp_path) == []


def test_a_small_rise_of_small_images_is_still_a_climb(images, tmp_path):
    """1.5 nats more were to be had where the last tenth rose by 0.2 of the 20 gained."""
    trainer = make_trainer(images)
    trainer.fit(1, progress=False)
    trainer.history[:] = [{"test_elbo": -30 + e} for e in (0, 10, 18, 19, 19.5, 19.8, 20)]
    data = Dataset(images, images, (2, 3))
    assert any("still climbs: by 0.2 nats" in n for n in what_it_noticed(trainer, data, tmp_path))
    trainer.history[:] = [{"test_elbo": -900 + e} for e in (0, 400, 799.8, 800)]
    assert not any("climbs" in note for note in what_it_noticed(trainer, data, tmp_path))


@pytest.mark.parametrize(
    ("seen", "drawn", "kl", "dead", "said"),
    [
        (0.201, 3, 0.0, 1.0, []),  # two hundredths of the data's spread, 10, are not alike
        (0.199, 3, 0.09, 1, ["collapse", "by 0.2 in them", "images by 3, in the data by 10."]),
        (0.199, 0.19, 0.11, 0.4, ["is 0.11 nats all the same; the decoder makes nothing of z"]),
        (0.199, 0.21, 0.11, 0.4, ["all the same; the decoder uses z, but the codes of all"]),
        (0.199, 3, 0.11, 0.6, ["all the same; 60% of the ReLU units of a layer are 0 for every"]),
    ],
)
def test_alike_collapsed_or_dead_is_what_is_clearly_so(monkeypatch, seen, drawn, kl, dead, said):
    looked_at = {"drawn": drawn, "reconstructed": seen, "own": 10.0}
    monkeypatch.setattr(noticed, "spread", looked_at.get)
    monkeypatch.setattr(noticed, "dead_units", lambda *given: dead)

    def encode(images):
        return SimpleNamespace(kl_to_standard_normal=lambda: np.array([0, 2 * kl])[: len(images)])

    model = SimpleNamespace(
        device="cpu",
        sample_mean=lambda count, generator: "drawn",
        reconstruct_mean=lambda images: "reconstructed",
        as_pixels=lambda images: "own",
        encode=encode,
        decoder=None,
    )
    run = {"seed": 0, "optimizer": Adam([], 0.1), "history": [], "schedule": None, "epoch": 1}
    run["objective"] = None
    trainer = SimpleNamespace(model=model, **run)
    note = noticed.alike_images(trainer, [1, 2], True)
    assert all(text in note for text in said) and bool(note) == bool(said)
    assert ("step may be too large: try a" in note) == ("all the same" in note and dead <= 0.5)
    assert noticed.alike_images(trainer, [1], True) == ""  # one image is like itself


@pytest.mark.parametrize(("rise", "gain", "said"), [(0.04, 1, 0), (0.06, 1, 1), (0.06, 13, 0)])
def test_a_climb_is_a_twentieth_of_a_nat_and_a_two_hundredth_of_the_gain(
    images, tmp_path, rise, gain, said
):
    trainer = make_trainer(images)
    trainer.fit(1, progress=False)
    trainer.history[:] = [{"test_elbo": value} for value in (-gain, -rise, 0)]
    notes = what_it_noticed(trainer, Dataset(images, images, (2, 3)), tmp_path)
    assert sum("still climbs" in note for note in notes) == said


def test_what_a_run_is_told_of_its_data_and_its_threads(images, monkeypatch, capsys):
    monkeypatch.setattr(report, "cores", lambda: 0)
    data = Dataset(images, images[:9], (2, 3))
    args = SimpleNamespace(data="mine", latent=3, samples=1)
    args.kl_warm_up, args.kl_weight = 2, 4
    report.announce(make_trainer(images), data, args)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "mine: 38 training and 9 test images of 2 × 3 pixels"
    assert said[3:6] == [
        "note: 38 training images are few: the model may learn them by heart",
        "note: --threads 1 on 0 cores wait for each other: far slower",
        "the KL's weight rises from 0 to 4 over 2 epochs; the ELBO has it at 1",
    ]


@pytest.mark.parametrize(
    ("epochs", "said"), [(0, ""), (1, "over 1 epoch; the"), (2, "over 2 epochs; the")]
)
def test_a_warm_up_is_announced(epochs, said):
    line = report.warming_up(SimpleNamespace(kl_warm_up=epochs, kl_weight=0.5))
    rises = f"the KL's weight rises from 0 to 0.5 {said} ELBO has it at 1\n"
    assert line == (rises if epochs else "")


def test_what_unused_latents_cost_is_their_kl_averaged_over_the_images():
    """That of N(0, 1) or N(0, 4), and of N(½, 1): 0 or 0.81, and 0.125 nats."""
    mean = np.array([[0, 0, 0.5], [4, 0, 0.5]])
    log_var = np.array([[0, 0, 0], [0, np.log(4), 0]])
    model = SimpleNamespace(n_latent=3, encode=lambda images: DiagonalGaussian(mean, log_var))
    note = noticed.unused_latents(model, [1, 2])
    assert note.startswith("1 of 3 latents are in use: the means of the other 2 hardly differ")
    assert "That costs 0.53 nats of KL;" in note


def test_the_new_images_looked_at_are_as_many_and_of_the_seed_of_the_run(images, monkeypatch):
    def drawing(model, *of):
        drawn.append(sample_mean(model, *of))
        return drawn[-1]

    drawn, sample_mean = [], VAE.sample_mean
    monkeypatch.setattr(VAE, "sample_mean", drawing)
    for seed in (0, 0, 5):
        noticed.alike_images(make_trainer(images, seed=seed), images, False)
    assert drawn[0].shape == images.shape
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
