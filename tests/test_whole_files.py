"""A file is written whole, or the old one stays as it was."""

import json
import os
import threading

import numpy as np
import pytest
from conftest import make_model

from demos.common.command_line import write_json
from vae_np import figures
from vae_np.checkpoints import whole_file


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path):
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as raised, whole_file(path) as file:
            file.write(b"half")
            raise error
        assert [file.name for file in tmp_path.iterdir()] == ["kept"]
        assert path.read_bytes() == b"old"
        if isinstance(error, OSError):
            assert str(raised.value) == f"cannot write {path}: No space left on device"
    with whole_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
        assert len(list(tmp_path.iterdir())) == 2  # beside it: a rename stays on one disk
    assert path.read_bytes() == b"new"


def test_a_name_is_taken_as_it_is_and_loads_again(tmp_path, monkeypatch):
    """A tilde is the shell's, and the demos' options'."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~").mkdir()
    saved, loaded = make_model(), make_model()
    saved.decoder.parameters.value += 1
    for name in ("~/model.npz", "a b.c.npz", "$HOME.npz"):
        saved.save(name)
        assert (tmp_path / name).exists()
        loaded.load(name)
        np.testing.assert_array_equal(*(of.decoder.parameters.value for of in (saved, loaded)))


@pytest.mark.skipif(os.name == "nt", reason="links are for administrators there")
def test_a_link_stays_and_its_file_is_written(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "kept").write_bytes(b"old")
    (tmp_path / "link").symlink_to("disk/kept")
    with whole_file(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "kept").read_bytes() == b"new"
    assert len(list((tmp_path / "disk").iterdir())) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no mkfifo")
def test_what_is_no_file_is_not_replaced_by_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match=f"cannot write {path}: it is not a file"):
            make_model().save(path)
    assert not list(tmp_path.glob("*.part")) and (tmp_path / "pipe").is_fifo()


def test_a_picture_too_is_written_whole(tmp_path):
    with pytest.raises(OSError, match=f"cannot write {tmp_path}/missing/grid.png: No such file"):
        figures.image_grid(np.zeros((4, 6)), (2, 3), tmp_path / "missing" / "grid.png", "")


def test_a_summary_too_is_written_whole(tmp_path):
    path = tmp_path / "summary.json"
    write_json(path, {"elbo": 1})
    old = path.read_bytes()
    with pytest.raises(TypeError):
        write_json(path, {"elbo": 1j})
    assert path.read_bytes() == old and json.loads(old) == {"elbo": 1}
    with pytest.raises(OSError, match=f"cannot write {tmp_path}/missing/a.json: No such file"):
        write_json(tmp_path / "missing" / "a.json", {})


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path):
    path = tmp_path / f"{'long' * 60}.npz"
    with whole_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_two_writers_of_one_file_never_mix(tmp_path):
    """Two threads write, two read: what is read is always one writer's whole text."""
    path, texts, wrong = tmp_path / "file", [bytes([65 + i]) * 5000 for i in range(2)], []
    path.write_bytes(texts[0])
    done = threading.Event()

    def write(text):
        for _ in range(60):
            with whole_file(path) as file:
                file.write(text[:2500])
                file.write(text[2500:])

    def read():
        while not done.is_set():
            if path.read_bytes() not in texts:
                wrong.append(1)

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert not wrong
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_all_is_on_the_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_size))
    with whole_file(tmp_path / "kept") as file:
        file.write(b"new")
    assert synced == [3]
