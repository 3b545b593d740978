"""Steps that cannot be recorded, or are not worth it, and the stream on which training runs."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
import stand_in_cupy
import stand_in_gpu
from test_recording import STEPS, counted, made, weights

from vae_np.backend import device_module, say_once, to_numpy
from vae_np.layers import Tanh
from vae_np.training.recording import one_stream


def raising(error):
    def spoil(stream):
        raise error

    return spoil


def equal(ours, theirs):
    np.testing.assert_array_equal(weights(ours.objective), weights(theirs.objective))
    np.testing.assert_array_equal(to_numpy(ours.sums), to_numpy(theirs.sums))


@pytest.mark.parametrize(
    "spoil",
    [
        raising(RuntimeError("no such kernel\nat line 7")),
        raising(ValueError("no such kernel")),
        raising(NotImplementedError("\n\nno such kernel\n")),
        lambda stream: stream.synchronize(),  # which ends the recording
    ],
)
def test_whatever_refuses_to_be_recorded_is_said_in_one_line(
    gpu, images, capsys, monkeypatch, spoil
):
    computed = Tanh.backward

    def backward(self, dy):
        stream = device_module("gpu").cuda.get_current_stream()
        if stream.is_capturing():
            spoil(stream)
        return computed(self, dy)

    say_once.cache_clear()
    monkeypatch.setattr(Tanh, "backward", backward)
    plain, asked = (made(images, graph=graph) for graph in (False, True))
    for trainer in (plain, asked):
        trainer.fit(2)
    equal(asked, plain)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Steps are not recorded, and so take longer: ")
    assert line.endswith(": no such kernel") or "apture" in line


def test_many_steps_are_recorded_to_the_last(gpu, images):
    plain, recorded = (made(np.tile(images, (24, 1)), graph=graph) for graph in (False, True))
    for trainer in (plain, recorded):
        trainer.fit(1)
    assert plain.steps_per_epoch == 304
    equal(recorded, plain)


@pytest.mark.parametrize(("stop", "plain"), [(2, 3), (3, 10)])
def test_few_steps_that_are_left_are_not_worth_recording(gpu, images, monkeypatch, stop, plain):
    trainer = made(images)
    show = trainer._show

    def pressed(bar):
        if trainer.step == stop:
            signal.raise_signal(signal.SIGINT)
        show(bar)

    monkeypatch.setattr(trainer, "_show", pressed)
    assert not trainer.fit(1) and trainer.step == stop < STEPS
    calls = counted(trainer)
    assert trainer.fit(1)
    assert len(calls) == plain


def test_each_thread_and_each_gpu_has_one_stream_of_its_own(monkeypatch):
    def stream():
        with one_stream("gpu"):
            return stand_in_gpu.current_stream()

    stand_in_cupy.install(monkeypatch)
    first = stream()
    assert stream() is first
    with ThreadPoolExecutor(1) as other:
        assert other.submit(stream).result() is not first
    monkeypatch.setattr(device_module("gpu").cuda.runtime, "getDevice", lambda: 1)
    assert stream() is not first


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_training_waits_for_what_was_begun_before_and_for_its_own_last_steps(monkeypatch, error):
    stand_in_cupy.install(monkeypatch)
    waited, before = [], stand_in_gpu.current_stream()
    monkeypatch.setattr(stand_in_gpu.Stream, "synchronize", lambda stream: waited.append(stream))
    with suppress(KeyboardInterrupt), one_stream("gpu"):
        assert waited == [before]
        own = stand_in_gpu.current_stream()
        if error:
            raise error
    assert waited == [before, own] and own is not before
