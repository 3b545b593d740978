"""The stand-in for nvmath's bindings of cuBLAS: products of matrices at addresses, by columns."""

import ctypes
import itertools

import numpy as np
import stand_in_gpu as gpu

handles = {}
numbers = itertools.count(1)


def create():
    handle = next(numbers)
    handles[handle] = {"stream": 0, "workspace": 0}
    return handle


def destroy(handle):
    del handles[handle]


def set_stream(handle, stream):
    handles[handle] = {"stream": stream, "workspace": 0}  # it takes the workspace away


def set_workspace(handle, address, nbytes):
    handles[handle]["workspace"] = nbytes


def sgemm(*arguments):
    _gemm(np.float32, *arguments)


def dgemm(*arguments):
    _gemm(np.float64, *arguments)


def _gemm(dtype, handle, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    """c = alpha op(a) op(b) + beta c; alpha and beta lie on the host."""
    stream = gpu.current_stream()
    if handles[handle] != {"stream": stream.ptr, "workspace": 32 << 20}:
        raise gpu.Refused("cuBLAS works on another stream, or allocates a workspace")
    left, right = _matrix(dtype, a, m, k, lda, transa), _matrix(dtype, b, k, n, ldb, transb)
    result = _matrix(dtype, c, m, n, ldc, 0)
    alpha, beta = (_matrix(dtype, address, 1, 1, 1, 0)[0, 0] for address in (alpha, beta))

    def kernel():
        product = alpha * (left @ right)
        result[...] = product + beta * result if beta else product

    gpu.launch(kernel, _Nobodys)


class _Nobodys:
    """Memory of which the address alone is known."""

    block, pool = np.empty(1, np.uint8), staticmethod(lambda: True)


def _matrix(dtype, address, n_rows, n_columns, leading, transposed):
    if transposed:
        return _matrix(dtype, address, n_columns, n_rows, leading, 0).T
    assert leading >= max(1, n_rows), "cuBLAS: CUBLAS_STATUS_INVALID_VALUE"
    number = ctypes.c_float if dtype == np.float32 else ctypes.c_double
    numbers = (number * (leading * n_columns)).from_address(address)
    return np.ctypeslib.as_array(numbers).reshape(n_columns, leading)[:, :n_rows].T
