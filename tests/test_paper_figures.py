"""The figures of the paper: that they train, save, resume and draw; small data stand for MNIST."""

import types

import numpy as np
import paper_figure_2
import pytest

from vae_np import datasets


@pytest.fixture
def small(monkeypatch, rng):
    """Two settings of each data set, and 300 images of each."""
    stripes = np.tile([[240] * 8 + [10] * 8, [10] * 8 + [240] * 8], (200, 1))
    images = (stripes + rng.integers(-9, 10, stripes.shape)).astype(np.uint8)
    data = datasets.Dataset(images[:300], images[300:], (4, 4))
    monkeypatch.setattr(paper_figure_2.datasets, "load", lambda name: data)
    settings = [
        setting
        for setting in paper_figure_2.SETTINGS
        if (setting.data, setting.n_latent) in (("mnist", 20), ("mnist", 200), ("frey", 2))
    ]
    monkeypatch.setattr(paper_figure_2, "SETTINGS", settings)
    monkeypatch.setattr(paper_figure_2, "FIRST_STEPS", 6)


def options(tmp_path, samples):
    return types.SimpleNamespace(samples=samples, seed=0, device="cpu", out=tmp_path)


@pytest.mark.slow
def test_figure_2_draws_reports_and_goes_on(small, tmp_path):
    summary, findings = paper_figure_2.experiment(options(tmp_path, 900))
    assert len(summary["settings"]) == 6
    assert "After 900 training samples, AEVB's test bound is above wake-sleep's in" in findings
    assert "of 3 settings" in findings
    for result in summary["settings"]:
        assert [point["samples"] for point in result["points"]] == [300, 600, 900]
        assert result["step_size"] in paper_figure_2.STEP_SIZES
        assert np.isfinite([point["test"] for point in result["points"]]).all()
    assert (tmp_path / "paper_figure_2.png").stat().st_size > 10_000

    longer, _ = paper_figure_2.experiment(options(tmp_path, 1800))
    for before, after in zip(summary["settings"], longer["settings"], strict=True):
        assert after["points"][:3] == before["points"]
        assert after["points"][-1]["samples"] == 1800
        assert after["step_size"] == before["step_size"]


def test_points_are_even_on_a_logarithmic_axis():
    epochs = [epoch for epoch in range(1, 10_001) if paper_figure_2.due(epoch)]
    assert epochs[:8] == [1, 2, 3, 4, 6, 7, 10, 13]
    per_decade = [sum(10**k < epoch <= 10 ** (k + 1) for epoch in epochs) for k in (1, 2, 3)]
    assert per_decade == [paper_figure_2.POINTS_PER_DECADE] * 3
