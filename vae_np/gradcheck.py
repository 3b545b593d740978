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
from dataclasses import dataclass

import numpy as np

from vae_np.checks import generator_of, positive_number, whole_number
from vae_np.gradient_causes import likely_cause, relative_error, same_shape, wrong_entries

TOLERANCE = 1e-9  # a right formula leaves about 1e-11, which is rounding


@dataclass(frozen=True)
class Entry:
    """One derivative: where it stands, what ``backward`` says, and what the differences say."""

    index: tuple
    analytic: float
    numeric: float

    @property
    def ratio(self):
        """analytic / numeric: 1 where both agree, infinite where the differences say 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.divide(self.analytic, self.numeric))


@dataclass(frozen=True)
class GradientCheck:
    """The verdict on one tensor of derivatives; ``print`` it to read it.

    Attributes
    ----------
    name : str
    derivatives : int
        How many numbers the tensor has.
    relative_error : float
        See `relative_error`. A wrong sign leaves 1, a dropped ½ leaves ⅓.
    passed : bool
        Whether the error is below the tolerance.
    tolerance : float
    worst : Entry or None
        Where the two differ most; None where f draws noise, so that nothing can be compared.
    cause : str
        Of a failed check: what the pattern of the errors suggests.
    kinks : tuple of tuple of int
        The entries whose differences a kink of f, as ReLU's at 0, spoils. They were compared by a
        shorter step; on the kink itself, any slope from its left to its right one is right.
    directions : int
        How many directions `check_directions` tried (they take the place of entries); else 0.
    """

    name: str
    derivatives: int
    relative_error: float
    passed: bool
    tolerance: float = TOLERANCE
    worst: Entry | None = None
    cause: str = ""
    kinks: tuple = ()
    directions: int = 0

    def __str__(self):
        entry = "direction" if self.directions else "entry"
        along = f" along {self.directions} random directions" if self.directions else ""
        numbers = f"{self.derivatives:,} derivative{'s' * (self.derivatives != 1)}{along}"
        lines = [
            f"{self.name}: {'right' if self.passed else 'WRONG'} ({numbers}, relative error "
            f"{self.relative_error:.1e}, wanted below {self.tolerance:g})"
        ]
        if not self.passed and self.worst:
            worst = self.worst
            lines.append(
                f"worst {entry} {list(worst.index)}: yours {worst.analytic:.6g}, by differences "
                f"{worst.numeric:.6g}, ratio {worst.ratio:.4g}"
            )
        if self.cause:
            lines.append(f"likely cause: {self.cause}")
        if self.kinks:
            lines.append(
                f"near a kink of f: {len(self.kinks)} of them, first {entry} "
                f"{list(self.kinks[0])}; compared by a shorter step, or with the slope of one side"
            )
        return "\n  ".join(lines)


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
    analytic, step = _checked(f, array, analytic, step)
    lines = {index: _along(f, array, index, 1) for index in np.ndindex(array.shape)}
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
    analytic, step = _checked(f, array, analytic, step)
    n_directions = whole_number("n_directions", n_directions)
    generator = generator_of(generator, "cpu")
    signs = [generator.choice([-1.0, 1.0], array.shape) for _ in range(n_directions)]
    rates = np.array([(analytic * v).sum() for v in signs])
    lines = {(k,): _along(f, array, ..., v) for k, v in enumerate(signs)}
    return _verdict(name, array, lines, rates, step, tolerance, n_directions)


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
    gradient, step = _checked(f, array, np.empty_like(array), step)
    for index in np.ndindex(array.shape):
        gradient[index] = _central(_along(f, array, index, 1), step)
    return gradient


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
        numeric[index] = _central(line, step)
    error = relative_error(analytic, numeric)
    if tolerance <= error < math.inf:
        for index in map(tuple, np.argwhere(wrong_entries(analytic, numeric, tolerance))):
            numeric[index], kinks[index] = _near_kink(lines[index], value, analytic[index], step)
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
    elif differences.max() < _rounding(value, step):
        cause = f"rounding: f is {value:.1e}, too large to see so small a change. Make f smaller"
    else:
        cause = likely_cause(analytic, numeric, wrong & ~kinks, entries=not directions)
    at = np.unravel_index(differences.argmax(), differences.shape)
    worst = Entry(tuple(map(int, at)), float(analytic[at]), float(numeric[at]))
    kinks = tuple(tuple(map(int, index)) for index in np.argwhere(kinks))
    return GradientCheck(
        name, array.size, error, passed, tolerance, worst, cause, kinks, directions
    )


def _near_kink(line, at_rest, analytic, step):
    """The slope to compare with where a difference disagrees, and whether that is a kink's doing.

    Without a kink within the step, the slopes to the left, to the right and across agree, and the
    disagreement is the formula's. With one, the step shrinks until it holds no kink. On the kink
    itself they never agree; where f jumps, they grow without bound.
    """
    spreads = []
    for shorter in (step, step / 10, step / 100):
        across = _central(line, shorter)
        slopes = (_one_sided(line, -shorter), across, _one_sided(line, shorter))
        spread, rounding = max(slopes) - min(slopes), _rounding(at_rest, shorter)
        error = abs(analytic - across)
        if spread <= max(rounding, 1e-6 * error):
            break
        spreads.append(spread)
    if error > 10 * max(spread, rounding) or not spreads:
        return across, False
    if spreads[-1] > 30 * spreads[0]:
        return across, True
    return np.clip(analytic, min(slopes) - rounding, max(slopes) + rounding), True


def _rounding(value, step):
    """What rounding may leave in a difference of values as large as this one."""
    return 20 * np.finfo(float).eps * abs(value) / step


def _central(line, step):
    # In pairs, so that the derivative of a constant is exactly 0.
    near, far = line(step) - line(-step), line(2 * step) - line(-2 * step)
    return (8 * near - far) / (12 * step)


def _one_sided(line, step):
    """The slope at 0 to the right, or for a step < 0 to the left; its error falls as step⁴ too."""
    weights = (-25, 48, -36, 16, -3)
    return sum(w * line(i * step) for i, w in enumerate(weights)) / (12 * step)


def _along(f, array, index, direction):
    """f as a function of how far array[index] has moved; the array is put back each time."""
    start = np.copy(array[index])

    def line(distance):
        try:
            array[index] = start + distance * direction
            return float(np.reshape(f(), ()))
        finally:
            array[index] = start

    return line


def _checked(f, array, analytic, step):
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
