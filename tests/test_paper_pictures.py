"""The pictures of the paper's experiments, drawn from what was recorded."""

import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import DEMOS
from drawn_figures import columns, curves, drawn, numbers, recorded  # noqa: F401
from matplotlib.colors import to_hex

from demos.common import plots
from demos.paper import (
    best_model_picture,
    figure_2_picture,
    figure_3_picture,
    full_bayes,
    settings,
)

# ruff: noqa: F811 - a fixture's name as an argument


BOTH = {"train": "train", "test": "test"}


def check_runs(axes, points, name, words=BOTH):
    """Each part of the points, against the samples, under its word in the legend."""
    of, lines = columns(points), curves(axes)
    for part, word in words.items():
        assert lines[f"{name}, {word}"] == [of["samples"], of[part]]


def styles(axes):
    """{label: (line, colour)} of the curves that the legend names."""
    handles, labels = axes.get_legend_handles_labels()
    lines = [handle[0] if isinstance(handle, tuple) else handle for handle in handles]
    return {
        label: (line.get_linestyle(), to_hex(line.get_color()))
        for line, label in zip(lines, labels, strict=True)
    }


def test_pictures_side_by_side_are_of_one_height(drawn):
    wide, narrow = np.zeros((20, 40)), np.zeros((20, 10))
    plots.save_tiles("tiles.png", 12, 4, {"wide": wide, "narrow": narrow}, "Two")
    drawn[0].draw_without_rendering()
    one, other = (axes.get_window_extent() for axes in drawn[0].axes)
    assert one.height == pytest.approx(other.height, rel=0.1)
    assert one.width == pytest.approx(4 * other.width, rel=0.1)


def test_full_bayes_is_drawn_by_size_and_method(drawn):
    runs = recorded("full_bayes")["runs"]
    full_bayes.draw(runs, "bayes.png")
    assert drawn[0].axes[0].get_ylabel() == "ELBO, nats per example"
    drawn[0].draw_without_rendering()
    for axes, size in zip(drawn[0].axes, (100, 1000, 4000), strict=True):
        assert axes.get_title() == f"{size:,} training digits"
        ticks = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert all(left.x1 < right.x0 for left, right in pairwise(ticks))
        mine = [run for run in runs if run["training_images"] == size]
        assert len(mine) == 3
        for run in mine:
            bayes = {"test_drawn": "test, θ drawn"} if run["method"] == "full Bayes" else {}
            check_runs(axes, run["points"], run["method"], BOTH | bayes)
    assert len(set(styles(axes).values())) == len(styles(axes)) == 7
    ends = [run["points"][-1] for run in runs if run["training_images"] == 100]
    wanted = [100, *(end["test"] for end in ends), ends[-1]["test_drawn"]]
    assert numbers(drawn[0].get_suptitle()) == pytest.approx(wanted, abs=0.051)


def test_figure_3_is_drawn_by_size_and_method(drawn):
    found = recorded("figure_3")["curves"]
    figure_3_picture.draw(found, "figure_3.png", "log p(x)")
    assert drawn[0].axes[0].get_ylabel() == "log p(x) by appendix D, nats per example"
    for axes, size in zip(drawn[0].axes, (1000, 50_000), strict=True):
        assert axes.get_title() == f"{size:,} training digits"
        assert axes.get_xscale() == "log" and "samples" in axes.get_xlabel()
        for curve in (one for one in found if one["training_images"] == size):
            check_runs(axes, curve["points"], curve["method"])
            solid, dashed = (styles(axes)[f"{curve['method']}, {k}"] for k in ("train", "test"))
            assert (solid[0], dashed[0]) == ("-", "--") and solid[1] == dashed[1]


def test_figure_2_has_each_setting_in_its_panel(drawn):
    folder = DEMOS / "results" / "figure_2"
    baselines = json.loads((folder / "summary.json").read_text("utf-8"))["without_latents"]
    records = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*_*.json"))]
    assert len(records) == 9
    figure_2_picture.draw(records, baselines, "figure_2.png")
    panels = {axes.get_title(): axes for axes in drawn[0].axes}
    ahead = 0
    for record in records:
        axes = panels[f"{settings.NAMES[record['data']]}, {record['latents']} latents"]
        for curve in record["curves"]:
            check_runs(axes, curve["points"], curve["method"])
        assert curves(axes)["without latents"][1] == [baselines[record["data"]]] * 2
        tests = {
            curve["method"]: {point["samples"]: point["test"] for point in curve["points"]}
            for curve in record["curves"]
        }
        last = max(set(tests["AEVB"]) & set(tests["wake-sleep"]))
        ahead += tests["AEVB"][last] > tests["wake-sleep"][last]
    assert numbers(drawn[0].get_suptitle()) == [ahead, 9]


def test_a_number_of_samples_is_short():
    said = [figure_2_picture.short(n) for n in (1e7, 15_000_000, 123_456, 20)]
    assert said == ["1e7", "1.5e7", "1.2e5", "2e1"]


def test_the_best_model_ends_at_its_star(drawn, tmp_path):
    found = recorded("best_model")["models"]
    args = SimpleNamespace(objective="elbo", draws=1, device="cpu", out=tmp_path)
    best_model_picture.draw(found, args)
    (axes,) = drawn[0].axes
    lines = curves(axes)
    for model in found:
        of = columns(model["curve"])
        assert lines[f"{model['setting']}, train ELBO"] == [of["epoch"], of["train_elbo"]]
        assert lines[f"{model['setting']}, test ELBO"] == [of["epoch"], of["test_elbo"]]
        star = lines[f"its test log p(x), {model['test_log_px']:.2f}"]
        assert star == [[of["epoch"][-1]], [model["test_log_px"]]]
    assert lines["1509.00519, 200 tanh: log p(x) -86.76"][1] == [-86.76, -86.76]
    assert axes.get_xlabel() == "epoch" and axes.get_ylabel() == "nats per example"
    ends = [model["test_log_px"] for model in found]
    assert numbers(drawn[0].get_suptitle()) == pytest.approx(ends, abs=0.0051)
    args.objective = "importance-weighted"
    best_model_picture.draw(found, args)
    assert f"{found[0]['setting']}, test bound" in curves(drawn[1].axes[0])
