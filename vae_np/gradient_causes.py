"""How far a gradient is from the right one, and what the pattern of its errors suggests.

A wrong derivative is seldom wrong at random. The ratio yours / right is −1 where a sign is wrong, 2
where a ½ is missing, N where a sum over N examples stands for a mean; where a term is missing, the
two differ by the same number everywhere. Whether it is wrong at all, `vae_np.gradcheck` says.
"""

import math
from collections import namedtuple
from dataclasses import dataclass

import numpy as np

from vae_np.finite_differences import relative_error

TOLERANCE = 1e-9  # a right formula leaves about 1e-11, which is rounding
Entry = namedtuple("Entry", "index analytic numeric")


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
        Where the two differ most: its index, what ``backward`` says, and what the differences say.
        None where f draws noise, so that nothing can be compared.
    cause : str
        Of a failed check: what the pattern of the errors suggests.
    kinks : tuple of tuple of int
        The entries whose differences a kink of f, as ReLU's at 0, spoils. They were compared by a
        shorter step; on the kink itself, any slope from its left to its right one is right.
    directions : int
        How many random directions were tried, in place of the entries; else 0.
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
        text = (
            f"{self.name}: {'right' if self.passed else 'WRONG'} ({self.derivatives:,} derivative"
            f"{'s' * (self.derivatives != 1)}{along}, relative error {self.relative_error:.1e}, "
            f"wanted below {self.tolerance:g})"
        )
        if not self.passed and self.worst:
            index, yours, right = self.worst
            ratio = yours / right if right else math.inf
            text += (
                f"\n  worst {entry} {list(index)}: yours {yours:.6g}, by differences {right:.6g}"
            )
            text += f", ratio {ratio:.4g}"
        if self.cause:
            text += f"\n  likely cause: {self.cause}"
        if self.kinks:
            text += f"\n  near a kink of f: {len(self.kinks)} of them, first {entry} "
            text += f"{list(self.kinks[0])}; compared by a shorter step, or with one side's slope"
        return text


def likely_cause(analytic, numeric, wrong, kinks, noise, entries=True):
    """What the ``wrong`` entries have in common: a sign, a factor, a missing term, a row.

    ``kinks`` are the entries at a kink of f, which belong to no pattern; ``noise`` is what rounding
    may leave in ``numeric``. With ``entries`` False they are rates along directions, without axes.
    """
    if not np.isfinite([analytic, numeric]).all():
        return "not finite: an overflow, a division by 0, or a grad never written (grad[...] = …)"
    if kinks[wrong].all():
        return "a kink: f has a corner or a jump at each wrong entry. Move the input away from it"
    if np.abs(analytic - numeric).max() < noise:
        return f"rounding: f is too large to see changes below {noise:.1e}. Make f smaller"
    if entries and wrong.mean() > 0.5 and relative_error(analytic, numeric) < 1e-5:
        return "right to 5 digits or more: is something rounded, as in float32?"
    numeric, wrong = np.where(np.abs(numeric) < noise, 0, numeric), wrong & ~kinks
    if not numeric.any():
        return "f does not change with this array: does it read a copy, or another one?"
    shape = analytic.shape if entries else ()
    if len(shape) == 2 and shape == shape[::-1] and relative_error(analytic.T, numeric) < 1e-5:
        return "its axes are exchanged: the transpose is right"
    some = f"{wrong.sum()} of the {wrong.size} entries{_where(wrong)} are"
    they_are = "each entry is" if wrong.all() else some
    if not analytic[wrong].any():
        return f"{they_are} 0 and should not be: never computed, or cut off by a mask?"

    largest = np.abs([analytic, numeric]).max()  # or squares might be infinite, or 0
    analytic, numeric, noise = analytic / largest, numeric / largest, noise / largest

    def fits(fitted, size):
        return (np.abs(analytic - fitted) <= 1e-3 * np.abs(size) + noise)[wrong].all()

    rows = [axis for axis, n in enumerate(shape) if n < wrong.size and wrong.all()]
    for axis in (None, *rows):  # one number for all entries, or one for each row
        others = tuple(a for a in range(wrong.ndim) if a != axis)
        sums = {"axis": others, "where": wrong, "keepdims": True}
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = (analytic * numeric).sum(**sums) / (numeric * numeric).sum(**sums)
        term, alone = (analytic - numeric).mean(**sums), f"depends on axis {axis} alone"
        if fits(factor * numeric, np.minimum(abs(factor), abs(factor - 1)) * numeric):
            one = f"{they_are} {_factor(factor.flat[0], shape)}"
            return one if axis is None else f"a factor that {alone} is missing or extra"
        if entries and fits(numeric + term, term):
            one = f"{they_are} off by {largest * term.flat[0]:.4g}: a term is missing or extra"
            return one if axis is None else f"a term that {alone} is missing or extra"
    return "no common factor or term: a function or the upstream derivative is wrong, or missing"


def _factor(ratio, shape):
    """What a ratio yours / right means that all the wrong entries share."""
    if abs(ratio + 1) < 1e-3:
        return "minus the right one: a sign is wrong"
    if ratio < 0:
        return f"of the wrong sign and {_factor(-ratio, shape)}"
    n = round(max(ratio, 1 / ratio))
    if n == 1 or abs(max(ratio, 1 / ratio) - n) > 1e-3 * n:
        return f"{ratio:.6g} times the right one: a constant factor is missing or extra"
    over = f"{n}" + "".join(f", the length of axis {a}" for a in range(len(shape)) if shape[a] == n)
    times, missing, yours, right = (
        (f"{n} times", "½", "sum", "mean") if ratio > 1 else (f"1/{n} of", "2", "mean", "sum")
    )
    simple = f"a {missing} is missing, or " if n == 2 else ""
    return f"{times} the right one: {simple}a {yours} stands where f has a {right} over {over}"


def _where(wrong):
    """Name the one row, column or slice that holds all the wrong entries, if there is one."""
    for axis, indices in enumerate(np.nonzero(np.atleast_1d(wrong))):
        if wrong.size > 1 and wrong.shape[axis] > 1 and (indices == indices[0]).all():
            return f", all at {indices[0]} on axis {axis},"
    return ""
