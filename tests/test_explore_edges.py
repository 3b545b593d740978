"""What the page says at the grid's edge, and how it sums and climbs there."""

import itertools

import numpy as np
import pytest
from browser_page import SETTLED, chromium, exact_of, open_once  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE, data_of, images_of
from test_explore_walk import numbers

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow


@pytest.fixture
def page(open_once):
    page = open_once(DOCS_PAGE)
    yield page
    page.context.close()


def says(page, id):
    return page.locator(f"#{id}").get_attribute("data-says")


@pytest.mark.parametrize("k", [187, 507, 996])
def test_no_elbo_is_above_log_px_where_the_grid_cuts_the_posterior_off(page, k):
    page.evaluate(f"explore.take({k})")
    page.evaluate(SETTLED)
    before = numbers(page.locator("#elbo-mine").inner_text())
    page.click("#fit")
    page.evaluate(SETTLED)
    found = page.evaluate("() => ({ ...explore.state.found, heats: 0, targets: 0, pictures: 0 })")
    rows = {name: found["rows"][name]["elbo"] for name in ("encoder", "diagonal", "full")}
    for name, elbo in rows.items():
        assert found["log_px"] - elbo > -0.02, name
    assert rows["encoder"] < rows["diagonal"] < rows["full"]
    assert found["gap"] > -0.02  # and it is known: Fit does not leave the grid
    data = data_of(DOCS_PAGE.read_text(encoding="utf-8"))
    mean, std = np.array(found["mean"]), np.exp(np.array(found["log_var"]) / 2)
    elbo = exact_of(data).account(images_of(data)[k], mean, std)[2]
    assert elbo == pytest.approx(found["log_px"] - found["gap"], abs=0.02)
    assert numbers(page.locator("#elbo-mine").inner_text()) == [pytest.approx(elbo, abs=0.02)]
    assert rows["diagonal"] > elbo - 0.02
    assert (says(page, "fit-says"), says(page, "account-says")) == ("arrived_cut", "cut")
    told = numbers(page.locator("#fit-says").inner_text())
    assert told == [*before, pytest.approx(elbo, abs=0.02)]


def test_a_fit_to_the_lower_of_two_peaks_names_the_higher_one(page):
    page.evaluate("explore.take(428)")
    page.click("#fit")
    page.evaluate(SETTLED)
    assert says(page, "fit-says") == "arrived_apart"
    own, best = numbers(page.locator("#fit-says").inner_text())
    mean, cov = page.evaluate(
        "(({ mean, cov }) => [mean, cov])(explore.state.found.rows.diagonal.q)"
    )
    data = data_of(DOCS_PAGE.read_text(encoding="utf-8"))
    std = np.sqrt([cov[0], cov[2]])
    elbo = exact_of(data).account(images_of(data)[428], np.array(mean), std)[2]
    assert best == pytest.approx(elbo, abs=0.02) and best > own + 0.1


BEYOND = """([[m, n], ...start]) => {
  const log_p = ([a, b]) => -0.5 * (((a - m) / 0.3) ** 2 + ((b - n) / 0.3) ** 2);
  const decoder = { forward: (z) => ({ log_prob: () => log_p(z) - standard_normal_log_prob(z) }) };
  const grid = new Grid(decoder, { spacing: 0.1, half: 40, log_partition: null });
  grid.look_at([]);
  const cov = [0.04, 0, 0.04];
  return [grid.best(start.map((mean) => ({ mean, cov })), false), grid.log_px()];
}"""


@pytest.mark.parametrize(("axis", "side"), [(0, 1), (0, -1), (1, 1), (1, -1)])
def test_a_climb_to_a_peak_beyond_the_grid_ends_within_it(page, axis, side):
    """The cells of a grid to ±4 end at 4.05; the target has its peak at 4.2."""
    peak, start = (side * np.roll(place, axis) for place in ([4.2, 0], [2, 1]))
    best, log_px = page.evaluate(BEYOND, [peak.tolist(), start.tolist()])
    mean, cov = np.array(best["q"]["mean"]), np.array(best["q"]["cov"])[[0, 2]]
    assert 3 < side * mean[axis] < 4.05 - 3 * cov[axis] ** 0.5
    assert mean[1 - axis] == pytest.approx(0, abs=0.05)
    square = ((mean - peak) ** 2 + cov).sum() / 0.09
    elbo = -0.5 * square + 1 + np.log(2 * np.pi) + 0.5 * np.log(cov.prod())
    assert best["elbo"] == pytest.approx(elbo, abs=0.05) and best["elbo"] < log_px
    again, _ = page.evaluate(BEYOND, [peak.tolist(), start.tolist(), [9, 9]])
    assert again["elbo"] == best["elbo"]
    assert page.evaluate(BEYOND, [peak.tolist(), [9, 9]])[0] is None


