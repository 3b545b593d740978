"""use_it.py: its judges against brute force and formulas, and the whole on data of one's own."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import TINY, run
from of_few_digits import few_digits

from demos import train, use_it
from demos.using import features, interpolation, judges, unusual, walks
from vae_np import datasets


def test_the_roc_area_is_the_share_of_pairs_in_the_right_order(rng):
    usual, strange = rng.integers(0, 9, 50), rng.integers(-3, 7, 40)  # with ties
    pairs = np.sign(usual[:, None] - strange)  # 1 where the strange one is lower
    assert judges.roc_area(usual, strange) == pytest.approx((pairs.mean() + 1) / 2)
    assert judges.roc_area([1.0, 2.0], np.array([0.0])) == 1
    assert judges.roc_area([1.0, 2.0], np.array([3.0])) == 0


def test_the_nearest_are_those_of_the_least_distance(rng, monkeypatch):
    monkeypatch.setattr(judges, "AT_ONCE", 3)
    rows, others = rng.standard_normal((40, 4)), rng.standard_normal((2000, 4))
    distances = ((rows[:, None] - others) ** 2).sum(axis=-1)
    index, distance = judges.nearest(rows, others, 100)  # so many are in no order at first
    np.testing.assert_array_equal(index, distances.argsort(axis=1)[:, :100])
    np.testing.assert_allclose(distance, np.sort(distances, axis=1)[:, :100])
    rounded = 100 * rows.astype(np.float32)
    assert judges.nearest(rounded, rounded, 1)[1].min() == 0


def ridge(rows, targets, penalty):
    width = rows.shape[1]
    return np.linalg.solve(rows.T @ rows + penalty * np.eye(width), rows.T @ targets)


@pytest.mark.parametrize(("n_rows", "noise"), [(8, 1), (20, 0.3), (40, 0.5)])
def test_the_linear_classifier_is_the_ridge_of_least_leave_one_out_error(rng, n_rows, noise):
    rows = rng.standard_normal((n_rows, 12))
    targets = rows @ rng.standard_normal((12, 3)) + noise * rng.standard_normal((n_rows, 3))
    errors, penalties = [], features.PENALTIES * np.linalg.eigvalsh(rows @ rows.T)[-1]
    for penalty in penalties:
        error = 0
        for i in range(n_rows):
            others = np.arange(n_rows) != i
            weight = ridge(rows[others], targets[others], penalty)
            error += ((targets[i] - rows[i] @ weight) ** 2).sum()
        errors.append(error)
    best = np.argmin(errors)
    assert 0 < best < len(penalties) - 1
    expected = ridge(rows, targets, penalties[best])
    np.testing.assert_allclose(features.fit_linear(rows, targets), expected, rtol=1e-5)


def test_the_linear_classifier_bends_as_little_or_as_much_as_the_noise_asks(rng):
    rows, weight = rng.standard_normal((40, 12)), rng.standard_normal((12, 3))
    np.testing.assert_allclose(features.fit_linear(rows, rows @ weight), weight, rtol=1e-3)
    noise = rng.standard_normal((40, 3))
    largest = np.linalg.eigvalsh(rows @ rows.T)[-1]
    np.testing.assert_allclose(features.fit_linear(rows, noise), ridge(rows, noise, largest))


def test_the_classifiers_know_nothing_of_the_labels_that_were_not_chosen(rng):
    train, test = rng.standard_normal((60, 2)), rng.standard_normal((40, 2))
    labels, test_labels = (1 * (rows[:, 0] > 0.2) for rows in (train, test))
    chosen = np.array([*np.flatnonzero(labels == 0)[:5], *np.flatnonzero(labels == 1)[:5]])
    hidden = labels.copy()
    hidden[np.setdiff1d(np.arange(60), chosen)] = 0
    right = features.accuracies(train, test, labels, test_labels, chosen)
    assert right == features.accuracies(train, test, hidden, test_labels, chosen)
    assert min(right.values()) > 0.7


def test_the_share_between_classes_is_that_of_the_means(rng):
    labels = np.repeat(["a", "b"], [300, 100])
    means = np.stack([1.0 * (labels == "b"), rng.standard_normal(400)], axis=1)
    shares = walks.between_classes(means, labels)
    assert shares[0] == pytest.approx(1)
    centres = [means[labels == name, 1].mean() for name in "ab"]
    expected = np.var(np.repeat(centres, [300, 100])) / means[:, 1].var()
    assert shares[1] == pytest.approx(expected) and shares[1] < 0.05
    assert walks.between_classes(0 * means, labels).tolist() == [0, 0]  # two that say nothing


def test_a_walk_moves_one_latent_and_its_change_is_the_decoders(linear, rng):
    codes = rng.standard_normal((7, 2))
    moved = walks.moved(codes, 1, 5.0)
    assert (moved[:, 1] == 5).all() and (moved[:, 0] == codes[:, 0]).all() and (codes != 5).all()
    weight = linear.decoder.network.layers[0].weight  # x = z W + b
    for latent in (0, 1):
        assert walks.change(linear, codes, latent) == pytest.approx(
            16 * (weight[latent] ** 2).sum()
        )


@pytest.mark.parametrize(("shape", "turned"), [((4, 4), "90"), ((2, 3), "180")])
def test_the_strange_kinds_are_what_they_are_called(rng, shape, turned):
    images = rng.integers(1, 256, (5, shape[0] * shape[1])).astype(np.uint8)
    kinds = unusual.strange_kinds(images, shape, rng)
    pictures = {name: kind.reshape(-1, *shape) for name, kind in kinds.items()}
    own = images.reshape(-1, *shape)
    assert all(kind.dtype == np.uint8 for kind in kinds.values())
    first_row = own[0, :, -1] if turned == "90" else own[0, -1, ::-1]
    np.testing.assert_array_equal(pictures[f"turned by {turned}°"][0, 0], first_row)
    np.testing.assert_array_equal(pictures["mirrored"][0, :, 0], own[0, :, -1])
    half = -(-shape[0] // 2)
    assert (pictures["lower half erased"][:, half:] == 0).all()
    np.testing.assert_array_equal(pictures["lower half erased"][:, :half], own[:, :half])
    assert (pictures["two at once"] >= own).all() and (pictures["two at once"] > own).any()
    assert pictures["all black"].shape == (1, *shape) and not pictures["all black"].any()


def test_of_a_row_half_is_erased_too(rng):
    images = rng.integers(1, 256, (5, 6)).astype(np.uint8)
    erased = unusual.strange_kinds(images, (1, 6), rng)["lower half erased"]
    np.testing.assert_array_equal(erased, images * [1, 1, 1, 0, 0, 0])


def test_halfway_is_half_of_each_and_the_pairs_shown_are_of_two_classes():
    assert interpolation.between(2.0, 4.0, 0.25) == 2.5
    data = SimpleNamespace(test_labels=np.array([1, 1, 2, 3, 4, 4]))
    assert interpolation.shown_pairs(data, 6) == [(2, 3)]
    data.test_labels[:] = 1  # of one class all
    assert interpolation.shown_pairs(data, 6) == [(0, 1), (2, 3), (4, 5)]
    data.test_labels = None
    assert interpolation.shown_pairs(data, 5) == [(0, 1), (2, 3)]


def eight_by_eight(path, n_images):
    """Digits of 8 × 8 pixels, each the mean of 3 × 3 of the embedded ones, with their labels."""
    digits = datasets.load("mnist5k")
    inner = digits.train[:n_images].reshape(-1, 28, 28)[:, 2:26, 2:26]
    x = inner.reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)).round().astype(np.uint8)
    np.savez(path, x=x, y=digits.train_labels[:n_images])


def test_a_run_is_looked_at_on_the_device_that_is_asked_for(own_run, gpu, monkeypatch):
    monkeypatch.setattr(train, "draw_pictures", lambda *of: None)
    for options, binary in (([], False), (["--binarize", "--overwrite", "--epochs", "3"], True)):
        args = SimpleNamespace(folder=own_run(*options), device=gpu)
        with monkeypatch.context() as elsewhere:
            elsewhere.chdir(args.folder)
            model, data, binarized = use_it.a_model(args)
        assert (model.device, model.n_latent) == (gpu, 2) and data.image_shape == (4, 4)
        assert (binarized, args.epochs) == (binary, 2 + binary)


@pytest.mark.parametrize(("count", "enough"), [(10, True), (9, False)])
def test_ten_test_images_are_enough(monkeypatch, capsys, count, enough):
    images, seen = np.zeros((50, 4), np.uint8), []

    def part(*of, **more):
        seen.append(more)
        print("its progress")
        return {}, ""

    data = datasets.Dataset(images, images[:count], (2, 2))
    monkeypatch.setattr(use_it, "a_model", lambda args: (None, data, True))
    for name in ("interpolate", "walk", "find_unusual", "classify"):
        monkeypatch.setattr(use_it, name, part)
    if enough:
        use_it.experiment(None)
        assert seen == [{}, {}, {"binary": True}, {}]  # as the run's images were
        said = capsys.readouterr().out.split("\n")
        assert said[::2] == ["interpolation", "walks", "unusual", "features", ""]
        assert said[1::2] == ["its progress"] * 4
    else:
        with pytest.raises(datasets.DataError, match="9 test images are too few"):
            use_it.experiment(None)


@pytest.mark.slow
def test_it_takes_a_run_on_images_of_ones_own(tmp_path):
    eight_by_eight(tmp_path / "eight.npz", 400)
    run(tmp_path, "train", "--data", "eight.npz", *TINY, "--out", "mine")
    result = run(tmp_path, "use_it", "mine", "--out", "out")
    assert "The pictures and summary.json are in out" in result.stdout
    assert "instead of 40 the models may not have learned enough" in result.stdout
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["interpolation"]["pairs"] == 40
    assert len(summary["walks"]["kl"]) == 2
    assert summary["unusual"]["images"] == 80
    assert list(summary["features"]["labels_per_class"]) == ["1", "3", "10"]
    for name in ("interpolation", "walks", "unusual", "features"):
        assert (tmp_path / "out" / f"use_it_{name}.png").stat().st_size > 10_000


@pytest.mark.slow
def test_without_labels_there_are_no_features(tmp_path, rng):
    np.save(tmp_path / "mine.npy", rng.random((60, 3, 5)))
    more = ["--decoder", "gaussian", "--kl-warm-up", 5, "--out", "mine"]
    run(tmp_path, "train", "--data", "mine.npy", *TINY, *more)
    result = run(tmp_path, "use_it", "mine", "--out", "out")
    assert "Features: there are no labels to learn from." in result.stdout
    assert "turned by 180°" in result.stdout
    assert not (tmp_path / "out" / "use_it_features.png").exists()


@pytest.mark.slow
def test_a_folder_without_a_run_is_refused_in_one_line(tmp_path):
    (tmp_path / "empty" / "too").mkdir(parents=True)
    for folder in ("empty/too", "nowhere"):
        result = run(tmp_path, "use_it", folder, status=2)
        (line,) = result.stderr.splitlines()
        assert line.endswith(f"{folder} holds no run of train.py: there is no checkpoint.npz")
    assert not (tmp_path / "runs" / "use_it").exists()


@pytest.mark.slow
def test_it_runs_on_a_gpu(gpu, tmp_path, monkeypatch):
    few = few_digits(200, 60)
    monkeypatch.setattr(datasets, "load", lambda name: few)
    args = SimpleNamespace(folder=None, device=gpu, seed=0, epochs=1, out=tmp_path)
    summary, findings = use_it.experiment(args)
    assert json.loads(json.dumps(summary))["unusual"]["images"] == 60
    assert len(findings.split("\n\n")) == 4


@pytest.mark.slow
def test_a_few_images_are_refused_in_one_line(tmp_path, rng):
    np.save(tmp_path / "few.npy", rng.random((45, 4, 4)))
    run(tmp_path, "train", "--data", "few.npy", *TINY, "--out", "few")
    (line,) = run(tmp_path, "use_it", "few", status=2).stderr.splitlines()
    assert line == "use_it.py: error: 9 test images are too few: 10 are wanted, of 50 in all"


@pytest.mark.slow
def test_it_trains_a_model_where_none_is_named(tmp_path):
    result = run(tmp_path, "use_it", "--epochs", 1)
    assert "After 1 epoch instead of 40 the models may not have learned enough" in result.stdout
    assert (tmp_path / "runs" / "use_it" / "summary.json").exists()
