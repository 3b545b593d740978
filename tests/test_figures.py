"""Pictures: that what is drawn is what was given, in its place, to be read."""

import itertools

import matplotlib.image
import numpy as np
import pytest
from drawn_figures import has_grid

from vae_np import figures

TERMS = ("elbo", "reconstruction", "kl")


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn and not written: to be looked at."""
    seen = []
    monkeypatch.setattr(figures, "save", lambda figure, path: seen.append(figure))
    return seen


def history_of(values, tested=()):
    """As `Trainer.history` is: the training ELBO, and 10, 20, ... above it the other columns."""
    columns = [f"{part}_{term}" for part, term in itertools.product(("train", "test"), TERMS)]
    return [
        {"epoch": epoch}
        | {
            column: value + 10 * i
            for i, column in enumerate(columns)
            if column.startswith("train") or epoch in tested
        }
        for epoch, value in enumerate(values, 1)
    ]


def within(inner, outer):
    """Whether one of two drawn things lies within the other."""
    (left, low), (right, high) = inner.get_window_extent().get_points()
    box = outer.get_window_extent() if hasattr(outer, "get_window_extent") else outer.bbox
    return box.x0 <= left and right <= box.x1 and box.y0 <= low and high <= box.y1


def test_tiles_lie_in_reading_order():
    images = np.arange(6.0).reshape(3, 2) / 10
    tiled = figures.tiled(images, (1, 2), columns=2)
    np.testing.assert_allclose(tiled, [[0, 0.1, 1, 0.2, 0.3], [1] * 5, [0.4, 0.5, 1, 1, 1]])
    beyond = figures.tiled([[-1.0, 0.5, 3.0]] * np.ones((2, 1)), (1, 3), columns=1)
    np.testing.assert_array_equal(beyond, [[-1, 0.5, 3], [1] * 3, [-1, 0.5, 3]])  # as they are


def test_manifold_covers_the_prior_evenly(drawn):
    seen = []

    def decode_mean(z):
        seen.append(z)
        return np.repeat(0.5 + z[:, :1] / 10 + z[:, 1:] / 100, 2, axis=1)

    figures.manifold(decode_mean, (1, 2), "m.png", side=4)
    z = seen[0].reshape(4, 4, 2)
    assert (np.diff(z[0, :, 0]) > 0).all()  # z₁ grows to the right
    assert (np.diff(z[:, 0, 1]) < 0).all()  # z₂ grows upwards
    np.testing.assert_allclose(z[0, :2, 0], [-1.1503, -0.3186], atol=1e-4)  # Φ⁻¹(⅛), Φ⁻¹(⅜)
    picture = drawn[0].axes[0].images[0].get_array()
    np.testing.assert_allclose(picture[::2, ::3], 0.5 + z[..., 0] / 10 + z[..., 1] / 100)
    drawn[0].draw_without_rendering()
    title = drawn[0].axes[0].title
    assert within(title, drawn[0]) and title.get_text() == (
        "The mean of p(x|z) over the latent plane, equal prior mass each\n"
        "z₁ grows to the right, z₂ upwards"
    )


def test_learning_curves(drawn):
    values = [-500, -500, -120, *np.linspace(-110, -100, 16), -102]
    figures.learning_curves(history_of(values, tested=(10, 20)), "curves.png", kl="no KL")
    figures.learning_curves(history_of(values[:1], tested=(1,)), "curves.png")
    figures.learning_curves(history_of(values, tested=(20,)), "curves.png")
    (figure, single, once), panels = drawn, drawn[0].axes
    markers = [[line.get_marker() for line in axes.get_lines()] for axes in once.axes]
    assert markers == 3 * [["None", "o"]]
    figure.draw_without_rendering()
    places = [axes.get_position() for axes in panels]
    assert places[0].x1 < places[1].x0 < places[1].x1 < places[2].x0
    titles = ["ELBO = reconstruction − KL", "Reconstruction E[log p(x|z)]", "no KL"]
    assert [axes.get_title() for axes in panels] == titles
    assert [axes.get_ylabel() for axes in panels] == ["nats per example", "", ""]
    for i, axes in enumerate(panels):
        train, test = axes.get_lines()
        np.testing.assert_array_equal(train.get_xdata(), range(1, 21))
        np.testing.assert_allclose(train.get_ydata(), np.add(values, 10 * i))
        np.testing.assert_array_equal(test.get_xdata(), [10, 20])
        np.testing.assert_allclose(test.get_ydata(), np.add([values[9], values[19]], 10 * i + 30))
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == [f"train, last {10 * i - 102:.1f}", f"test, last {10 * i - 72:.1f}"]
        assert axes.get_xlabel() == "epoch" and all(map(has_grid, (axes.xaxis, axes.yaxis)))
        assert axes.get_ylim() == pytest.approx((10 * i - 124.8, 10 * i - 67.2))  # not the start
        assert [text.get_text() for text in axes.texts] == [f"starts below, at {10 * i - 500}"]
        lines = axes.get_lines(), single.axes[i].get_lines()
        assert [[line.get_marker() for line in two] for two in lines] == [["None"] * 2, ["o"] * 2]


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_learning_curves_without_a_test_set(drawn, epochs):
    figures.learning_curves(history_of([-100.0] * epochs), "curves.png")
    for axes in drawn[0].axes:
        assert len(axes.get_lines()) == 1
        ticks = axes.get_xticks()
        np.testing.assert_array_equal(ticks, ticks.round())  # there is no epoch 1.5


def test_learning_curves_of_a_kl_of_0_and_a_test_elbo_without_its_terms(drawn):
    rows = [row | {"test_elbo": -90.0} for row in history_of([-20.0, -40.0])]
    figures.learning_curves(rows, "curves.png")
    assert [len(axes.get_lines()) for axes in drawn[0].axes] == [2, 1, 1]
    np.testing.assert_array_equal(drawn[0].axes[2].get_lines()[0].get_ydata(), [0, -20])


def test_uint8_images_look_as_they_are(rng):
    grey = rng.integers(0, 256, (3, 6), dtype=np.uint8)
    np.testing.assert_array_equal(*(figures.tiled(x, (2, 3), 3) for x in (grey, grey / 255)))
    for white in (np.eye(2, 6, dtype=bool), np.eye(2, 6, dtype=int)):
        tiles = (figures.tiled(x, (2, 3), 2) for x in (white, white.astype(float)))
        np.testing.assert_array_equal(*tiles)
    dark = np.eye(1, 6, dtype=np.uint8)
    np.testing.assert_array_equal(figures.tiled(dark, (2, 3), 1), dark.reshape(2, 3) / 255)
    with pytest.raises(ValueError, match=r"must be uint8 \(0 to 255\) or float, got int8"):
        figures.tiled((grey // 2).astype(np.int8), (2, 3), 3)
    with pytest.raises(ValueError, match="images of uint8 run to 255, got none above 1"):
        figures.tiled(np.eye(2, 6, dtype=np.uint8), (2, 3), 1)


@pytest.mark.parametrize("images", [np.zeros((4, 5)), np.zeros((0, 6)), np.zeros((4, 12))])
def test_images_must_have_the_shape_that_is_said(images, tmp_path):
    with pytest.raises(ValueError, match=r"images must have shape \(N, 6\) with N >= 1"):
        figures.image_grid(images, (2, 3), tmp_path / "g.png", title="wrong")


def test_every_picture_is_written(tmp_path, rng):
    images = rng.random((6, 12))
    figures.reconstructions(images, {"mean": images}, (4, 3), tmp_path / "r.png")
    figures.image_grid(images, (4, 3), tmp_path / "g.png", title="six images", columns=3)
    figures.learning_curves(history_of([-100.0]), tmp_path / "c.png")
    figures.latent_scatter(images[:, :2], None, tmp_path / "l.png")
    figures.manifold(lambda z: rng.random((len(z), 12)), (4, 3), tmp_path / "m.png", side=2)
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    sizes = [matplotlib.image.imread(tmp_path / f"{name}.png").shape[:2] for name in "rgcl"]
    assert sizes == [(252, 780), (720 * 9 // 11 + 48, 720), (432, 1200), (720, 768)]


def looks_like(axes, picture):
    """Its pixels as they are: 0 is black, 1 is white, and no axes around them."""
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), picture)
    look = image.get_cmap().name, image.get_clim(), image.get_interpolation(), axes.axison
    return look == ("gray", (0, 1), "nearest", False)


@pytest.mark.parametrize(("n", "size"), [(3, (6.5, 4.2)), (10, (8, 4.2)), (20, (15, 4.2))])
def test_reconstructions_lie_under_their_images(drawn, rng, n, size):
    rows, names = rng.random((4, n, 12)), ["test images", "mean", "draw", "of another"]
    under = dict(zip(names[1:], rows[1:], strict=True))
    figures.reconstructions(rows[0], under, (4, 3), "r.png")
    (figure,) = drawn
    figure.draw_without_rendering()
    assert tuple(figure.get_size_inches()) == pytest.approx(size)
    tops = [axes.get_position().y1 for axes in figure.axes]
    assert tops == sorted(tops, reverse=True) and len(set(tops)) == 4
    for axes, row, name in zip(figure.axes, rows, names, strict=True):
        assert looks_like(axes, figures.tiled(row, (4, 3), columns=n))
        assert axes.get_title() == name and within(axes.title, figure)
    figures.reconstructions(rows[0], {}, (4, 3), "r.png")
    assert len(drawn[1].axes) == 1  # the images alone
    with pytest.raises(ValueError, match=f"'mean' must be of {n - 1} images .*, got {n}"):
        figures.reconstructions(rows[0][1:], {"mean": rows[1]}, (4, 3), "r.png")


@pytest.mark.parametrize(
    ("n", "columns", "height"),
    [(4, 2, 6.4), (3, 10, 0.4 + 6 * 2 / 29), (30, 1, 12), (5, 4, 0.4 + 6 * 5 / 11)],
)
def test_a_grid_is_as_high_as_its_images_need(drawn, rng, n, columns, height):
    images = rng.random((n, 4))
    figures.image_grid(images, (2, 2), "g.png", "grid", columns=columns)
    (axes,) = drawn[0].axes
    assert tuple(drawn[0].get_size_inches()) == pytest.approx((6, height))
    assert looks_like(axes, figures.tiled(images, (2, 2), columns))
    assert axes.get_title() == "grid"


def test_a_picture_may_have_colours_of_its_own(rng):
    axes, picture = figures.Figure().subplots(), 7 * rng.standard_normal((2, 3))
    image = figures.show(axes, picture, "heat", cmap="viridis", vmin=-3, vmax=5)
    assert (image.get_cmap().name, image.get_clim()) == ("viridis", (-3, 5))
    assert axes.get_title() == "heat"
    assert figures.show(axes, picture, cmap="viridis").get_clim() == (picture.min(), picture.max())


def test_a_strip_has_its_images_side_by_side():
    axes = figures.Figure().subplots()
    assert figures.strip(axes, np.arange(12.0).reshape(2, 6) / 12, (3, 2), "two") is axes.images[0]
    assert looks_like(axes, np.array([[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]) / 12)
    assert axes.get_title() == "two"
    of_its_own = figures.strip(axes, np.eye(2, 4), (2, 2), cmap="viridis", vmin=-3, vmax=5)
    assert (of_its_own.get_cmap().name, of_its_own.get_clim()) == ("viridis", (-3, 5))


def test_latent_scatter_takes_any_labels_and_wants_one_each(drawn, rng):
    means = rng.standard_normal((4, 2))
    for labels in (["cat", "dog", "cat", "cat"], [0.5, -1, 0.5, 0.5], [7] * 4, None):
        figures.latent_scatter(means, labels, "latent.png")
    expected = [[0, 2, 3], [1]], [[1], [0, 2, 3]], [range(4)], [range(4)]
    names = ["cat", "dog"], ["-1.0", "0.5"], ["7"], None
    for figure, groups, texts in zip(drawn, expected, names, strict=True):
        (axes,) = figure.axes
        points = [collection.get_offsets() for collection in axes.collections]
        for group, rows in zip(points, groups, strict=True):
            np.testing.assert_array_equal(group, means[list(rows)])
        legend = axes.get_legend()
        assert legend == texts or [t.get_text().strip() for t in legend.get_texts()] == texts
    for labels, shape in (([1] * 3, r"\(3,\)"), ([1] * 5, r"\(5,\)"), ([[1]] * 4, r"\(4, 1\)")):
        with pytest.raises(ValueError, match=rf"labels must have shape \(4,\), got {shape}"):
            figures.latent_scatter(means, labels, "latent.png")
    with pytest.raises(ValueError, match=r"means must have shape \(N, 2\)"):
        figures.latent_scatter(rng.standard_normal((4, 3)), None, "latent.png")


def test_every_label_is_in_the_legend(drawn):
    """Matplotlib leaves out those that begin with _, and takes $ for a formula."""
    figures.latent_scatter(np.ones((3, 2)), np.array(["_a", "b", "$c$"]), "latent.png")
    legend = drawn[0].axes[0].get_legend()
    texts = [text.get_text().strip() for text in (legend.get_title(), *legend.get_texts())]
    assert texts == ["label", r"\$c\$", "_a", "b"]


def test_latent_scatter_has_a_colour_for_each_of_20_labels_and_then_a_scale(drawn):
    means = np.arange(100.0).reshape(50, 2)
    for n, palette in ((10, "tab10"), (11, "tab20"), (20, "tab20")):
        figures.latent_scatter(means, np.arange(50) % n, "latent.png")
        axes = drawn.pop().axes[0]
        colours = [tuple(group.get_facecolor()[0][:3]) for group in axes.collections]
        assert colours == list(figures.colormaps[palette].colors[:n])
        texts = [text.get_text().strip() for text in axes.get_legend().get_texts()]
        assert texts == [str(label) for label in range(n)]  # 2 before 10
    numbers = (np.arange(50) % 21).astype(np.uint8), np.arange(50) - 9, np.linspace(0, 1, 50)
    for labels in (*numbers, np.arange(50).astype(str), np.arange(50).astype(bytes)):
        figures.latent_scatter(means, labels, "latent.png")
    *scales, text, of_bytes = drawn
    for figure, labels in zip(scales, numbers, strict=True):
        axes, bar = figure.axes
        (points,) = axes.collections
        np.testing.assert_array_equal(points.get_array(), labels)
        np.testing.assert_array_equal(points.get_offsets(), means)
        assert bar.get_ylabel() == "label" and axes.get_legend() is None
    for figure in (text, of_bytes):
        assert len(figure.axes) == 1 and figure.axes[0].get_legend() is None
        np.testing.assert_array_equal(figure.axes[0].collections[0].get_offsets(), means)


def test_latent_scatter_shows_every_code_of_many(drawn, rng):
    means = rng.standard_normal((6000, 2))
    for labels in (None, np.arange(6000), np.full(6000, 7)):
        figures.latent_scatter(means, labels, "latent.png")
        (points,) = drawn.pop().axes[0].collections
        np.testing.assert_array_equal(points.get_offsets(), means)


def test_latent_scatter_has_the_circles_that_hold_half_and_95_percent_of_the_prior(drawn, rng):
    means = 30 + rng.standard_normal((4, 2))
    figures.latent_scatter(means, [1, 1, 2, 2], "latent.png")
    (axes,) = drawn[0].axes
    circles, codes = axes.patches, rng.standard_normal((100_000, 2))
    assert [circle.center for circle in circles] == [(0, 0)] * 2
    held = [(np.hypot(*codes.T) < circle.radius).mean() for circle in circles]
    np.testing.assert_allclose(held, [0.5, 0.95], atol=0.01)
    assert not any(circle.get_fill() for circle in circles)
    assert all(circle.get_edgecolor()[3] and circle.get_linewidth() for circle in circles)
    assert [circle.get_linestyle() for circle in circles] == ["--"] * 2  # as the title says
    drawn[0].draw_without_rendering()
    assert axes.get_xlim()[0] < -circles[1].radius  # to be seen, however far away the codes are
    outline = circles[1].get_window_extent()
    assert outline.width == pytest.approx(outline.height, rel=1e-6)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z₁", "z₂")
    assert within(axes.title, drawn[0]) and axes.get_title() == (
        "The test set in latent space: the means of q(z|x)\n"
        "Dashed: the circles that hold half and 95 % of the prior"
    )
    assert all(map(has_grid, (axes.xaxis, axes.yaxis)))
    legend, frame = axes.get_legend().get_window_extent(), axes.get_window_extent()
    assert frame.x1 < legend.x0 and within(axes.get_legend(), drawn[0])  # hides no point
    assert legend.y0 + legend.y1 == pytest.approx(frame.y0 + frame.y1)


def test_a_label_is_no_formula(tmp_path):
    figures.latent_scatter(np.eye(2), ["$a_b_c$", "$"], tmp_path / "latent.png")


def test_a_grid_wants_a_column(tmp_path):
    with pytest.raises(ValueError, match="columns must be a whole number >= 1, got 0"):
        figures.image_grid(np.zeros((4, 6)), (2, 3), tmp_path / "grid.png", "", columns=0)
