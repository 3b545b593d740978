"""Data: the embedded digits, files of one's own, and downloads from a server on this machine."""

import gzip
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import has_real_data

import vae_np
from vae_np import datasets
from vae_np.datasets import DataError, load

PARTS = {"train": 7, "t10k": 3}  # of MNIST's files, images in each


def test_embedded_digits():
    data = load("mnist5k")
    assert data.train.shape == (4000, 784)
    assert data.test.shape == (1000, 784)
    assert data.train.dtype == np.uint8
    assert data.image_shape == (28, 28)
    np.testing.assert_allclose(data.mean_image, (data.train / 255.0).mean(axis=0))
    labels = np.concatenate([data.train_labels, data.test_labels])
    np.testing.assert_array_equal(np.bincount(labels), 500)
    images = {image.tobytes() for image in np.concatenate([data.train, data.test])}
    assert len(images) == 5000  # no image twice, so none in both parts
    np.testing.assert_array_equal(load(Path("mnist5k")).test, data.test)
    assert data.test_labels[:8].tolist() == [4, 2, 0, 9, 6, 6, 2, 1]  # what is recorded is of these


def test_labels_belong_to_their_images():
    """Ones have the least ink of all digits and zeros the most."""
    data = load("mnist5k")
    ink = [data.train[data.train_labels == digit].mean() for digit in range(10)]
    assert np.argmin(ink) == 1
    assert np.argmax(ink) == 0


def test_embedded_file_is_under_a_megabyte_and_has_its_provenance():
    folder = Path(vae_np.__file__).parent / "data"
    assert (folder / "mnist5k.npz").stat().st_size < 1_000_000
    assert "CC BY-SA 3.0" in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("x", "image_shape"),
    [
        (np.zeros((10, 4, 3), np.uint8), (4, 3)),
        (np.zeros((10, 9), np.float64), (3, 3)),
        (np.zeros((10, 100), np.float64), (10, 10)),
        (np.zeros((10, 7), np.float16), (1, 7)),
        (np.zeros((10, 7), ">f4"), (1, 7)),  # from another machine
    ],
)
@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_a_file_of_your_own(tmp_path, x, image_shape, suffix):
    path = tmp_path / f"My Own Digits{suffix}"
    np.savez(path, x=x, other=np.array([{}])) if suffix == ".npz" else np.save(path, x)
    data = load(str(path))
    assert data.train.shape == (8, x[0].size)
    assert data.test.shape == (2, x[0].size)
    assert data.train.dtype == (np.uint8 if x.dtype == np.uint8 else np.float32)
    assert data.image_shape == image_shape
    assert data.train_labels is None
    np.testing.assert_array_equal(data.mean_image, np.zeros(x[0].size))


