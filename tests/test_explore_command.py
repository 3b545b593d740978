"""explore.py as it is typed: what it says first, what it refuses, and Ctrl-C."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from test_explore import data_of

from demos import explore
from demos.page import fill
from vae_np.checkpoints import read_checkpoint, write_checkpoint
from vae_np.evaluation import grid_log_likelihood
from vae_np.inference.grid import grid_log_joint
from vae_np.training.divergence import DivergenceError


def complaint(capsys, *options):
    capsys.readouterr()
    assert explore.main([*map(str, options), "--no-open"]) == 2
    out, err = capsys.readouterr()
    assert "Training" not in out  # for nothing
    lines = err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("explore.py: error: ")
    return lines[0]


@pytest.mark.slow
def test_what_cannot_be_a_page_is_refused_in_one_line(own_run, tmp_path, capsys):
    folder = own_run("--latent", "3")
    line = complaint(capsys, "--checkpoint", folder)
    wants = "3 latents; the page draws a plane and wants 2: train.py --latent 2"
    assert line.endswith(wants)
    assert "no checkpoint" in complaint(capsys, "--checkpoint", tmp_path / "nowhere")

    path = folder / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-300])
    assert "cut short" in complaint(capsys, "--checkpoint", folder)
    write_checkpoint(path, {"settings": {"latent": 1}}, {"theta": np.zeros(3)})
    assert complaint(capsys, "--checkpoint", folder).endswith(wants.replace("3", "1", 1))
    wants = "is not of a run of train.py, which the page wants"
    for about in ({"settings": None}, {"settings": {"seed": 0}}, {}):
        write_checkpoint(path, about, {"theta": np.zeros(3)})
        assert wants in complaint(capsys, "--checkpoint", folder)
    write_checkpoint(path, {"settings": {"latent": 2}}, {"theta": np.zeros(3)})
    assert "another version" in complaint(capsys, "--checkpoint", folder)
    line = complaint(capsys, "--out", tmp_path)
    assert line.endswith(f"is a folder: name a file, such as {tmp_path / 'explore.html'}")
    assert "is a file" in complaint(capsys, "--out", path / "page.html")  # before the training
    assert not (tmp_path / "nowhere").exists()
    assert not (folder / "explore.html").exists()


@pytest.mark.slow
def test_how_long_the_grids_take_is_said_before_they_do(own_run, capsys, monkeypatch):
    """A clock that a call of the grid puts on by a second for each 50 points; the first by more."""
    seconds, said = [0.0], []

    def summed(model, x, points):
        seconds[0] += len(points) / 50 + 9 * (not seconds[0])
        return grid_log_joint(model, x, points)

    def grids(*arguments, **more):
        said.append(capsys.readouterr().out)
        return grid_log_likelihood(*arguments, **more)

    own_run()
    monkeypatch.setattr(explore, "grid_log_joint", summed)
    monkeypatch.setattr(fill, "grid_log_likelihood", grids)
    monkeypatch.setattr(explore.time, "perf_counter", lambda: seconds[0])
    assert explore.main(["--checkpoint", "run", "--no-open"]) == 0
    z = 3 * 121**2 + 241**2
    line = f"log p(x|z) of 16 images of 16 pixels at {z:,} z, of grids, takes about {z / 50:.0f} s"
    assert f"{line}; it is more where finer grids are needed.\n" in said[0]


@pytest.mark.slow
def test_a_tilde_is_the_home_folder(own_run, monkeypatch):
    folder = own_run()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder.parent))
    assert explore.main(["--checkpoint=~/run", "--no-open"]) == 0
    assert explore.main(["--checkpoint=~/run", "--out=~/mine/page.html", "--no-open"]) == 0
    assert (folder / "explore.html").exists() and not Path("~").exists()
    assert (folder.parent / "mine" / "page.html").exists()


@pytest.mark.slow
def test_a_run_on_a_gpu_comes_onto_a_page_without_one(own_run):
    folder = own_run()
    about, arrays = read_checkpoint(folder / "checkpoint.npz")
    about["settings"]["device"] = "gpu"
    write_checkpoint(folder / "checkpoint.npz", about, arrays)
    assert explore.main(["--checkpoint", "run", "--no-open"]) == 0


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "the memory is full"),
        (OSError("no room"), "no room"),
        (DivergenceError("epoch 3: the ELBO is NaN"), "epoch 3: the ELBO is NaN"),
    ],
)
def test_a_page_that_cannot_be_made_is_a_line_and_no_file(
    tmp_path, monkeypatch, capsys, error, says
):
    def fails(*_):
        raise error

    made = SimpleNamespace(test=[], model=None)
    monkeypatch.setattr(explore, "trained", lambda folder: (None, made, made))
    monkeypatch.setattr(explore, "say_how_long", lambda model, images: None)
    monkeypatch.setattr(explore, "contents", fails)
    out = tmp_path / "page.html"
    assert complaint(capsys, "--out", out) == f"explore.py: error: {says}"
    assert not out.exists()


@pytest.mark.parametrize("trained", [False, True])
def test_ctrl_c_leaves_no_page(tmp_path, monkeypatch, capsys, trained):
    """In the training, or while the grids are summed."""

    def interrupted(*_):
        raise KeyboardInterrupt

    trainer = SimpleNamespace(fit=lambda epochs: trained, model=None)
    monkeypatch.setattr(explore, "make_trainer", lambda settings, data: trainer)
    monkeypatch.setattr(explore, "say_how_long", lambda model, images: None)
    monkeypatch.setattr(explore, "contents", interrupted)
    out = tmp_path / "page.html"
    assert explore.main(["--out", str(out), "--no-open"]) == 130
    assert not out.exists()
    assert capsys.readouterr().err == "\nInterrupted: no page was written.\n"


@pytest.mark.slow
def test_the_page_is_written_where_it_says_and_opened(own_run, capsys, monkeypatch):
    opened, folder = [], own_run()
    monkeypatch.setattr(explore.webbrowser, "open", opened.append)
    assert explore.main(["--checkpoint", "run"]) == 0
    path = folder / "explore.html"
    assert opened == [path.resolve().as_uri()]
    out = capsys.readouterr().out
    size = path.stat().st_size / 1e6
    assert f"The page is {Path('run') / 'explore.html'}, {size:.2f} MB." in out
    checked = r"Checking log p\(x\) of 16 images, grid of (\S+): (\S+) nats from a finer one"
    told = re.findall(checked, out)
    data = data_of(path.read_text(encoding="utf-8"))
    assert float(told[-1][0]) == data["grid"]["spacing"]
    assert float(told[-1][1]) <= fill.TOLERANCE
    other = folder / "new" / "page.html"
    assert explore.main(["--checkpoint", "run", "--out", str(other), "--no-open"]) == 0
    assert other.exists() and len(opened) == 1


def test_without_a_run_a_model_of_two_latents_is_trained(tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.chdir(tmp_path)

    def make_trainer(settings, data):
        seen.append(settings)
        return SimpleNamespace(fit=lambda epochs: seen.append(epochs) or True, model=None)

    monkeypatch.setattr(explore, "make_trainer", make_trainer)
    monkeypatch.setattr(explore, "say_how_long", lambda model, images: seen.append(len(images)))
    monkeypatch.setattr(explore, "contents", lambda settings, data, trainer: {"about": {}})
    assert explore.main(["--no-open"]) == 0
    settings, epochs, images = seen
    assert (settings.latent, settings.hidden, settings.data) == (2, [200], "mnist5k")
    assert epochs == settings.epochs == 80 and images == 20
    assert "Training a model of two latents, 80 epochs.\n" in capsys.readouterr().out
    assert (tmp_path / "runs" / "explore.html").exists()


def test_a_wider_q_is_summed_by_more_points_up_to_the_widest_that_they_serve():
    """A rule of n points gives the moments of N(0, 1) up to the one of degree 2 n − 1."""
    rules = fill.quadrature()
    assert [(len(rule["nodes"]), rule["up_to"]) for rule in rules] == [(7, 2), (12, 4.5)]
    for rule in rules:
        nodes, weights = np.array(rule["nodes"]), np.array(rule["weights"])
        for degree, moment in ((0, 1), (1, 0), (2, 1), (4, 3), (6, 15), (12, 10395)):
            assert weights @ nodes**degree == pytest.approx(moment, rel=1e-12, abs=1e-12)
