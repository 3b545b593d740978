"""What train.py notices about a run, and the pictures' words."""

import json

import pytest
from conftest import TINY

from demos import train
from demos.training.report import last_rise


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
    assert collapse.startswith("Posterior collapse: the KL is 0.0")
    assert not any("collapse" in note for note in notes("--learning-rate", 0.02, "--epochs", 60))


def test_latents_that_no_image_uses_are_counted(notes):
    """The stripes are two images: one latent tells them apart."""
    settings = ["--latent", 4, "--learning-rate", 0.02, "--epochs", 150]
    (unused,) = (note for note in notes(*settings) if "latents are in use" in note)
    assert unused.startswith(("1 of 4 latents are in use. The other 3", "2 of 4 latents are in"))
    assert "used by no image" in unused


def test_a_density_is_named(notes):
    assert any("are densities: above 0 is no error" in n for n in notes("--decoder", "gaussian"))
    assert not any("densities" in note for note in notes())


def test_a_run_that_still_climbs_says_so(notes):
    (climbs,) = (note for note in notes("--learning-rate", 0.05) if "still climbs" in note)
    assert climbs.endswith("python demos/train.py --resume r --epochs 4")
    assert not any("still climbs" in note for note in notes("--learning-rate", 1e-6))


@pytest.mark.parametrize(
    ("values", "rise", "epochs"),
    [([-9.0], 0, 1), ([-9, -8], 1, 1), ([*[-7] * 18, -6, -4], 2, 2), ([-1.0] * 30, 0, 3)],
)
def test_the_last_rise_is_that_of_the_last_tenth(values, rise, epochs):
    history = [{"test_elbo": value} for value in values]
    assert last_rise(history) == (pytest.approx(rise), epochs)
