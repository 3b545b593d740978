"""The pictures of the questions, drawn from what was recorded: each number under its name."""

import numpy as np
import pytest
from drawn_figures import columns, curves, drawn, heights, numbers, recorded  # noqa: F401
from matplotlib.colors import to_rgb

from demos.questions import (
    amortization,
    more_samples,
    signal_to_noise,
    the_gap,
    two_estimators,
    why_q,
    why_reparameterize,
)

# ruff: noqa: F811 - a fixture's name as an argument


def test_the_gap_lies_between_log_px_and_the_elbo(drawn):
    found = recorded("the_gap")
    points, best = columns(found["points"]), found["maximum_log_likelihood"]
    the_gap.draw(found["points"], best, "gap.png")
    levels, gaps = drawn[0].axes
    assert [levels.get_xlabel(), levels.get_ylabel()] == ["epoch", "nats per example"]
    epochs = points["epoch"]
    assert curves(levels)["log p(x)"] == [epochs, points["log_px"]]
    assert curves(levels)["ELBO"] == [epochs, points["elbo"]]
    assert curves(levels)["maximum likelihood"][1] == [best, best]
    filled = {tuple(at) for at in levels.collections[0].get_paths()[0].vertices}
    assert {*zip(epochs, points["elbo"]), *zip(epochs, points["log_px"])} == filled  # noqa: B905
    assert curves(gaps)["KL(q(z|x) ‖ p(z|x))"] == [epochs, points["gap"]]
    apart = np.subtract(points["log_px"], points["elbo"]).tolist()
    assert curves(gaps)["log p(x) − ELBO"] == [epochs, apart]


def test_each_image_has_a_bar_of_its_two_gaps(drawn):
    found = recorded("amortization")
    amortization.draw(found["test"], found["training"], "amortization.png")
    for axes, name in zip(drawn[0].axes, ("test", "training"), strict=True):
        of = found[name]
        assert axes.get_title() == f"100 {name} images"
        lower, upper = axes.containers
        places = [bar.get_x() + bar.get_width() / 2 for bar in lower]
        assert places == [bar.get_x() + bar.get_width() / 2 for bar in upper] == [*range(1, 101)]
        assert heights(lower) == pytest.approx([bar.get_y() for bar in upper])
        total = np.add(heights(lower), heights(upper))
        assert (np.diff(total) > -1e-9).all()
        gaps = [of[k]["of_each_image"] for k in ("approximation", "amortization")]
        pairs = zip(heights(lower), heights(upper), strict=True)
        np.testing.assert_allclose(sorted(pairs), sorted(zip(*gaps, strict=True)))
        for bars, gap in ((lower, "approximation"), (upper, "amortization")):
            said = numbers(bars.get_label())
            assert bars.get_label().startswith(gap)
            assert said == pytest.approx([of[gap]["mean"], of[gap]["standard_error"]], abs=0.0051)
    gaps = ("amortization", "approximation")
    means = [found[of][gap]["mean"] for gap in gaps for of in ("test", "training")]
    assert numbers(drawn[0].get_suptitle()) == pytest.approx(means, abs=0.0051)


def test_the_two_estimators_have_their_variances_under_their_names(drawn):
    found = recorded("two_estimators")
    points, ratios = found["points"], found["variance_ratios_A_over_B"]
    start, middle, end = points[:3], points[3:-3], points[-3:]
    history = [start[0], *middle, end[0]]
    two_estimators.draw(start, end, history, ratios, "two.png")
    *panels, over_time = drawn[0].axes
    for axes, what in zip(panels, ("gradient", "value"), strict=True):
        assert what in axes.get_title()
        for when, some in (("start", start), ("trained", end)):
            for name in "AB":
                variances = [point[f"{what}_variance_{name}"] for point in some]
                assert curves(axes)[f"SGVB-{name}, {when}"] == [[1, 5, 25], variances]
        ratio = [p[f"{what}_variance_A"] / p[f"{what}_variance_B"] for p in history]
        assert curves(over_time)[what] == [[p["epoch"] for p in history], ratio]
    assert curves(over_time)["no difference"][1] == [1, 1]
    wanted = [ratios[f"{of}_{when}"] for of in ("gradient", "value") for when in ("start", "end")]
    assert numbers(drawn[0].get_suptitle()) == pytest.approx(wanted, abs=0.0051)


