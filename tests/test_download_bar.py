"""The bar of a download: it shows the bytes that have arrived, to the last."""

import io
import threading
import time

import pooch
from tqdm import tqdm

from vae_np import downloads


def test_the_bar_shows_how_many_bytes_have_arrived(monkeypatch):
    def sent(url, file, downloader):
        for part in (700, 200, 100):
            file.write(bytes(part))
            until = time.monotonic() + 5
            while not (bars and bars[0].n >= file.tell()) and time.monotonic() < until:
                time.sleep(0.01)

    def bar(**options):
        bars.append(tqdm(**options | {"disable": False, "file": io.StringIO()}))
        return bars[0]

    bars = []
    monkeypatch.setattr(pooch, "HTTPDownloader", lambda timeout: sent)
    monkeypatch.setattr(downloads, "tqdm", bar)
    assert downloads.download("http://127.0.0.1:1/file.gz") == bytes(1000)
    assert bars[0].n == 1000


def test_the_bar_shows_the_bytes_that_arrive_as_the_download_ends(monkeypatch):
    """Those that are written between its last look and the end of the thread that reads."""
    looked = threading.Event()

    def sent(url, file, downloader):
        file.write(bytes(700))
        readers.append(threading.current_thread())
        looked.wait(5)
        file.write(bytes(300))

    class Bar(tqdm):
        def update(self, n=1):
            super().update(n)
            if self.n == 700:
                looked.set()
                readers[0].join()

    def bar(**options):
        bars.append(Bar(**options | {"disable": False, "file": io.StringIO()}))
        return bars[0]

    readers, bars = [], []
    monkeypatch.setattr(pooch, "HTTPDownloader", lambda timeout: sent)
    monkeypatch.setattr(downloads, "tqdm", bar)
    assert downloads.download("http://127.0.0.1:1/file.gz") == bytes(1000)
    assert bars[0].n == 1000
