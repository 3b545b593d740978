"""Is a hand-written gradient right? Finite differences know, and say what a wrong one suffers from.

A derivative says how much f changes when one number changes a little, so that
f′(a) ≈ [f(a + h) − f(a − h)] / 2h. This takes no derivation: it can judge one.

To check a layer of your own, sum its output against fixed random numbers, which makes one number,
and give the same numbers to ``backward``::

    x, dy = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    layer = MyLayer()
    layer.forward(x)
    dx = layer.backward(dy)
    print(check_gradient("MyLayer dx", lambda: (layer.forward(x) * dy).sum(), x, dx))
"""

import math

import numpy as np

from vae_np.checks import generator_of, whole_number
from vae_np.finite_differences import (
    along,
    central,
    checked,
    near_kink,
    relative_error,
    rounding,
    wrong_entries,
)
from vae_np.gradient_causes import TOLERANCE, Entry, GradientCheck, likely_cause


def check_gradient(name, f, array, analytic, step=1e-3, tolerance=TOLERANCE):
    """Compare an analytic gradient of ``f`` with respect to ``array`` with finite differences.

    Parameters
    ----------
    name : str
    f, array, step
        As for `numerical_gradient`.
    analytic : array of ``array``'s shape
        What your ``backward`` says. It is copied first: ``f`` may write to the gradient's buffer.
    tolerance : float

    Returns
    -------
    GradientCheck

    Raises
    ------
    ValueError
        As for `numerical_gradient`, and if ``analytic`` has another shape than ``array``.
    """
    analytic, step = checked(f, array, analytic, step)
    lines = {index: along(f, array, index, 1) for index in np.ndindex(array.shape)}
    return _verdict(name, array, lines, analytic, step, tolerance)


def check_directions(
    name, f, array, analytic, generator, n_directions=5, step=1e-4, tolerance=TOLERANCE
):
    """Check a gradient too large to check number by number: along a few random directions.

    Along a direction v, f changes at the rate g · v, whatever the size of g. With v of random
    signs, an error δ anywhere in g shows as δ · v, which is about as large as δ; two errors may
    cancel in one direction, not in all. It takes four evaluations of f a direction.

    Parameters
    ----------
    name, f, array, analytic, step, tolerance
        As for `check_gradient`. The default step is shorter, since all numbers move at once.
    generator : numpy.random.Generator
    n_directions : int

    Returns
    -------
    GradientCheck
        Its relative error is that of the ``n_directions`` rates.
    """
    analytic, step = checked(f, array, analytic, step)
    n_directions = whole_number("n_directions", n_directions)
    generator = generator_of(generator, "cpu")
    signs = [generator.choice([-1.0, 1.0], array.shape) for _ in range(n_directions)]
    rates = np.array([(analytic * v).sum() for v in signs])
    lines = {(k,): along(f, array, ..., v) for k, v in enumerate(signs)}
    return _verdict(name, array, lines, rates, step, tolerance, n_directions)


def _verdict(name, array, lines, analytic, step, tolerance, directions=0):
    """Compare ``analytic`` with the slope of each line: f as a function of how far it moves."""
    line = next(iter(lines.values()))
    value, again = line(0), line(0)
    if value != again and not (math.isnan(value) and math.isnan(again)):
        cause = (
            f"f draws fresh noise, or changes what it reads: called twice, it gave {value:.6g} and "
            f"{again:.6g}. Draw the noise once, outside f"
        )
        return GradientCheck(name, array.size, math.inf, False, tolerance, cause=cause)

    numeric, kinks = np.empty(analytic.shape), np.zeros(analytic.shape, bool)
    for index, line in lines.items():
        numeric[index] = central(line, step)
    error = relative_error(analytic, numeric)
    if tolerance <= error < math.inf:
        for index in map(tuple, np.argwhere(wrong_entries(analytic, numeric, tolerance))):
            numeric[index], kinks[index] = near_kink(lines[index], value, analytic[index], step)
        error = relative_error(analytic, numeric)

    with np.errstate(invalid="ignore"):
        differences = np.abs(analytic - numeric)
    wrong, passed = wrong_entries(analytic, numeric, tolerance), bool(error < tolerance)
    if passed:
        cause = ""
    elif wrong.any() and not (wrong & ~kinks).any():
        cause = (
            "a kink: each wrong entry lies where f has a corner or a jump, and has the slope of "
            "neither side. Move the input away from it"
        )
    elif differences.max() < rounding(value, step):
        cause = f"rounding: f is {value:.1e}, too large to see so small a change. Make f smaller"
    else:
        cause = likely_cause(analytic, numeric, wrong & ~kinks, entries=not directions)
    at = np.unravel_index(differences.argmax(), differences.shape)
    worst = Entry(tuple(map(int, at)), float(analytic[at]), float(numeric[at]))
    kinks = tuple(tuple(map(int, index)) for index in np.argwhere(kinks))
    return GradientCheck(
        name, array.size, error, passed, tolerance, worst, cause, kinks, directions
    )
