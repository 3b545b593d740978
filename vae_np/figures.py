"""The pictures that the demos draw. Each function with a ``path`` writes one PNG file."""

import math
from statistics import NormalDist

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator

from vae_np.backend import to_numpy
from vae_np.checkpoints import whole_file
from vae_np.checks import not_black_and_white, rows_of, whole_number


def learning_curves(history, path, kl="KL(q(z|x) ‖ p(z))"):
    """The ELBO, and its two terms, after each epoch.

    Parameters
    ----------
    history : list of dict
        `Trainer.history`, of one epoch or more. ``test_`` columns are drawn beside the ``train_``
        ones where they are there.
    path : str or Path
    kl : str
        What the ``kl`` columns are: with the importance-weighted bound, no KL of q.
    """
    if not history:
        raise ValueError("history must hold at least one epoch, got none")
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    titles = {
        "elbo": "ELBO = reconstruction − KL",
        "reconstruction": "Reconstruction E[log p(x|z)]",
        "kl": kl,
    }
    for axes, (term, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        for part in ("train", "test"):
            rows = [row for row in history if f"{part}_{term}" in row]
            values = [row[f"{part}_{term}"] for row in rows]
            if rows:
                axes.plot(
                    [row["epoch"] for row in rows],
                    values,
                    label=f"{part}, last {values[-1]:.1f}",
                    marker="o" if len(rows) == 1 else None,
                )
        show_late(axes, skip=0.1)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.axes[0].set_ylabel("nats per example")
    save(figure, path)


def show_late(panels, skip):
    """Fit the y-axis to what the curves drawn so far do late, and say what lies outside.

    The first points climb from far away and would flatten the rest into a line.

    Parameters
    ----------
    panels : Axes, or a sequence of Axes
        Several get the same y-axis.
    skip : float
        The share of each curve's points, from its start, that the axis need not show.
    """
    panels = np.atleast_1d(panels)
    curves = [[np.array(line.get_ydata()) for line in axes.get_lines()] for axes in panels]
    late = np.concatenate([y[int(skip * len(y)) :] for lines in curves for y in lines])
    margin = 0.1 * (late.max() - late.min()) or 1
    low, high = late.min() - margin, late.max() + margin
    for axes, lines in zip(panels, curves, strict=True):
        axes.set_ylim(low, high)
        first = [y[0] for y in lines]
        if min(first) < low:
            _note(axes, 0.015, f"starts below, at {min(first):.0f}")
        if max(first) > high:
            _note(axes, 0.95, f"starts above, at {max(first):.0f}")


def _note(axes, height, text):
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
    axes.text(0.01, height, text, transform=axes.transAxes, fontsize=7, color="0.3", bbox=box)


def reconstructions(images, rows, image_shape, path):
    """Images over what the model makes of them.

    Parameters
    ----------
    images : (N, D) array
        In [0, 1].
    rows : dict of str to (N, D) array
        What to draw under them, by name.
    image_shape : (height, width)
    path : str or Path

    Raises
    ------
    ValueError
        If a row is not of as many images.
    """
    rows = {"test images": images, **rows}
    width = max(6.5, 1 + 0.7 * len(images))
    figure = Figure(figsize=(width, 1.05 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 1, squeeze=False).flat
    for axes, (name, row) in zip(panels, rows.items(), strict=True):
        if len(row) != len(images):
            raise ValueError(
                f"{name!r} must be of {len(images)} images as the first row is, got {len(row)}"
            )
        show(axes, tiled(row, image_shape, columns=len(images)), name)
    save(figure, path)


def show(axes, picture, title="", **options):
    """Draw one picture, (height, width), into ``axes``; return Matplotlib's image.

    ``options`` go to ``axes.imshow``; without them, 0 is black and 1 is white.
    """
    options = options or {"cmap": "gray", "vmin": 0, "vmax": 1}
    image = axes.imshow(picture, interpolation="nearest", **options)
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
    return image


def strip(axes, images, image_shape, title="", **options):
    """Draw images, (N, D), side by side into ``axes``; title and options as `show` takes them."""
    return show(axes, np.concatenate(_shaped(images, image_shape), axis=1), title, **options)


def tiled(images, image_shape, columns):
    """One large image from many, with a white line between them, the first at the top left."""
    images = _shaped(images, image_shape)
    rows = -(-len(images) // columns)
    height, width = image_shape
    picture = np.ones((rows * (height + 1) - 1, columns * (width + 1) - 1))
    for i, image in enumerate(images):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        picture[top : top + height, left : left + width] = image
    return picture


def _shaped(images, image_shape):
    """(N, D) images, uint8 or float in [0, 1], as (N, height, width) floats on the CPU."""
    height, width = image_shape
    not_black_and_white(rows_of("images", images, height * width))
    images = to_numpy(images).reshape(-1, height, width)
    return images / 255 if images.dtype == np.uint8 else images


def image_grid(images, image_shape, path, title, columns=10):
    """Images in rows and columns, the first one at the top left; arguments as above."""
    picture = tiled(images, image_shape, whole_number("columns", columns))
    height = min(0.4 + 6 * picture.shape[0] / picture.shape[1], 12)
    figure = Figure(figsize=(6, height), layout="constrained")
    show(figure.subplots(), picture, title)
    save(figure, path)


def manifold(decode_mean, image_shape, path, side=20):
    """The images that a 2-D latent space holds, as in the paper's figure 4.

    Parameters
    ----------
    decode_mean : callable
        From (M, 2) latents to (M, D) images.
    image_shape : (height, width)
    path : str or Path
    side : int
        Images along each axis, at `latent_plane`.
    """
    image_grid(
        decode_mean(latent_plane(side)),
        image_shape,
        path,
        columns=side,
        title="The mean of p(x|z) over the latent plane, equal prior mass each\n"
        "z₁ grows to the right, z₂ upwards",
    )


def latent_plane(side):
    """side² points of a 2-D latent space, each for the same share of the prior (appendix A).

    They are the inverse Gaussian CDF of an even grid on the unit square, (side², 2), in rows from
    the top: the first latent grows to the right, the second upwards.
    """
    quantiles = np.array([NormalDist().inv_cdf((i + 0.5) / side) for i in range(side)])
    first, second = np.meshgrid(quantiles, quantiles[::-1])
    return np.stack([first.ravel(), second.ravel()], axis=1)


def prior_radius(share):
    """The radius r of the circle that holds a share of the prior N(0, I) in the plane.

    There ‖z‖²/2 is exponentially distributed: share = 1 − exp(−r²/2).
    """
    return math.sqrt(-2 * math.log(1 - share))


def latent_scatter(means, labels, path):
    """Where the encoder puts the test set in a 2-D latent space, and where the prior lies.

    Parameters
    ----------
    means : (N, 2) array
        The means of q(z|x).
    labels : (N,) array, or None
        Colours, where the data have labels: one for each of up to 20; more of them are shown on a
        scale if they are numbers, and else not at all.
    path : str or Path

    Raises
    ------
    ValueError
        If ``means`` has another shape, or there are more or fewer labels.
    """
    rows_of("means", means, 2)
    means = to_numpy(means)
    labels = None if labels is None else to_numpy(labels)
    if labels is not None and labels.shape != (len(means),):
        raise ValueError(f"labels must have shape ({len(means)},), got {labels.shape}")
    figure = Figure(figsize=(6.4, 6), layout="constrained")
    axes = figure.subplots()
    look = {"s": 8, "alpha": 0.7}
    names, index = ((), ()) if labels is None else np.unique(labels, return_inverse=True)
    if 0 < len(names) <= 20:
        colours = colormaps["tab10" if len(names) <= 10 else "tab20"].colors
        for i, name in enumerate(names):
            text = f" {name}".replace("$", r"\$")  # $ begins a formula, _ hides a label
            axes.scatter(*means[index == i].T, color=colours[i], label=text, **look)
        axes.legend(title="label", markerscale=2, loc="center left", bbox_to_anchor=(1, 0.5))
    elif len(names) and labels.dtype.kind in "iuf":
        figure.colorbar(axes.scatter(*means.T, c=labels, **look), label="label")
    else:
        axes.scatter(*means.T, **look)
    for share in (0.5, 0.95):
        radius = prior_radius(share)
        axes.add_patch(Circle((0, 0), radius, fill=False, ec="0.25", ls="--", lw=1.2, zorder=3))
    axes.set(
        title="The test set in latent space: the means of q(z|x)\n"
        "Dashed: the circles that hold half and 95 % of the prior",
        xlabel="z₁",
        ylabel="z₂",
    )
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(alpha=0.3)
    save(figure, path)


def save(figure, path):
    """Write the picture whole or not at all; OSError names ``path``."""
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=120)