SHADES = """(center) => {
  const log_p = ([a, b]) => -0.5 * (a * a + b * b) / 0.3 ** 2;
  const decoder = { forward: (z) => ({ log_prob: () => log_p(z) - standard_normal_log_prob(z) }) };
  const grid = new Grid(decoder, { spacing: 0.1, half: 40, log_partition: null });
  grid.look_at([]);
  return [...grid.heat({ center, half_width: 1, pixels: 50 }, 1)];
}"""


@pytest.mark.parametrize("center", [(0, 0), (0.9, 0), (-0.9, 0), (0, 0.9), (0, -0.9)])
def test_a_gaussian_s_shades_are_exact_up_to_the_view_s_edges(page, center):
    found = np.reshape(page.evaluate(SHADES, center), (50, 50))
    at = (2 * np.arange(50) + 1) / 50 - 1
    square = (center[0] + at) ** 2 + (center[1] - at[:, None]) ** 2
    np.testing.assert_allclose(found, 255 * np.exp(-0.25 * square / 0.3**2), atol=1.01)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_magnification_is_as_wide_as_what_is_widest(page, axis):
    """Of q, of the posterior, and of how far the one is from the other; but no wider than 4."""
    for std, own, apart, needed in (
        (1, 0.1, 0, 3),
        (0.1, 1, 0, 3),
        (0.1, 0.1, -2, 2.3),
        (5, 5, 9, 4),
    ):
        widths = [[0.1, 0.1], [0.01, 0, 0.01], [0, 0]]
        widths[0][axis], widths[1][2 * axis], widths[2][axis] = std, own**2, apart
        width = page.evaluate(
            "([std, cov, mean]) => lens_width({ mean: [0, 0], std }, { mean, cov })", widths
        )
        assert needed <= width < 1.6 * needed and width <= 4


@pytest.mark.parametrize("height", [0, 500, -500])
def test_a_narrow_peak_beside_a_wide_one_is_summed_too(page, height):
    """It stands between the coarse points that are looked at first, whatever log p(x, z) is."""
    found, whole = page.evaluate(
        """(height) => {
          const peak = ([a, b], m, s, log) =>
            height + log - 0.5 * ((a - m) ** 2 + (b - m) ** 2) / s ** 2;
          const log_p = (z) => log_sum_exp([peak(z, 0, 0.25, 0), peak(z, 2.2, 0.025, 5)]);
          const log_prob = (z) => log_p(z) - standard_normal_log_prob(z);
          const decoder = { forward: (z) => ({ log_prob: () => log_prob(z) }) };
          const grid = new Grid(decoder, { spacing: 0.1, half: 40, log_partition: null });
          grid.look_at([]);
          const found = grid.log_px();
          grid.joint.forEach((_, g) => grid.at(g));
          return [found, grid.log_px()];
        }""",
        height,
    )
    assert found == pytest.approx(whole, abs=1e-6)


def test_at_the_grid_s_edge_a_gaussian_is_narrowed_and_keeps_its_correlation(page):
    a, b, c = page.evaluate(
        """() => new Grid(null, { spacing: 0.1, half: 40, log_partition: null })
          .within({ mean: [3.5, 0], cov: [0.5, 0.4, 0.5] }).cov"""
    )
    assert [a, c] == pytest.approx([(0.5 / 3.3) ** 2, 0.5]) and b / (a * c) ** 0.5 == pytest.approx(
        0.8
    )