def test_reparameterization_and_the_score_function_keep_their_colours_and_numbers(drawn):
    found = recorded("why_reparameterize")
    start, end, ratios, histories = (
        found[key] for key in ("start", "end", "variance_ratios", "histories")
    )
    why_reparameterize.draw(start, end, ratios, histories, "why.png")
    variances, learned = drawn[0].axes
    assert len(variances.containers) == len(histories) == 3
    for bars in variances.containers:
        name = bars.get_label()
        assert heights(bars) == [start[name]["variance"], end[name]["variance"]]
        assert [round(bar.get_x() + bar.get_width() / 2) for bar in bars] == [0, 1]
        history, rate = columns(histories[name]), found["learning_rates"][name]
        line = curves(learned)[f"{name}, learning rate {rate:g}"]
        assert line == [history["epoch"], history["test_elbo"]]
        own = [each for each in learned.get_lines() if each.get_ydata().tolist() == line[1]]
        assert to_rgb(own[0].get_color()) == bars[0].get_facecolor()[:3]
    assert [text.get_text() for text in variances.get_xticklabels()] == ["at the start", "trained"]
    said = [numbers(text.get_text().replace(",", ""))[0] for text in variances.texts]
    wanted = [*ratios["score function, baseline"], *ratios["score function"]]
    np.testing.assert_allclose(said, wanted, rtol=0.06)


def test_more_draws_and_more_steps_stand_in_their_own_rows(drawn):
    found = recorded("more_samples")
    runs, gains = found["runs"], found["gains_over_one_draw"]
    more_samples.draw(runs, gains, "more.png")
    nats, time = drawn[0].axes
    of, rows = columns(list(runs.values())), list(runs)
    assert curves(nats)["ELBO"] == [of["elbo"], rows]
    assert curves(nats)["log p(x)"] == [of["log_px"], rows]
    gaps = [line[:, 0].tolist() for line in nats.collections[0].get_segments()]
    assert gaps == [list(pair) for pair in zip(of["elbo"], of["log_px"], strict=True)]
    assert [bar.get_width() for bar in time.containers[0]] == of["seconds"]
    said = numbers(drawn[0].get_suptitle())
    wanted = [gains["L = 50"], gains["importance-weighted, K = 50"], list(gains.values())[-1]]
    assert [said[k] for k in (3, 5, 8)] == pytest.approx(wanted, abs=0.051)
    assert said[0] == next(iter(runs.values()))["steps"]


def test_the_signal_is_each_gradient_s_own(drawn):
    found = recorded("signal_to_noise")
    signal_to_noise.draw(found["gradients"], found["runs"], "signal.png")
    *panels, gains = drawn[0].axes
    for axes, (where, measured) in zip(panels, found["gradients"].items(), strict=True):
        assert axes.get_title().replace("\n", " ").lower() == where.lower()
        ratios = [[found["draws"], of["ratio"]] for of in measured.values()]
        assert [line.get_ydata().tolist() for line in axes.get_lines()] == [r for _, r in ratios]
        for label, line in curves(axes).items():
            assert line == [found["draws"], measured[label.removeprefix("encoder, ")]["ratio"]]
    of = columns(list(found["runs"].values()))
    assert curves(gains)["ELBO"][0] == of["elbo"] and curves(gains)["log p(x)"][0] == of["log_px"]


def test_estimates_through_q_and_from_the_prior_are_measured_from_the_reference(drawn):
    found = recorded("why_q")
    two, twenty = found["two_latents"], found["twenty_latents"]
    why_q.draw(two, twenty, "why_q.png")
    ways = {"z from q(z|x)": "q", "z from the prior": "prior", "half from each": "both"}
    for axes, of in zip(drawn[0].axes, (two, twenty), strict=True):
        assert numbers(axes.get_title()) == [
            of["latents"],
            pytest.approx(of["reference"], abs=0.051),
        ]
        containers = {bars.get_label(): bars for bars in axes.containers}
        for label, way in ways.items():
            points = of[way]["points"]
            samples, log_px, errors = (
                [p[key] or 0 for p in points] for key in ("samples", "log_px", "standard_error")
            )
            off = np.subtract(log_px, of["reference"])
            assert curves(axes)[label] == [samples, off.tolist()]
            bars = containers[label][2][0].get_segments()
            np.testing.assert_allclose([b[1, 1] - b[0, 1] for b in bars], np.multiply(4, errors))
    assert curves(axes)["log p(x)"][1] == [0, 0]
    last = twenty["prior"]["points"][-1]
    wanted = [last["log_px"] - twenty["reference"], 2 * last["standard_error"]]
    assert numbers(axes.texts[0].get_text()) == pytest.approx(wanted, abs=0.051)
