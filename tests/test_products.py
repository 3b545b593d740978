"""Matrix products on a GPU, by cuBLAS through nvmath, and formulas as one kernel."""

import contextlib
import functools
import itertools

import numpy as np
import pytest
import stand_in_cublas
import stand_in_cupy
import stand_in_gpu

from vae_np import backend, matrix_products
from vae_np.backend import to_device, to_numpy
from vae_np.distributions import DiagonalGaussian
from vae_np.matrix_products import matmul, sum_rows


def laid(matrix, how, device):
    """The matrix on the device, row by row, column by column, or as part of a larger one."""
    if how == "columns":
        return to_device(matrix.T.copy(), device).T
    if how == "part":
        return to_device(np.repeat(matrix, 2, axis=1), device)[:, ::2]
    return to_device(matrix, device)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 3, 3), (1, 5, 2), (4, 1, 3), (5, 2, 1)])
def test_products_of_matrices_however_they_lie_in_memory(gpu, rng, dtype, shape):
    m, k, n = shape
    a, b = rng.random((m, k), dtype), rng.random((k, n), dtype)
    for ways in itertools.product(("rows", "columns", "part"), repeat=2):
        ours = [laid(x, how, gpu) for x, how in zip((a, b), ways, strict=True)]
        out = to_device(np.full((m, n), np.nan, dtype), gpu)
        assert matmul(*ours, out=out) is out
        for result in (out, matmul(*ours)):
            assert result.dtype == dtype
            np.testing.assert_allclose(to_numpy(result), a @ b, rtol=1e-5)
    sums = to_device(np.full(k, np.nan, dtype), gpu)
    sum_rows(to_device(a, gpu), out=sums)
    np.testing.assert_allclose(to_numpy(sums), a.sum(axis=0), rtol=1e-5)


def test_on_a_cpu_a_product_is_numpys_though_cublas_is_there(gpu, rng):
    matrix_products.cublas.cache_clear()
    a, b = rng.random((2, 3)), rng.random((3, 4))
    assert isinstance(matmul(a, b), np.ndarray)
    np.testing.assert_array_equal(matmul(a, b), a @ b)


def test_what_cublas_does_not_take_is_cupys(gpu, monkeypatch):
    mixed = to_device(np.eye(2), gpu), to_device(np.ones((2, 2), np.float32), gpu)
    halves = [to_device(2 * np.eye(2, dtype=np.float16), gpu)] * 2
    for pair, dtype, product in ((mixed, np.float64, 1), (halves, np.float16, 4 * np.eye(2))):
        assert matmul(*pair).dtype == dtype
        np.testing.assert_array_equal(to_numpy(matmul(*pair)), np.broadcast_to(product, (2, 2)))
    vector = to_device(np.arange(2.0), gpu)
    np.testing.assert_array_equal(to_numpy(matmul(to_device(3 * np.eye(2), gpu), vector)), [0, 3])
    monkeypatch.setattr(matrix_products, "cublas", lambda cupy: None)
    np.testing.assert_array_equal(to_numpy(matmul(*mixed)), np.ones((2, 2)))


@pytest.mark.parametrize("error", [OSError, type("NotFoundError", (Exception,), {}), None])
def test_where_nvmath_is_missing_or_finds_no_library_products_are_cupys(error, monkeypatch):
    def create():
        raise error("libcublas.so.12: cannot open shared object file")

    stand_in_cupy.install(monkeypatch, nvmath=error is not None)
    monkeypatch.setattr(stand_in_cublas, "create", create)
    twice = to_device(2 * np.eye(2), "gpu")
    np.testing.assert_array_equal(to_numpy(matmul(twice, twice)), 4 * np.eye(2))


def test_a_formula_that_cannot_be_fused_runs_by_its_lines_and_that_is_said_once(gpu, capsys):
    @backend.in_one_pass
    def shaped(xp, x, y):
        return xp.abs(x) * (x.shape[0] + y)  # inside a kernel no array has a shape

    x = to_device(np.arange(3.0), gpu)
    for _ in range(2):
        np.testing.assert_array_equal(to_numpy(shaped(x, x)), [0, 4, 10])
    (line,) = capsys.readouterr().err.splitlines()
    said, why = line.split(": ", 1)
    assert said == "shaped runs by many kernels" and "shape" in why.removeprefix("shaped")
    with pytest.raises(ValueError):
        shaped(x, to_device(np.ones(2), gpu))


def test_what_is_said_once_is_not_said_again(capsys):
    for _ in range(2):
        backend.say_once("heard")
    assert capsys.readouterr() == ("", "heard\n")


def test_a_vector_after_one_number_is_not_cut(rng, monkeypatch):
    monkeypatch.setattr(backend, "CACHED", 6)
    mean, noise = rng.random((2, 9))
    q = DiagonalGaussian(mean, np.array(0.1))
    np.testing.assert_array_equal(q.sample(noise), mean + np.exp(0.05) * noise)
    dlog_var = q.sample_backward(noise, mean)[1]
    np.testing.assert_allclose(dlog_var, (mean * noise).sum() * np.exp(0.05) / 2)


