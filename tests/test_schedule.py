"""Learning rates by epoch: part of a run, and of what it resumes."""

import numpy as np
import pytest
from conftest import interrupt_at, make_trainer, weights

from vae_np.checkpoints import CheckpointError
from vae_np.optimizers import SGD


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ([(0, 0.02)], [0.02, 0.02, 0.02, 0.02]),
        ([(0, 0.02), (2, 0.003)], [0.02, 0.02, 0.003, 0.003]),
        ([(0, 0.02), (1, 0.003), (3, 0.1)], [0.02, 0.003, 0.003, 0.1]),  # it may rise again
    ],
)
def test_a_schedule_sets_each_epochs_learning_rate(images, schedule, rates):
    trainer = make_trainer(images, SGD, schedule=schedule)
    seen = []
    trainer.fit(4, after_epoch=lambda row: seen.append(trainer.optimizer.learning_rate))
    assert seen == rates


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_run_with_a_schedule_resumes_bit_for_bit(images, tmp_path, monkeypatch, stop):
    """Stopped within an epoch, on both sides of a change of the rate."""
    schedule = [(0, 0.01), (2, 0.001)]
    straight, first, second = (make_trainer(images, schedule=schedule) for _ in range(3))
    straight.fit(4, progress=False)
    interrupt_at(first, 4 * stop + 2, monkeypatch)
    assert not first.fit(4, progress=False)
    first.save(tmp_path / "c.npz")
    second.load(tmp_path / "c.npz")
    assert second.step == 2
    assert second.fit(4, progress=False)
    np.testing.assert_array_equal(weights(second), weights(straight))
    with pytest.raises(
        CheckpointError, match=r"its learning rate is \[\[0, 0.01\], \[2, 0.001\]\]"
    ):
        make_trainer(images, schedule=[(0, 0.01)]).load(tmp_path / "c.npz")


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ([], "whose epochs start at 0 and rise, got epochs"),
        (0.1, "schedule must be a list of .epoch, learning rate. whose epochs start at 0"),
        ("line", "start at 0 and rise, got 'line'$"),
        ([(1, 0.1)], r"got epochs \[1\]"),
        ([(0, 0.1), (5, 0.1), (3, 0.1)], r"got epochs \[0, 5, 3\]"),
        ([(0, -0.1)], "each learning rate of schedule must be a finite number > 0, got -0.1"),
        ([(0, 0.1), (2, 0)], "each learning rate of schedule must be a finite number > 0, got 0"),
        ([(0, 0.1), (0, 0.2)], r"got epochs \[0, 0\]"),
        ([(0, 0.1, 3)], r"whose epochs start at 0 and rise, got \[\(0, 0.1, 3\)\]"),
        ([(0, 0.1), (2.5, 0.1)], "each epoch of schedule must be a whole number >= 0, got 2.5"),
        ([(0.5, 0.1)], "each epoch of schedule must be a whole number >= 0, got 0.5"),
    ],
)
def test_bad_schedules_are_refused(images, schedule, message):
    with pytest.raises(ValueError, match=message):
        make_trainer(images, schedule=schedule)
