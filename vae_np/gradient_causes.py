"""How far a gradient is from the right one, and what the pattern of its errors suggests.

A wrong derivative is seldom wrong at random. The ratio yours / right is −1 where a sign is wrong, 2
where a ½ is missing, N where a sum over N examples stands for a mean; where a term is missing, the
two differ by the same number everywhere. A verdict says first what is seen, which is so, and then
what that suggests, which is a guess. Whether anything is wrong at all, `vae_np.gradcheck` says.
"""

from collections import namedtuple
from dataclasses import dataclass

import numpy as np

CONSTANT = "a constant factor is missing or extra"
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
        See `relative_error`. A wrong sign leaves 1, a dropped ½ leaves ⅓. It is of the tensor as a
        whole: an entry that is off by less than 2e-9 times the norm of the whole does not show. Of
        2,500 like entries that is a ten-millionth of one. Infinite where some of it could not be
        compared.
    verdict : {"right", "WRONG", "undecided"}
        "right" if the error is below the tolerance. "undecided" where the differences cannot tell:
        a kink lies on the line, f is rounded, draws noise or changes its input.
    tolerance : float
    worst : Entry or None
        Of a check that is not right, where the two differ most: its index, what ``backward`` says,
        and what the differences say. None where nothing can be compared.
    seen : str
        Of a check that is not right: what its wrong entries have in common, each of them, or why
        nothing can be told.
    suggests : str
        What may be the cause. It is a guess.
    shortened : tuple of tuple of int
        The entries that were compared by a shorter step: within the first one f has a kink, as
        ReLU's at 0, or bends sharply. On the kink itself, any slope from its left to its right one
        is right.
    directions : int
        How many random directions were judged, in place of the entries; else 0.
    """

    name: str
    derivatives: int
    relative_error: float
    verdict: str
    seen: str = ""
    suggests: str = ""
    worst: Entry | None = None
    tolerance: float = TOLERANCE
    shortened: tuple = ()
    directions: int = 0

    @property
    def passed(self):
        """Whether the gradient is right."""
        return self.verdict == "right"

    def __str__(self):
        one, s = "direction" if self.directions else "entry", "s" * (self.derivatives != 1)
        along = f" along {self.directions} random directions" * (self.directions > 0)
        text = f"{self.name}: {self.verdict} ({self.derivatives:,} derivative{s}{along}, relative "
        text += f"error {self.relative_error:.1e}, wanted below {self.tolerance:g})"
        if self.worst:
            index, yours, right = self.worst
            text += f"\n  worst {one} {list(index)}: yours {yours:.6g}, by differences {right:.6g}"
            text += f", ratio {yours / right:.4g}" if right else ""
        text += f"\n  seen: {self.seen}\n  perhaps: {self.suggests}" if self.seen else ""
        if self.shortened:
            text += f"\n  by a shorter step: {len(self.shortened)} of them, first {one} "
            text += f"{list(self.shortened[0])}, where f has a kink or bends within the first step"
        return text


def pattern(analytic, numeric, wrong, doubt, entries=True):
    """What all ``wrong`` entries have in common (a sign, a factor, a term, a row), and a guess why.

    ``doubt`` is how far ``numeric`` may be off; that is NaN where it is not known. With ``entries``
    False they are rates along directions, without axes.
    """
    count, shape = int(wrong.sum()), analytic.shape if entries else ()
    of = "all" if wrong.all() and count > 1 else f"{count} of the"
    yours = f"in {of} {wrong.size} {'entries' if entries else 'directions'}{_where(wrong)}, yours"
    if (np.abs(numeric) <= doubt).all():
        rounding = f" but for rounding, up to {doubt.max():.1e}" if numeric.any() else ""
        guess = "f is flat here, reads a copy of this array or another, or rounds the change away"
        return f"by differences, all are 0{rounding}", guess
    if not analytic[wrong].any():
        return f"{yours} is 0, and should not be", "never computed, or cut off by a mask"
    if (np.abs(numeric) <= np.minimum(doubt, 1e-3 * np.abs(analytic)))[wrong].all():
        return f"{yours} is not 0, and should be", "a mask is missing, or a term is extra"
    if entries and (np.abs(analytic - numeric) <= 1e-5 * np.abs(numeric))[wrong].all():
        return f"{yours} is right to 5 digits or more, not all", "it or f is rounded, as in float32"

    largest = np.nanmax(np.abs([analytic, numeric]))  # or squares might be infinite, or 0
    analytic, numeric, doubt = analytic / largest, numeric / largest, doubt / largest
    gap = np.abs(analytic - numeric)
    sharp = (doubt <= 1e-3 * np.minimum(gap, np.abs(numeric)))[wrong].any()
    doubt = np.minimum(doubt, 1e-2 * gap)

    def fits(fitted, size):
        return sharp and (np.abs(analytic - fitted) <= 1e-4 * np.abs(size) + doubt)[wrong].all()

    unknown = "a function or the upstream derivative is wrong, or missing"
    rows = [axis for axis, n in enumerate(shape) if n < wrong.size and wrong.all()]
    for axis in (None, *rows):  # one number for all entries, or one for each row
        others = tuple(a for a in range(wrong.ndim) if a != axis)
        sums = {"axis": others, "where": wrong, "keepdims": True}
        with np.errstate(all="ignore"):
            factor = (analytic * numeric).sum(**sums) / (numeric * numeric).sum(**sums)
            smaller = np.minimum(abs(factor), abs(factor - 1)) * numeric
        term, alone = (analytic - numeric).mean(**sums), f"depends on axis {axis} alone"
        if np.isfinite(factor).all() and fits(factor * numeric, smaller):
            if axis is not None:
                return f"yours / right {alone}", f"a factor that {alone} is missing or extra"
            seen, guess = _factor(factor.flat[0], shape)
            return f"{yours} is {seen}", guess if count > 1 or guess != CONSTANT else unknown
        if entries and fits(numeric + term, term):
            seen = f"{yours} is off by {largest * term.flat[0]:.4g}"
            if axis is None:
                return seen, "a term is missing or extra"
            return f"yours - right {alone}", f"a term that {alone} is missing or extra"
    if entries and np.allclose(np.sort(analytic, None), np.sort(numeric, None), 1e-7, 1e-9):
        if shape == shape[::-1] and np.allclose(analytic.T, numeric, 1e-7, 1e-9):
            return "yours is the transpose of the right one", "its axes are exchanged"
        guess = "an axis is reversed, shuffled, or reshaped in another order"
        return "yours has the right numbers, in another order", guess
    return f"{yours} differs; no common factor or term is seen", unknown


def _factor(ratio, shape):
    """What is seen where all wrong entries share a ratio yours / right, and what it suggests."""
    if abs(ratio + 1) < 1e-5:
        return "minus the right one", "a sign is wrong"
    if ratio < 0:
        seen, guess = _factor(-ratio, shape)
        return f"of the wrong sign and {seen}", f"a sign is wrong, and {guess}"
    n = round(max(ratio, 1 / ratio)) if 1e-6 < ratio < 1e6 else 0
    if n < 2 or abs(max(ratio, 1 / ratio) - n) > min(1e-5 * n, 0.01):
        digits = 6 if abs(ratio - 1) > 1e-5 else 12
        return f"{ratio:.{digits}g} times the right one", CONSTANT
    over = f"{n}" + "".join(f", the length of axis {a}" for a in range(len(shape)) if shape[a] == n)
    half = f"a {'1/2' if ratio > 1 else '2'} is missing, or " * (n == 2)
    if ratio > 1:
        return f"{n} times the right one", f"{half}a sum stands where f has a mean over {over}"
    return f"1/{n} of the right one", f"{half}a mean stands where f has a sum over {over}"


def _where(wrong):
    """Name the one row, column or slice that holds all the wrong entries, if there is one."""
    for axis, indices in enumerate(np.nonzero(np.atleast_1d(wrong))):
        if wrong.size > 1 and wrong.shape[axis] > 1 and (indices == indices[0]).all():
            return f", all at {indices[0]} on axis {axis}"
    return ""
