"""What a picture of Matplotlib shows, for tests: its curves by their names, and its numbers."""

import json
import re
import zlib

import numpy as np
import pytest
from conftest import DEMOS
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from tqdm import tqdm

from vae_np import figures, progress


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn and not written: to be looked at."""
    seen = []
    monkeypatch.setattr(figures, "save", lambda figure, path: seen.append(figure))
    return seen


def all_bars_shown(monkeypatch):
    """Each progress bar must be asked for; none is seen."""

    def shown(*given, disable, **options):
        assert disable is None
        return tqdm(*given, disable=True, **options)

    monkeypatch.setattr(progress, "tqdm", shown)


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


def described(figure):
    """Lines on all that a figure shows, and where: words, and means that rounding hardly moves.

    Of layouts that fit themselves to the fonts, the grid; the places elsewhere.
    """
    size, colour = written(figure.get_size_inches()), to_hex(figure.get_facecolor())
    yield f"a figure of {size} inches, {figure.dpi:.0f} pixels each, {colour}"
    for text in figure.texts:
        at = f" at {written(text.get_position())}" if figure.get_layout_engine() is None else ""
        yield of_text(text) + at
    for axes in figure.axes:
        yield ""
        yield place(axes)
        for where in ("left", "center", "right"):
            title = {"left": axes._left_title, "center": axes.title, "right": axes._right_title}[
                where
            ]
            if title.get_text():
                yield f"{where}: {of_text(title)}"
        for axis in (axes.xaxis, axes.yaxis):
            yield of_axis(axis)
        yield from map(of_image, axes.images)
        yield from map(of_line, axes.get_lines())
        yield from map(of_bars, axes.containers)
        bars = [bar for some in axes.containers if isinstance(some, BarContainer) for bar in some]
        yield from (of_patch(patch) for patch in axes.patches if patch not in bars)
        yield from map(of_collection, axes.collections)
        yield from of_texts(axes.texts)
        if axes.get_legend():
            yield from (f"legend: {text.get_text()}" for text in axes.get_legend().get_texts())


def written(values):
    return " ".join(f"{value:.3f}" for value in np.ravel(values))


def place(axes):
    off = "" if axes.axison else ", without axes"
    if axes.figure.get_layout_engine() is None:
        colours = to_hex(axes.get_facecolor()), to_hex(axes.spines["left"].get_edgecolor())
        return f"axes at {written(axes.get_position().bounds)}{off}, {' in '.join(colours)}"
    where = axes.get_subplotspec()
    grid, part = where.get_gridspec(), getattr(axes.figure, "_subplotspec", None)
    ratios = [*(grid.get_width_ratios() or []), *(grid.get_height_ratios() or [])]
    of_part = f", of a part of {written(part.get_gridspec().get_height_ratios())}" if part else ""
    return f"axes {[*map(int, where.get_geometry())]}, sides as {ratios}{of_part}{off}"


def has_grid(axis):
    return any(line.get_visible() for line in axis.get_gridlines()[:1])


def of_axis(axis):
    low, high = axis.get_view_interval()
    said = f"{axis.axis_name} from {low:.3f} to {high:.3f}, {axis.get_scale()}"
    if axis.get_label_text():
        said += f", {axis.get_label_text()!r}"
    if type(axis.get_major_locator()).__name__ in ("FixedLocator", "StrCategoryLocator"):
        labels = axis.get_ticklabels()
        said += f"; at {written(axis.get_ticklocs())}: {[label.get_text() for label in labels]}"
        said += f" of size {labels[0].get_size():.1f}" if labels else ""
    said += "" if isinstance(axis.get_minor_locator(), NullLocator) else "; minor ticks"
    return f"{said}; grid lines" if has_grid(axis) else said


def of_image(image):
    """Its halves above, below, left and right; any other order changes the last number."""
    array = np.asarray(image.get_array(), float)
    middle, centre = (side // 2 for side in array.shape[:2])
    halves = array[:middle], array[middle:], array[:, :centre], array[:, centre:]
    order = (array.ravel() @ np.cos(np.arange(array.size))) / np.sqrt(array.size)
    return (
        f"an image of {array.shape}, {image.get_cmap().name} from {written(image.get_clim())}, at "
        f"{written(image.get_extent())}: {written([half.mean() for half in halves])}; {order:.3f}"
    )


def name_of(artist):
    """But for a name that Matplotlib gave it."""
    return "" if artist.get_label().startswith("_") else f"{artist.get_label()!r} "


def of_line(line):
    x, y = (np.asarray(values, float) for values in line.get_data())
    looks = f"{to_hex(line.get_color())} {line.get_linestyle()} {line.get_marker()}"
    ends = written([x[0], y[0], x[-1], y[-1], np.nanmean(x), np.nanmean(y)])
    return f"line {name_of(line)}{looks} {line.get_linewidth()}: {len(x)} points, {ends}"


def of_bars(bars):
    """Bars, the heights of which may be counts: one more or less is let pass."""
    if isinstance(bars, ErrorbarContainer):
        return f"errors of {bars.get_label()!r} {to_hex(bars[0].get_color())}"
    sides = np.array(
        [[bar.get_x(), bar.get_y(), bar.get_width(), bar.get_height()] for bar in bars]
    )
    middles, areas = sides[:, :2] + sides[:, 2:] / 2, sides[:, 2] * sides[:, 3]
    numbers = [areas.sum(), *(areas @ middles / areas.sum())]
    colour = to_hex(bars[0].get_facecolor())
    return f"{len(bars)} bars {name_of(bars)}{colour}: {written(numbers)}"


def of_patch(patch):
    """What it spans; and of the outline of bars, where their middle is rather than the highest."""
    path = patch.get_path().transformed(patch.get_patch_transform())
    edge, face = to_hex(patch.get_edgecolor()), to_hex(patch.get_facecolor())
    looks = f"{type(patch).__name__} {edge} {face if patch.get_fill() else 'not filled'}"
    if patch.get_label():
        x, y = path.vertices.T
        numbers = [x.min(), x.max(), (x * y).sum() / y.sum()]
    else:
        numbers = path.get_extents().extents
    return f"{looks} {patch.get_linestyle()} {patch.get_label()!r}: {written(numbers)}"


def of_collection(collection):
    if isinstance(collection, LineCollection):
        ends = np.array([segment[[0, -1]] for segment in collection.get_segments()])
        return f"{len(ends)} bars of errors: {written(ends.mean(axis=0))}"
    places, sizes = collection.get_offsets(), collection.get_sizes()
    colours = [to_hex(colour) for colour in collection.get_facecolors()]
    few = " ".join(colours[:12])
    return f"{len(places)} dots of {written(sizes)}: {written(places.mean(axis=0))}; {few}"


def of_text(text):
    return f"{text.get_text()!r} {to_hex(text.get_color())}"


def of_texts(texts):
    """Texts in axes; of several numbers the mean and the places, as each of them is rounded."""
    found = [text.get_text().replace("−", "-") for text in texts]
    if len(texts) < 2 or not all(re.fullmatch(r"-?\d+(\.\d+)?", text) for text in found):
        yield from (f"{of_text(text)} at {written(text.get_position())}" for text in texts)
        return
    places = np.array([text.get_position() for text in texts])
    mean = np.mean([float(text) for text in found])
    yield f"{len(texts)} numbers, {mean:.3f} on average, at {written(places[[0, -1]])}"
