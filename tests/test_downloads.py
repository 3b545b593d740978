"""Downloads: verified, kept, and said where they cannot be had."""

import gzip
import hashlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pooch
import pytest
from tqdm import tqdm

from vae_np import datasets, downloads
from vae_np.datasets import DataError, load

DRIP = [b"x"] * 100
asked = []  # the paths, of the server below
CONTENT = gzip.compress(bytes(16) + bytes(range(100)), mtime=0)
OTHER = gzip.compress(bytes(16) + bytes(range(100, 200)), mtime=0)  # another of the data set


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A mirror on this machine; ``pages`` maps a path to what it serves, drop by drop if a list."""
    pages = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = pages.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            asked.append(self.path)
            with suppress(OSError):  # nobody reads on
                for drop in body if isinstance(body, list) else [body or b""]:
                    self.wfile.write(drop)
                    if body is not None and drop is not body:
                        time.sleep(0.1)

        def log_message(self, *args):
            """Print nothing."""

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    monkeypatch.setenv("VAE_NP_DATA", str(tmp_path / "cache"))
    for name, content in (("mnist/file.gz", CONTENT), ("mnist/other.gz", OTHER)):
        monkeypatch.setitem(downloads.SHA256, name, hashlib.sha256(content).hexdigest())
    yield f"http://127.0.0.1:{httpd.server_port}/", pages
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_download_is_verified_and_kept(server, tmp_path):
    url, pages = server
    pages["/file.gz"] = CONTENT
    path = downloads.fetch("mnist/file.gz", [url])
    assert path == tmp_path / "cache" / "mnist" / "file.gz"
    assert path.read_bytes() == CONTENT
    pages.clear()
    assert downloads.fetch("mnist/file.gz", [url]) == path  # no server is needed any more
    np.testing.assert_array_equal(datasets._idx(path, offset=16), range(100))


def test_second_mirror_is_tried(server):
    url, pages = server
    pages["/good/file.gz"] = CONTENT
    for first in (url + "missing/", "http://127.0.0.1:1/"):
        path = downloads.fetch("mnist/file.gz", [first, url + "good/"])
        assert path.read_bytes() == CONTENT
        path.unlink()


def test_what_a_mirror_answers_is_said_and_what_is_awaited_is_named(server, monkeypatch):
    url, pages = server
    pages["/file.gz"], bars = CONTENT, []

    def bar(**options):
        bars.append(options)
        return tqdm(**options)

    monkeypatch.setattr(downloads, "tqdm", bar)
    with pytest.raises(OSError, match="404"):
        downloads.download(url + "missing/file.gz")
    assert downloads.download(url + "file.gz") == CONTENT
    expected = {"desc": "file.gz", "unit": "B", "unit_scale": True, "disable": None}
    assert bars == [expected, expected]  # None: on a terminal


@pytest.mark.parametrize("body", [CONTENT[:-10], CONTENT[:-1] + b"x", b"", OTHER])
def test_truncated_or_altered_download_is_said_and_not_kept(server, tmp_path, body):
    url, pages = server
    pages["/file.gz"] = body
    said = r"(?s)truncated or altered, its SHA-256 is wrong; not kept.*by hand"
    with pytest.raises(DataError, match=said):
        downloads.fetch("mnist/file.gz", [url])
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_what_is_downloaded_goes_to_the_cache_unless_a_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("VAE_NP_DATA", raising=False)
    assert downloads.data_folder() == Path(pooch.os_cache("vae_np"))
    monkeypatch.setenv("VAE_NP_DATA", "")
    assert downloads.data_folder() == Path(pooch.os_cache("vae_np"))
    monkeypatch.setenv("VAE_NP_DATA", str(tmp_path))
    assert downloads.data_folder() == tmp_path


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("VAE_NP_DATA", "~/data")
    assert downloads.data_folder() == tmp_path / "data"


@pytest.mark.parametrize("content", [b"another", OTHER])
def test_a_file_that_is_not_ours_stays_where_it_is(server, tmp_path, content):
    """Fashion-MNIST's files, say, have the same names."""
    url, pages = server
    path = tmp_path / "cache" / "mnist" / "file.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    pages["/file.gz"] = CONTENT
    with pytest.raises(DataError, match=r"file\.gz is not mnist/file\.gz of the data set.*move it"):
        downloads.fetch("mnist/file.gz", [url])
    assert path.read_bytes() == content
    path.unlink()
    assert downloads.fetch("mnist/file.gz", [url]).read_bytes() == CONTENT


def ends(thread_count):
    """Whether the threads that read on end soon: they would fill the memory."""
    until = time.monotonic() + 3
    while threading.active_count() > thread_count and time.monotonic() < until:
        time.sleep(0.05)
    return threading.active_count() <= thread_count


def test_a_mirror_that_sends_without_end_is_left(server, monkeypatch):
    url, pages = server
    assert 9_912_422 < downloads.LARGEST < 1.1 * 9_912_422  # MNIST's largest file is no flood
    monkeypatch.setattr(downloads, "LARGEST", 3000)
    pages["/whole/file.gz"], pages["/endless/file.gz"] = [b"x" * 3000], [b"x" * 1500] * 100
    assert downloads.download(url + "whole/file.gz") == b"x" * 3000
    before = threading.active_count()
    with pytest.raises(OSError, match="sends more than 3,000 bytes; not kept"):
        downloads.download(url + "endless/file.gz")
    assert ends(before)


