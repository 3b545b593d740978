"""Data: the embedded digits, MNIST, Frey Face, and files of your own.

Downloads go to the user's cache folder, or to the folder that the environment variable
VAE_NP_DATA names; files that are there already are checked and used without a network.
"""

import gzip
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vae_np.checkpoints import DAMAGED
from vae_np.downloads import DataError, fetch

NAMES = ("mnist5k", "mnist", "frey")

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FREY_MIRRORS = ("https://cs.nyu.edu/~roweis/data/",)
SPLIT_SEED = 0
FEW = 200  # training images


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in two disjoint parts.

    Attributes
    ----------
    train, test : (N, D) numpy.ndarray
        uint8 from 0 to 255, or float32 in [0, 1].
    image_shape : (height, width)
        With height · width = D.
    train_labels, test_labels : (N,) numpy.ndarray, or None
        Of int, or of what an own file has; None where the data have no labels.
    """

    train: np.ndarray
    test: np.ndarray
    image_shape: tuple
    train_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None

    @property
    def notes(self):
        """What may be a mistake in these images, a line each; a list of str."""
        notes, n_train, white = [], len(self.train), 255 if self.train.dtype == np.uint8 else 1
        largest = self.train.max()
        if largest < white / 8:
            notes.append(
                f"the pixels reach {largest:g} of {white}: the images are nearly black, and easily "
                "made probable; was another range meant? Divide by their white: floats from 0 to 1"
            )
        if self.image_shape[0] == 1 < self.train.shape[1]:
            notes.append(
                f"each row is taken as an image of 1 x {self.train.shape[1]} pixels; an image of "
                "two dimensions has three in the file: (images, height, width)"
            )
        if n_train < FEW:
            notes.append(f"{n_train} training images are few: the model may learn them by heart")
        return notes

    @property
    def mean_image(self):
        """The mean of the training images, in [0, 1]; (D,)."""
        return self.train.mean(axis=0) / (255 if self.train.dtype == np.uint8 else 1)


def load(name):
    """Load a data set.

    Parameters
    ----------
    name : str
        "mnist5k" (embedded: 5,000 digits, split 4,000/1,000), "mnist" (60,000/10,000), "frey"
        (Frey Face, split 1,600/365 at random: as frames of one film, the two parts are alike), or
        a file of your own. That is an ``.npz`` with an array ``x`` (and ``y``, a label for each
        image, if you have them) or an ``.npy``, of shape (N, height, width), or (N, D) for square
        images: uint8 from 0 to 255, float in [0, 1], or black and white (bool, or uint8 with 0 and
        1 only). A fifth of it, drawn with a fixed seed, is the test set.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If there is no such data set or file, or it cannot be downloaded or does not hold what it
        should.
    """
    if not isinstance(name, str | Path):
        raise DataError(f"data must be a name or a path, got {type(name).__name__}")
    known = {"mnist5k": _mnist5k, "mnist": _mnist, "frey": _frey}
    return known[str(name)]() if str(name) in known else _own_file(name)


def _mnist5k():
    with np.load(Path(__file__).parent / "data" / "mnist5k.npz", allow_pickle=False) as file:
        return _split(file["x"], n_test=1000, image_shape=(28, 28), labels=file["y"])


def _mnist():
    parts = []
    for part in ("train", "t10k"):
        images = _idx(fetch(f"mnist/{part}-images-idx3-ubyte.gz", MNIST_MIRRORS), offset=16)
        labels = _idx(fetch(f"mnist/{part}-labels-idx1-ubyte.gz", MNIST_MIRRORS), offset=8)
        parts.append((images.reshape(-1, 28 * 28), labels))
    (train, train_labels), (test, test_labels) = parts
    return Dataset(train, test, (28, 28), train_labels, test_labels)


def _idx(path, offset):
    """The bytes of a gzipped IDX file behind its header of ``offset`` bytes."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), dtype=np.uint8, offset=offset)


