"""Files with changed, missing and added bytes: one clear error, or what was written."""

import functools
import io
import tokenize
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from conftest import make_model, make_trainer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vae_np.checkpoints import DAMAGED, CheckpointError, read_checkpoint
from vae_np.datasets import DataError, load

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 2, 3)).astype(np.uint8)
LABELS = np.arange(5)
EDIT = st.one_of(
    st.tuples(st.just("change"), st.floats(0, 1), st.binary(min_size=1, max_size=3)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=30)),
    st.tuples(st.just("cut"), st.floats(0, 1), st.integers(1, 60)),
    st.tuples(st.just("end"), st.floats(0, 1), st.just(None)),
)


def mangled(test):
    checks = list(HealthCheck)
    rules = settings(max_examples=40, deadline=None, suppress_health_check=checks)
    return rules(given(st.lists(EDIT, min_size=1, max_size=3))(test))


def edited(content, edits):
    for kind, where, what in edits:
        at = int(where * len(content))
        if kind == "change":
            content = content[:at] + what + content[at + len(what) :]
        elif kind == "insert":
            content = content[:at] + what + content[at:]
        elif kind == "cut":
            content = content[:at] + content[at + what :]
        else:
            content = content[:at]
    return content


def written(save, *arrays, **named):
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


def loaded(path, content):
    """The data set, or None if one line says why there is none."""
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's own, on odd headers
        try:
            return load(path)
        except DataError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            return None


@functools.cache
def archive(compressed):
    save = np.savez_compressed if compressed else np.savez
    return written(save, x=IMAGES, y=LABELS)


def of_shape(shape):
    """An .npy file that claims this shape, in as many bytes as before."""
    old = b"(5, 2, 3), }"
    header = written(np.save, IMAGES)
    return header.replace(old + b" " * (len(shape) - 9), shape + b", }")


def encrypted():
    """An archive that claims to be, in its own entry of the first file and in the folder's."""
    whole = bytearray(archive(False))
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        whole[whole.index(signature) + flags] |= 1
    return bytes(whole)


def badly_compressed():
    whole = bytearray(archive(True))
    whole[whole.index(b"x.npy") + len(b"x.npy") + 20] = 0xFF  # after the extra field: no such block
    return bytes(whole)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (EOFError, b""),
        (MemoryError, of_shape(b"(1099511627776, 784, 9)")),
        (OverflowError, of_shape(b"(999999999999999999999, 2)")),
        (RuntimeError, encrypted()),
        (ValueError, b"no array"),
        (tokenize.TokenError, of_shape(b"(((5, 2, 3)")),
        (zipfile.BadZipFile, archive(True)[:-30]),
        (zlib.error, badly_compressed()),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_kind_of_damage_is_one_line(tmp_path, kind, content):
    path = tmp_path / "damaged.npz"
    path.write_bytes(content)
    for read, error in ((load, DataError), (read_checkpoint, CheckpointError)):
        with pytest.raises(error, match=r"damaged\.npz") as raised:
            read(path)
        assert isinstance(raised.value.__context__, kind)
        assert "\n" not in str(raised.value)
    assert kind in DAMAGED


def test_a_system_that_gives_no_reason_is_quoted(tmp_path, monkeypatch):
    """Else the reason would be None."""

    def fail(file, allow_pickle):
        raise OSError("the disk is odd")

    path = tmp_path / "whole.npz"
    path.write_bytes(archive(False))
    monkeypatch.setattr(np, "load", fail)
    for read, error in ((load, DataError), (read_checkpoint, CheckpointError)):
        with pytest.raises(error, match=r"cannot read .*whole\.npz: the disk is odd$"):
            read(path)


@mangled
def test_a_mangled_archive_is_refused_or_holds_what_was_written(tmp_path_factory, edits):
    """Its checksums know. A label array whose name was changed is gone, as if never there."""
    path = tmp_path_factory.getbasetemp() / "mangled.npz"
    for compressed in (False, True):
        right = loaded(path, archive(compressed))
        data = loaded(path, edited(archive(compressed), edits))
        if data is not None:
            np.testing.assert_array_equal(data.train, right.train)
            np.testing.assert_array_equal(data.test, right.test)
            if data.train_labels is not None:
                np.testing.assert_array_equal(data.train_labels, right.train_labels)


@mangled
def test_a_mangled_array_is_refused_or_is_images(tmp_path_factory, edits):
    """An .npy has no checksum: other pixels are other images, but never none or out of range."""
    path = tmp_path_factory.getbasetemp() / "mangled.npy"
    for images in (IMAGES, (IMAGES / 255).astype(np.float32), IMAGES > 99):
        data = loaded(path, edited(written(np.save, images), edits))
        if data is not None:
            assert len(data.train) and len(data.test)
            assert data.train.dtype in (np.uint8, np.float32)
            if data.train.dtype == np.float32:
                assert 0 <= data.train.min() and data.train.max() <= 1


@mangled
def test_a_mangled_checkpoint_is_refused_or_is_the_one_saved(tmp_path_factory, edits):
    folder = tmp_path_factory.getbasetemp()
    saved, path = make_model(), folder / "mangled_model.npz"
    for vector in saved.parameters:
        vector.value[:] = np.arange(vector.value.size)
    saved.save(folder / "whole_model.npz")
    trainer = make_trainer(IMAGES.reshape(5, 6))
    trainer.save(folder / "whole_run.npz")
    before = [vector.value.copy() for vector in trainer.model.parameters]
    for whole, own, expected in (
        ("whole_model.npz", make_model(), [vector.value for vector in saved.parameters]),
        ("whole_run.npz", trainer, before),
    ):
        path.write_bytes(edited((folder / whole).read_bytes(), edits))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                own.load(path)
            except CheckpointError as error:
                assert str(path) in str(error) and "\n" not in str(error)
                continue
        parameters = own.parameters if own is not trainer else trainer.model.parameters
        for vector, value in zip(parameters, expected, strict=True):
            np.testing.assert_array_equal(vector.value, value)
