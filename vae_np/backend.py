"""NumPy or CuPy: which array module an array belongs to.

One function body serves both devices: ``xp = array_module(x)``, then ``xp.exp(x)``. The arrays
themselves decide, so a CPU model and a GPU model can live side by side in one process. Here too
stands how a formula takes one pass over memory on each. But for `vae_np.matrix_products` and
`vae_np.training.recording`, no other file calls CuPy.
"""

import math
import sys
from enum import IntEnum
from functools import cache, partial, wraps

import numpy as np

DEVICES = ("cpu", "gpu")
CACHED = 131_072  # numbers in an array, a few of which stay in a core's cache
OLDEST_CUPY = (14, 1)  # older ones free memory that is used, or fuse float32 to float64


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
            f"({first_line(error)}). Install it for your driver's CUDA version: "
            'python -m pip install -e ".[cuda12]" or ".[cuda13]" (nvidia-smi shows the version)'
        ) from None
    _check_gpu(cupy)
    return cupy


@cache  # once: it makes the GPU compute and the host wait
def _check_gpu(cupy):
    if tuple(map(int, cupy.__version__.split(".")[:2])) < OLDEST_CUPY:
        raise ValueError(
            f'device "gpu" needs CuPy {OLDEST_CUPY[0]}.{OLDEST_CUPY[1]} or newer, got '
            f'{cupy.__version__}: python -m pip install -e ".[cuda12]" or ".[cuda13]"'
        )
    try:
        gpus = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise ValueError(
            'device "gpu" needs an NVIDIA GPU and its driver; CuPy is installed but finds no '
            f"working driver or no GPU ({first_line(error)}). Does nvidia-smi list a GPU?"
        ) from None
    if gpus == 0:
        raise ValueError('device "gpu" needs an NVIDIA GPU; the driver works but lists none')
    try:
        square = cupy.ones((2, 2)) @ cupy.ones((2, 2))  # loads cuBLAS; the next line, cuRAND
        (square + cupy.random.default_rng(0).random((2, 2))).sum().item()
    except Exception as error:  # a missing toolkit shows as one of many types
        raise ValueError(
            'device "gpu" found a GPU, but CuPy cannot run on it '
            f"({first_line(error)}). If the CUDA toolkit is missing, install it beside CuPy: "
            'python -m pip install "cupy-cuda12x[ctk]" (or cupy-cuda13x)'
        ) from None


def first_line(error):
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


@cache
def say_once(text):
    """Print what a user should know, and need not hear again."""
    print(text, file=sys.stderr)


def in_one_pass(formula):
    """Run ``formula(xp, *arrays)`` in one pass over memory; a decorator.

    The result is called without ``xp``, which the arrays decide. On a CPU a few rows are taken at a
    time, so that temporary arrays stay in the cache: for 5,000 examples the Bernoulli takes half as
    long so on an AMD Zen 4. On a GPU all its operations become one kernel, by ``cupy.fuse``:
    replayed from a recording, the Bernoulli's 13 kernels took 22 µs, the one takes 4.

    The formula treats each row, along the last axis, by itself, and returns a row or a number for
    each; or it changes vectors in place, with numbers after them. For ``cupy.fuse`` it is written
    with operators and ``xp``'s functions: the arrays have no methods there and no shape.
    """

    @wraps(formula)
    def run(*arrays):
        xp = array_module(*arrays)
        if xp is not np:
            return _one_kernel(xp, formula)(*arrays)
        if arrays[0].ndim == 1 or max([array.size for array in arrays]) <= CACHED:
            return formula(np, *arrays)
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        if len(shape) < 2:  # no rows to take
            return formula(np, *arrays)
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


@cache
def _one_kernel(cupy, formula):
    """``formula`` by ``cupy.fuse``; where it refuses at the first use, by its plain lines."""
    lines, taken = partial(formula, cupy), []

    def run(*arrays):
        if taken:
            return taken[0](*arrays)
        # A new one each time: where it has failed once, it would fuse otherwise from then on.
        way = cupy.fuse(kernel_name=formula.__name__)(lambda *arrays: formula(cupy, *arrays))
        try:
            result = way(*arrays)
        except Exception as error:  # one of many types
            result, way = lines(*arrays), lines  # raises by itself where the arrays are wrong
            say_once(f"{formula.__name__} runs by many kernels: {first_line(error)}")
        taken.append(way)
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
        The same seed gives the same draws on a CPU, and on GPUs of one model. Two models' draws
        differ from some ten thousand numbers on, and a CPU's and a GPU's always.
    device : {"cpu", "gpu"}

    Returns
    -------
    numpy.random.Generator or cupy.random.Generator
    """
    return device_module(device).random.default_rng(seed)