def _frey():
    # A MATLAB 5 file; its one matrix, 560 × 1965 and column-major, starts at byte 184.
    raw = fetch("frey/frey_rawface.mat", FREY_MIRRORS).read_bytes()
    frames = np.frombuffer(raw, dtype=np.uint8, offset=184, count=560 * 1965).reshape(1965, 560)
    return _split(frames, n_test=365, image_shape=(28, 20))


def _own_file(name):
    path = Path(name)
    if path.suffix not in (".npz", ".npy"):
        raise DataError(
            f"data must be one of {', '.join(NAMES)} or the path of an .npz or .npy file, got "
            f"{str(name)!r}"
        )
    x, labels = _read_arrays(path)
    x, image_shape = _as_images(x, path)
    if len(x) < 2:
        raise DataError(f"{path} must hold at least 2 images, one of them to test on, got {len(x)}")
    if labels is not None and labels.shape != (len(x),):
        raise DataError(f'"y" in {path} must hold a label for each image, got {labels.shape}')
    return _split(x, math.ceil(len(x) / 5), image_shape, labels)


def _read_arrays(path):
    """The images, and the labels where there are any."""
    try:
        if path.exists() and not path.is_file():  # a folder, or a pipe that would be waited for
            raise DataError(f"{path} is not a file")
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded, None
            if "x" not in loaded.files:
                raise DataError(f'{path} must hold an array "x", got {loaded.files}')
            arrays = {name: loaded[name] for name in ("x", "y") if name in loaded.files}
            for name, array in arrays.items():
                if not isinstance(array, np.ndarray):
                    kind = type(array).__name__
                    raise DataError(f'"{name}" in {path} must be a NumPy array, got {kind}')
            return arrays["x"], arrays.get("y")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except DataError:
        raise
    except DAMAGED as error:
        if "Object arrays" in str(error):
            how = "save images as an array of numbers, labels as y.astype(str)"
            raise DataError(f"{path} holds Python objects: {how}") from None
        kind = type(error).__name__
        raise DataError(f"{path} is cut short, no NumPy file or too large ({kind})") from None


def _as_images(x, path):
    if x.ndim not in (2, 3) or x.size == 0:
        colours = [axis for axis in (-1, 1) if x.ndim == 4 and x.shape[axis] in (3, 4)]
        how = f"; x.mean(axis={colours[0]}).astype(x.dtype) makes colours grey" if colours else ""
        raise DataError(
            f"{path} must hold images of shape (N, D) or (N, height, width), got {x.shape}{how}"
        )
    if x.dtype == bool or (x.dtype == np.uint8 and x.max() == 1):
        x = 255 * x.astype(np.uint8)  # black and white
    if x.dtype != np.uint8:
        if x.dtype.kind != "f":
            raise DataError(f"{path} must hold bool, uint8 or float pixels, got {x.dtype}")
        low, high = float(x.min()), float(x.max())
        if not (0 <= low and high <= 1):  # nor is NaN
            scaled = 0 <= low < high < math.inf
            hint = f": divide by the value of white, {high:g} perhaps" if scaled else ""
            raise DataError(
                f"{path} must hold finite pixels in [0, 1] if they are floats, got {low} to "
                f"{high}{hint}"
            )
        x = x.astype(np.float32)
    flat = x.reshape(len(x), -1)
    side = math.isqrt(flat.shape[1])
    square = (side, side) if side * side == flat.shape[1] else (1, flat.shape[1])
    return flat, x.shape[1:] if x.ndim == 3 else square


def _split(x, n_test, image_shape, labels=None):
    """Hold out ``n_test`` images, always the same ones."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(x))
    test, train = order[:n_test], order[n_test:]
    if labels is None:
        return Dataset(x[train], x[test], image_shape)
    return Dataset(x[train], x[test], image_shape, labels[train], labels[test])
