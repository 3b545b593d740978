"""What a step costs with K draws: each number is of what it says, and the best that was seen."""

import types

import numpy as np
import pytest

from demos.benchmark import draws
from vae_np import Adam
from vae_np.objectives import ELBO, ImportanceWeighted


class Clock:
    """It advances by what is called, and by nothing else, so that no load of the machine shows."""

    def __init__(self):
        self.now = 0.0

    def process_time(self):
        return self.now

    def perf_counter(self):
        raise AssertionError("on a CPU the seconds are a core's own")

    def costs(self, function, seconds):
        def call(*given):
            self.now += seconds
            return function(*given)

        return call


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(draws, "time", clock)
    return clock


def test_each_number_is_of_what_it_says(clock, monkeypatch, tmp_path):
    products = draws.products
    monkeypatch.setattr(draws, "products", lambda n, *given: clock.costs(products(n, *given), n))
    for objective, seconds in ((ELBO, 10), (ImportanceWeighted, 20)):
        of_one = clock.costs(objective.value_and_gradient, seconds)
        monkeypatch.setattr(objective, "value_and_gradient", of_one)
    monkeypatch.setattr(Adam, "step", clock.costs(Adam.step, 5))
    monkeypatch.setattr(draws, "DRAWS", (1, 3))
    args = types.SimpleNamespace(seed=0, device="cpu", out=tmp_path)
    summary, findings = draws.experiment(args)
    assert summary["steps"] == [
        {"draws": n, "products": 1000 * n, "ELBO": 15_000, "importance-weighted": 25_000}
        for n in (1, 3)
    ]
    assert "K = 3: 15000.0, 25000.0 and 3000.0. 3 draws cost 1 times as much" in findings
    assert (tmp_path / "draws.png").stat().st_size > 10_000


def test_the_best_mean_of_a_repeat_counts(clock, monkeypatch):
    """Of calls enough to fill its time; the first call of all, which prepares, does not count."""
    monkeypatch.setattr(draws, "REPEATS", 3)
    monkeypatch.setattr(draws, "SECONDS", 4)
    seconds = iter([0.001, 3, 2, 1, 2, 1.5, 9])

    def function():
        clock.now += next(seconds)

    waited = []
    assert draws.milliseconds(function, lambda: waited.append(clock.now), "cpu") == 1500
    assert next(seconds, None) is None and len(waited) == 3 + 6


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
