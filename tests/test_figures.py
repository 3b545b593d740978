"""Pictures: that the right pixels are where they should be."""

import matplotlib.image
import numpy as np
import pytest

from vae_np import figures


def test_tiles_lie_in_reading_order():
    images = np.arange(6.0).reshape(3, 2) / 10
    tiled = figures.tiled(images, (1, 2), columns=2)
    np.testing.assert_allclose(tiled, [[0, 0.1, 1, 0.2, 0.3], [1] * 5, [0.4, 0.5, 1, 1, 1]])


def test_manifold_covers_the_prior_evenly(tmp_path):
    seen = []

    def decode_mean(z):
        seen.append(z)
        return np.zeros((len(z), 4))

    figures.manifold(decode_mean, (2, 2), tmp_path / "m.png", side=4)
    z = seen[0].reshape(4, 4, 2)
    assert (np.diff(z[0, :, 0]) > 0).all()  # z₁ grows to the right
    assert (np.diff(z[:, 0, 1]) < 0).all()  # z₂ grows upwards
    np.testing.assert_allclose(z[0, :2, 0], [-1.1503, -0.3186], atol=1e-4)  # Φ⁻¹(⅛), Φ⁻¹(⅜)


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_learning_curves(tmp_path, epochs):
    columns = [
        f"{part}_{term}" for part in ("train", "test") for term in ("elbo", "reconstruction", "kl")
    ]
    history = [{"epoch": e, **dict.fromkeys(columns, -100.0 + e)} for e in range(1, epochs + 1)]
    figures.learning_curves(history, tmp_path / "curves.png")
    assert matplotlib.image.imread(tmp_path / "curves.png").shape[:2] == (432, 1200)


def test_learning_curves_without_a_test_set(tmp_path):
    columns = ("train_elbo", "train_reconstruction", "train_kl")
    history = [{"epoch": e, **dict.fromkeys(columns, -100.0 + e)} for e in (1, 2)]
    figures.learning_curves(history, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="history must hold at least one epoch"):
        figures.learning_curves([], tmp_path / "none.png")


def test_uint8_images_look_as_they_are(rng):
    grey = rng.integers(0, 256, (3, 6), dtype=np.uint8)
    np.testing.assert_array_equal(
        figures.tiled(grey, (2, 3), columns=3), figures.tiled(grey / 255, (2, 3), columns=3)
    )


@pytest.mark.parametrize("images", [np.zeros((4, 5)), np.zeros((0, 6)), np.zeros((4, 12))])
def test_images_must_have_the_shape_that_is_said(images, tmp_path):
    with pytest.raises(ValueError, match=r"images must have shape \(N, 6\) with N >= 1"):
        figures.image_grid(images, (2, 3), tmp_path / "g.png", title="wrong")


def test_every_picture_is_written(tmp_path, rng):
    images = rng.random((6, 12))
    figures.reconstructions(images, {"mean": images}, (4, 3), tmp_path / "r.png")
    figures.image_grid(images, (4, 3), tmp_path / "g.png", title="six images", columns=3)
    for labels in (None, np.arange(6) % 2):
        figures.latent_scatter(images[:, :2], labels, tmp_path / "l.png")
        assert len(np.unique(matplotlib.image.imread(tmp_path / "l.png"))) > 10
    assert (tmp_path / "r.png").stat().st_size > 1000
    assert (tmp_path / "g.png").stat().st_size > 1000


def test_learning_curves_draw_the_test_set_where_it_was_evaluated(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        figures.Figure, "savefig", lambda figure, path, **options: drawn.update(figure=figure)
    )
    rows = [
        {"epoch": epoch, "train_elbo": 1.0, "train_reconstruction": 2.0, "train_kl": 1.0}
        for epoch in (1, 2, 3)
    ]
    rows[1] |= {"test_elbo": -1.0, "test_reconstruction": 0.0, "test_kl": 1.0}
    figures.learning_curves(rows, tmp_path / "curves.png")
    train, test = drawn["figure"].axes[0].get_lines()
    assert train.get_xdata().tolist() == [1, 2, 3] and test.get_xdata().tolist() == [2]


