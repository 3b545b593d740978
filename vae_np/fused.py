"""The updates of `optimizers` in one pass over memory, compiled by numba: skip it at first.

NumPy makes ten passes over each vector for a step of Adam, one for each operation in its lines.
Those lines are the ones to read, and the ones that run by default. Where numba is installed (the
extra ``fast``), the loops below run in their place on large vectors of a CPU. Both do the same
operations on each number in the same order, and each operation is rounded alike, so that they end
with the same bits: a run may change from one to the other at any step.

The environment variable ``VAE_NP_FUSED=0`` turns the loops off.
"""

import os
import warnings
from functools import cache

import numpy as np

from vae_np.backend import device_of
from vae_np.checks import one_of

LARGE = 100_000  # numbers; below it a step gains less than 0.1 ms, and importing numba takes 0.5 s
CHUNK = 98_304  # numbers: of float32, a chunk of all of Adam's arrays is 2 MB


def adam(value, grad, m, v, beta1, beta2, epsilon, rate):
    """`optimizers.Adam.update` on one number after the other."""
    number = value.dtype.type  # NumPy too rounds β₁ to float32 before it meets an array of it
    b1, b2, e, r = number(beta1), number(beta2), number(epsilon), number(rate)
    for i in range(value.size):
        m[i] = m[i] * b1 + grad[i]
        v[i] = v[i] * b2 + grad[i] * grad[i]
        value[i] -= m[i] / (np.sqrt(v[i]) + e) * r


def adagrad(value, grad, sum_of_squares, epsilon, rate):
    """`optimizers.Adagrad.update` on one number after the other."""
    number = value.dtype.type
    e, r = number(epsilon), number(rate)
    for i in range(value.size):
        sum_of_squares[i] += grad[i] * grad[i]
        value[i] -= grad[i] / (np.sqrt(sum_of_squares[i]) + e) * r


def one_pass(update, value):
    """``update`` (`adam`, `adagrad` or None) compiled, where it is to update ``value``; else None.

    This is the only place that chooses, by the vector's size, its device, the environment and
    whether there is a numba to import.
    """
    if not update or value.size < LARGE or device_of(value) != "cpu":
        return None
    if one_of("VAE_NP_FUSED", os.environ.get("VAE_NP_FUSED") or "1", ("0", "1")) == "0":
        return None
    return _compiled(update, value.dtype)


@cache
def _compiled(update, dtype):
    n_arrays, n_numbers = {adam: (4, 4), adagrad: (3, 2)}[update]
    try:
        from numba import njit

        compiled = njit(cache=True, error_model="numpy")(update)  # numpy's: x / 0 is inf, no error
        compiled(*[np.ones(1, dtype)] * n_arrays, *[0.5] * n_numbers)  # now: its cache is a file
    except ImportError:  # not installed, or not for this NumPy
        return None
    except Exception as error:  # damaged, unreadable, on a full disk: it shows as one of many types
        why = f"{type(error).__name__}: {error}"
        warnings.warn(f"NumPy's lines update the weights: numba cannot ({why})", stacklevel=2)
        return None
    return compiled


def parts(update, value):
    """Slices that cut ``value`` into what an optimizer takes at a time: all for `one_pass`.

    NumPy's passes over a chunk find it in the cache: on an Intel Sapphire Rapids, Adam takes
    1.1 ms for the paper's model in chunks of 65,536, and 1.7 on whole vectors. On an AMD Zen 4 it
    is 1.8 ms in such chunks, 1.7 in these and on whole vectors.
    """
    if device_of(value) != "cpu" or one_pass(update, value):
        return [slice(None)]
    return [slice(start, start + CHUNK) for start in range(0, value.size, CHUNK)]
