"""The stand-in for CuPy refuses what CuPy refuses, and records and replays as CUDA does."""

import numpy as np
import pytest
import stand_in_cupy
import stand_in_gpu

from vae_np.backend import array_module, device_module, to_device, to_numpy


def test_stand_in_refuses_what_cupy_refuses(gpu):
    on_device = to_device(np.ones(3), gpu)
    for mix in (
        lambda: np.asarray(on_device),
        lambda: on_device + np.ones(3),
        lambda: np.ones(3) * on_device,
        lambda: device_module(gpu).maximum(on_device, np.ones(3)),
    ):
        with pytest.raises(TypeError):
            mix()


def captured(body):
    """The graph of what ``body`` launches on a stream."""
    with stand_in_gpu.Stream(non_blocking=True) as stream:
        stream.begin_capture()
        body()
        return stream.end_capture()


def test_the_stand_in_computes_nothing_while_it_records(monkeypatch):
    stand_in_cupy.install(monkeypatch)
    import cupy

    a, seen, generator = cupy.ones(3), [], cupy.random.default_rng(0)

    def body():
        nonlocal a
        a += 1
        seen.extend([a * 2, generator.random(2)])

    graph = captured(body)
    assert (to_numpy(a) == 1).all() and np.isnan(to_numpy(seen[0])).all()
    first = np.random.default_rng(0).random((2, 2))
    for k in range(2):
        graph.launch()
        assert (to_numpy(a) == 2 + k).all() and (to_numpy(seen[0]) == 4 + 2 * k).all()
        assert (to_numpy(seen[1]) == first[k]).all()


@pytest.mark.parametrize(
    "refused",
    [
        lambda a: a @ a,
        lambda a: bool(a[0, 0]),
        lambda a: float(a.sum()),
        lambda a: to_numpy(a),
        lambda a: array_module(a).asarray(np.ones(2)),
        lambda a: stand_in_gpu.current_stream().synchronize(),
    ],
)
def test_the_stand_in_refuses_while_it_records_what_cupy_refuses(monkeypatch, refused):
    stand_in_cupy.install(monkeypatch)
    import cupy

    a = cupy.ones((2, 2))
    refused(a)
    with pytest.raises((NotImplementedError, stand_in_gpu.Refused)):
        captured(lambda: refused(a))


def test_temporary_memory_belongs_to_others_once_its_pool_is_gone(monkeypatch):
    stand_in_cupy.install(monkeypatch)
    import cupy

    a, result = cupy.ones(1000), cupy.zeros(1000)
    pool = cupy.cuda.MemoryPool()

    def body():
        nonlocal result
        b = a + 1
        result += b

    with cupy.cuda.using_allocator(pool.malloc):
        graph = captured(body)
    graph.launch()
    assert (to_numpy(result) == 2).all()
    others = cupy.zeros(1000)  # not of this pool's memory
    graph.launch()
    assert (to_numpy(result) == 4).all() and (to_numpy(others) == 0).all()
    del pool
    others = cupy.zeros(1000)
    graph.launch()
    assert np.isnan(to_numpy(result)).all() and np.isnan(to_numpy(others)).all()
