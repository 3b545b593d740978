"""Random functions whose derivatives are known, mistakes to plant in them, and what is then so.

All of it is worked out here, from the closed forms; nothing of `vae_np` is called.
"""

import re
from dataclasses import dataclass

import numpy as np

# Each has its value, its slope to the left and its slope to the right.
SMOOTH = {
    "square": (np.square, lambda h: 2 * h),
    "tanh": (np.tanh, lambda h: 1 - np.tanh(h) ** 2),
    "exp": (np.exp, np.exp),
    "sin": (np.sin, np.cos),
    "waves": (lambda h: np.sin(40 * h), lambda h: 40 * np.cos(40 * h)),
    "ripples": (lambda h: np.sin(3000 * h), lambda h: 3000 * np.cos(3000 * h)),
    "hiss": (lambda h: np.sin(1e8 * h), lambda h: 1e8 * np.cos(1e8 * h)),
    "float32": (lambda h: np.tanh(h.astype(np.float32)), lambda h: 1 - np.tanh(h) ** 2),
    "stairs": (lambda h: h + np.sign(h), np.ones_like),
    "identity": (lambda h: h, np.ones_like),
}
KINKED = {"relu": (0.0, 1.0), "leaky": (0.01, 1.0), "abs": (-1.0, 1.0)}
ROUGH = ("ripples", "hiss", "float32", "stairs")
FUNCTIONS = (*SMOOTH, *KINKED)
MISTAKES = (
    "none sign twice half sum mean constant mask nomask zero term one row rowfactor rowterm "
    "transposed permuted reversed random nan float32 tiny upstream"
).split()


@dataclass
class Case:
    """f of the array x, which it reads, and the slopes of f to the left and right of each entry."""

    x: np.ndarray
    f: object
    left: np.ndarray
    right: np.ndarray
    dy: np.ndarray
    rounding: float  # what rounding may leave in a difference, amply
    rough: bool  # the differences cannot tell all of f's entries

    def nearest(self, gradient):
        """The right derivative that is nearest: any of those between the sides'."""
        low, high = np.minimum(self.left, self.right), np.maximum(self.left, self.right)
        return np.where(np.isfinite(gradient), np.clip(gradient, low, high), self.left)


