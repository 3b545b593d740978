"""NumPy or CuPy: which array module an array belongs to. The only file that knows CuPy exists.

One function body serves both devices: ``xp = array_module(x)``, then ``xp.exp(x)``. The arrays
themselves decide, so a CPU model and a GPU model can live side by side in one process.
"""

import math
import sys
from enum import IntEnum
from functools import cache, wraps

import numpy as np

DEVICES = ("cpu", "gpu")
CACHED = 131_072  # numbers in an array, a few of which stay in a core's cache


def array_module(*arrays):
    """Return ``cupy`` if any of the arrays is a CuPy array, else ``numpy``."""
    cupy = sys.modules.get("cupy")  # never imported: then no array can be CuPy's
    if cupy is not None and any(isinstance(array, cupy.ndarray) for array in arrays):
        return cupy
    return np


def device_module(device):
    """Return the array module of ``device``: ``numpy`` for "cpu", ``cupy`` for "gpu".

    Raises
    ------
    ValueError
        If ``device`` is neither, or is "gpu" where CuPy, a driver or a GPU is missing: the message
        says which, and how to get it. "gpu" never falls back to the CPU.
    """
    if device == "cpu":
        return np
    if device == "gpu":
        return _working_cupy()
    raise ValueError(f'device must be "cpu" or "gpu", got {device!r}')


def _working_cupy():
    try:
        import cupy
    except ImportError as error:
        raise ValueError(
            'device "gpu" needs CuPy, which cannot be imported here '
            f"({_first_line(error)}). Install it for your driver's CUDA version: "
            'python -m pip install -e ".[cuda12]" or ".[cuda13]" (nvidia-smi shows the version)'
        ) from None
    _check_gpu(cupy)
    return cupy


@cache  # once: it makes the GPU compute and the host wait
def _check_gpu(cupy):
    try:
        gpus = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise ValueError(
            'device "gpu" needs an NVIDIA GPU and its driver; CuPy is installed but finds no '
            f"working driver or no GPU ({_first_line(error)}). Does nvidia-smi list a GPU?"
        ) from None
    if gpus == 0:
        raise ValueError('device "gpu" needs an NVIDIA GPU; the driver works but lists none')
    try:
        square = cupy.ones((2, 2)) @ cupy.ones((2, 2))  # loads cuBLAS; the next line, cuRAND
        (square + cupy.random.default_rng(0).random((2, 2))).sum().item()
    except Exception as error:  # a missing toolkit shows as one of many types
        raise ValueError(
            'device "gpu" found a GPU, but CuPy cannot run on it '
            f"({_first_line(error)}). If the CUDA toolkit is missing, install it beside CuPy: "
            'python -m pip install "cupy-cuda12x[ctk]" (or cupy-cuda13x)'
        ) from None


def _first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" =")]
    return lines[0] if lines else type(error).__name__


def device_of(array):
    """Return the device, "cpu" or "gpu", that ``array`` lives on."""
    return "cpu" if array_module(array) is np else "gpu"


def to_device(array, device):
    """Return ``array`` on ``device``; no copy where it is there already."""
    return to_numpy(array) if device == "cpu" else device_module(device).asarray(array)


def to_numpy(array):
    """Return ``array`` as a NumPy array, copied from the GPU if it lives there; a mask stays."""
    xp = array_module(array)
    return np.asanyarray(array) if xp is np else xp.asnumpy(array)


def by_rows(formula):
    """Run ``formula(xp, *arrays)`` a few rows at a time: its temporary arrays stay in the cache.

    A decorator: call the result without ``xp``, which the arrays decide. The formula treats each
    row, along the last axis, by itself, and returns a row or a number for each. For 5,000 examples
    the Bernoulli takes half as long so.
    """

    @wraps(formula)
    def run(*arrays):
        xp = array_module(*arrays)
        small = max(array.size for array in arrays) <= CACHED
        if small or xp is not np or max(array.ndim for array in arrays) == 1:
            return formula(xp, *arrays)
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        arrays = [np.broadcast_to(array, shape) for array in arrays]
        n_rows, leading = shape[-2], (slice(None),) * (len(shape) - 2)
        step, result = max(1, CACHED * n_rows // math.prod(shape)), None
        for start in range(0, n_rows, step):
            rows = (*leading, slice(start, start + step))
            part = formula(np, *(array[rows] for array in arrays))
            if result is None:
                result = np.empty(shape[: part.ndim], part.dtype)
            result[rows] = part
        return result

    return run


def on_a_cache_line(array):
    """Return a NumPy array's copy that starts at a multiple of 64 bytes; a CuPy array as it is.

    Wide loads and stores then never straddle two cache lines. On an AMD Zen 4, `fused.adam` takes
    0.3 ms for the paper's model so, and 0.7 ms where NumPy puts the vectors (16 bytes further).
    """
    if array_module(array) is not np:
        return array
    buffer = np.empty(array.nbytes + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    copy = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def keep_freed_memory():
    """Let a step's arrays lie where the last step's lay.

    Once a block of this size was freed, glibc keeps what is freed later for the next array instead
    of giving it back: 52 against 75 ms for a step of 1,000 examples.
    """
    np.empty(31 << 20, dtype=np.uint8)


class Stream(IntEnum):
    """What random numbers are for. As part of a seed, it keeps two uses from sharing draws."""

    SHUFFLE = 1
    TRAINING_NOISE = 2
    BINARIZE_TEST = 3
    ELBO_NOISE = 4
    IMPORTANCE_NOISE = 5
    ENCODER = 6
    DECODER = 7
    PICTURES = 8
    POSTERIOR = 9
    DATA = 10
    CHAIN_STARTS = 11


def random_generator(seed, device="cpu"):
    """Return a random generator whose draws are arrays on ``device``.

    Parameters
    ----------
    seed : int or sequence of int
        The same seed gives the same draws on the same kind of device; the two devices' draws
        differ.
    device : {"cpu", "gpu"}

    Returns
    -------
    numpy.random.Generator or cupy.random.Generator
    """
    return device_module(device).random.default_rng(seed)
