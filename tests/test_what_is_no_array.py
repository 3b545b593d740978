"""What is no plain array of numbers is refused at every door, and told how to become one."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import make_model

from vae_np import Adam, Trainer, figures
from vae_np.inference import linear_gaussian

GREY = np.linspace(0.1, 0.9, 24).reshape(4, 6)
TABLE = GREY + 0.05 * np.eye(4, 6)  # of more than one dimension, for a model of one


class Table:
    """As pandas' DataFrame: columns, and a dtype for each."""

    shape, ndim, dtypes = (4, 6), 2, [np.float64] * 6

    def to_numpy(self):
        return TABLE


def doors(model, tmp_path):
    """What takes an array from outside, images or a z for each, and returns something."""
    return [
        model.encode,
        model.as_pixels,
        model.reconstruct_mean,
        lambda z: model.decode(z[:, :3] if isinstance(z, np.ndarray) else z),
        lambda x: Trainer(model, Adam(model.parameters), x),
        lambda x: linear_gaussian.maximum_likelihood(x, 1),
        lambda x: figures.image_grid(x, (2, 3), tmp_path / "x.png", "x") or True,
    ]


class OfAFile:
    """As h5py has them: numbers in a file, with NumPy's dtype."""

    dtype, shape, ndim = TABLE.dtype, TABLE.shape, TABLE.ndim

    def __array__(self, dtype=None, copy=None):
        return TABLE.copy()


def test_what_is_no_array_is_told_how_to_become_one(tmp_path):
    sparse = SimpleNamespace(dtype=TABLE.dtype, toarray=lambda: TABLE)
    column = SimpleNamespace(dtype=TABLE.dtype, to_numpy=lambda: TABLE)  # of a table
    tensor = SimpleNamespace(dtype="torch.float64", numpy=lambda: TABLE)
    for x, way in (
        (sparse, r"\1\.toarray\(\)"),
        (Table(), r"\1\.to_numpy\(\)"),
        (column, r"\1\.to_numpy\(\)"),
        (tensor, r"\1\.numpy\(\)"),
        (OfAFile(), r"np\.asarray\(\1\)"),
    ):
        for call in doors(make_model(), tmp_path):
            with pytest.raises(
                ValueError, match=rf"^(\w+) must .* CuPy, got \w+: {way} makes one$"
            ):
                call(x)
            assert call(TABLE) is not None


@pytest.mark.parametrize("kind", [object, str, complex])
def test_an_array_of_no_numbers_is_refused_at_every_door(kind, tmp_path):
    """Labels in the images' place, above all."""
    for call in doors(make_model(), tmp_path):
        with pytest.raises(ValueError, match=r"must be a plain array of numbers, got ndarray of "):
            call(GREY.astype(kind))


def test_images_that_are_not_flat_are_told_how_to_become_rows():
    model = make_model(pixels=12)
    for shape in ((5, 2, 2, 3), (5, 3, 4)):
        x = np.full(shape, 0.5, np.float32)
        with pytest.raises(ValueError, match=r"must have shape .*: images\.reshape\(-1, 12\)"):
            model.encode(x)
        assert model.encode(x.reshape(-1, 12)).mean.shape == (5, 3)
    for shape in ((5, 8, 8, 3), (12,), (), (0, 3, 4), (3, 4)):
        with pytest.raises(ValueError, match=r"images must have shape \(N, 12\) .*\)$"):
            model.encode(np.full(shape, 0.5, np.float32))


def test_tensors_of_pytorch_are_no_arrays():
    torch, model = pytest.importorskip("torch"), make_model()
    for x in (torch.ones(4, 6), torch.ones(4, 6, dtype=torch.uint8)):
        for call in (model.encode, lambda x: Trainer(model, Adam(model.parameters), x)):
            with pytest.raises(ValueError, match="images must be an array of NumPy or CuPy, got T"):
                call(x)