def test_a_matrix_and_one_number_are_cut_together(rng, monkeypatch):
    monkeypatch.setattr(backend, "CACHED", 6)
    mean, noise = rng.random((2, 5, 3))
    for log_var in (np.array(0.1), np.full((5, 1), 0.1)):
        q = DiagonalGaussian(mean, log_var)
        np.testing.assert_array_equal(q.sample(noise), mean + np.exp(0.05) * noise)


def test_a_matrix_is_cut_into_rows_that_fit_the_cache_and_a_vector_never(rng, monkeypatch):
    blocks = []

    @backend.in_one_pass
    def product(xp, x, y):
        blocks.append(x.shape)
        return x * y

    monkeypatch.setattr(backend, "CACHED", 6)
    x, y = rng.random((5, 3)), rng.random(3)
    np.testing.assert_array_equal(product(x, y), x * y)
    assert blocks == [(2, 3), (2, 3), (1, 3)]
    for dtypes in itertools.product((np.float32, np.float64), repeat=2):
        assert product(*map(np.asarray, (x, y), dtypes)).dtype == np.result_type(*dtypes)
    blocks.clear()
    product(x.ravel(), x.ravel())
    assert blocks == [(15,)]
    monkeypatch.setattr(backend, "CACHED", 2)  # not even a row fits
    np.testing.assert_array_equal(product(x, y), x * y)


def test_a_product_that_does_not_fit_is_refused_on_a_gpu_too(gpu):
    """cuBLAS knows addresses alone: it would read and write what lies beside."""
    a, b, out = (to_device(np.ones(shape, np.float32), gpu) for shape in ((5, 3), (4, 2), (5, 3)))
    for factors in ((a, b), (b, a), (a[0], b)):
        with pytest.raises(ValueError):
            matmul(*factors)
    with pytest.raises(ValueError):
        matmul(a, a.T, out=out)
    one = to_device(np.eye(2, dtype=np.float32), gpu)
    for shape in ((2, 4), (8, 1)):  # of as many numbers
        with pytest.raises(ValueError):
            matmul(b, one, out=to_device(np.zeros(shape, np.float32), gpu))


def test_a_product_is_written_into_another_dtype_and_not_beside_it(gpu):
    lying = to_device(np.zeros((4, 2), np.float32), gpu)
    twos = to_device(np.ones((2, 2)), gpu)
    matmul(twos, twos, out=lying[:2])
    np.testing.assert_array_equal(to_numpy(lying), [[2, 2]] * 2 + [[0, 0]] * 2)
    across, one = to_device(np.zeros((2, 2)), gpu).T, to_device(np.eye(2), gpu)
    matmul(to_device(np.array([[1.0, 2], [3, 4]]), gpu), one, out=across)  # column by column
    np.testing.assert_array_equal(to_numpy(across), [[1, 2], [3, 4]])


def test_what_is_kept_lies_in_no_recordings_memory(monkeypatch):
    stand_in_cupy.install(monkeypatch)
    import cupy

    with cupy.cuda.using_allocator(cupy.cuda.MemoryPool().malloc):
        ones = matrix_products._ones(cupy, 0, 3, np.float32)
        _, workspace = matrix_products._handle(cupy, 0, 0)
    assert all(array._memory.pool() is stand_in_gpu.default for array in (ones, workspace))


def test_each_gpu_has_a_handle_and_ones_of_its_own(monkeypatch):
    stand_in_cupy.install(monkeypatch)
    import cupy

    asked = []
    for name in ("_handle", "_ones"):

        def of_device(original, cupy, device, *more):
            asked.append(device)
            return original(cupy, 0, *more)

        original = getattr(matrix_products, name)
        monkeypatch.setattr(matrix_products, name, functools.partial(of_device, original))
    monkeypatch.setattr(cupy.cuda.runtime, "getDevice", lambda: 1)
    sum_rows(to_device(np.ones((2, 3)), "gpu"), out=to_device(np.zeros(3), "gpu"))
    assert asked == [1, 1]


def test_cublas_is_prepared_once_for_a_stream(monkeypatch):
    """Its workspace is 32 MiB, and a recording's must live as long as that."""
    stand_in_cupy.install(monkeypatch)
    twos = to_device(np.full((2, 2), 2.0), "gpu")
    matmul(twos, twos)
    handles = len(stand_in_cublas.handles)
    matmul(twos, twos)
    assert len(stand_in_cublas.handles) == handles


def test_all_rows_are_summed_however_many():
    for n in (1, 300_000):
        sums = np.full(2, np.nan, np.float32)
        sum_rows(np.ones((n, 2), np.float32), out=sums)
        np.testing.assert_array_equal(sums, n)


def test_a_formula_that_failed_once_is_fused_anew(monkeypatch):
    stand_in_cupy.install(monkeypatch)
    import cupy

    fused, fuse = [], cupy.fuse
    monkeypatch.setattr(cupy, "fuse", lambda **name: fused.append(1) or fuse(**name))
    ours = to_device(np.ones(2), "gpu")
    for array in (np.ones(2), ours, ours):
        with contextlib.suppress(TypeError):
            backend.in_one_pass(twice)(ours, array)
    assert len(fused) == 2


def twice(xp, x, y):
    return x + y
