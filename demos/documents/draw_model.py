"""The model in one drawing: x → encoder → μ, σ → z → decoder → p(x|z), and the ELBO's two terms.

Blue is what φ decides, orange what θ decides, green the prior. SVG files are written in English and
in Chinese, for a page in the light and for one in the dark; GitHub's <picture> element chooses.
"""

import sys

import numpy as np

from demos.documents.svg import (
    arrow,
    box,
    formula,
    gaussian,
    image,
    network,
    path,
    picture,
    text,
    write_all,
)
from vae_np import datasets

WIDTH, TOP, HEIGHT, ROW = 1000, 48, 430, 290  # ROW is where x becomes p(x|z)
WORDS = {
    "en": {
        "title": "A variational autoencoder",
        "encoder": "encoder",
        "decoder": "decoder",
        "weights": "weights",
        "likelihood": "likelihood",
        "pixels": "a probability per pixel",
        "prior": "prior p(z) = N(0, I)",
        "new digit": "draw a code here for a new digit",
        "stands in": "stands in for the",
        "posterior": "posterior p_θ(z|x)",
        "out of reach": "which is out of reach",
        "gap": "gap: KL(q_φ(z|x) ‖ p_θ(z|x))",
        "KL": "how far q strays from the prior",
        "reconstruction": "how well codes from q explain x",
    },
    "zh-CN": {
        "title": "变分自编码器",
        "encoder": "编码器",
        "decoder": "解码器",
        "weights": "权重",
        "likelihood": "似然",
        "pixels": "每个像素一个概率",
        "prior": "先验 p(z) = N(0, I)",
        "new digit": "从这里抽一个编码，生成新的数字",
        "stands in": "用来代替",
        "posterior": "后验 p_θ(z|x)",
        "out of reach": "后者算不出来",
        "gap": "差距：KL(q_φ(z|x) ‖ p_θ(z|x))",
        "KL": "q 偏离先验多少",
        "reconstruction": "从 q 抽的编码能多好地解释 x",
    },
}


def drawing(colours, language="en", y=ROW):
    """The whole drawing, as SVG, in the colours of a palette."""
    words = WORDS[language]
    data = datasets.load("mnist5k")
    digit = data.train[np.flatnonzero(data.train_labels == 3)[0]].reshape(28, 28)
    parts = [
        image(40, y - 42, 3, digit),
        formula(82, y + 64, "x"),
        arrow((130, y), (178, y)),
        network((182, 62), (300, 34), y, words["encoder"], f"{words['weights']} φ", "phi"),
        arrow((304, y), (346, y)),
        formula(372, y - 58, "q_φ(z|x)", colour="phi"),
        box(350, y - 45, 44, 40, "phi"),
        formula(372, y - 19, "μ", colour="phi"),
        box(350, y + 5, 44, 40, "phi"),
        formula(372, y + 31, "σ", colour="phi"),
        arrow((398, y), (462, y)),
        f'<circle cx="490" cy="{y}" r="24" fill="none" stroke="{{text}}" stroke-width="2"/>',
        formula(490, y + 6, "z", size=21),
        formula(490, y - 38, "z = μ + σ ⊙ ε"),
        arrow((490, y + 62), (490, y + 28)),
        formula(490, y + 82, "ε ~ N(0, I)", colour="faint", size=17),
        arrow((518, y), (598, y)),
        network((602, 34), (720, 62), y, words["decoder"], f"{words['weights']} θ", "theta"),
        arrow((724, y), (766, y)),
        box(770, y - 45, 190, 90, "theta"),
        formula(865, y - 8, "p_θ(x|z)", colour="theta", size=22),
        formula(865, y - 58, words["likelihood"], colour="theta"),
        text(865, y + 22, words["pixels"], "theta", 15),
        # Over the codes: three distributions of z
        latent_space(490, 180),
        formula(325, 118, words["prior"], colour="prior", anchor="end"),
        text(325, 141, words["new digit"], "faint", 14, "end"),
        formula(660, 78, "q_φ(z|x) = N(μ, diag(σ²))", colour="phi", anchor="start"),
        text(660, 101, words["stands in"], "faint", 14, "start"),
        formula(660, 127, words["posterior"], colour="theta", anchor="start"),
        text(660, 150, words["out of reach"], "faint", 14, "start"),
        # The objective, each term under what it is about
        path([(372, y + 50), (372, 408)], "phi", dash="2 4"),
        path([(865, y + 50), (865, 408)], "theta", dash="2 4"),
        formula(40, 434, "log p_θ(x) ≥ ELBO =", anchor="start", size=21),
        formula(40, 460, words["gap"], colour="faint", size=16, anchor="start"),
        formula(372, 434, "− KL(", ("q_φ(z|x)", "phi"), " ‖ ", ("p(z)", "prior"), ")", size=21),
        text(372, 460, words["KL"], "faint", 15),
        formula(865, 434, "+ E_q[log ", ("p_θ(x|z)", "theta"), "]", size=21),
        text(865, 460, words["reconstruction"], "faint", 15),
    ]
    return picture(words["title"], parts, colours, WIDTH, HEIGHT, TOP)


def latent_space(x, y):
    """Over one latent: the prior, a posterior that is no Gaussian, and the q in its place."""
    z = np.linspace(-3.6, 3.6, 145)
    posterior = 0.45 * gaussian(z, 0.9, 0.22) + 0.55 * gaussian(z, 1.65, 0.45)
    parts = [path([(x - 180, y), (x + 180, y)], "line", width=1)]
    for density, colour, fill, dash in (
        (gaussian(z, 0, 1), "prior", "{prior-fill}", ""),
        (posterior, "theta", "none", "5 4"),
        (gaussian(z, 1.2, 0.42), "phi", "none", ""),
    ):
        seen = density > 0.005  # elsewhere it would hide the axis
        points = zip(x + 50 * z[seen], y - 105 * density[seen], strict=True)
        parts.append(path(points, colour, fill, dash=dash))
    return "".join(parts)


def main(argv=None):
    return write_all("draw_model.py", __doc__, {"model": drawing}, argv)


if __name__ == "__main__":
    sys.exit(main())
