"""What the drawings are made of: SVG in the colours of a palette, for a light page and a dark one.

Every function returns SVG with the names of colours in braces, {phi}; `picture` puts the palette's
in. Blue is what φ decides, orange what θ decides, green the prior.
"""

import re

import numpy as np

from demos.common.command_line import Parser, complain, make_folder, named_path, prepare_streams

LANGUAGES = {"en": "", "zh-CN": "-zh-CN"}  # and what a file's name has for them
PALETTES = {
    "light": {
        "text": "#1f2328", "faint": "#59636e", "line": "#818b98",
        "phi": "#0969da", "phi-fill": "#ddf4ff",
        "theta": "#bc4c00", "theta-fill": "#fff1e5",
        "prior": "#1a7f37", "prior-fill": "#dafbe1",
        "back": "#cf222e",
        "digit-0": "#0969da", "digit-1": "#cf222e",
        "digit-2": "#1a7f37", "digit-3": "#bc4c00",
        "digit-4": "#8250df", "digit-5": "#9a6700",
        "digit-6": "#bf3989", "digit-7": "#1b7c83",
        "digit-8": "#7d4e24", "digit-9": "#57606a",
    },
    "dark": {
        "text": "#f0f6fc", "faint": "#9198a1", "line": "#656c76",
        "phi": "#58a6ff", "phi-fill": "#10233f",
        "theta": "#f0883e", "theta-fill": "#33200d",
        "prior": "#3fb950", "prior-fill": "#0f2a17",
        "back": "#ff7b72",
        "digit-0": "#58a6ff", "digit-1": "#ff7b72",
        "digit-2": "#3fb950", "digit-3": "#ffa657",
        "digit-4": "#d2a8ff", "digit-5": "#f2cc60",
        "digit-6": "#ff9bce", "digit-7": "#39d0d8",
        "digit-8": "#b08863", "digit-9": "#c9d1d9",
    },
}  # fmt: skip


def picture(title, parts, colours, width, height, top=0):
    """A whole drawing."""
    body = "\n".join(parts).format_map(colours)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {top} {width} {height}" role="img">\n'
        f"<title>{title}</title>\n{body}\n</svg>\n"
    )


def write_all(program, description, drawings, argv=None):
    """The command line of a script that draws: a file for each drawing, language and palette.

    Parameters
    ----------
    program, description : str
        The script's name and its docstring.
    drawings : dict
        From a name to what draws it, of a palette and a language.
    argv : list of str, optional

    Returns
    -------
    int
        The exit status.
    """
    prepare_streams()
    parser = Parser(description)
    parser.add_argument(
        "--out", type=named_path, default="docs", metavar="FOLDER", help="else docs"
    )
    args = parser.parse_args(argv)
    try:
        make_folder(args.out)
        for name, draw in drawings.items():
            for language, suffix in LANGUAGES.items():
                for theme, colours in PALETTES.items():
                    file = args.out / f"{name}{suffix}-{theme}.svg"
                    file.write_text(draw(colours, language), encoding="utf-8", newline="\n")
                    print(file)
    except OSError as error:
        return complain(program, error)
    return 0


def network(left, right, y, label, weights, colour):
    """A trapezoid from one (x, height) to another, with a name and its weights."""
    (x0, h0), (x1, h1) = left, right
    corners = [(x0, y - h0), (x1, y - h1), (x1, y + h1), (x0, y + h0), (x0, y - h0)]
    return (
        path(corners, colour, f"{{{colour}-fill}}")
        + text((x0 + x1) / 2, y - 4, label, colour, 18, weight="bold")
        + text((x0 + x1) / 2, y + 20, spans(weights), colour, 15)
    )


def image(x, y, step, pixels):
    """White on black: (height, width) of numbers from 0 to 255, each a square of this side."""
    height, width = pixels.shape
    levels = np.round(pixels / 25.5)  # of ten
    paths = []
    for level in range(1, 11):
        squares = "".join(f"M{j} {i}h1v1h-1z" for i, j in np.argwhere(levels == level))
        if squares:
            paths.append(f'<path fill="#fff" fill-opacity="{level / 10:.1f}" d="{squares}"/>')
    black = f'<rect width="{width}" height="{height}" fill="#000"/>'
    side = f'x="{x}" y="{y}" width="{step * width}" height="{step * height}"'
    return (
        f'<g shape-rendering="crispEdges" transform="translate({x} {y}) scale({step})">{black}'
        f'{"".join(paths)}</g><rect {side} fill="none" stroke="{{line}}"/>'
    )


def gaussian(z, mean, std):
    return np.exp(-0.5 * ((z - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))


def spans(source):
    """A formula as SVG: single letters in italics, words upright, what follows a _ lowered."""
    parts, shift = [], 0
    for token in re.findall(r"[A-Za-z]{2,}|_?[A-Za-zα-ω]|.", source):
        lowered = token.startswith("_")
        style = f' dy="{4 * lowered - shift}"' if 4 * lowered != shift else ""
        style += ' font-size="72%"' if lowered else ""
        style += ' font-style="italic"' if re.fullmatch("_?[A-Za-zα-ω]", token) else ""
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


def arrow(start, end, colour="line", dash=""):
    """A straight line with a head."""
    tip, along = np.array(end), np.subtract(end, start) / np.hypot(*np.subtract(end, start))
    across = along[::-1] * (-1, 1)
    corners = (tip, tip - 11 * along + 5 * across, tip - 11 * along - 5 * across)
    head = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    line = path([start, tip - 9 * along], colour, dash=dash)
    return line + f'<polygon points="{head}" fill="{{{colour}}}"/>'
