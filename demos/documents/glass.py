"""The drawing of the ELBO as water in a glass: φ moves, then θ, in the one-pixel model."""

import numpy as np

from demos.documents.svg import formula, path, picture, text
from vae_np import GaussianDecoder
from vae_np.distributions import DiagonalGaussian
from vae_np.inference import linear_gaussian

WORDS = {
    "en": {
        "title": "What happens as φ, then θ moves",
        "turns": [
            "start: q is the prior",
            "φ moves: q is the posterior",
            "θ moves: w = 4/3",
            "φ moves again",
        ],
        "gap": "gap",
        "parts": "below each glass: the ELBO as reconstruction − KL, in nats",
    },
    "zh-CN": {
        "title": "先调 φ，再调 θ，会发生什么",
        "turns": ["起点：q 是先验", "调 φ：q 成为后验", "调 θ：w = 4/3", "再调 φ"],
        "gap": "差距",
        "parts": "杯子下面：ELBO = 重构 − KL，单位 nat",
    },
}


def one_pixel(weight, mean, variance):
    """log p(x), the ELBO and its KL for q = N(mean, variance), where x = 2 and x|z ~ N(w z, 1)."""
    decoder = GaussianDecoder(1, [], 1, noise="fixed", std=1.0, dtype=np.float64)
    decoder.parameters.value = np.array([weight, 0.0])
    x, q = np.array([[2.0]]), DiagonalGaussian(np.array([[mean]]), np.log([[variance]]))
    log_px = linear_gaussian.log_likelihood(decoder, x)
    elbo = linear_gaussian.expected_elbo(q, decoder, x)
    return float(log_px[0]), float(elbo[0]), float(q.kl_to_standard_normal()[0])


def glass(colours, language="en"):
    """Four glasses: the ELBO is the water, the gap the air above it, log p(x) the rim."""
    words, bottom = WORDS[language], 300

    def height(nats):
        return bottom - 160 * (nats + 3.6)

    parts = []
    for nats in (-3.5, -3, -2.5, -2):
        y = height(nats)
        parts.append(path([(66, y), (990, y)], "line", width=0.5, dash="2 6"))
        parts.append(text(60, y + 5, f"{nats:g}".replace("-", "−"), "faint", 14, "end"))
    w = 4 / 3
    states = ((1, 0, 1), (1, 1, 0.5), (w, 1, 0.5), (w, 2 * w / (1 + w**2), 1 / (1 + w**2)))
    for k, (state, heading) in enumerate(zip(states, words["turns"], strict=True)):
        log_px, elbo, kl = one_pixel(*state)
        left, right, middle = 100 + 232 * k, 200 + 232 * k, 150 + 232 * k
        rim, water = height(log_px), height(elbo)
        corners = [(left, water), (left, bottom), (right, bottom), (right, water)]
        parts += [
            path([*corners, corners[0]], "phi", "{phi-fill}", width=1),
            path([(left, rim), (left, bottom), (right, bottom), (right, rim)], "text"),
            path([(left - 8, rim), (right + 8, rim)], "theta", dash="5 3"),
            text(middle, 22, heading, "theta" if "θ" in heading else "phi", 15),
            formula(right + 12, rim + 5, signed(log_px), colour="theta", size=17, anchor="start"),
            formula(
                middle, bottom + 30, f"{signed(elbo + kl)} − {kl:.3f}", colour="faint", size=16
            ),
        ]
        if bottom - water > 60:
            level = (water + bottom) / 2
            parts.append(formula(middle, level, "ELBO", colour="phi", size=17))
            parts.append(formula(middle, level + 22, signed(elbo), colour="phi", size=17))
        else:
            elbo_there = f"ELBO {signed(elbo)}"
            parts.append(formula(right + 12, water + 5, elbo_there, colour="phi", anchor="start"))
        gap = f"{words['gap']} {log_px - elbo:.3f}"
        if water - rim > 40:
            parts.append(text(middle, (rim + water) / 2 + 5, gap, "text", 15))
        else:
            parts.append(text(right + 12, rim + 27, gap, "text", 14, "start"))
    parts += [
        formula(212, height(-2.266) - 14, "log p(x)", colour="theta", size=17, anchor="start"),
        text(500, bottom + 56, words["parts"], "faint", 14),
    ]
    return picture(words["title"], parts, colours, 1000, 368)


def signed(nats):
    return f"{nats:.3f}".replace("-", "−")
