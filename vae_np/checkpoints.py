"""Files that are written whole or not at all, above all checkpoints: an ``.npz`` file each."""

import json
import os
import tokenize
import uuid
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from vae_np.backend import device_of, to_device, to_numpy

FORMAT = "vae_np checkpoint 1"
DAMAGED = (  # what NumPy raises on a file that is damaged, or was never one of its own
    AttributeError,  # an .npy file where an archive is wanted: an array has no files
    EOFError,
    KeyError,
    MemoryError,  # a header that claims more numbers than there are
    OverflowError,  # a shape that no memory holds
    RuntimeError,  # an archive that claims to be encrypted, or an unknown compression
    TypeError,  # a header whose shape is no shape
    ValueError,
    tokenize.TokenError,  # a damaged header
    zipfile.BadZipFile,
    zlib.error,
)


class CheckpointError(ValueError):
    """A file is not a checkpoint, or not one that can be gone on from here."""


def file_name(path):
    """``path``, if it may be the name of a file: a number would be an open file of the process."""
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"path must be the name of a file, got {path!r}")
    return path


def is_count(number):
    """Whether ``number``, from a file, is a whole number that a float64 can hold."""
    return type(number) is int and 0 <= number <= 2**53


@contextmanager
def whole_file(path):
    """Open ``path`` to write bytes, under another name that is changed once all is written.

    A crash, a full disk or Ctrl-C on the way leaves an older file at ``path`` as it was, and two
    writers never meet: each has another name of its own. OSError, which names ``path``, if it
    cannot be written.
    """
    whole = Path(os.path.realpath(file_name(path)))  # of a link: the file that it stands for
    unfinished = whole.with_name(f"vae_np-{uuid.uuid4().hex}.part")
    try:
        if whole.exists() and not whole.is_file():
            raise OSError("it is not a file")  # and /dev/null must not become one
        with open(unfinished, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # on the disk before it takes the old one's name
        unfinished.replace(whole)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def write_checkpoint(path, about, arrays):
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : str or Path
    about : dict
        Of what JSON can hold.
    arrays : dict of str to array
        On either device.
    """
    about = as_json({"format": FORMAT, **about})
    arrays = {name: to_numpy(array) for name, array in arrays.items()}
    with whole_file(path) as file:
        np.savez(file, about=about, **arrays)


def as_json(about):
    """The dict of dicts and numbers as a text; ValueError if JSON cannot hold one of them."""
    try:
        return json.dumps(about)
    except TypeError as error:
        for name, part in about.items():
            for key, value in part.items() if isinstance(part, dict) else [(name, part)]:
                try:
                    json.dumps({key: value})
                except TypeError:
                    raise ValueError(
                        f"{name} must be what JSON can hold (None, bool, int, float, str, and "
                        f"lists and dicts of them): {key!r} is {value!r}"
                    ) from error
        raise


def read_checkpoint(path):
    """Read what `write_checkpoint` wrote: ``about`` and the arrays, as NumPy's.

    Raises
    ------
    CheckpointError
        If the file is missing, cut short, or not a checkpoint.
    """
    file_name(path)
    try:
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
        about = json.loads(str(arrays.pop("about")))
        known = about["format"] == FORMAT
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint at {path}") from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from None
    except DAMAGED as error:
        raise CheckpointError(
            f"{path} is cut short or not a vae_np checkpoint ({type(error).__name__})"
        ) from None
    if not known:
        raise CheckpointError(f'{path} is not of the format "{FORMAT}"')
    return about, arrays


def check_identity(path, theirs, ours):
    """CheckpointError, which names the first difference, unless ``theirs`` has all of ``ours``."""
    for name, own in json.loads(as_json(ours)).items():  # where a tuple becomes a list
        other = theirs.get(name) if isinstance(theirs, dict) else None
        if other != own:
            raise CheckpointError(f"{path} is of another run: its {name} is {other}, not {own}")


def copy_arrays(path, theirs, ours):
    """Copy what was read from ``path`` into arrays of our own; both are dicts by name.

    CheckpointError, before anything has changed, if one has another name, shape or dtype, or is
    not finite.
    """
    found = {name: (array.shape, array.dtype) for name, array in theirs.items()}
    if found != {name: (array.shape, array.dtype) for name, array in ours.items()}:
        raise CheckpointError(f"{path} does not hold this model's arrays")
    if not all(np.isfinite(array).all() for array in theirs.values()):
        raise CheckpointError(f"{path} holds numbers that are not finite")
    for name, array in ours.items():
        array[...] = to_device(theirs[name], device_of(array))


def load_vectors(path, vectors, identity):
    """Read parameters alone, whatever else the checkpoint holds.

    Parameters
    ----------
    path : str or Path
    vectors : dict of str to ParameterVector
        Where they go, in their own dtype.
    identity : dict
        What the checkpoint's identity must share.

    Raises
    ------
    CheckpointError
        As for `read_checkpoint`, or if it is of other networks. Nothing has changed then.
    """
    about, arrays = read_checkpoint(path)
    check_identity(path, about.get("identity"), identity)
    ours = {name: vector.value for name, vector in vectors.items()}
    theirs = {
        name: array.astype(ours[name].dtype) for name, array in arrays.items() if name in ours
    }
    copy_arrays(path, theirs, ours)
