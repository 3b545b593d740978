"""What several demos draw, drawn by one function each."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from vae_np import figures
from vae_np.figures import show, strip


def panels(width, height, columns=1, **options):
    """A figure and its panels, side by side, each with a light grid; ``options`` of subplots."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, grid_panels(figure, columns, **options)


def grid_panels(figure, columns, rows=1, **options):
    """The panels of a figure, or of a part of one; an array of Axes, or one of them alone."""
    axes = figure.subplots(rows, columns, **options)
    for each in figure.axes:
        each.grid(alpha=0.3)
        each.set_axisbelow(True)
    return axes


def save(figure, path, title):
    figure.suptitle(title)
    figures.save(figure, path)


def curve(axes, x, y, error=None, **options):
    """A curve, with bars where there are errors, and a dot where it is a single point."""
    if len(x) == 1:
        options.setdefault("marker", "o")
    axes.errorbar(x, y, error, **options)


TRAIN_AND_TEST = {"train": ("-", "train"), "test": ("--", "test")}


def run_curves(axes, points, x, color, name, parts=TRAIN_AND_TEST, **options):
    """One run's curves in one colour: solid for the training set, dashed for the test set.

    Parameters
    ----------
    axes : Axes
    points : list of dict
        What was measured on the way: ``x``, the ``parts``, and perhaps their "_error".
    x : str
        "samples" or "epoch".
    color, name : str
    parts : dict
        For each key of a point that is drawn, its line and its word in the legend.
    """
    for part, (line, word) in parts.items():
        curve(
            axes,
            [point[x] for point in points],
            [point[part] for point in points],
            [point[f"{part}_error"] for point in points] if f"{part}_error" in points[0] else None,
            fmt=line,
            color=color,
            label=f"{name}, {word}",
            **options,
        )


def samples_axis(axes, label="training samples seen"):
    """A logarithmic axis of numbers of samples."""
    axes.set(xlabel=label, xscale="log")
    axes.xaxis.set_minor_formatter(NullFormatter())


def epochs_axis(axes):
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))


def strips_over_panels(height, data, models, draws, columns, **options):
    """What each model makes of a few test images; and below, room for curves.

    A row per model: its name, its numbers, its reconstructions, and its draws from the prior.

    Parameters
    ----------
    height : float
        Of the figure; inches.
    data : Dataset
    models : list of (name, text, reconstructions, draws)
        The last two are (N, D) arrays: of the first N test images, and N means of p(x|z) for z
        drawn from the prior.
    draws : str
        The title over the draws.
    columns, **options
        Of the panels below, as `grid_panels` takes them.

    Returns
    -------
    figure : Figure
    panels : array of Axes
    """
    figure = Figure(figsize=(12, height), layout="constrained")
    table, below = figure.subfigures(2, 1, height_ratios=[len(models) + 1, 3.2])
    rows = table.subplots(len(models) + 1, 3, width_ratios=[2.4, 4, 4])
    for axes in rows[:, [0, 2]].flat:
        axes.set_axis_off()
    images = data.test[: len(models[0][2])]
    title = "Test images, and their reconstructions below"
    strip(rows[0, 1], images, data.image_shape, title)
    for row, (name, text, reconstructed, drawn) in zip(rows[1:], models, strict=True):
        row[0].text(0, 1, name, weight="bold", va="top", fontsize=9)
        row[0].text(0, 0.73, text, va="top", fontsize=9)
        strip(row[1], reconstructed, data.image_shape)
        strip(row[2], drawn, data.image_shape, draws)
        draws = ""
    return figure, grid_panels(below, columns, **options)


def save_tiles(path, width, height, tiles, title):
    """Large pictures side by side, of as much room as each is wide: a dict from title to array."""
    figure = Figure(figsize=(width, height), layout="constrained")
    widths = [picture.shape[1] for picture in tiles.values()]
    axes = figure.subplots(1, len(tiles), width_ratios=widths)
    for each, (name, picture) in zip(axes, tiles.items(), strict=True):
        show(each, picture, name)
    save(figure, path, title)
