"""The model in one drawing: x → encoder → μ, σ → z → decoder → p(x|z), and the ELBO's two terms.

Blue is what φ decides, orange what θ decides, green the prior. Two SVG files are written, for a
page in the light and for one in the dark; GitHub's <picture> element chooses between them.
"""

import re
import sys

import numpy as np

from demos.common.command_line import Parser, complain, make_folder, named_path, prepare_streams
from vae_np import datasets

WIDTH, TOP, HEIGHT, ROW = 1000, 48, 430, 290  # ROW is where x becomes p(x|z)
PALETTES = {
    "light": {
        "text": "#1f2328", "faint": "#59636e", "line": "#818b98",
        "phi": "#0969da", "phi-fill": "#ddf4ff",
        "theta": "#bc4c00", "theta-fill": "#fff1e5",
        "prior": "#1a7f37", "prior-fill": "#dafbe1",
    },
    "dark": {
        "text": "#f0f6fc", "faint": "#9198a1", "line": "#656c76",
        "phi": "#58a6ff", "phi-fill": "#10233f",
        "theta": "#f0883e", "theta-fill": "#33200d",
        "prior": "#3fb950", "prior-fill": "#0f2a17",
    },
}  # fmt: skip


def drawing(colours, y=ROW):
    """The whole drawing, as SVG, in the colours of a palette."""
    parts = [
        digit(40, y - 42, 3),
        formula(82, y + 64, "x"),
        arrow((130, y), (178, y)),
        network((182, 62), (300, 34), "encoder", "φ", "phi"),
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
        network((602, 34), (720, 62), "decoder", "θ", "theta"),
        arrow((724, y), (766, y)),
        box(770, y - 45, 190, 90, "theta"),
        formula(865, y - 8, "p_θ(x|z)", colour="theta", size=22),
        formula(865, y - 58, "likelihood", colour="theta"),
        text(865, y + 22, "a probability per pixel", "theta", 15),
        # Over the codes: three distributions of z
        latent_space(490, 180),
        formula(325, 118, "prior p(z) = N(0, I)", colour="prior", anchor="end"),
        text(325, 141, "draw a code here for a new digit", "faint", 14, "end"),
        formula(660, 78, "q_φ(z|x) = N(μ, diag(σ²))", colour="phi", anchor="start"),
        text(660, 101, "stands in for the", "faint", 14, "start"),
        formula(660, 127, "posterior p_θ(z|x)", colour="theta", anchor="start"),
        text(660, 150, "which is out of reach", "faint", 14, "start"),
        # The objective, each term under what it is about
        path([(372, y + 50), (372, 408)], "phi", dash="2 4"),
        path([(865, y + 50), (865, 408)], "theta", dash="2 4"),
        formula(40, 434, "log p_θ(x) ≥ ELBO =", anchor="start", size=21),
        formula(40, 460, "gap: KL(q_φ(z|x) ‖ p_θ(z|x))", colour="faint", size=16, anchor="start"),
        formula(372, 434, "− KL(", ("q_φ(z|x)", "phi"), " ‖ ", ("p(z)", "prior"), ")", size=21),
        text(372, 460, "how far q is from the prior", "faint", 15),
        formula(865, 434, "+ E_q[log ", ("p_θ(x|z)", "theta"), "]", size=21),
        text(865, 460, "how well codes from q explain x", "faint", 15),
    ]
    body = "\n".join(parts).format_map(colours)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {TOP} {WIDTH} {HEIGHT}" role="img">\n'
        f"<title>A variational autoencoder</title>\n{body}\n</svg>\n"
    )


