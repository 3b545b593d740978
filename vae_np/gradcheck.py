"""Is a hand-written gradient right? Compare it with finite differences.

To check a layer of your own, sum its output against fixed random numbers, which makes a scalar,
and give the same numbers to ``backward``::

    x, dy = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    layer = MyLayer()
    layer.forward(x)
    dx = layer.backward(dy)
    print(check_gradient("MyLayer dx", lambda: (layer.forward(x) * dy).sum(), x, dx))
"""

import math
from dataclasses import dataclass

import numpy as np

from vae_np.checks import positive_number

TOLERANCE = 1e-8


@dataclass(frozen=True)
class GradientCheck:
    """The verdict on one tensor of derivatives.

    Attributes
    ----------
    name : str
    derivatives : int
        How many numbers were compared.
    relative_error : float
        ‖analytic − numeric‖ / (‖analytic‖ + ‖numeric‖); 0 if both are 0, infinite if either is not
        finite.
    passed : bool
        Whether the error is below the tolerance.
    """

    name: str
    derivatives: int
    relative_error: float
    passed: bool


def numerical_gradient(f, array, step=1e-3):
    """The derivative of a scalar function with respect to every number in ``array``.

    Five-point central differences, whose error falls as step⁴:
    f′(a) ≈ [f(a − 2h) − 8 f(a − h) + 8 f(a + h) − f(a + 2h)] / 12h.

    Parameters
    ----------
    f : callable
        Takes no argument, reads ``array`` as it stands, and returns a number. It must not draw
        fresh randomness.
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
        If ``array`` is not of float64 or empty, or ``f`` returns more than one number.
    """
    if not isinstance(array, np.ndarray) or array.size == 0:
        raise ValueError(f"array must be a NumPy array of one number or more, got {array!r}")
    if array.dtype != np.float64:
        raise ValueError(f"array must be float64 to leave room for differences, got {array.dtype}")
    step = positive_number("step", step)
    shape = np.shape(f())
    if math.prod(shape) != 1:
        raise ValueError(f"f must return one number, got shape {shape}: sum over examples?")
    gradient, original = np.empty_like(array), array.copy()

    def value_at(index, value):
        array[index] = value
        return float(np.reshape(f(), ()))

    try:
        for index in np.ndindex(array.shape):
            far_left, left, right, far_right = (
                value_at(index, original[index] + shift * step) for shift in (-2, -1, 1, 2)
            )
            # In pairs, so that the derivative of a constant is exactly 0.
            gradient[index] = (8 * (right - left) - (far_right - far_left)) / (12 * step)
            array[index] = original[index]
    finally:
        array[...] = original
    return gradient


def relative_error(analytic, numeric):
    """‖analytic − numeric‖ / (‖analytic‖ + ‖numeric‖), with the Euclidean norm of all numbers."""
    analytic, numeric = np.asarray(analytic), np.asarray(numeric)
    if analytic.shape != numeric.shape:
        raise ValueError(f"shapes differ: analytic {analytic.shape}, numeric {numeric.shape}")
    size = np.linalg.norm(analytic.ravel()) + np.linalg.norm(numeric.ravel())
    if not np.isfinite(size):
        return float("inf")
    return float(np.linalg.norm((analytic - numeric).ravel()) / size) if size else 0.0


def check_gradient(name, f, array, analytic, step=1e-3, tolerance=TOLERANCE):
    """Compare an analytic gradient of ``f`` with respect to ``array`` with `numerical_gradient`.

    Parameters
    ----------
    name : str
        For the report.
    f, array, step
        As for `numerical_gradient`.
    analytic : array of ``array``'s shape
        What your ``backward`` says. It is copied first, so a gradient buffer that ``f`` writes to
        is safe.
    tolerance : float

    Returns
    -------
    GradientCheck
    """
    analytic = np.array(analytic)
    error = relative_error(analytic, numerical_gradient(f, array, step))
    return GradientCheck(name, int(analytic.size), error, error < tolerance)
