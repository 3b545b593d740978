"""The moving picture: what its frames show, that it plays, and the recorded one."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import DEMOS, run
from PIL import Image

from demos import watch_it_learn as demo
from vae_np.datasets import Dataset

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
        assert durations(image)[-1] == demo.LAST_MS
