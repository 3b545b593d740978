"""Derivatives by finite differences, and how far a gradient is from them."""

import numpy as np

from vae_np.checks import positive_number


def numerical_gradient(f, array, step=1e-3):
    """The derivative of a scalar function with respect to every number in ``array``.

    Five-point central differences, whose error falls as step⁴:
    f′(a) ≈ [f(a − 2h) − 8 f(a − h) + 8 f(a + h) − f(a + 2h)] / 12h.

    Parameters
    ----------
    f : callable
        Takes no argument, reads ``array`` as it stands, draws no noise, and returns a number.
    array : float64 numpy.ndarray, or a view
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
    gradient, step = checked(f, array, np.empty_like(array), step)
    for index in np.ndindex(array.shape):
        gradient[index] = central(along(f, array, index, 1), step)
    return gradient


def near_kink(line, at_rest, analytic, step):
    """The slope to compare with where a difference disagrees, and whether that is a kink's doing.

    Without a kink within the step, the slopes to the left, to the right and across agree, and the
    disagreement is the formula's. With one, the step shrinks until it holds no kink. On the kink
    itself they never agree; where f jumps, they grow without bound.
    """
    spreads = []
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


def rounding(value, step):
    """What rounding may leave in a difference of values as large as this one."""
    return 20 * np.finfo(float).eps * abs(value) / step


def central(line, step):
    # In pairs, so that the derivative of a constant is exactly 0.
    near, far = line(step) - line(-step), line(2 * step) - line(-2 * step)
    return (8 * near - far) / (12 * step)


def one_sided(line, step):
    """The slope at 0 to the right, or for a step < 0 to the left; its error falls as step⁴ too."""
    weights = (-25, 48, -36, 16, -3)
    return sum(w * line(i * step) for i, w in enumerate(weights)) / (12 * step)


def along(f, array, index, direction):
    """f as a function of how far array[index] has moved; the array is put back each time."""
    start = np.copy(array[index])

    def line(distance):
        try:
            array[index] = start + distance * direction
            return float(np.reshape(f(), ()))
        finally:
            array[index] = start

    return line


def relative_error(analytic, numeric):
    """‖analytic − numeric‖ / (‖analytic‖ + ‖numeric‖), with the Euclidean norm of all numbers.

    0 if all are 0, infinite if any is not finite.
    """
    analytic, numeric = np.asarray(analytic, float), np.asarray(numeric, float)
    same_shape(analytic, numeric)
    largest = max(np.abs(x).max(initial=0) for x in (analytic, numeric))
    if not (np.isfinite(analytic).all() and np.isfinite(numeric).all()):
        return float("inf")
    if largest == 0:
        return 0.0
    # Scaled first: a norm squares, so that 1e-200 would vanish in it and 1e200 overflow.
    analytic, numeric = analytic.ravel() / largest, numeric.ravel() / largest
    norms = np.linalg.norm(analytic) + np.linalg.norm(numeric)
    return float(np.linalg.norm(analytic - numeric) / norms)


def wrong_entries(analytic, numeric, tolerance):
    """The entries whose error is more than their share of what is tolerated."""
    finite = np.isfinite(analytic) & np.isfinite(numeric)
    if not finite.all():
        return ~finite
    scale = max(np.abs(analytic).max(), np.abs(numeric).max()) or 1.0
    analytic, numeric = analytic / scale, numeric / scale  # as in relative_error
    size = np.linalg.norm(analytic) + np.linalg.norm(numeric)
    return np.abs(analytic - numeric) >= tolerance * size / np.sqrt(analytic.size)


def checked(f, array, analytic, step):
    if not isinstance(array, np.ndarray) or array.size == 0 or not array.flags.writeable:
        raise ValueError(f"array must be a NumPy array of numbers that can move, got {array!r}")
    if array.dtype != np.float64:
        raise ValueError(f"array must be float64 to leave room for differences, got {array.dtype}")
    analytic = np.array(analytic)
    if analytic.dtype.kind not in "fiu":
        raise ValueError(f"analytic must be an array of real numbers, got {analytic!r}")
    same_shape(analytic, array)
    value = np.asarray(f())
    if value.size != 1 or value.dtype.kind not in "fiu":
        raise ValueError(
            f"f must return one real number, got {value.dtype} {value.shape}: no return, no sum?"
        )
    if value.dtype in (np.float32, np.float16):
        raise ValueError(f"f must compute in float64 to leave room, got {value.dtype}")
    return analytic, positive_number("step", step)


def same_shape(analytic, numeric):
    if analytic.shape != numeric.shape:
        raise ValueError(f"shapes differ: analytic {analytic.shape}, numeric {numeric.shape}")