def test_latent_scatter_takes_any_labels_and_wants_one_each(tmp_path, rng, monkeypatch):
    means = rng.standard_normal((4, 2))
    drawn = []
    with monkeypatch.context() as patch:
        patch.setattr(figures.Figure, "savefig", lambda figure, *args, **more: drawn.append(figure))
        for labels in (["cat", "dog", "cat", "cat"], [0.5, -1, 0.5, 0.5], None):
            figures.latent_scatter(means, labels, tmp_path / "latent.png")
    for figure, groups in zip(drawn, ([[0, 2, 3], [1]], [[1], [0, 2, 3]], [range(4)]), strict=True):
        points = [collection.get_offsets() for collection in figure.axes[0].collections]
        for group, rows in zip(points, groups, strict=True):
            np.testing.assert_array_equal(group, means[list(rows)])
    with pytest.raises(ValueError, match=r"labels must have shape \(4,\), got \(3,\)"):
        figures.latent_scatter(means, [1, 2, 3], tmp_path / "latent.png")
    with pytest.raises(ValueError, match=r"means must have shape \(N, 2\)"):
        figures.latent_scatter(rng.standard_normal((4, 3)), None, tmp_path / "latent.png")


def test_every_label_is_in_the_legend(tmp_path, monkeypatch):
    """Matplotlib leaves out those that begin with _, and takes $ for a formula."""
    drawn, labels = [], np.array(["_a", "b", "$c"])
    with monkeypatch.context() as patch:
        patch.setattr(figures.Figure, "savefig", lambda figure, *args, **more: drawn.append(figure))
        figures.latent_scatter(np.ones((3, 2)), labels, tmp_path / "latent.png")
    texts = [text.get_text().strip() for text in drawn[0].axes[0].get_legend().get_texts()]
    assert texts == [r"\$c", "_a", "b"]


def test_latent_scatter_has_a_colour_for_each_of_20_labels_and_then_a_scale(tmp_path, monkeypatch):
    means, drawn = np.arange(100.0).reshape(50, 2), []
    with monkeypatch.context() as patch:
        patch.setattr(figures.Figure, "savefig", lambda figure, *args, **more: drawn.append(figure))
        for labels in (np.arange(50) % 20, np.linspace(0, 1, 50), np.arange(50).astype(str)):
            figures.latent_scatter(means, labels, tmp_path / "latent.png")
    twenty, scale, text = drawn
    colours = {tuple(group.get_facecolor()[0]) for group in twenty.axes[0].collections}
    assert len(colours) == 20 and len(twenty.axes[0].get_legend().get_texts()) == 20
    assert [axes.get_legend() for axes in (*scale.axes, *text.axes)] == 3 * [None]
    (points,) = scale.axes[0].collections
    np.testing.assert_array_equal(points.get_array(), np.linspace(0, 1, 50))


def test_latent_scatter_has_the_circles_that_hold_half_and_95_percent_of_the_prior(
    tmp_path, rng, monkeypatch
):
    means, drawn = 30 + rng.standard_normal((4, 2)), []
    with monkeypatch.context() as patch:
        patch.setattr(figures.Figure, "savefig", lambda figure, *args, **more: drawn.append(figure))
        figures.latent_scatter(means, None, tmp_path / "latent.png")
    axes = drawn[0].axes[0]
    circles, codes = axes.patches, rng.standard_normal((100_000, 2))
    assert [circle.center for circle in circles] == [(0, 0)] * 2
    held = [(np.hypot(*codes.T) < circle.radius).mean() for circle in circles]
    np.testing.assert_allclose(held, [0.5, 0.95], atol=0.01)
    drawn[0].canvas.draw()
    assert axes.get_xlim()[0] < -circles[1].radius  # to be seen, however far away the codes are


def test_a_label_is_no_formula(tmp_path):
    figures.latent_scatter(np.eye(2), ["$a_b_c$", "$"], tmp_path / "latent.png")


def test_a_grid_wants_a_column(tmp_path):
    with pytest.raises(ValueError, match="columns must be a whole number >= 1, got 0"):
        figures.image_grid(np.zeros((4, 6)), (2, 3), tmp_path / "grid.png", "", columns=0)


def test_the_axis_is_that_of_the_late_part_and_says_what_lies_outside(rng):
    low, high = (figures.Figure().subplots() for _ in range(2))
    low.plot(range(20), [-500, -300, *np.linspace(-110, -100, 18)])
    high.plot(range(20), [90, *[5.0] * 18, 4.0])
    figures.show_late(low, skip=0.1)
    figures.show_late(high, skip=0.1)
    assert low.get_ylim() == pytest.approx((-111, -99))
    assert high.get_ylim() == pytest.approx((3.9, 5.1))
    assert [text.get_text() for text in low.texts] == ["starts below, at -500"]
    assert [text.get_text() for text in high.texts] == ["starts above, at 90"]

    panels = figures.Figure().subplots(1, 2)
    panels[0].plot([0, 1], [1.0, 2.0])
    panels[1].plot([0, 1], [3.0, 4.0])
    figures.show_late(panels, skip=0)
    assert {axes.get_ylim() for axes in panels} == {(0.7, 4.3)}
    assert not panels[0].texts and not panels[1].texts
