"""How far a gradient is from the right one, and what the pattern of its errors suggests.

A wrong derivative is seldom wrong at random. The ratio yours / right is −1 where a sign is wrong, 2
where a ½ is missing, N where a sum over N examples stands for a mean; where a term is missing, the
two differ by the same number everywhere. Whether it is wrong at all, `vae_np.gradcheck` says.
"""

from dataclasses import dataclass

import numpy as np

from vae_np.finite_differences import relative_error

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


def likely_cause(analytic, numeric, wrong, entries=True):
    """What the wrong entries have in common: a sign, a factor, a missing term, a row.

    With ``entries`` False they are rates along directions, which have no axes.
    """
    for whose, values in (("yours", analytic), ("that of the differences", numeric)):
        if not np.isfinite(values).all():
            at = list(map(int, np.argwhere(~np.isfinite(values))[0]))
            return f"an overflow, or a division by 0: {whose} at {at} is not finite"
    scale = np.abs(numeric).max()
    if scale <= 1e-9 * np.abs(analytic).max():
        return "f does not change with this array: does it read a copy, or another one?"
    if entries and wrong.mean() > 0.5 and relative_error(analytic, numeric) < 1e-5:
        return "right to 5 digits or more: is something rounded, as in float32?"
    shape = analytic.shape if entries else ()
    if len(shape) == 2 and shape == shape[::-1] and relative_error(analytic.T, numeric) < 1e-5:
        return "its axes are exchanged: the transpose is right"

    some = f"{wrong.sum()} of the {wrong.size} entries{_where(wrong)} are"
    they_are = "each entry is" if wrong.all() else some
    if not analytic[wrong].any():
        return f"{they_are} 0 and should not be: never computed, or cut off by a mask?"
    visible = wrong & (np.maximum(np.abs(analytic), np.abs(numeric)) > 1e-5 * scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(visible if visible.any() else wrong, analytic / numeric, np.nan)
    error = np.where(wrong, analytic - numeric, np.nan)
    factor = float(np.nanmedian(ratio))
    if _constant(ratio) and abs(factor - 1) > 1e-4:
        return f"{they_are} {_factor(factor, shape)}"
    if not entries:
        return "a part is wrong, or a term: check the parts, or a small model entry by entry"
    if _constant(error):
        return f"{they_are} off by {np.nanmedian(error):.4g}: a term is missing or extra"
    for axis in range(analytic.ndim if wrong.all() else 0):
        others = tuple(a for a in range(analytic.ndim) if a != axis)
        for what, values in (("factor", ratio), ("term", error)):
            if shape[axis] < analytic.size and _constant(values, others):
                return f"a {what} that depends on axis {axis} alone is missing or extra"
    low, high = np.nanmin(ratio), np.nanmax(ratio)
    return (
        f"no common factor (ratios from {low:.3g} to {high:.3g}): a function, a term or the "
        "upstream derivative is wrong or missing"
    )


def _factor(ratio, shape):
    """What a ratio yours / right means that all the wrong entries share."""
    if ratio < 0:
        if abs(ratio + 1) < 1e-3:
            return "minus the right one: a sign is wrong"
        return f"of the wrong sign and {_factor(-ratio, shape)}"
    n = round(max(ratio, 1 / ratio))
    if n == 1 or abs(max(ratio, 1 / ratio) - n) > 1e-3 * n:
        return f"{ratio:.6g} times the right one: a constant factor is missing or extra"
    over = f"{n}" + "".join(f", the length of axis {a}" for a in range(len(shape)) if shape[a] == n)
    if ratio > 1:
        simple = "a ½ is missing, or " if n == 2 else ""
        return f"{n} times the right one: {simple}a sum stands where f has a mean over {over}"
    simple = "a 2 is missing, or " if n == 2 else ""
    return f"1/{n} of the right one: {simple}a mean over {over} stands where f has a sum"


def _where(wrong):
    """Name the one row, column or slice that holds all the wrong entries, if there is one."""
    for axis, indices in enumerate(np.nonzero(np.atleast_1d(wrong))):
        if wrong.size > 1 and wrong.shape[axis] > 1 and (indices == indices[0]).all():
            return f", all at {indices[0]} on axis {axis},"
    return ""


def _constant(values, axes=None):
    """Whether the numbers that are not NaN agree to 0.1 % along these axes, or all."""
    known = ~np.isnan(values)
    low = values.min(axes, where=known, initial=np.inf)
    high = values.max(axes, where=known, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        return bool((high - low <= 1e-3 * np.maximum(np.abs(low), np.abs(high))).all())
