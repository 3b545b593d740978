"""What a picture of Matplotlib shows, for tests: its curves by their names, and its numbers."""

import json
import re
import zlib

import numpy as np
import pytest
from conftest import DEMOS
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D

from vae_np import figures


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn and not written: to be looked at."""
    seen = []
    monkeypatch.setattr(figures, "save", lambda figure, path: seen.append(figure))
    return seen


def recorded(name):
    return json.loads((DEMOS / "results" / f"{name}.json").read_text(encoding="utf-8"))


def with_others(of, path=""):
    """The same record of other numbers, half to one and a half as large: no two stay alike."""
    match of:
        case dict():
            names = {"latents", "training_images"}  # of runs, which are asked for by them
            kept = {name: of[name] for name in names & of.keys()}
            return {key: with_others(value, f"{path}/{key}") for key, value in of.items()} | kept
        case list():
            return [with_others(value, f"{path}/{i}") for i, value in enumerate(of)]
        case bool() | str() | None:
            return of
    factor = 0.5 + zlib.crc32(path.encode()) / 2**32
    return round(of * factor) if isinstance(of, int) else of * factor


def columns(rows):
    """{key: its values} of rows that have the same keys."""
    return {key: [row[key] for row in rows] for key in rows[0]}


def curves(axes):
    """{label: [x, y]} of the curves that the legend names; no two look alike."""
    handles, labels = axes.get_legend_handles_labels()
    lines = [handle[0] if isinstance(handle, ErrorbarContainer) else handle for handle in handles]
    lines = {k: line for k, line in zip(labels, lines, strict=True) if isinstance(line, Line2D)}
    looks = [(to_hex(x.get_color()), x.get_linestyle(), x.get_marker()) for x in lines.values()]
    assert len(set(looks)) == len(looks), looks
    return {
        label: [np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()]
        for label, line in lines.items()
    }


def heights(bars):
    return [bar.get_height() for bar in bars]


def shown(axes):
    """The picture in the axes, as it is from 0 to 1."""
    array = np.asarray(axes.images[0].get_array(), float)
    return array / 255 if array.max() > 1 else array


def numbers(text):
    found = re.findall(r"(?<![\w.])[-−+]?\d+(?:\.\d+)?(?:e[-+]\d+)?", text)
    return [float(number.replace("−", "-")) for number in found]
