"""demos/benchmark: that it measures what it says; its numbers are not asserted."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from demos.benchmark import benchmark, on_a_gpu, our_peers, report, turns
from demos.common.machine import machine


@pytest.mark.slow
def test_benchmark_measures_and_reports(tmp_path, capsys, monkeypatch):
    """Two peers that are always there and their kin, two epochs of three steps each."""
    names = ("vae_np", "vae_np_1", "matrix_products", "matrix_products_1")
    monkeypatch.setattr(benchmark, "NAMES", {name: report.NAMES[name] for name in names})
    monkeypatch.setattr(benchmark, "BATCHES", (20,))
    monkeypatch.setattr(benchmark, "WIDTHS", (30, 40))
    assert benchmark.main(["--rounds", "1", "--examples", "50", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for name in names:
        assert report.NAMES[name] in printed
    assert machine()["products"] in printed
    png, json = sorted(tmp_path.iterdir(), reverse=True)
    assert (png.suffix, json.suffix) == (".png", ".json")
    assert png.stat().st_size > 1000


def test_a_row_has_its_ratios_to_the_floor_of_as_many_threads(monkeypatch):
    seconds = {"vae_np": 3.0, "vae_np_1": 5.0, "matrix_products": 2.0, "matrix_products_1": 4.0}

    class Peer:
        version, missing, peak_bytes = "1", None, 10**8

        def __init__(self, name, *settings):
            self.name, self.seconds, self.step_ms = name, [seconds[name]], [1.0]

    monkeypatch.setattr(benchmark, "NAMES", dict.fromkeys(seconds))
    monkeypatch.setattr(benchmark, "Peer", Peer)
    monkeypatch.setattr(benchmark, "take_turns", lambda *arguments: None)
    args = benchmark.make_parser().parse_args([])
    rows = benchmark.compare(args)
    assert rows["vae_np"]["times_the_products"] == 1.5
    assert rows["vae_np_1"]["times_the_products"] == 1.25
    assert rows["vae_np_1"]["times_as_long_as"]["matrix_products"] == 2.5


def test_on_a_gpu_every_peer_runs_at_every_size(monkeypatch, tmp_path, capsys):
    class Peer:
        version, peak_bytes = "1", 10**8

        def __init__(self, name, examples, batch, width, device):
            assert (width, device) == (500, "gpu") and examples / batch >= 100
            self.name, self.missing = name, "no jax" if name.startswith("jax") else None
            self.seconds = [3.0, 5.0, 4.0] if name == "vae_np" else [9.0, 10.0, 11.0]
            self.step_ms = [1000 * seconds * batch / examples for seconds in self.seconds]

        def close(self):
            pass

    monkeypatch.setattr(on_a_gpu, "Peer", Peer)
    monkeypatch.setattr(on_a_gpu, "take_turns", lambda *arguments, pause: None)
    monkeypatch.setattr(on_a_gpu, "gpu", lambda: {"gpu": "NVIDIA X1", "cuda": 13000})
    assert benchmark.main(["--device", "gpu", "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "benchmark_gpu_nvidia_x1.json").read_text(encoding="utf-8"))
    rows = {(row["batch"], row["peer"]): row for row in result["compare"]}
    with_torch = [name for name in on_a_gpu.NAMES if "jax" not in name]
    compiled_once = [name for name in with_torch if name != "torch_compiled"]
    assert [name for batch, name in rows if batch == 100] == with_torch
    assert [name for batch, name in rows if batch == 5000] == compiled_once
    assert rows[100, "vae_np"]["step_us"] == pytest.approx(4e6 / 600)
    assert rows[5000, "torch_eager"]["times_vae_np"] == 2.75  # of the ratios 3, 2 and 2.75
    printed = capsys.readouterr().out
    assert "left out at 1000: JAX, scanned epoch (no jax)" in printed and "NVIDIA X1" in printed
    words = [line.split() for line in printed.splitlines()]
    assert "batch µs a step range times vae_np version".split() in words
    assert "5000 PyTorch, eager 100000 90000 to 110000 2.75 x 1".split() in words


def test_our_peers_run_on_a_gpu(gpu, rng):
    images = rng.integers(0, 256, (60, 784)).astype(np.uint8)
    for peer in (our_peers.vae_np, our_peers.vae_np_plain, our_peers.matrix_products):
        version, epoch = peer(images, 5, 10, gpu)
        epoch()
        assert version


def test_what_a_gpu_does_not_have_is_refused(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert benchmark.main(["--device", "gpu"]) == 2
    assert 'device "gpu" needs CuPy' in capsys.readouterr().err
    for option in ("--beside-busy", "--cpu-time"):
        with pytest.raises(SystemExit):
            benchmark.main(["--device", "gpu", option])
        assert "--beside-busy and --cpu-time are for a CPU" in capsys.readouterr().err


def test_a_peer_times_each_epoch():
    peer = turns.Peer("vae_np_1", 60, 20, 30, "cpu")
    assert peer.missing is None
    turns.take_turns([peer], 2, "testing")
    assert peer.step_ms == [1000 * seconds / 3 for seconds in peer.seconds]
    assert len(peer.seconds) == 2
    assert 1e7 < peer.peak_bytes < 1e9


@pytest.mark.parametrize(("options", "seconds"), [([], 2.0), (["--cpu-time"], 1.0)])
def test_which_clock_counts(options, seconds, monkeypatch):
    clock = benchmark.make_parser().parse_args(options).clock
    peer = turns.Peer("vae_np_1", 60, 20, 30, "cpu", clock)
    answers = {"seconds": 2.0, "cpu_seconds": 1.0, "peak_bytes": 1}
    monkeypatch.setattr(peer, "_answer", lambda: answers)
    peer.run_epoch()
    peer.close()
    assert peer.seconds == [seconds]


def test_a_peer_that_ends_says_whose_error_it_is():
    peer = turns.Peer("vae_np_1", 60, 20, 30, "cpu")
    peer.process.kill()
    peer.process.wait()
    said = r"^the process of vae_np_1 ended; its own error is above$"
    with pytest.raises(turns.PeerError, match=said):
        peer._answer()
    peer.close()


def test_what_a_peer_lacks_is_named(gpu, monkeypatch):
    images = np.zeros((10, 784), np.uint8)
    monkeypatch.setattr(our_peers.fused, "one_pass", lambda *_: None)
    lacks = "^numba is not installed, or not for this device or so small a model$"
    with pytest.raises(ValueError, match=lacks):
        our_peers.vae_np_fast(images, 5, 10, "cpu")
    monkeypatch.setattr(our_peers, "cublas", lambda cupy: None)
    lacks = "^nvmath-python is not installed, without which nothing is recorded$"
    with pytest.raises(ValueError, match=lacks):
        our_peers.vae_np(images, 5, 10, gpu)


@pytest.mark.parametrize(("name", "module"), [("jax_step", "jax"), ("vae_np_fast", "numba")])
def test_a_missing_peer_says_so(name, module):
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{module} is installed")
    peer = turns.Peer(name, 20, 10, 5, "cpu")
    peer.close()
    assert module in peer.missing


def test_busy_processes_end_with_their_measurement():
    with turns.busy_processes(2):
        assert busy_count() == 2
    assert busy_count() == 0


def busy_count():
    time.sleep(0.1)
    listed = subprocess.run(["ps", "-eo", "ppid,args"], capture_output=True, text=True).stdout
    return sum(
        line.split(maxsplit=1)[0] == str(os.getpid()) and "while True: pass" in line
        for line in listed.splitlines()
    )


def test_a_result_is_named_after_its_processor():
    names = {
        report.file_name("cpu", name, f"{n_cores} cores")
        for n_cores, name in (
            (1, "AMD EPYC (family 25, model 17), AVX-512"),
            (2, "Intel(R) Xeon(R), AVX-512"),
        )
    }
    assert names == {
        "benchmark_cpu_amd_epyc_family_25_model_17_avx_512_1_core",
        "benchmark_cpu_intel_r_xeon_r_avx_512_2_cores",
    }
    assert machine()["processor"]


def test_ratios_are_taken_within_rounds():
    # The machine was twice as slow in the second round, for both.
    assert turns.median_ratio([2, 4, 2], [1, 2, 1]) == 2


def test_what_stops_the_benchmark_is_said_in_one_line(tmp_path, monkeypatch, capsys):
    def missing(args):
        raise benchmark.PeerError("vae_np cannot run: no GPU")

    def interrupted(args):
        raise KeyboardInterrupt

    for what, status, message in (
        (missing, 2, "benchmark.py: error: vae_np cannot run: no GPU\n"),
        (interrupted, 130, "\nInterrupted: no results were written.\n"),
    ):
        monkeypatch.setattr(benchmark, "compare", what)
        monkeypatch.chdir(tmp_path)
        assert benchmark.main([]) == status
        assert capsys.readouterr().err == message
        assert not (tmp_path / "runs" / "benchmark").exists()


def test_an_epoch_is_of_whole_minibatches_so_that_all_peers_make_the_same_steps(monkeypatch):
    for examples, batch, whole in ((12_000, 5_000, 10_000), (50, 100, 100), (300, 100, 300)):
        assert turns.whole_minibatches(examples, batch) == whole
    asked = []

    class Peer(turns.Peer):
        def __init__(self, name, examples, batch, *more):
            asked.append((examples, batch))
            self.examples, self.batch, self.seconds, self.clock = examples, batch, [1.0], "seconds"

    monkeypatch.setattr(benchmark, "Peer", Peer)
    monkeypatch.setattr(benchmark, "take_turns", lambda *of: None)
    args = SimpleNamespace(examples=12_000, rounds=1, clock="seconds")
    rows = benchmark.scale(args)
    assert all(examples % batch == 0 for examples, batch in asked) and (10_000, 5_000) in asked
    assert rows[0]["us_per_example"] == pytest.approx(1e6 / asked[0][0])