@pytest.mark.parametrize("spacing", [0.1, 0.05])
def test_a_q_wider_than_its_rule_serves_on_this_grid_is_summed(page, spacing):
    by = page.evaluate(
        """(spacing) => [4.4, 4.6].map((wide) => {
          const { x, encoded } = explore.state, half = Math.round(6 / spacing);
          const grid = { spacing, half, log_partition: null };
          const mean = encoded.mean, log_var = mean.map(() => 2 * Math.log(wide * spacing));
          const question = { x, image: 1, mean, log_var, encoded: as_gaussian(encoded) };
          const others = { noise: [], beta: 1, rate: 0, view: explore.view, lens: null };
          return make_answers({ ...explore.data, grid })({ ...question, ...others }).by;
        })""",
        spacing,
    )
    assert by == ["quadrature", "grid"]


STEP = """([q, how]) => {
  const log_prob = ([a, b]) => a - 2 * b; // and so p(z|x) is N((1, −2), I)
  const decoder = { forward: (z) => ({ log_prob: () => log_prob(z) }) };
  const grid = new Grid(decoder, { spacing: 0.1, half: 60, log_partition: null });
  grid.look_at([]);
  return grid.climb(q, how);
}"""


def test_a_step_of_a_climb_is_as_long_as_its_rate(page):
    """The precision and the mean go as far as the natural gradient says, times the rate."""
    mean, cov = np.array([0.5, -1.2]), np.array([[0.2, 0.05], [0.05, 0.1]])
    kinds = itertools.product((0.1, 0.4), (False, True), (1, 4), (1, 0.02))
    for rate, full, beta, size in kinds:  # a small one is summed on a finer grid
        before = size * (cov if full else np.diag(np.diag(cov)))
        q = {"mean": mean.tolist(), "cov": before.ravel()[[0, 1, 3]].tolist()}
        found = page.evaluate(STEP, [q, {"rate": rate, "full": full, "beta": beta}])
        after = np.linalg.inv((1 - rate) * np.linalg.inv(before) + rate * np.eye(2))
        moved = mean + rate * after @ (np.array([1, -2]) / beta - mean)
        np.testing.assert_allclose(
            found["q"]["cov"], after.ravel()[[0, 1, 3]], rtol=0.01, atol=1e-4
        )
        np.testing.assert_allclose(found["q"]["mean"], moved, atol=1e-3)
        assert found["rate"] == rate


HOOK = [(0.84, 0.73), (0.9, 0.5), (0.87, 0.3), (0.79, 0.05), (0.66, 0.05), (0.45, 0.15)]


def fit(page, beta):
    page.select_option("#beta", str(beta))
    page.evaluate(SETTLED)
    page.click("#fit")
    page.evaluate(SETTLED)


def test_no_q_that_is_shown_beats_the_best_ones(page):
    """Where the grid cuts the posterior off, their search may end below where Fit does."""
    pad = page.locator("#pad").bounding_box()
    for k, place in enumerate(HOOK):
        page.mouse.move(
            *(pad[o] + v * pad["width"] for o, v in zip("xy", place, strict=True)), steps=3
        )
        if k == 0:
            page.mouse.down()
    page.mouse.up()
    page.evaluate(SETTLED)
    fit(page, 8)
    assert says(page, "fit-says") == "beta"  # and not how the ELBO has risen: it fell
    fit(page, 1)
    assert says(page, "fit-says") == "arrived_cut"
    mine, *best = (
        numbers(page.locator(f"#elbo-{row}").inner_text()) for row in ("mine", "diagonal", "full")
    )
    assert min(best) >= mine


@pytest.mark.parametrize("k", [0, 19])
def test_after_a_fit_the_handles_of_q_are_in_the_magnification(page, k):
    """A fit with another beta makes q wider than the one around which it stood."""
    page.locator("#digits button").nth(k).click()
    page.evaluate(SETTLED)
    fit(page, 8)
    places = page.evaluate(
        "Object.values(handles_of(explore.state.q)).map(placer(explore.state.lens, 1, 1))"
    )
    assert 0 < np.min(places) and np.max(places) < 1
    page.select_option("#beta", "1")
    page.evaluate("explore.put_q([5.5, 5.5], [0.1, 0.1])")
    page.evaluate(SETTLED)
    fit(page, 1)
    q, lens = page.evaluate("[[...explore.state.q.mean], explore.state.lens]")
    assert np.abs(np.subtract(q, lens["center"])).max() < lens["half_width"] < 4
