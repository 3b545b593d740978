"""Derivatives without a derivation, by finite differences, and how far a gradient is from them.

A derivative says how much f changes when one number changes a little, so that
f′(a) ≈ [f(a + h) − f(a − h)] / 2h. This takes no derivation: it can judge one. Too small an h
drowns in rounding; so h is 1e-3, and points further out take away what that leaves, but for h⁴.
"""

import numpy as np

from vae_np.backend import array_module, to_numpy
from vae_np.checks import positive_number


def numerical_gradient(f, array, step=1e-3):
    """The derivative of a scalar function with respect to every number in ``array``.

    Five-point central differences:
    f′(a) ≈ [f(a − 2h) − 8 f(a − h) + 8 f(a + h) − f(a + 2h)] / 12h.

    Parameters
    ----------
    f : callable
        Takes no argument, reads ``array`` as it stands, draws no noise, and returns a number.
    array : float64 array of either device, or a view
        Changed in place while this runs, and put back.
    step : float
        h.

    Returns
    -------
    numpy.ndarray
        Of ``array``'s shape.

    Raises
    ------
    ValueError
        If ``array`` is not of float64, empty or read-only, or ``f`` returns no real number.
    """
    gradient, step = np.empty(movable(array).shape), positive_number("step", step)
    for index in np.ndindex(array.shape):
        gradient[index] = central(along(f, array, index), step)
    return gradient


def along(f, array, index):
    """f as a function of how far array[index] has moved; it is put back each time."""
    start = float(array[index])

    def line(distance):
        try:
            array[index] = start + distance
            return number(f)
        finally:
            array[index] = start

    return line


def central(line, step):
    """The slope at 0 from both sides."""
    # In pairs, so that the derivative of a constant is exactly 0.
    near, far = line(step) - line(-step), line(2 * step) - line(-2 * step)
    return (8 * near - far) / (12 * step)


def one_sided(line, step):
    """The slope at 0 to the right, or for a step < 0 to the left; its error falls as step⁴ too."""
    weights = (-25, 48, -36, 16, -3)
    return sum(w * line(i * step) for i, w in enumerate(weights)) / (12 * step)


def rounding(value, step):
    """What rounding may leave in a difference of values as large as this one."""
    return 20 * np.finfo(float).eps * abs(value) / step


def near_kink(line, analytic, step):
    """The slope to compare with where a difference disagrees, and whether that is a kink's doing.

    Without a kink within the step, the slopes to the left, to the right and across agree, and the
    disagreement is the formula's. With one, the step shrinks until it holds no kink. On the kink
    itself they never agree; where f jumps, they grow without bound.
    """
    at_rest, spreads = line(0), []
    for shorter in (step, step / 10, step / 100):
        across = central(line, shorter)
        slopes = (one_sided(line, -shorter), across, one_sided(line, shorter))
        spread, noise = max(slopes) - min(slopes), rounding(at_rest, shorter)
        error = abs(analytic - across)
        if spread <= max(noise, 1e-6 * error):
            break
        spreads.append(spread)
    if error > 10 * max(spread, noise) or not spreads:
        return across, False
    if spreads[-1] > 30 * spreads[0]:
        return across, True
    return np.clip(analytic, min(slopes) - noise, max(slopes) + noise), True


def relative_error(analytic, numeric):
    """‖analytic − numeric‖ / (‖analytic‖ + ‖numeric‖), with the Euclidean norm of all numbers.

    0 if all are 0, infinite if any is not finite.
    """
    return float(np.linalg.norm(relative_errors(analytic, numeric)))


def relative_errors(analytic, numeric):
    """Each entry's part of `relative_error`: |analytic − numeric|, over the sum of the norms."""
    analytic, numeric = np.asarray(analytic, float), np.asarray(numeric, float)
    if analytic.shape != numeric.shape:
        raise ValueError(f"shapes differ: analytic {analytic.shape}, numeric {numeric.shape}")
    finite = np.isfinite(analytic) & np.isfinite(numeric)
    if not finite.all():
        return np.where(finite, 0, np.inf)
    # Scaled first: a norm squares, so that 1e-200 would vanish in it and 1e200 overflow.
    largest = max(np.abs(x).max(initial=0) for x in (analytic, numeric)) or 1
    analytic, numeric = analytic / largest, numeric / largest
    return np.abs(analytic - numeric) / (np.linalg.norm(analytic) + np.linalg.norm(numeric) or 1)


def wrong_entries(analytic, numeric, tolerance):
    """The entries whose error is more than their share of what is tolerated."""
    return relative_errors(analytic, numeric) >= tolerance / np.sqrt(analytic.size)


def movable(array):
    """``array``, if its numbers can be moved, and by little."""
    good = isinstance(array, array_module(array).ndarray)
    good = good and array.dtype == np.float64 and array.size
    if not good or not getattr(array.flags, "writeable", True):  # as CuPy's arrays all are
        got = f"{getattr(array, 'dtype', type(array).__name__)} {np.shape(array)}"
        raise ValueError(
            f"array must be NumPy's or CuPy's, of float64, not empty nor read-only, got {got}"
        )
    return array


def number(f):
    """What f returns, as a float."""
    value = to_numpy(f())
    if value.size != 1 or value.dtype.kind not in "fiu" or value.dtype in (np.float32, np.float16):
        got = f"{value.dtype} {value.shape}"
        raise ValueError(f"f must return one real number of float64, got {got}: no return, no sum?")
    return float(value.reshape(()))
