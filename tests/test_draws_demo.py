"""What a step costs with K draws: that it is measured, and that the products are a step's own."""

import types

import numpy as np
import pytest

from demos.benchmark import draws


def test_it_measures_and_draws(monkeypatch, tmp_path):
    monkeypatch.setattr(draws, "DRAWS", (1, 3))
    monkeypatch.setattr(draws, "SECONDS", 0)
    args = types.SimpleNamespace(seed=0, device="cpu", out=tmp_path)
    summary, findings = draws.experiment(args)
    for row, n_draws in zip(summary["steps"], (1, 3), strict=True):
        assert row["draws"] == n_draws
        assert 0 < row["products"] < row["ELBO"] + row["importance-weighted"]
    assert "K = 3: " in findings
    assert (tmp_path / "draws.png").stat().st_size > 10_000


@pytest.mark.parametrize("n_draws", [1, 4])
def test_the_products_are_those_of_a_step(n_draws):
    encoder = [(784, 200), (200, 200), (200, 100)]
    decoder = [(50, 200), (200, 200), (200, 784)]
    expected = []
    for rows, layers in ((100, encoder), (100 * n_draws, decoder)):
        for n_in, n_out in layers:
            expected += [(rows, n_out), (n_in, n_out)]
            if n_in != 784:
                expected.append((rows, n_in))
    results = draws.products(n_draws, np.random.default_rng(0), "cpu")()
    assert [result.shape for result in results] == expected
