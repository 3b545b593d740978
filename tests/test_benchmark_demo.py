"""demos/benchmark.py: that it measures what it says; its numbers are not asserted."""

import importlib.util

import pytest

from demos.benchmark import benchmark
from demos.common.findings import machine


def test_benchmark_measures_and_reports(tmp_path, capsys):
    """Two peers that are always there, one epoch of three steps each."""
    names = ("vae_np", "matrix_products")
    peers = [benchmark.Peer(name, 50, 20, 30, "cpu") for name in names]
    benchmark.take_turns(peers, 2, "testing")
    for peer in peers:
        assert peer.missing is None
        assert peer.step_ms == [1000 * seconds / 3 for seconds in peer.seconds]
        assert len(peer.seconds) == 2
        assert 1e7 < peer.peak_bytes < 1e9
    row = {
        "version": "1",
        "step_ms": 2.0,
        "step_ms_range": [1.0, 3.0],
        "times_as_fast_as_torch_eager": None,
        "vae_np_is_times_as_fast": 1.0,
        "peak_mb": 70.0,
    }
    scale = {"us_per_example": 75.0, "us_in_products": 25.0, "share_in_products": 1 / 3}
    result = {
        **machine(),
        "compare": {"rows": [{"peer": n, **row} for n in names], "share_in_products": 0.5},
        "scale": [{"batch": b, "width": 500, **scale} for b in (20, 100)],
    }
    benchmark.print_report(result)
    assert "vae_np spends 50% of a step in products." in capsys.readouterr().out
    benchmark.draw(result, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 1000


def test_a_missing_peer_says_so():
    peer = benchmark.Peer("jax_step", 20, 10, 5, "cpu") if not has_jax() else None
    if peer is None:
        pytest.skip("JAX is installed")
    peer.close()
    assert "No module named 'jax'" in peer.missing


def has_jax():
    return importlib.util.find_spec("jax") is not None


def test_ratios_are_taken_within_rounds():
    # The machine was twice as slow in the second round, for both.
    assert benchmark.median_ratio([2, 4, 2], [1, 2, 1]) == 2


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
