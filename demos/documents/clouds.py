"""The drawing of the clouds: each image's q, and all of them together."""

import json
from pathlib import Path

import numpy as np

from demos.documents.svg import formula, gaussian, image, path, picture, text

RESULT = Path(__file__).resolve().parent.parent / "results" / "clouds.json"
WORDS = {
    "en": {
        "title": "Each image has a cloud of its own; together they come to fill the prior",
        "one pixel": "One pixel, by hand",
        "together": "all pixels together:",
        "prior": "the prior",
        "weight": "Digits, KL weight",
        "hole": "decoded where the clouds are thin, ×",
        "many": ["20 latents, KL weight 1:", "draws of the prior, decoded"],
    },
    "zh-CN": {
        "title": "每张图像有自己的一团云，合起来逐渐填满先验",
        "one pixel": "单像素模型（手算）",
        "together": "所有像素合起来：",
        "prior": "先验",
        "weight": "手写数字，KL 权重",
        "hole": "云稀疏处（×）的解码结果",
        "many": ["20 个潜变量，KL 权重 1：", "从先验抽 z，再解码"],
    },
}
RING = np.sqrt(-2 * np.log(0.05))  # holds 95 % of the prior in the plane


def clouds(colours, language="en"):
    """Left the one-pixel model, right what demos/questions/clouds.py has recorded."""
    words = WORDS[language]
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    *plane, many = result["models"]
    parts = [text(150, 30, words["one pixel"], "text", 16, weight="bold"), one_pixel(150, 310)]
    parts += [
        text(150, 56, words["together"], "prior", 14),
        text(150, 76, words["prior"], "prior", 14),
    ]
    for k, model in enumerate(plane):
        x = 405 + 235 * k
        heading = f"{words['weight']} {model['kl_weight']}"
        parts += [
            text(x, 30, heading, "text", 16, weight="bold"),
            plane_of(x, 155, 21, model["clouds"], result["labels"], model["shown"][0]),
            image(x - 35, 290, 2.5, digits(model)[0]),
            text(x, 380, words["hole"], "faint", 13),
        ]
    parts += [image(325 + 70 * k, 408, 2.25, digit) for k, digit in enumerate(digits(many))]
    parts += [text(150, 438 + 21 * k, line, "text", 15) for k, line in enumerate(words["many"])]
    return picture(words["title"], parts, colours, 1000, 485)


def one_pixel(x, y):
    """The posteriors N(x/2, ½) of three pixels, as high as p(x); and the prior, their mixture."""
    z, parts = np.linspace(-3.4, 3.4, 137), [path([(x - 120, y), (x + 120, y)], "line", width=1)]
    for pixel in (0, -2, 2):
        cloud = 2 * gaussian(pixel, 0, np.sqrt(2)) * gaussian(z, pixel / 2, np.sqrt(0.5))
        seen = cloud > 0.003
        points = zip(x + 35 * z[seen], y - 520 * cloud[seen], strict=True)
        parts.append(path(points, "phi", "{phi-fill}", width=1.5))
        parts.append(formula(x + 27 * pixel, y + 22, f"x = {pixel}".replace("-", "−"), size=15))
    points = zip(x + 35 * z, y - 520 * gaussian(z, 0, 1), strict=True)
    return "".join(parts) + path(points, "prior", dash="6 4")


def plane_of(x, y, scale, places, labels, hole):
    """The clouds at 1 σ, the prior's ring, and a cross where the hole is."""
    half = 5
    parts = [
        f'<svg x="{x - half * scale}" y="{y - half * scale}" width="{2 * half * scale}" '
        f'height="{2 * half * scale}" viewBox="{-half} {-half} {2 * half} {2 * half}">'
        f'<g fill-opacity="0.55">'
    ]
    for label in range(10):
        own = [place for place, its in zip(places, labels, strict=True) if its == label]
        shapes = "".join(
            f'<ellipse cx="{mean[0]:.2f}" cy="{-mean[1]:.2f}" rx="{max(std[0], 0.05):.2f}" '
            f'ry="{max(std[1], 0.05):.2f}"/>'
            for mean, std in own
            if max(map(abs, mean)) < half
        )
        parts.append(f'<g fill="{{digit-{label}}}">{shapes}</g>')
    parts.append(
        f'</g><circle r="{RING:.2f}" fill="none" stroke="{{prior}}" stroke-width="0.08" '
        f'stroke-dasharray="0.25 0.18"/><g stroke="{{text}}" stroke-width="0.16">'
    )
    a, b = hole[0], -hole[1]
    parts.append(f'<path d="M{a - 0.3:.2f} {b - 0.3:.2f}l.6 .6m-.6 0l.6 -.6"/></g></svg>')
    edge = half * scale
    corners = [(x + a * edge, y + b * edge) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return "".join(parts) + path([*corners, corners[0]], "line", width=1)


def digits(model):
    shown = [np.frombuffer(bytes.fromhex(one), np.uint8) for one in model["decoded"]]
    return [one.reshape(28, 28) for one in shown]
