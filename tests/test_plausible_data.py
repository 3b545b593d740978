"""Data that are not what they seem: taken as they are meant, or named."""

import numpy as np
import pytest
from conftest import make_model, make_trainer

from vae_np import datasets
from vae_np.datasets import DataError


def load(tmp_path, **arrays):
    np.savez(tmp_path / "own.npz", **arrays)
    return datasets.load(tmp_path / "own.npz")


def test_labels_of_ones_own_file_go_with_their_images(tmp_path, rng):
    x = rng.integers(0, 256, (300, 4, 4), dtype=np.uint8)
    data = load(tmp_path, x=x, y=x[:, 0, 0].astype(int))
    np.testing.assert_array_equal(data.train_labels, data.train[:, 0])
    np.testing.assert_array_equal(data.test_labels, data.test[:, 0])
    assert data.notes == []
    plain = load(tmp_path, x=x)  # and without labels the parts are the same
    assert plain.train_labels is plain.test_labels is None
    np.testing.assert_array_equal(plain.train, data.train)
    np.testing.assert_array_equal(plain.test, data.test)
    first = load(tmp_path, y=x[:, 0, 0], x=x)  # in whichever order they were saved
    np.testing.assert_array_equal(first.train_labels, data.train_labels)
    halves = load(tmp_path, x=x, y=x[:, 0, 0] / 2).train_labels
    np.testing.assert_array_equal(halves, data.train_labels / 2)
    for y in (np.zeros(299), np.zeros((300, 1)), np.array(7)):
        with pytest.raises(DataError, match="must hold a label for each image"):
            load(tmp_path, x=x, y=y)


NEARLY_BLACK = (
    "the images are nearly black, and easily made probable; was another range meant? Divide by "
    "their white: floats from 0 to 1"
)


@pytest.mark.parametrize(
    ("x", "note"),
    [
        (np.full((300, 4, 4), 31, np.uint8), f"the pixels reach 31 of 255: {NEARLY_BLACK}"),
        (np.full((300, 4, 4), 0.06), f"the pixels reach 0.06 of 1: {NEARLY_BLACK}"),
        (
            np.full((300, 6), 0.5),
            "each row is taken as an image of 1 x 6 pixels; an image of two dimensions has three "
            "in the file: (images, height, width)",
        ),
        (
            np.full((249, 4, 4), 0.5),
            "199 training images are few: the model may learn them by heart",
        ),
    ],
)
def test_what_may_be_a_mistake_is_noted(tmp_path, x, note):
    (only,) = load(tmp_path, x=x).notes
    assert only == note


def test_all_that_may_be_a_mistake_is_noted(tmp_path):
    notes = load(tmp_path, x=np.full((20, 6), 9, np.uint8)).notes
    starts = ("the pixels reach 9 of 255", "each row is taken", "16 training images are few")
    for note, start in zip(notes, starts, strict=True):
        assert note.startswith(start)


def test_what_is_just_enough_is_not_noted(tmp_path):
    enough = [np.full((250, 4, 4), 1 / 8), np.full((250, 4, 4), 32, np.uint8)]
    for x in (*enough, np.ones((250, 6, 1)), np.ones((250, 1))):  # narrow ones; of one pixel
        assert load(tmp_path, x=x).notes == []  # 200 to train on, an eighth of white


def test_one_bright_training_image_is_enough_and_one_to_test_on_is_not():
    dark = np.full((250, 16), 9, np.uint8)
    bright = np.vstack([dark[1:], np.full((1, 16), 200, np.uint8)])
    assert datasets.Dataset(bright, dark, (4, 4)).notes == []
    (note,) = datasets.Dataset(dark, bright, (4, 4)).notes
    assert note.startswith("the pixels reach 9 of 255")
    black = datasets.Dataset(dark // 9, bright, (4, 4))
    assert black.notes[0].startswith("the pixels reach 1 of 255")
    np.testing.assert_allclose(black.mean_image, 1 / 255)


def test_one_image_is_noted_as_rows(tmp_path):
    notes = load(tmp_path, x=np.full((6, 6), 0.5)).notes
    assert any("an image of two dimensions has three in the file" in note for note in notes)


@pytest.mark.parametrize("name", ["mnist5k"])
def test_real_data_have_nothing_to_note(name):
    assert datasets.load(name).notes == []


def test_a_dark_image_is_taken_alone_as_in_a_batch(images):
    """Only a whole training set of 0 and 1 is black and white by mistake."""
    model = make_model()
    dark = np.zeros((1, 6), np.uint8)
    dark[0, 2] = 1
    batch = np.concatenate([dark, images])
    np.testing.assert_allclose(model.encode(dark).mean, model.encode(batch).mean[:1], rtol=1e-6)
    with pytest.raises(ValueError, match="uint8 run to 255, got none above 1"):
        make_trainer((images > 99).astype(np.uint8))