def make(name, shape, layer, zeros, scale, offset, seed):
    """Σ dy φ(x), or with ``layer`` Σ dy φ(x W), times ``scale`` plus ``offset``."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if zeros:
        near = rng.choice([-1, 0, 0, 1], shape) * 10 ** rng.uniform(-7, -3, shape)
        x = np.where(rng.random(shape) < 0.3, near, x)
    layer = layer and shape != ()
    w = rng.standard_normal((shape[-1] if layer else 1, 3))
    product = (lambda: x @ w) if layer else (lambda: x)
    h = product()
    dy = rng.standard_normal(h.shape)

    def back(slope):
        return scale * (dy * slope) @ w.T if layer else scale * dy * slope

    if name in SMOOTH:
        phi, slope = SMOOTH[name]
        left = right = back(slope(h))
    else:
        below, above = KINKED[name]

        def phi(h):
            return np.where(h > 0, above * h, below * h)

        sided = np.where(h > 0, above, below)
        left = right = back(np.where(h == 0, 0, sided))
        if layer:
            at, up, down = (h == 0) * dy * scale, np.maximum(w, 0).T, np.minimum(w, 0).T
            right = left + at @ (above * up + below * down)
            left = left + at @ (below * up + above * down)
        else:
            at = (h == 0) * dy * scale
            left, right = left + below * at, right + above * at

    def f():
        return scale * (dy * phi(product())).sum() + offset

    size = abs(scale) * np.abs(dy * phi(h)).sum() + abs(offset)
    rounding = size * (2e-3 if name == "float32" else 1e-11)
    return Case(x, f, left, right, dy, rounding, name in ROUGH or (zeros and name in KINKED))


def plant(case, mistake, seed):
    """A gradient with the mistake in it."""
    rng = np.random.default_rng([seed, 1])
    right = np.where(rng.random(case.x.shape) < 0.5, case.left, case.right)
    scale = np.abs(right).max() or 1.0
    axis = int(rng.integers(right.ndim)) if right.ndim else None
    row = np.zeros(right.shape, bool)
    if right.ndim:
        np.moveaxis(row, axis, 0)[rng.integers(right.shape[axis])] = True
    along = [1] * right.ndim
    if right.ndim:
        along[axis] = right.shape[axis]
    one = np.zeros(right.shape, bool)
    one.flat[rng.integers(right.size)] = True
    n = max(right.shape, default=7)
    numbers = rng.standard_normal(right.shape)
    return {
        "none": lambda: right,
        "sign": lambda: -right,
        "twice": lambda: 2 * right,
        "half": lambda: right / 2,
        "sum": lambda: n * right,
        "mean": lambda: right / n,
        "constant": lambda: right * rng.uniform(-3, 3),
        "mask": lambda: np.where(rng.random(right.shape) < 0.4, 0, right),
        "nomask": lambda: np.where(right == 0, scale * numbers, right),
        "zero": lambda: 0 * right,
        "term": lambda: right + scale * rng.uniform(-2, 2),
        "one": lambda: np.where(one, right * rng.uniform(-3, 3) + scale * rng.integers(2), right),
        "row": lambda: np.where(row, rng.choice([-1, 2, 0.5, 1.7]) * right, right),
        "rowfactor": lambda: right * rng.uniform(0.5, 3, along),
        "rowterm": lambda: right + scale * rng.uniform(-1, 1, along),
        "transposed": lambda: right.T if right.shape == right.T.shape else right,
        "permuted": lambda: rng.permutation(right.ravel()).reshape(right.shape),
        "reversed": lambda: np.flip(right),
        "random": lambda: scale * numbers,
        "nan": lambda: np.where(one, rng.choice([np.nan, np.inf]), right),
        "float32": lambda: right.astype(np.float32),
        "tiny": lambda: right * (1 + 10 ** rng.uniform(-11, -4) * numbers),
        "upstream": lambda: (
            right / np.where(case.dy == 0, 1, case.dy)
            if case.dy.shape == right.shape
            else right * numbers
        ),
    }[mistake]()


def is_so(seen, case, gradient):
    """Whether what a verdict says it has seen is so."""
    right, gradient = case.nearest(gradient), np.asarray(gradient, float)
    gap = np.abs(gradient - right)
    on_kink = case.left != case.right
    size = np.maximum(np.abs(gradient), np.abs(right))
    surely = ~on_kink & (gap > 1e-7 * np.max(size) + case.rounding)  # what must be spoken of
    if m := re.fullmatch(r"(\d+) of the (\d+) are not finite", seen):
        return int(m[1]) == (~np.isfinite(gradient)).sum() and int(m[2]) == gradient.size
    if seen.startswith("by differences, all are 0"):
        return (np.abs(right) <= case.rounding).all()
    if seen == "yours is the transpose of the right one":
        return np.allclose(gradient.T, right, rtol=1e-6, atol=1e-8 * np.max(size))
    if seen == "yours has the right numbers, in another order":
        numbers = [np.sort(a, axis=None) for a in (gradient, right)]
        return np.allclose(*numbers, rtol=1e-6, atol=1e-8 * np.max(size))
    slack = 2e-4 * size + case.rounding
    if m := re.fullmatch(r"yours (/|-) right depends on axis (\d) alone", seen):
        others = tuple(a for a in range(right.ndim) if a != int(m[2]))
        if m[1] == "-":
            term = (gradient - right).mean(axis=others, keepdims=True)
            return (np.abs(gradient - right - term) <= slack).all()
        factor = (gradient * right).sum(axis=others, keepdims=True)
        factor = factor / (right**2).sum(axis=others, keepdims=True)
        return (np.abs(gradient - factor * right) <= slack).all()

    m = re.fullmatch(
        r"in (all|\d+ of the) (\d+) entries(?:, all at (\d+) on axis (\d))?, yours (.*)",
        seen,
    )
    count, n, at, axis, what = m.groups()
    assert int(n) == right.size
    count = int(n if count == "all" else count.split()[0])
    assert case.rough or surely.sum() <= count
    assert case.rough or count <= (gap > 0).sum(), "the number of wrong entries"
    spoken = gap > 0 if count == int(n) else surely & (not case.rough)
    if at is not None and not case.rough:
        place = np.moveaxis(np.ones(right.shape) * 0, int(axis), 0)
        place[int(at)] = 1
        assert (np.moveaxis(place, 0, int(axis))[surely] == 1).all(), "all of them in one row"
    if what == "is 0, and should not be":
        fits = (gradient == 0) & (right != 0)
    elif what == "is not 0, and should be":
        fits = (gradient != 0) & (np.abs(right) <= case.rounding)
    elif what == "is right to 5 digits or more, not all":
        fits = gap <= 1.1e-5 * np.abs(right) + case.rounding
    elif what == "differs; no common factor or term is seen":
        return case.rough or not common(gradient[surely], right[surely])
    elif m := re.fullmatch(r"is off by (\S+)", what):
        fits = np.abs(gradient - right - float(m[1])) <= slack + 1e-3 * abs(float(m[1]))
    else:
        m = re.fullmatch(r"is (of the wrong sign and )?(\S+)( times| of)? the right one", what)
        ratio = -1.0 if m[2] == "minus" else float(eval(m[2]))
        fits = np.abs(gradient - (-ratio if m[1] else ratio) * right) <= slack
    return fits[spoken].all() and fits.sum() >= count


def common(gradient, right):
    """Whether there is a common factor or term, as exact as float64 can have it."""
    if gradient.size < 2:
        return False
    with np.errstate(all="ignore"):
        ratio, term = gradient / right, gradient - right
    return any(np.isfinite(a).all() and np.ptp(a) <= 1e-9 * abs(a).max() for a in (ratio, term))
