"""How far a gradient is from the right one, and what the pattern of its errors suggests.

A wrong derivative is seldom wrong at random. The ratio yours / right is −1 where a sign is wrong, 2
where a ½ is missing, N where a sum over N examples stands for a mean; where a term is missing, the
two differ by the same number everywhere. Whether it is wrong at all, `vae_np.gradcheck` says.
"""

import numpy as np


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


def same_shape(analytic, numeric):
    if analytic.shape != numeric.shape:
        raise ValueError(f"shapes differ: analytic {analytic.shape}, numeric {numeric.shape}")
