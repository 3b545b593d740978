"""What use_it.py finds, computed again by other means, on a small model and few images."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import make_model
from drawn_figures import drawn  # noqa: F401

from demos.using import features, interpolation, unusual, walks
from vae_np import datasets
from vae_np.distributions import DiagonalGaussian
from vae_np.evaluation import importance_sampled_log_likelihood

# ruff: noqa: F811 - a fixture's name as an argument


@pytest.fixture
def data(rng):
    """Two classes of 4 × 4 pixels: bright at the top, bright at the bottom; 40 and 24 images."""
    labels = np.arange(64) % 2
    x = rng.integers(0, 60, (64, 16))
    x[labels == 0, :8] += 150
    x[labels == 1, 8:] += 150
    x = x.astype(np.uint8)
    return datasets.Dataset(x[:40], x[40:], (4, 4), labels[:40], labels[40:])


def test_a_class_without_a_labelled_training_image_is_named(data):
    one = dataclasses.replace(data, train_labels=0 * data.train_labels)
    said = "Features: not every class has a labelled training image."
    assert features.classify(None, one, None) == ({}, said)
    one = dataclasses.replace(one, test_labels=0 * data.test_labels)
    said = "Features: all labels are the same, so there is nothing to tell apart."
    assert features.classify(None, one, None) == ({}, said)


@pytest.mark.parametrize(("count", "learnt_from"), [(2, ["1"]), (3, ["1", "3"]), (9, ["1", "3"])])
def test_as_many_labels_are_learnt_from_as_each_class_has(
    model, data, args, drawn, count, learnt_from
):
    every = data.train_labels  # of the other class more, which do not help
    kept = np.append(np.flatnonzero(every == 0)[:count], np.flatnonzero(every == 1))
    few = {"train": data.train[kept], "train_labels": every[kept]}
    numbers, _ = features.classify(model, dataclasses.replace(data, **few), args)
    assert [*numbers["labels_per_class"]] == learnt_from and numbers["classes"] == 2


@pytest.fixture
def model(rng):
    model = make_model(pixels=16, dtype=np.float64)
    for vector in model.parameters:
        vector.value[:] = 0.7 * rng.standard_normal(vector.value.shape)
    return model


@pytest.fixture
def args(tmp_path):
    return SimpleNamespace(seed=3, device="cpu", out=tmp_path)


def by_distance(picture, train):
    return ((train - picture) ** 2).sum(axis=1)


def test_the_pictures_halfway_are_judged_by_the_training_images(model, data, args):
    numbers, text = interpolation.interpolate(model, data, args)
    x, train = data.test / 255, data.train / 255
    means = model.encode(data.test).mean
    smooth = model.decode(means).mean
    of_pair = {
        "test_images": lambda i: x[i],
        "reconstructions": lambda i: smooth[i],
        "through_z": lambda i: model.decode((means[i] + means[i + 1])[None] / 2).mean[0],
        "reconstructions_mixed": lambda i: (smooth[i] + smooth[i + 1]) / 2,
        "pixels_mixed": lambda i: (x[i] + x[i + 1]) / 2,
    }
    assert numbers["pairs"] == 12
    for name, picture in of_pair.items():
        distances = [by_distance(picture(i), train) for i in range(0, 24, 2)]
        assert numbers[name]["nearest"] == pytest.approx(np.mean([d.min() for d in distances]))
        labels = [data.train_labels[d.argsort()[:5]] for d in distances]
        assert numbers[name]["of_one_class"] == np.mean([len(set(five)) == 1 for five in labels])
    for name in ("through_z", "pixels_mixed", "test_images"):
        assert f"{numbers[name]['of_one_class']:.0%} of the" in text
    norms = np.linalg.norm(means[::2] + means[1::2], axis=1) / 2
    assert numbers["norm"]["halfway"] == pytest.approx(norms.mean())
    assert numbers["norm"]["of_codes"] == pytest.approx(np.linalg.norm(means, axis=1).mean())


def test_pairs_and_neighbours_are_as_many_as_there_are(model, data, args, monkeypatch, drawn):
    monkeypatch.setattr(interpolation, "PAIRS", 2)
    some = {"train": data.train[:3], "train_labels": data.train_labels[:3]}
    some["test_labels"] = np.arange(24) // 4  # the first of two classes are later than the pairs
    numbers, _ = interpolation.interpolate(model, dataclasses.replace(data, **some), args)
    assert numbers["pairs"] == 2 and numbers["test_images"]["of_one_class"] == 0
    assert len(drawn[0].axes) == 2 and drawn[0].get_figheight() == pytest.approx(4)


def test_the_walks_begin_with_the_latent_of_most_kl(model, data, args, monkeypatch):
    monkeypatch.setattr(walks, "IMAGES", 20)  # for what moving along them changes, no more
    numbers, text = walks.walk(model, data, args)
    q = model.encode(data.test)
    kls = [
        DiagonalGaussian(q.mean[:, [j]], q.log_var[:, [j]]).kl_to_standard_normal().mean()
        for j in range(3)
    ]
    assert sorted(numbers["latents"]) == [0, 1, 2]
    np.testing.assert_allclose(numbers["kl"], sorted(kls, reverse=True))
    np.testing.assert_allclose(numbers["kl"], np.array(kls)[numbers["latents"]])
    for latent, found in zip(numbers["latents"], numbers["change"], strict=True):
        low, high = q.mean[:20].copy(), q.mean[:20].copy()
        low[:, latent], high[:, latent] = -2, 2
        squares = (model.decode(high).mean - model.decode(low).mean) ** 2
        assert found == pytest.approx(squares.sum(axis=1).mean())
    assert len(numbers["between_classes"]) == 3 and "100% of it" in text
    said = walks.describe({"kl": [0.0, 0.0, 0.0], "change": [0.3, 0.1, 0.2]})
    assert "the 3 that carry most KL have 0% of it" in said
    assert "changes by 0.3 (squared); along the one that carries least by 0.2." in said


def test_images_of_one_ink_have_no_correlation_with_it(model, data, args, monkeypatch):
    monkeypatch.setattr(unusual, "draw", lambda *given: None)
    alike = dataclasses.replace(data, test=np.sort(data.test, axis=1)[[0] * 24])
    numbers, _ = unusual.find_unusual(model, alike, args, binary=False)
    assert numbers["correlation_with_ink"] == 0


@pytest.mark.slow
def test_the_roc_areas_are_those_of_the_three_scores(model, data, args):
    numbers, text = unusual.find_unusual(model, data, args, binary=False)

    def log_px(images):
        return importance_sampled_log_likelihood(model, images, 50, seed=3).value

    usual, pictures = log_px(data.test), data.test.reshape(-1, 4, 4)
    assert numbers["log_px"] == pytest.approx(usual.mean())
    assert numbers["highest_log_px"] == usual.max()
    np.testing.assert_array_equal(numbers["lowest"], np.sort(usual)[:10])
    ink = data.test.astype(float).sum(axis=1)
    assert numbers["correlation_with_ink"] == pytest.approx(np.corrcoef(usual, ink)[1, 0])

    median = np.median(log_px(data.train[:24]))
    mirrored = np.ascontiguousarray(pictures[:, :, ::-1].reshape(24, 16))
    black = np.zeros((1, 16), np.uint8)
    for name, images in (("mirrored", mirrored), ("all black", black)):
        strange = log_px(images)
        far = [
            np.array([by_distance(x, data.train / 255).min() for x in of / 255])
            for of in (data.test, images)
        ]
        pairs = {
            "log_px": strange < usual[:, None],
            "nearest_training_image": far[1] > far[0][:, None],
            "typical": abs(strange - median) > abs(usual - median)[:, None],
        }
        found = numbers["kinds"][name]
        assert found["log_px"] == pytest.approx(strange.mean())
        for score, right in pairs.items():
            assert found["roc_area"][score] == pytest.approx(right.mean()), score
    erased = numbers["kinds"]["lower half erased"]["roc_area"]["log_px"]
    assert ("look *more* usual than whole ones" in text) == (erased < 0.5)


def test_features_that_say_the_class_are_all_right_and_others_are_not(data, args, monkeypatch):
    """The stub's codes are the class; of its pixels the labels are a coin's."""

    def encode(images):
        return SimpleNamespace(mean=1.0 * (images[:, :8].mean(axis=1) > 100)[:, None])

    coin = np.random.default_rng(9)
    stub = SimpleNamespace(encode=encode, as_pixels=lambda images: coin.random(images.shape))
    asked = []

    def noted(train, test, labels, test_labels, chosen):
        asked.append(labels[chosen])
        assert len(set(chosen)) == len(chosen)  # none is drawn twice
        return accuracies(train, test, labels, test_labels, chosen)

    accuracies = features.accuracies
    monkeypatch.setattr(features, "accuracies", noted)
    numbers, text = features.classify(stub, data, args)
    assert list(numbers["labels_per_class"]) == ["1", "3", "10"]
    assert [np.bincount(labels).tolist() for labels in asked] == (
        [[n, n] for n in (1, 3, 10) for _ in range(20)]
    )
    for found in numbers["labels_per_class"].values():
        for name in ("nearest", "linear"):
            assert found["codes"][name] == {"right": 1, "error": 0}
            assert 0.25 < found["pixels"][name]["right"] < 0.75
            assert 0 < found["pixels"][name]["error"] < 0.1
    assert "with 1 label a class 100.0% and" in text


def test_a_mean_has_its_standard_error():
    found = features.summary([0.2, 0.4, 0.9])
    assert found["right"] == pytest.approx(0.5)
    assert found["error"] == pytest.approx(np.sqrt((0.09 + 0.01 + 0.16) / 2 / 3))