@pytest.mark.parametrize(("n", "n_test"), [(2, 1), (5, 1), (6, 2), (11, 3)])
def test_a_fifth_of_ones_own_floats_is_held_out_and_all_stay_as_they_are(tmp_path, n, n_test):
    x = np.linspace(0, 1, 9 * n, dtype=np.float32).reshape(n, 3, 3)  # with a white that is 1
    np.save(tmp_path / "own.npy", x)
    data = load(tmp_path / "own.npy")
    assert (len(data.train), len(data.test)) == (n - n_test, n_test)
    images = np.concatenate([data.train, data.test])
    np.testing.assert_array_equal(images[np.argsort(images[:, 0])], x.reshape(n, 9))
    np.testing.assert_allclose(data.mean_image, data.train.astype(float).mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_black_and_white_images_are_not_taken_for_nearly_black(tmp_path, dtype):
    np.save(tmp_path / "bw.npy", np.eye(10, dtype=dtype))
    data = load(str(tmp_path / "bw.npy"))
    assert np.unique(data.train).tolist() == [0, 255]


@pytest.mark.parametrize("brightest", [2, 200])
def test_grey_images_of_which_some_hold_0_and_1_alone_stay_as_they_are(tmp_path, brightest):
    x = np.tile(np.eye(10, dtype=np.uint8), (50, 1))
    x[-1, 4] = brightest
    np.save(tmp_path / "grey.npy", x)
    data = load(tmp_path / "grey.npy")
    assert np.unique(np.concatenate([data.train, data.test])).tolist() == [0, 1, brightest]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.full((5, 4), 1.5),
            r" must hold finite pixels in \[0, 1\] if they are floats, got 1.5",
        ),
        (np.full((5, 4), -0.5), "got -0.5 to -0.5$"),
        (np.linspace(-1, 1, 20).reshape(5, 4), "got -1.0 to 1.0$"),
        (np.linspace(1, -1, 20).reshape(5, 4), "got -1.0 to 1.0$"),
        (np.full((5, 4), 1.0000001), "got 1.0000001 to 1.0000001$"),
        (np.full((5, 4), np.nan), "finite pixels"),
        (np.where(np.arange(2000).reshape(500, 4) == 1999, np.nan, 0.5), "got nan to nan$"),
        (np.where(np.arange(2000).reshape(500, 4) == 1999, -0.5, 0.5), "got -0.5 to 0.5$"),
        (np.where(np.arange(2000).reshape(500, 4) == 1999, 1.5, 0.5), "got 0.5 to 1.5: divide"),
        (np.full((5, 4), 255.0), "got 255.0 to 255.0"),
        (np.linspace(0, 16, 20).reshape(5, 4), "0.0 to 16.0: divide by the value of white, 16 pe"),
        (np.where(np.eye(4), np.inf, 0), "got 0.0 to inf$"),  # no shade to divide by
        (np.zeros((5, 4), int), "uint8 or float pixels, got int64"),
        (np.zeros(5), r"of shape \(N, D\) or \(N, height, width\), got \(5,\)$"),
        (np.zeros((0, 4)), r"got \(0, 4\)$"),
        (np.zeros((5, 0)), r"got \(5, 0\)$"),
        (np.zeros((5, 8, 8, 1)), r"got \(5, 8, 8, 1\)$"),
        (np.zeros((5, 2, 8, 8, 3)), r"got \(5, 2, 8, 8, 3\)$"),
        (np.ones((5, 4), np.uint16), "uint8 or float pixels, got uint16"),
        (np.ones((5, 4), complex), "uint8 or float pixels, got complex128"),
        (np.zeros((1, 4)), "at least 2 images"),
        (np.array([{}]), "holds Python objects: save images as an array of numbers"),
    ],
)
def test_bad_files_of_your_own(tmp_path, x, message):
    path = tmp_path / "own.npy"
    np.save(path, x)
    with pytest.raises(DataError, match=message):
        load(str(path))


def test_a_file_is_known_by_what_it_holds(tmp_path):
    x = np.full((10, 4, 4), 0.5)
    with open(tmp_path / "array.npz", "wb") as array, open(tmp_path / "archive.npy", "wb") as file:
        np.save(array, x)
        np.savez(file, x=x, y=np.arange(10))
    assert load(tmp_path / "array.npz").train_labels is None
    assert len(load(tmp_path / "archive.npy").train_labels) == 8


def test_a_data_set_is_known_by_its_name_whatever_lies_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist5k").mkdir()
    assert len(load("mnist5k").train) == 4000


def huge_header():
    """An array of 10³⁰ numbers, says the header."""
    file = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**30, 4)}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


NO_FILES = "digits.csv", "mnist60k", "digitsnpz"  # by their names


def test_unreadable_files(tmp_path):
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 cut short")
    np.save(tmp_path / "header.npy", np.zeros((2, 2)))
    damaged = bytearray((tmp_path / "header.npy").read_bytes())
    damaged[8] = 10  # the header's length
    (tmp_path / "header.npy").write_bytes(damaged)
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "device.npy").symlink_to(os.devnull)
    np.savez(tmp_path / "other.npz", y=np.zeros((5, 4)))
    for name, member, content in (
        ("text.npz", "x", b"no array"),
        ("huge.npz", "x.npy", huge_header()),
    ):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, content)
    np.savez(tmp_path / "labels.npz", x=np.zeros((5, 4)))
    with zipfile.ZipFile(tmp_path / "labels.npz", "a") as archive:
        archive.writestr("y", b"01234")
    for name, message in (
        ("cut.npz", "cut.npz is cut short, no NumPy file or too large"),
        ("header.npy", "header.npy is cut short, no NumPy file or too large"),
        ("empty.npy", "empty.npy is cut short, no NumPy file or too large"),
        ("other.npz", "must hold an array \"x\", got \\['y'\\]"),
        ("text.npz", '"x" in .*text.npz must be a NumPy array, got bytes'),
        ("labels.npz", '"y" in .*labels.npz must be a NumPy array, got bytes'),
        ("huge.npz", "huge.npz is cut short, no NumPy file or too large"),
        ("missing.npz", "cannot read .*missing.npz: No such file"),
        ("folder.npz", "folder.npz is not a file"),
        ("device.npy", "device.npy is not a file"),
        *((name, "data must be one of mnist5k, mnist, frey or the path") for name in NO_FILES),
    ):
        with pytest.raises(DataError, match=message) as refused:
            load(str(tmp_path / name))
        assert str(tmp_path / name) in str(refused.value)
    for name in (None, 3, np.zeros((5, 4))):
        with pytest.raises(DataError, match="data must be a name or a path, got"):
            load(name)


