"""Derivatives without a derivation, by finite differences, and how far a gradient is from them.

A derivative says how much f changes when one number changes a little, so that
f′(a) ≈ [f(a + h) − f(a − h)] / 2h. This takes no derivation: it can judge one. Too small an h
drowns in rounding; so h is 1e-3, and points further out take away what that leaves, but for h⁴.
"""

import math
from collections import namedtuple
from functools import cache
from itertools import pairwise

import numpy as np

from vae_np.backend import array_module, to_numpy
from vae_np.checks import positive_number

Look = namedtuple("Look", "doubt step left across right")  # f's slopes by one step
KINK = "a kink lies on this line: move the input away from it"
ROUNDED = "rounding hides it: something is rounded, as in float32, or f is too large"
UNDEFINED = "f is not finite within this step: it ends at the point, or very near it"
BENDS = "the step is too long: f bends or jumps within it, or is rounded, as in float32"


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
    movable(array), positive_number("step", step)
    slopes = [central(along(f, array, index), step) for index in np.ndindex(array.shape)]
    return np.reshape(slopes, array.shape)


def along(f, array, index, direction=1.0, changed=bool):
    """f as a function of how far array[index] has moved; all of it is put back each time.

    ``changed`` is told each time whether ``f`` itself has changed the array.
    """
    start = array.copy()

    @cache
    def line(distance):
        moved = start.copy()
        moved[index] += distance * direction
        array[...] = moved
        try:
            return number(f)
        finally:
            changed(not np.array_equal(to_numpy(array), to_numpy(moved), equal_nan=True))
            array[...] = start

    return line


def central(line, step):
    """The slope at 0 from both sides."""
    # In pairs, so that the derivative of a constant is exactly 0.
    near, far = line(step) - line(-step), line(2 * step) - line(-2 * step)
    return (8 * near - far) / (12 * step)


def one_sided(line, step):
    """The slope at 0 to the right, or for a step < 0 to the left; its error falls as step⁴ too."""
    weights = (48, -36, 16, -3)
    return sum(w * (line(i * step) - line(0)) for i, w in enumerate(weights, 1)) / (12 * step)


def rounding(value, step, dtype=float):
    """What rounding may leave in a difference of values as large as this one."""
    return 20 * float(np.finfo(dtype).eps) * abs(value) / step


def judged(line, analytic, step, on_kinks):
    """What to compare a derivative with where the first difference disagrees with it.

    Where f is smooth, the slopes to the left, across, to the right, and across by a shorter step
    agree, and nothing below ten times their spread can be judged. Where they do not, the step is
    shortened, until a kink nearby is out of reach or f looks straight. On the kink itself they
    never agree; there any slope from its left to its right one is right, if rounding moves these by
    less than ``on_kinks``.

    Returns
    -------
    slope, doubt : float
        A derivative that is more than ``doubt`` away from ``slope`` is wrong. It is infinite where
        no slope can be trusted.
    look : Look
        The slopes that tell most.
    suggests : str
        Why they do not tell more.
    """
    size = max(filter(math.isfinite, (abs(line(i * step)) for i in range(-4, 5))), default=0)
    looks, least, scatters = [], math.inf, False
    for h in (step / 8**k for k in range(9)):
        left, across, right = one_sided(line, -h), central(line, h), one_sided(line, h)
        slopes = left, across, right, central(line, 113 * h / 1024)
        spread = max(slopes) - min(slopes) if all(map(math.isfinite, slopes)) else math.inf
        noise = rounding(max(filter(math.isfinite, map(abs, map(line, (-h, 0, h)))), default=0), h)
        # Waves shorter than the step need not show as a spread, nor the stairs of rounded numbers.
        stair = not any(slopes) and looks and looks[0].left and looks[0].right
        scatters, least = scatters or stair or spread > 4 * least, min(least, spread)
        trusted = spread * h <= 1e-6 * size and not scatters
        doubt = max(10 * spread, noise) if trusted else math.inf
        looks.append(Look(doubt, h, left, across, right))
        if trusted and spread <= max(noise, 1e-6 * abs(analytic - across)):
            break
    else:
        for one, two in pairwise(looks):
            low, high = sorted((one.left, one.right))
            if max(abs(one.left - two.left), abs(one.right - two.right)) < 1e-3 * (high - low):
                near, noise = min(max(analytic, low), high), rounding(line(0), one.step)
                on = abs(analytic - near) <= noise <= on_kinks
                return *((near, noise) if on else (one.across, math.inf)), two, KINK
    look = min(looks)  # the first where it scatters: later, it would agree by chance
    in_float32 = (math.frexp(line(0))[0] * 2**24).is_integer()  # 24 bits hold this value of f
    hidden = rounding(line(0), step, np.float32) if in_float32 else 0
    if 0 < abs(analytic) <= hidden and not any((look.left, look.across, look.right)):
        return 0.0, hidden, look, ROUNDED
    if not math.isfinite(look.left + look.right):
        return look.across, look.doubt, look, UNDEFINED
    return look.across, look.doubt, look, ROUNDED if look is looks[0] else BENDS


def relative_error(analytic, numeric):
    """‖analytic − numeric‖ / (‖analytic‖ + ‖numeric‖), with the Euclidean norm of all numbers.

    0 if all are 0, infinite if any is not finite.
    """
    analytic, numeric = np.asarray(analytic, float), np.asarray(numeric, float)
    if analytic.shape != numeric.shape:
        raise ValueError(f"shapes differ: analytic {analytic.shape}, numeric {numeric.shape}")
    largest = np.abs([analytic, numeric]).max(initial=0) or 1
    if not np.isfinite(largest):
        return math.inf
    # Scaled first: a norm squares, so that 1e-200 would vanish in it and 1e200 overflow.
    analytic, numeric = analytic / largest, numeric / largest
    norms = np.linalg.norm(analytic) + np.linalg.norm(numeric)
    return float(np.linalg.norm(analytic - numeric) / (norms or 1))


def movable(array):
    """``array``, if its numbers can be moved, and by little."""
    good = isinstance(array, array_module(array).ndarray)
    good = good and array.dtype == np.float64 and array.size
    if not good or not getattr(array.flags, "writeable", True):  # as CuPy's arrays all are
        got = f"{getattr(array, 'dtype', type(array).__name__)} {np.shape(array)}"
        raise ValueError(f"array must be writeable float64 of NumPy or CuPy, not empty, got {got}")
    return array


def number(f):
    """What f returns, as a float."""
    value = to_numpy(f())
    if value.size != 1 or value.dtype.kind not in "fiu" or value.dtype in (np.float32, np.float16):
        got = f"{value.dtype} {value.shape}"
        raise ValueError(f"f must return one real number of float64, got {got}: no return, no sum?")
    return float(value.reshape(()))
