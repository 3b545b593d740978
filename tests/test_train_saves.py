"""When train.py saves, what it then removes, and what it leaves where it is."""

from types import SimpleNamespace

import pytest
from conftest import TINY

from demos import train
from demos.common import long_runs
from vae_np.training.trainer import Trainer

RUN = ["--data", "stripes.npz", *TINY]


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """They take their time."""
    monkeypatch.setattr(train, "draw_pictures", lambda *of: None)


def test_it_saves_before_it_begins_then_about_every_five_seconds_and_at_its_end(
    stripes, monkeypatch
):
    def evaluated(*given, **more):
        clock.append(clock[-1] + (6 if len(clock) == 1 else 2))  # the first epoch is a long one
        return evaluate(*given, **more)

    def noted(trainer, *given):
        saved.append(trainer.epoch)
        save(trainer, *given)

    clock, saved, evaluate, save = [0], [], train.evaluate_elbo, Trainer.save
    monkeypatch.chdir(stripes)
    monkeypatch.setattr(long_runs, "time", SimpleNamespace(monotonic=lambda: clock[-1]))
    monkeypatch.setattr(train, "evaluate_elbo", evaluated)
    monkeypatch.setattr(Trainer, "save", noted)
    assert train.main([*RUN, "--epochs", "6", "--out", "run"]) == 0
    assert saved == [0, 1, 4, 6]


def test_what_a_run_has_written_stays_until_more_has_been_learned(stripes, error_of, monkeypatch):
    def broken(self, *given, **more):
        raise OSError("no more electricity")

    monkeypatch.chdir(stripes)
    assert train.main([*RUN, "--out", "run"]) == 0
    before = {path.name: path.read_bytes() for path in (stripes / "run").iterdir()}
    assert before.keys() == {"checkpoint.npz", "history.csv", "summary.json"}
    monkeypatch.setattr(Trainer, "fit", broken)
    message = error_of(stripes, "--resume", "run", "--epochs", 9)
    assert message.endswith("electricity; what was saved last is run/checkpoint.npz")
    assert {path.name: path.read_bytes() for path in (stripes / "run").iterdir()} == before


def test_the_empty_folder_of_another_run_is_not_removed(stripes, error_of, monkeypatch):
    """This run's own was moved away before anything was saved in it."""

    def moved(*given):
        (stripes / "runs/stripes").rename(stripes / "mine")
        (stripes / "runs/stripes").mkdir()
        raise OSError("the disk is full")

    monkeypatch.setattr(Trainer, "save", moved)
    message = error_of(stripes, *RUN)
    assert message.endswith("runs/stripes was moved or removed: nothing more is written there")
    assert (stripes / "runs/stripes").is_dir() and (stripes / "mine").is_dir()