def digit(x, y, step):
    """A digit of the training set, each pixel a square of this side."""
    data = datasets.load("mnist5k")
    image = data.train[np.flatnonzero(data.train_labels == 3)[0]].reshape(28, 28)
    squares = "".join(
        f'<rect x="{x + step * j}" y="{y + step * i}" width="{step}" height="{step}" '
        f'fill="#fff" fill-opacity="{image[i, j] / 255:.2f}"/>'
        for i, j in np.argwhere(image > 25)
    )
    side = f'x="{x}" y="{y}" width="{28 * step}" height="{28 * step}"'
    black = f'<rect {side} fill="#000" stroke="{{line}}"/>'
    return f'<g shape-rendering="crispEdges">{black}{squares}</g>'


def network(left, right, label, weights, colour):
    """A trapezoid from one (x, height) to another, with a name and its weights."""
    (x0, h0), (x1, h1), y = left, right, ROW
    corners = [(x0, y - h0), (x1, y - h1), (x1, y + h1), (x0, y + h0), (x0, y - h0)]
    return (
        path(corners, colour, f"{{{colour}-fill}}")
        + text((x0 + x1) / 2, y - 4, label, colour, 18, weight="bold")
        + text((x0 + x1) / 2, y + 20, f"weights {spans(weights)}", colour, 15)
    )


def gaussian(z, mean, std):
    return np.exp(-0.5 * ((z - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))


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


def spans(source):
    """A formula as SVG: single letters in italics, words upright, what follows a _ lowered."""
    parts, shift = [], 0
    for token in re.findall(r"[A-Za-z]{2,}|_?[A-Za-zα-ω]|.", source):
        lowered = token.startswith("_")
        style = f' dy="{4 * lowered - shift}"' if 4 * lowered != shift else ""
        style += ' font-size="72%"' if lowered else ""
        style += ' font-style="italic"' if lowered or (token.isalpha() and len(token) == 1) else ""
        parts.append(f"<tspan{style}>{token.lstrip('_')}</tspan>" if style else token)
        shift = 4 * lowered
    return "".join(parts)


def text(x, y, content, colour="text", size=17, anchor="middle", weight="normal", face="sans"):
    family = "Cambria, 'Times New Roman', serif" if face == "math" else "Arial, sans-serif"
    return (
        f'<text x="{x}" y="{y}" fill="{{{colour}}}" font-family="{family}" font-size="{size}" '
        f'text-anchor="{anchor}" font-weight="{weight}">{content}</text>'
    )


def formula(x, y, *sources, colour="text", size=19, anchor="middle"):
    """A formula of one colour, or of parts (source, colour)."""
    parts = [(part, colour) if isinstance(part, str) else part for part in sources]
    content = "".join(f'<tspan fill="{{{fill}}}">{spans(part)}</tspan>' for part, fill in parts)
    return text(x, y, content, colour, size, anchor, face="math")


def path(points, colour, fill="none", width=2, dash=""):
    corners = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dash = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<path d="M{corners}" fill="{fill}" stroke="{{{colour}}}" stroke-width="{width}"{dash} '
        'stroke-linejoin="round"/>'
    )


def box(x, y, width, height, colour):
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" stroke-width="2" '
        f'fill="{{{colour}-fill}}" stroke="{{{colour}}}"/>'
    )


def arrow(start, end):
    """A straight line with a head."""
    tip, along = np.array(end), np.subtract(end, start) / np.hypot(*np.subtract(end, start))
    across = along[::-1] * (-1, 1)
    corners = (tip, tip - 11 * along + 5 * across, tip - 11 * along - 5 * across)
    head = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return path([start, tip - 9 * along], "line") + f'<polygon points="{head}" fill="{{line}}"/>'


def main(argv=None):
    prepare_streams()
    parser = Parser(__doc__)
    parser.add_argument(
        "--out", type=named_path, default="docs", metavar="FOLDER", help="else docs"
    )
    args = parser.parse_args(argv)
    try:
        make_folder(args.out)
        for name, colours in PALETTES.items():
            file = args.out / f"model-{name}.svg"
            file.write_text(drawing(colours), encoding="utf-8", newline="\n")
            print(file)
    except OSError as error:
        return complain("draw_model.py", error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
