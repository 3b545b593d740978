"""Files from mirrors: checked, kept whole or not at all, and downloaded once."""

import hashlib
import io
import os
import threading
import time
from pathlib import Path

import pooch
from tqdm import tqdm

from vae_np.checkpoints import whole_file

# Of each file, by its name: `sha256sum --check` reads them too, in the folder of the data.
SUMS = (Path(__file__).parent / "data" / "SHA256SUMS").read_text(encoding="ascii")
SHA256 = {name: digest for digest, name in map(str.split, SUMS.splitlines())}
ALTERED = "truncated or altered, its SHA-256 is wrong"
PATIENCE = 30  # seconds: the next mirror is tried where they bring fewer bytes than LEAST
LEAST = 30_000
LARGEST = 10_000_000  # bytes, a little more than the largest file: no mirror fills the memory


class DataError(ValueError):
    """Data cannot be found, downloaded or used."""


def data_folder():
    """Where downloads are kept: $VAE_NP_DATA, or the user's cache folder."""
    return Path(os.environ.get("VAE_NP_DATA") or pooch.os_cache("vae_np")).expanduser()


def fetch(name, mirrors):
    """The path of a file that has the right SHA-256, downloaded from a mirror if need be."""
    path = data_folder() / name
    problems = []
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is not a file")
        if path.exists():
            if sha256_of(path.read_bytes()) == SHA256[name]:
                return path
            raise DataError(
                f"{path} is not {name} of the data set, its SHA-256 is another: move it away, and "
                "the right one is downloaded, or let VAE_NP_DATA name another folder"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # a file in the folder's place, say
        raise DataError(f"cannot use {path} for {name}: {error.strerror or error}") from None
    for mirror in mirrors:
        url = mirror + path.name
        try:
            content = download(url)
        except OSError as error:  # no network, say
            problems.append(f"{url}: {error}")
            continue
        if sha256_of(content) != SHA256[name]:
            problems.append(f"{url}: {ALTERED}; not kept")
            continue
        with whole_file(path) as file:
            file.write(content)
        return path
    raise DataError(
        f"cannot get {name}.\n  "
        + "\n  ".join(problems)
        + f"\nTo place it by hand, download it elsewhere and save it as {path},\n"
        f"or let VAE_NP_DATA name a folder that holds {name}\n"
        f"(SHA-256 {SHA256[name]})."
    )


def sha256_of(content):
    return hashlib.sha256(content).hexdigest()


def download(url):
    """The bytes at ``url``; OSError if it does not send them, or only drop by drop.

    They are kept in memory: a download that is killed leaves no file. A thread waits for them, so
    that this one can stop waiting.
    """
    content, errors = io.BytesIO(), []

    def read():
        try:
            pooch.HTTPDownloader(timeout=PATIENCE)(url, content, None)
        except Exception as error:  # whatever it is, the next mirror may be better
            errors.append(str(error))  # the error itself would keep its connection open

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    since, before = time.monotonic(), 0
    with tqdm(desc=url.rpartition("/")[2], unit="B", unit_scale=True, disable=None) as bar:
        while reader.is_alive():
            reader.join(0.1)
            arrived = content.tell()
            bar.update(arrived - bar.n)
            if arrived > LARGEST:
                content.close()  # which ends the reader at its next bytes
                raise OSError(f"sends more than {LARGEST:,} bytes; not kept")
            if time.monotonic() - since > PATIENCE:
                if arrived - before < LEAST:
                    content.close()
                    raise TimeoutError(f"sent {arrived - before} bytes in {PATIENCE} seconds")
                since, before = time.monotonic(), arrived
        bar.update(content.tell() - bar.n)
    if errors:
        raise OSError(errors[0])
    return content.getvalue()