def test_labels_that_are_objects_are_not_called_damage(tmp_path):
    y = np.array(["cat", "dog"] * 5, object)
    np.savez(tmp_path / "own.npz", x=np.full((10, 4, 4), 0.5), y=y)
    with pytest.raises(DataError, match=r"Python objects: .*, labels as y\.astype\(str\)"):
        load(tmp_path / "own.npz")
    np.savez(tmp_path / "own.npz", x=np.full((10, 4, 4), 0.5), y=y.astype(str))
    assert set(load(tmp_path / "own.npz").train_labels) == {"cat", "dog"}


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((8, 8, 3), -1), ((8, 8, 4), -1), ((3, 8, 8), 1), ((4, 8, 8), 1), ((3, 8, 3), -1)],
)
def test_images_in_colour_are_told_how_to_become_grey(tmp_path, shape, axis):
    x = np.full((10, *shape), 200, np.uint8)
    np.save(tmp_path / "own.npy", x)
    with pytest.raises(DataError, match=rf"\); x\.mean\(axis={axis}\)\.astype"):
        load(tmp_path / "own.npy")
    np.save(tmp_path / "own.npy", x.mean(axis=axis).astype(x.dtype))
    assert load(tmp_path / "own.npy").image_shape == ((3, 8) if shape == (3, 8, 3) else (8, 8))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder of files that are taken for the downloaded ones, from the mirrors of their set."""
    mirrors = {"mnist": datasets.MNIST_MIRRORS, "frey": datasets.FREY_MIRRORS}

    def fetch(name, asked):
        folder, _, file = name.partition("/")
        assert asked == mirrors[folder]
        return tmp_path / file

    monkeypatch.setattr(datasets, "fetch", fetch)
    return tmp_path


def test_the_mirrors_are_where_the_files_were_found():
    assert (*datasets.MNIST_MIRRORS, *datasets.FREY_MIRRORS) == (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://cs.nyu.edu/~roweis/data/",
    )


def test_mnist_is_what_lies_behind_the_headers_of_its_files(files, rng):
    pixels = {part: rng.integers(0, 256, (n, 784), np.uint8) for part, n in PARTS.items()}
    labels = {part: rng.integers(0, 10, n, np.uint8) for part, n in PARTS.items()}
    for kind, n_header, content in (("images-idx3", 16, pixels), ("labels-idx1", 8, labels)):
        for part, array in content.items():
            file = gzip.compress(b"\7" * n_header + array.tobytes())
            (files / f"{part}-{kind}-ubyte.gz").write_bytes(file)
    data = load("mnist")
    assert data.image_shape == (28, 28)
    np.testing.assert_array_equal(data.train, pixels["train"])
    np.testing.assert_array_equal(data.test, pixels["t10k"])
    np.testing.assert_array_equal(data.train_labels, labels["train"])
    np.testing.assert_array_equal(data.test_labels, labels["t10k"])


def test_frey_face_is_what_lies_behind_the_header_of_its_file(files, rng):
    frames = rng.integers(0, 256, (1965, 560), np.uint8)
    file = b"\7" * 184 + frames.tobytes() + b"\7" * 8
    (files / "frey_rawface.mat").write_bytes(file)
    data = load("frey")
    assert data.image_shape == (28, 20) and data.train_labels is None
    assert (len(data.train), len(data.test)) == (1600, 365)
    read = {frame.tobytes() for frame in np.concatenate([data.train, data.test])}
    assert read == {frame.tobytes() for frame in frames}


@pytest.mark.skipif(not has_real_data("mnist"), reason="VAE_NP_DATA holds no MNIST")
def test_mnist():
    data = load("mnist")
    assert data.train.shape == (60_000, 784)
    assert data.test.shape == (10_000, 784)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    train = {image.tobytes() for image in data.train}
    embedded = load("mnist5k")
    assert all(x.tobytes() in train for x in np.concatenate([embedded.train, embedded.test]))


@pytest.mark.skipif(not has_real_data("frey"), reason="VAE_NP_DATA holds no Frey Face")
def test_frey_face():
    data = load("frey")
    assert data.train.shape == (1600, 560)
    assert data.test.shape == (365, 560)
    frames = np.concatenate([data.train, data.test]).reshape(-1, 28, 20).astype(float)
    # Neighbouring pixels of a face are alike; rows of the wrong length leave 46.
    assert np.abs(np.diff(frames, axis=1)).mean() < 25
    assert np.abs(np.diff(frames, axis=2)).mean() < 25