def test_a_mirror_that_is_too_slow_is_read_no_further(server, monkeypatch):
    url, pages = server
    monkeypatch.setattr(downloads, "PATIENCE", 0.3)
    monkeypatch.setattr(downloads, "LEAST", 10**6)
    pages["/file.gz"], before = [b"x" * 1500] * 100, threading.active_count()
    with pytest.raises(OSError, match=r"sent \d+ bytes in 0\.3 seconds"):
        downloads.download(url + "file.gz")
    assert ends(before)


def test_a_mirror_that_ceases_is_left(server, monkeypatch):
    """However much it has sent before."""
    url, pages = server
    assert (downloads.PATIENCE, downloads.LEAST) == (30, 30_000)  # 1 kB/s is no drip
    monkeypatch.setattr(downloads, "PATIENCE", 0.5)
    monkeypatch.setattr(downloads, "LEAST", 2000)
    pages["/slow/file.gz"] = [b"x" * 1500] * 9  # never so many at once, but all the time
    assert downloads.download(url + "slow/file.gz") == b"x" * 13_500
    with monkeypatch.context() as patch:
        patch.setattr(downloads, "LARGEST", 10_000)  # more than it sends while one waits
        with pytest.raises(OSError, match="sends more than 10,000 bytes; not kept"):
            downloads.download(url + "slow/file.gz")
    pages["/file.gz"] = [b"x" * 2048, *DRIP]
    with pytest.raises(OSError, match=r"sent 0 bytes in 0\.5 seconds"):
        downloads.download(url + "file.gz")
    (reader,) = (thread for thread in threading.enumerate() if "(read)" in thread.name)
    assert reader.daemon  # it may still wait: nobody waits for it


def test_a_mirror_that_only_drips_is_left_for_the_next(server, tmp_path, monkeypatch):
    url, pages = server
    monkeypatch.setattr(downloads, "PATIENCE", 0.5)
    monkeypatch.setattr(downloads, "LEAST", 20)
    pages["/good/file.gz"] = CONTENT
    pages["/drip/file.gz"] = pages["/slow/file.gz"] = DRIP
    path = downloads.fetch("mnist/file.gz", [url + "drip/", url + "good/"])
    assert path.read_bytes() == CONTENT
    path.unlink()
    with pytest.raises(DataError, match=r"drip/file.gz: sent 0 bytes in 0.5 seconds"):
        downloads.fetch("mnist/file.gz", [url + "drip/"])
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    monkeypatch.setattr(downloads, "LEAST", 0)  # slow, but not too slow: it comes to its end
    pages["/file.gz"] = [CONTENT[i : i + 20] for i in range(0, len(CONTENT), 20)]
    assert downloads.fetch("mnist/file.gz", [url]).read_bytes() == CONTENT


def test_a_connection_that_breaks_says_how(monkeypatch):
    def broken(url, file, downloader):
        file.write(CONTENT[:9])
        raise ConnectionResetError("reset by peer")

    monkeypatch.setattr(pooch, "HTTPDownloader", lambda timeout: broken)
    with pytest.raises(OSError, match=r"^reset by peer$"):
        downloads.download("http://127.0.0.1:1/file.gz")


def test_a_download_that_cannot_be_written_whole_is_not_kept(server, tmp_path, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    url, pages = server
    pages["/file.gz"] = CONTENT
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*file\.gz: No space left on device"):
        downloads.fetch("mnist/file.gz", [url])
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_download_that_is_killed_leaves_nothing(server, tmp_path, number):
    url, pages = server
    pages["/train-images-idx3-ubyte.gz"] = [b"x" * 2000] * 1000
    code = (
        "from demos.common.command_line import hear_every_stop; hear_every_stop()\n"
        "from vae_np import downloads\n"
        f"downloads.fetch('mnist/train-images-idx3-ubyte.gz', ['{url}'])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while "/train-images-idx3-ubyte.gz" not in asked and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(number)
    assert process.wait(10) != 0
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_folder_or_a_pipe_in_a_files_place_is_said(server, tmp_path, monkeypatch):
    url, _ = server
    path = tmp_path / "cache" / "mnist" / "file.gz"
    path.mkdir(parents=True)
    with pytest.raises(DataError, match=r"cannot use .*mnist/file.gz.*: it is not a file"):
        downloads.fetch("mnist/file.gz", [url])
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(DataError, match=r"cannot use .*mnist/file.gz.*: it is not a file"):
        downloads.fetch("mnist/file.gz", [url])
    monkeypatch.setenv("VAE_NP_DATA", str(tmp_path / "text"))
    (tmp_path / "text").write_text("no folder")
    with pytest.raises(DataError, match=r"cannot use .*text/mnist/file.gz.*: Not a directory"):
        downloads.fetch("mnist/file.gz", [url])


def test_no_network_says_how_to_place_the_files_by_hand(server, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "FREY_MIRRORS", ("http://127.0.0.1:1/",))
    with pytest.raises(DataError, match=r"(?s)cannot get frey/frey_rawface.mat.*by hand.*265a83a2"):
        load("frey")
