"""Ctrl-C, SIGTERM and SIGHUP: the run stops after a whole step, and nothing learned is lost."""

import signal
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from conftest import make_trainer, weights

from vae_np.training.interrupt import SIGNALS, Stop, deferred_interrupt


def raise_in_step(trainer, at, monkeypatch, *signals):
    """Raise the signals within the given step, before its work."""
    inner, seen = trainer._train_step, []

    def interrupted(*batch):
        seen.append(1)
        if len(seen) == at:
            for number in signals:
                signal.raise_signal(number)
        inner(*batch)

    monkeypatch.setattr(trainer, "_train_step", interrupted)


def test_ctrl_c_a_kill_and_a_closed_terminal_are_heard():
    names = {"SIGINT", "SIGTERM", "SIGHUP"}  # Windows has no SIGHUP
    assert {number.name for number in SIGNALS} == {n for n in names if hasattr(signal, n)}


@pytest.mark.parametrize("number", SIGNALS)
def test_a_stop_waits_for_the_step_and_the_run_goes_on_bit_for_bit(
    images, monkeypatch, tmp_path, number
):
    straight, stopped, again = (make_trainer(images) for _ in range(3))
    straight.fit(3, progress=False)
    before = signal.getsignal(number)
    raise_in_step(stopped, 6, monkeypatch, number)
    assert not stopped.fit(3, progress=False)
    assert signal.getsignal(number) is before
    assert (stopped.epoch, stopped.step) == (1, 2)
    stopped.save(tmp_path / "c.npz")
    again.load(tmp_path / "c.npz")
    assert again.fit(3, progress=False)
    np.testing.assert_array_equal(weights(again), weights(straight))


def test_an_impatient_stop_does_not_cut_a_step_in_two(images, monkeypatch, tmp_path):
    straight, stopped, again = (make_trainer(images) for _ in range(3))
    straight.fit(3, progress=False)
    raise_in_step(stopped, 6, monkeypatch, signal.SIGINT, signal.SIGINT, signal.SIGTERM)
    assert not stopped.fit(3, progress=False)
    stopped.save(tmp_path / "c.npz")
    again.load(tmp_path / "c.npz")
    again.fit(3, progress=False)
    np.testing.assert_array_equal(weights(again), weights(straight))


def test_a_second_stop_acts_at_once_between_steps_and_what_was_learned_can_be_saved(
    images, tmp_path
):
    """Within a long evaluation, say: 2 epochs are complete, and the third one's steps."""
    straight, stopped, again = (make_trainer(images) for _ in range(3))

    def evaluate():
        if stopped.epoch == 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("the second Ctrl-C was not heard")
        return {"a": 1.0}

    straight.fit(5, lambda: {"a": 1.0}, progress=False)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(5, evaluate, progress=False)
    assert (stopped.epoch, stopped.step) == (2, 4)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    stopped.save(tmp_path / "c.npz")
    again.load(tmp_path / "c.npz")
    assert again.fit(5, lambda: {"a": 1.0}, progress=False)
    np.testing.assert_array_equal(weights(again), weights(straight))
    assert [row["epoch"] for row in again.history] == [1, 2, 3, 4, 5]


def test_a_third_stop_ends_the_evaluation_after_a_step_that_heard_two(images, monkeypatch):
    def evaluate():
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the third Ctrl-C was not heard")

    trainer = make_trainer(images)
    raise_in_step(trainer, 4, monkeypatch, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(3, evaluate, progress=False)
    assert (trainer.epoch, trainer.step) == (0, 4)


def test_an_impatient_stop_right_after_a_step_finds_the_step_counted(images, tmp_path, monkeypatch):
    @contextmanager
    def held(stop):
        with hold(stop):
            yield
        seen.append(1)
        for _ in range(2 * (len(seen) == 2)):
            signal.raise_signal(signal.SIGINT)

    straight, stopped, again = (make_trainer(images) for _ in range(3))
    straight.fit(2, progress=False)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        hold, seen = Stop.held, []
        patch.setattr(Stop, "held", held)
        stopped.fit(2, progress=False)
    assert (stopped.epoch, stopped.step) == (0, 2)
    stopped.save(tmp_path / "c.npz")
    again.load(tmp_path / "c.npz")
    assert again.fit(2, progress=False)
    np.testing.assert_array_equal(weights(again), weights(straight))


@pytest.fixture
def handlers():
    """A handler for each signal, of its own."""
    own = {number: lambda *heard, number=number: None for number in SIGNALS}
    before = {number: signal.signal(number, handler) for number, handler in own.items()}
    yield own
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_a_second_stop_is_heard_before_the_first_step_too(handlers, first, second):
    with pytest.raises(KeyboardInterrupt), deferred_interrupt() as stop:
        signal.raise_signal(first)
        assert stop()
        signal.raise_signal(second)


def test_a_stop_is_heard_beside_other_threads(images, handlers, monkeypatch):
    """A progress bar has one of its own."""
    trainer, done = make_trainer(images), threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        raise_in_step(trainer, 1, monkeypatch, signal.SIGINT)
        assert not trainer.fit(1, progress=False)
    finally:
        done.set()
        thread.join()


def test_each_signal_has_its_own_handler_again(images, handlers):
    make_trainer(images).fit(1, progress=False)
    assert {number: signal.getsignal(number) for number in SIGNALS} == handlers


@pytest.mark.parametrize("ignored", SIGNALS)
def test_where_one_signal_is_ignored_the_others_are_heard(images, handlers, monkeypatch, ignored):
    """A shell's background job ignores Ctrl-C, and is killed by SIGTERM all the same."""
    signal.signal(ignored, signal.SIG_IGN)
    for number in SIGNALS:
        trainer = make_trainer(images)
        raise_in_step(trainer, 1, monkeypatch, number)
        assert trainer.fit(1, progress=False) == (number == ignored)
    assert signal.getsignal(ignored) == signal.SIG_IGN


def test_a_handler_that_python_does_not_know_stays(monkeypatch):
    """One of a program in C that has Python in it, say: None stands for it."""
    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(signal, "getsignal", lambda number: None)
        with deferred_interrupt():
            patch.undo()
            assert signal.getsignal(signal.SIGINT) is before
    assert signal.getsignal(signal.SIGINT) is before


def test_an_impatient_stop_does_not_part_an_epoch_from_its_row(images, tmp_path):
    class Pressed(list):
        def append(self, row):
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)
            super().append(row)
            signal.raise_signal(signal.SIGINT)

    stopped, again = make_trainer(images), make_trainer(images)
    vars(stopped)["_history"] = Pressed()
    assert not stopped.fit(3, progress=False)
    stopped.save(tmp_path / "c.npz")
    again.load(tmp_path / "c.npz")
    assert (again.epoch, again.step, len(again.history)) == (1, 0, 1)


def test_an_epoch_whose_last_step_heard_the_stop_has_all_that_an_epoch_has(images, monkeypatch):
    trainer, rows = make_trainer(images), []
    raise_in_step(trainer, 4, monkeypatch, signal.SIGINT)
    assert not trainer.fit(3, lambda: {"a": 1.0}, rows.append, progress=False)
    assert rows == trainer.history and [row["a"] for row in rows] == [1.0]


def test_a_stop_in_the_last_evaluation_is_told_to_a_loop_over_fit(images):
    def evaluate():
        signal.raise_signal(signal.SIGINT)
        return {}

    trainer = make_trainer(images)
    assert not trainer.fit(1, evaluate, progress=False)
    assert (trainer.epoch, len(trainer.history)) == (1, 1)
    assert trainer.fit(1, evaluate, progress=False)  # nothing left to do, and no evaluation
