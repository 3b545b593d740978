"""The drawing of a KL's two directions: a posterior of two modes, and the best q of each."""

from functools import cache

import numpy as np

from demos.documents.svg import formula, gaussian, path, picture, text

WORDS = {
    "en": {
        "title": "The two directions of a KL",
        "posterior": "the posterior, p",
        "headings": (
            "least KL(q ‖ p): q misses a mode",
            "least KL(p ‖ q): q covers both",
        ),
    },
    "zh-CN": {
        "title": "KL 的两个方向",
        "posterior": "后验 p",
        "headings": ("KL(q ‖ p) 最小：q 漏掉一个峰", "KL(p ‖ q) 最小：q 盖住两个峰"),
    },
}
MODES = ((0.55, -1.5, 0.45), (0.45, 1.6, 0.6))  # of the posterior: weight, mean, σ


def two_kls(colours, language="en"):
    """A posterior of two modes, and the Gaussian of the least KL in each direction."""
    words, z, parts = WORDS[language], np.linspace(-8, 8, 801), []
    p = sum(weight * gaussian(z, mean, std) for weight, mean, std in MODES)
    grid, kls = search()
    for which, (x, heading) in enumerate(zip((255, 745), words["headings"], strict=True)):
        best, y = kls[:, which].argmin(), 235
        q = grid[best]
        parts += [path([(x - 215, y), (x + 215, y)], "line", width=1)]
        for density, colour, fill in (
            (p, "theta", "{theta-fill}"),
            (gaussian(z, *q), "phi", "none"),
        ):
            seen = (density > 0.002) & (abs(z) < 4.5)
            points = zip(x + 47 * z[seen], y - 190 * density[seen], strict=True)
            parts.append(path(points, colour, fill))
        forward, backward = kls[best]
        parts += [
            text(x, 28, heading, "text", 16),
            formula(x + 47 * q[0], 58 if which == 0 else 180, "q", colour="phi"),
            text(x + 47 * 1.6, 160, words["posterior"], "theta", 15),
            formula(x, y + 32, f"KL(q ‖ p) = {forward:.2f}", size=18),
            formula(x, y + 58, f"KL(p ‖ q) = {backward:.2f}", size=18),
        ]
    return picture(words["title"], parts, colours, 1000, 310)


@cache
def search():
    """Gaussians, (mean, σ), and both KLs of each."""
    z = np.linspace(-8, 8, 801)
    p = sum(weight * gaussian(z, mean, std) for weight, mean, std in MODES)
    grid = [(mean, std) for mean in np.arange(-3, 3, 0.02) for std in np.arange(0.2, 2.5, 0.02)]
    return grid, np.array([both_kls(z, p, *q) for q in grid])


def both_kls(z, p, mean, std):
    """KL(q ‖ p) and KL(p ‖ q) of a Gaussian q, by sums over the grid z; nats."""
    q, step = gaussian(z, mean, std), z[1] - z[0]
    log_ratio = np.log(q + 1e-300) - np.log(p + 1e-300)
    return (q * log_ratio).sum() * step, -(p * log_ratio).sum() * step
