"""What a page is given of a model and its images: each number is theirs, in the page's order."""

import base64
from types import SimpleNamespace

import numpy as np
import pytest
from test_explore import images_of

from demos.page import fill, packing
from vae_np import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder

DECODERS = {
    "Bernoulli": BernoulliDecoder,
    "Gaussian": lambda *sizes: GaussianDecoder(*sizes, squash=True),
    "unsquashed": GaussianDecoder,
    "fixed": lambda *sizes: GaussianDecoder(*sizes, noise="fixed", std=1, squash=True),
    "learned": lambda *sizes: GaussianDecoder(*sizes, noise="learned", std=0.6),
}


def filled(images, labels=None, decoder="Bernoulli"):
    """The page's contents for a model of 9 and 7 hidden units in the 31st of 80 epochs."""
    model = VAE(GaussianEncoder(12, [9, 7], 2), DECODERS[decoder](2, [7, 9], 12))
    settings = SimpleNamespace(data="somewhere/own.npz", hidden=[9, 7], epochs=80)
    data = SimpleNamespace(test=images, test_labels=labels, image_shape=(3, 4))
    return fill.contents(settings, data, SimpleNamespace(model=model, epoch=31)), model


@pytest.mark.parametrize(
    ("dtype", "room", "count"),
    [(np.uint8, 400_000, 40), (np.float32, 400_000, 40), (np.uint8, 300, 25)],
)
def test_image_label_and_code_are_of_one_another(rng, monkeypatch, dtype, room, count):
    monkeypatch.setattr(fill, "CODES", 40)
    monkeypatch.setattr(packing, "PACKED", room)
    images, labels = rng.integers(0, 256, (60, 12)), np.tile([7, 3, 5], 20)
    given = images.astype(np.uint8) if dtype == np.uint8 else (images / 255.001).astype(dtype)
    data, model = filled(given, labels)
    shown = np.rint(255 * images_of(data)).astype(int)
    assert data["offered"] == 18 and len(shown) == count and data["image_shape"] == (3, 4)
    rows = [int(np.flatnonzero((images == one).all(axis=1))[0]) for one in shown]
    assert len(set(rows)) == count  # no image stands there twice
    assert labels[rows[:18]].tolist() == 6 * [3] + 6 * [5] + 6 * [7]
    index = np.frombuffer(base64.b64decode(data["labels"]), np.uint8)
    assert [data["label_names"][k] for k in index] == [str(labels[row]) for row in rows]
    codes = np.frombuffer(base64.b64decode(data["codes"]), np.float32).reshape(-1, 2)
    np.testing.assert_allclose(codes, model.encode(shown / 255).mean, atol=1e-5)


def test_what_it_says_of_the_model_is_so(rng):
    data, _ = filled(rng.random((25, 12)))
    assert data["labels"] is None and data["label_names"] is None
    assert data["about"] == {
        "trained_on": "own.npz",
        "epochs": 31,
        "widths": [12, 9, 7, 2, 7, 9, 12],
        "spacing": data["grid"]["spacing"],
        "error": pytest.approx(0, abs=fill.TOLERANCE),
        "half": True,
        "count": 20,
    }
    assert data["start"] == 15 and filled(rng.random((4, 12)))[0]["start"] == 3
    assert data["grid"]["half"] * data["grid"]["spacing"] == pytest.approx(6)


@pytest.mark.parametrize("precision", [np.float16, np.float32])
def test_whether_the_weights_were_rounded_is_told(rng, monkeypatch, precision):
    checked = []

    def grid_and_precision(model, x):
        checked.append(x)
        return 0.1, precision, 0.0125

    monkeypatch.setattr(fill, "grid_and_precision", grid_and_precision)
    data, _ = filled(rng.random((25, 12)))
    np.testing.assert_array_equal(checked[0], np.rint(255 * images_of(data)[:20]))
    assert data["about"]["half"] == (precision is np.float16) and data["about"]["error"] == 0.0125
    assert data["precision"] == precision.__name__ and data["about"]["spacing"] == 0.1


@pytest.mark.parametrize("kind", DECODERS)
def test_a_decoder_s_noise_and_squashing_are_told(rng, kind):
    data, model = filled(rng.random((2, 12)), decoder=kind)
    std = {"fixed": 1, "learned": 0.6}.get(kind)
    assert data["decoder"]["log_var"] == (std and pytest.approx(2 * np.log(std), abs=1e-3))
    assert data["decoder"]["squash"] == (kind in ("Gaussian", "fixed"))
    assert data["decoder"]["kind"] == type(model.decoder).__name__
    assert (data["grid"]["log_partition"] is None) == (kind != "Bernoulli")


def test_labels_are_classes_up_to_fifty_of_them():
    assert len(fill.named(np.arange(50))[0]) == 50
    assert fill.named(np.arange(51)) == (None, None)


@pytest.mark.parametrize(
    ("bias", "std", "encoder_s", "precision"),
    [
        (0.70007, 1.0, 0.0, np.float16),
        (0.70007, 0.001, 0.0, np.float32),
        (1e5, 1.0, 0.0, np.float32),
        (0.70007, 1.0, -1e5, np.float32),  # which no number of the grid tells
    ],
)
def test_half_precision_is_for_models_that_bear_it(bias, std, encoder_s, precision):
    """It rounds 0.70007 to 0.7002: to a σ of 1 that is nothing, to one of 0.001 it is not."""
    decoder = GaussianDecoder(2, [], 40, noise="fixed", std=std)
    weight = decoder.network.layers[0].weight
    weight[:] = std * np.sign(weight)
    decoder.network.layers[0].bias[:] = bias
    model = VAE(GaussianEncoder(40, [], 2), decoder)
    model.encoder.network.layers[0].bias[:] = encoder_s
    x = decoder.forward(np.array([[1.0, -0.5]], np.float32)).mean
    weights = [vector.value.copy() for vector in model.parameters]
    spacing, dtype, error = fill.grid_and_precision(model, x)
    assert dtype is precision
    for vector, value in zip(model.parameters, weights, strict=True):
        assert (vector.value == value.astype(precision)).all()
    assert spacing == 0.1 and error <= fill.TOLERANCE
