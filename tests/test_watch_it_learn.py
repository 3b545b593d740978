"""The moving picture: what its frames show, that it plays, and the recorded one."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from as_recorded import check_told, numbers_of
from conftest import DEMOS, run
from drawn_figures import described, numbers
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, Ellipse
from of_few_digits import few_digits
from PIL import Image

from demos import watch_it_learn as demo
from vae_np.backend import Stream, random_generator
from vae_np.datasets import Dataset
from vae_np.evaluation import evaluate_elbo

RECORDED = DEMOS.parent / "docs" / "watch_it_learn.gif"


def some_frame(rng, epoch=3, mean=(0.0, 0.0), white=0.0):
    """A frame of ten digits whose codes all lie at ``mean``, and whose pixels are ``white``."""
    data = Dataset(*[np.zeros((10, 784), np.uint8)] * 2, (28, 28), *[np.arange(10)] * 2)
    means, stds = np.tile(mean, (10, 1)), np.full((10, 2), 0.5)
    pixels = np.full((10, 784), white), np.full((10 * demo.SAMPLE_ROWS, 784), white)
    point = {"epoch": epoch, "elbo": -150.0, "kl": 5.0}
    return demo.frame(point, data, list(range(10)), means, stds, *pixels)


def part(image, left, right, top, bottom):
    """A part of a frame, its borders given as shares of the width and the height."""
    pixels = np.asarray(image, float)
    height, width, _ = pixels.shape
    columns = slice(int(left * width), int(right * width))
    return pixels[int(top * height) : int(bottom * height), columns]


def test_a_frame_shows_the_codes_where_they_are(rng):
    def brightness(mean):
        image = some_frame(rng, mean=mean)
        return [part(image, left, left + 0.2, 0.2, 0.94).sum() for left in (0.03, 0.23)]

    (left_a, right_a), (left_b, right_b) = brightness((-2.5, 0.0)), brightness((2.5, 0.0))
    assert left_a > 1.01 * left_b
    assert right_b > 1.01 * right_a


def test_a_frame_shows_reconstructions_and_samples(rng):
    dark, bright = some_frame(rng), some_frame(rng, white=1.0)
    for top, bottom in ((0.27, 0.35), (0.47, 0.95)):
        assert part(dark, 0.47, 0.97, top, bottom).mean() < 1
        assert part(bright, 0.47, 0.97, top, bottom).mean() > 254
    assert part(bright, 0.47, 0.97, 0.19, 0.24).mean() < 1  # the test digits, all black here


def test_the_gif_plays_again_and_again_and_rests_at_the_end(rng, tmp_path):
    path = tmp_path / "some.gif"
    demo.save_gif([some_frame(rng, epoch, (epoch, 0.0)) for epoch in range(3)], path)
    with Image.open(path) as image:
        assert (image.n_frames, image.info["loop"]) == (3, 0)
        assert durations(image) == [demo.FIRST_MS, demo.FRAME_MS, demo.LAST_MS]
        image.seek(1)
        shown = np.asarray(image.convert("RGB"), int)
    wanted = np.asarray(some_frame(rng, 1, (1, 0.0)), int)
    assert np.abs(shown - wanted).mean() < 1  # the palette has nearly the colours
    assert np.abs(shown - wanted).max() < 40


def durations(image):
    result = []
    for index in range(image.n_frames):
        image.seek(index)
        result.append(image.info["duration"])
    return result


@pytest.mark.slow
def test_it_trains_and_writes_a_frame_for_each_moment(tmp_path):
    run(tmp_path, "watch_it_learn", "--epochs", 3, "--seed", 1)
    out = tmp_path / "runs" / "watch_it_learn"
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    points = summary["points"]
    assert [point["epoch"] for point in points] == [0, 1, 2, 3]
    assert points[-1]["elbo"] > points[0]["elbo"] + 10
    assert points[-1]["kl"] > points[0]["kl"]
    with Image.open(out / "watch_it_learn.gif") as image:
        assert image.n_frames == 4


@pytest.mark.slow
def test_it_is_drawn_from_a_model_on_a_gpu_too(gpu, tmp_path):
    args = SimpleNamespace(seed=0, epochs=1, device=gpu, out=tmp_path)
    summary, findings = demo.experiment(args)
    assert [point["epoch"] for point in summary["points"]] == [0, 1]
    assert "nats by epoch 1, half of that by epoch 1." in findings
    assert (tmp_path / "watch_it_learn.gif").exists()


def test_the_recorded_one_is_that_of_the_command():
    summary = json.loads((DEMOS / "results" / "watch_it_learn.json").read_text(encoding="utf-8"))
    assert summary["options"] == {"epochs": 200, "seed": 0, "device": "cpu"}
    assert RECORDED.stat().st_size < 2e6
    with Image.open(RECORDED) as image:
        assert image.n_frames == len(summary["points"]) > 20
        assert image.info["loop"] == 0
        between = [demo.FRAME_MS] * (image.n_frames - 2)
        assert durations(image) == [demo.FIRST_MS, *between, demo.LAST_MS]


@pytest.fixture
def seen(monkeypatch):
    """The figure that is drawn last."""
    figures, Figure = [], demo.Figure
    monkeypatch.setattr(demo, "Figure", lambda **how: figures.append(Figure(**how)) or figures[-1])
    return figures


def test_a_frame_s_rings_ellipses_and_colours_are_what_is_said_of_them(rng, seen):
    labels = np.arange(30) % 10
    data = Dataset(*[np.zeros((30, 784), np.uint8)] * 2, (28, 28), labels[::-1], labels)
    means, stds, shown = (
        rng.standard_normal((30, 2)),
        rng.uniform(0.1, 1, (30, 2)),
        [*range(20, 30)],
    )
    pictures = np.zeros((10, 784)), np.zeros((10 * demo.SAMPLE_ROWS, 784))
    demo.frame({"epoch": 7, "elbo": -123.45, "kl": 5}, data, shown, means, stds, *pictures)
    (figure,) = seen
    said = [text.get_text() for text in figure.texts]
    assert said == ["epoch 7", "ELBO −123.5 nats per test digit"]
    plane, reconstructions, _ = figure.axes
    rings = [patch for patch in plane.patches if isinstance(patch, Circle)]
    shares = [1 - np.exp(-(ring.radius**2) / 2) for ring in rings]  # of N(0, I) in the plane
    assert shares == pytest.approx([0.5, 0.95]) and not any(ring.center[0] for ring in rings)
    clouds = [patch for patch in plane.patches if type(patch) is Ellipse]
    for cloud, i, colour in zip(clouds, shown, demo.COLOURS, strict=True):
        assert cloud.center == pytest.approx(means[i])
        assert (cloud.width, cloud.height) == pytest.approx(4 * stds[i])  # at 2 σ
        assert to_hex(cloud.get_edgecolor()) == colour
    (dots,) = plane.collections
    np.testing.assert_array_equal(dots.get_offsets(), means)
    assert [*map(to_hex, dots.get_facecolors())] == [demo.COLOURS[label] for label in labels]
    marks = [(line.get_xdata()[0] // 28, line.get_color()) for line in reconstructions.get_lines()]
    assert marks == list(enumerate(demo.COLOURS))


@pytest.mark.slow
def test_what_is_drawn_of_few_digits_is_as_recorded_and_played(tmp_path, monkeypatch, seen):
    few = few_digits(300, 100)
    monkeypatch.setattr(demo.datasets, "load", {"mnist5k": few}.__getitem__)
    args = SimpleNamespace(seed=3, epochs=4, device="cpu", out=tmp_path)
    summary, findings = demo.experiment(args)
    pictures = ["\n".join(described(figure)) for figure in (seen[0], seen[-1])]
    parts = [findings, *pictures, numbers_of(summary, re.compile("$^"))]
    check_told(tmp_path / "watch_it_learn.txt", parts, absolute=0.002)
    named = [demo.BACKGROUND, demo.TEXT, demo.FAINT, *demo.COLOURS]
    with Image.open(tmp_path / "watch_it_learn.gif") as image:
        assert image.n_frames == len(seen) == 5
        for i, figure in enumerate(seen):
            image.seek(i)
            shown = np.asarray(image.convert("RGB"), int)
            assert abs(shown - np.asarray(figure.canvas.buffer_rgba())[..., :3]).mean() < 1
            colours = {f"#{colour:06x}" for colour in np.unique(shown @ [65536, 256, 1])}
            assert colours.issuperset(named)


def test_an_interrupted_gif_is_none(rng, tmp_path, monkeypatch):
    def interrupted(image, file, *given, **options):
        file.write(b"GIF89a")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demo.save_gif([some_frame(rng)] * 2, tmp_path / "some.gif")
    assert not [*tmp_path.iterdir()]


def test_what_is_shown_and_said_is_the_model_s_of_each_moment(tmp_path, monkeypatch):
    """Of an encoder and a decoder that are as made: training is left out, and its rows counted."""
    models, frames = [], []

    def train(model, images, args, after_epoch):
        models.append(model)
        for epoch in range(1, args.epochs + 1):
            model.encoder.network.layers[-1].weight[:, :2] *= 1.03  # the means
            model.decoder.parameters.value[...] *= 1.001
            after_epoch({"epoch": epoch})

    monkeypatch.setattr(demo, "N_FRAMES", 6)
    monkeypatch.setattr(demo, "train", train)
    monkeypatch.setattr(demo, "frame", lambda *given: frames.append(given))
    monkeypatch.setattr(demo, "save_gif", lambda all_of, path: None)
    data = demo.datasets.load("mnist5k")
    args = SimpleNamespace(seed=3, epochs=100, device="cpu", out=tmp_path)
    summary, findings = demo.experiment(args)
    points, (model,) = summary["points"], models
    assert [point["epoch"] for point in points] == [0, 1, 3, 6, 16, 40, 100]
    assert [given[0] for given in frames] == points
    _, of, shown, means, stds, reconstructed, samples = frames[-1]
    assert of.test_labels[shown].tolist() == [*range(10)]
    q = model.encode(data.test)
    for found, wanted in ((means, q.mean), (stds, q.std)):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    np.testing.assert_allclose(reconstructed, model.decode(q.mean[shown]).mean, rtol=1e-4)
    generator = random_generator([3, Stream.PICTURES])
    model.draw_noise(generator, 1, len(data.test))
    draws = generator.standard_normal((50, 2), dtype=np.float32)  # the same in all frames
    np.testing.assert_allclose(samples, model.decode(draws).mean, rtol=1e-4)
    judged = evaluate_elbo(model, data.test)
    assert points[-1]["elbo"] == pytest.approx(judged.value, abs=1)
    assert judged.kl > 3
    assert points[-1]["kl"] == pytest.approx(judged.kl, rel=1e-4)
    first, last = points[0], points[-1]
    half = next(p["epoch"] for p in points if p["elbo"] >= (first["elbo"] + last["elbo"]) / 2)
    assert numbers(findings)[:6] == [
        pytest.approx(first["elbo"], abs=0.051),
        pytest.approx(last["elbo"], abs=0.051),
        100,
        half,
        pytest.approx(first["kl"], abs=0.0051),
        pytest.approx(last["kl"], abs=0.0051),
    ]


@pytest.mark.slow
def test_the_moments_of_the_command_are_the_recorded_ones(tmp_path, monkeypatch):
    def train(model, images, args, after_epoch):
        for epoch in range(1, args.epochs + 1):
            after_epoch({"epoch": epoch})

    monkeypatch.setattr(demo, "train", train)
    for name in ("frame", "save_gif"):
        monkeypatch.setattr(demo, name, lambda *of: None)
    args = SimpleNamespace(seed=0, epochs=200, device="cpu", out=tmp_path)
    moments = [point["epoch"] for point in demo.experiment(args)[0]["points"]]
    summary = json.loads((DEMOS / "results" / "watch_it_learn.json").read_text(encoding="utf-8"))
    assert moments == [point["epoch"] for point in summary["points"]]
