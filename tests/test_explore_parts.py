"""The page's small parts: names, colours, places that are pressed, and functions of its scripts."""

import re

import numpy as np
import pytest
from browser_drawn import Drawn, fresh, recorded  # noqa: F401 - fixtures
from browser_page import SETTLED, chromium, open_once, open_page  # noqa: F401
from test_explore import DOCS_PAGE
from test_explore_looks import contrast
from test_explore_walk import numbers

from demos.page import fill

# ruff: noqa: F811 - a fixture's name as an argument
HTML = fill.PAGE.read_text("utf-8")
ROWS = {  # the number's id: its colour, and how its row begins
    "posterior-numbers": ("posterior", "p(z|x)"),
    "lens-numbers": ("q", "q(z|x)"),
    "n-reconstruction": ("reconstruction", "Eq[log p(x|z)]"),
    "n-kl": ("kl", "− KL(q(z|x) ‖ p(z))"),
    "n-gap": ("posterior", "+ KL(q(z|x) ‖ p(z|x))"),
}


@pytest.mark.parametrize("id", ROWS)
def test_a_number_has_the_name_and_the_colour_of_what_it_is(id):
    (row,) = (row for row in re.findall("<tr.*?</tr>", HTML) if f'id="{id}"' in row)
    colour, name = ROWS[id]
    assert re.sub("<[^>]+>", "", row).startswith(name)
    assert re.findall(r'<td class="(?:numbers )?(\w+)"', row) == [colour, colour]


def test_a_number_below_a_picture_has_the_colour_of_its_kind():
    for id, colour in (("log-prob", "reconstruction"), ("q-numbers", "q")):
        assert f'class="numbers {colour}" id="{id}"' in HTML


COLOURED = {  # the id, or the first words, of each element of a colour
    "q": {"q", "q(z|x)", "q(z|x), 1, 2 σ", "μ", "σ", "μ, σ", "the q shown"},
    "z": {"z", "z₁ =", "z₂ =", "z0", "z1"},
    "prior": {"prior p(z), 1, 2, 3 σ"},
    "posterior": {"p(z|x)", "posterior p(z|x)", "the posterior itself", "+ KL(q(z|x) ‖ p(z|x))"},
    "kl": {"− KL(q(z|x) ‖ p(z))", "n-kl"},
    "reconstruction": {"E", "n-reconstruction", "log-prob"},
}
COLOURED["q"] |= {"m0", "m1", "s0", "s1", "lens-numbers", "q-numbers"}
COLOURED["posterior"] |= {"posterior-numbers", "n-gap", "trouble"}


def test_what_is_written_has_the_colour_of_what_it_names():
    places = r'<\w+([^>]*) class="([^"]+)"([^>]*)>(?=(?:\s*<[^>]+>)*\s*([^<]*))'
    seen = []
    for before, classes, after, text in re.findall(places, HTML.split("<body>")[1]):
        id = re.search(r'id="([\w-]+)"', before + after)
        for name in COLOURED.keys() & classes.split():
            seen.append(id[1] if id else text)
            assert seen[-1] in COLOURED[name], name
    assert len(seen) == 42 and set(seen) == set().union(*COLOURED.values())


def test_each_part_is_named_by_its_own_heading():
    parts = re.findall(r'<section[^>]* aria-labelledby="([\w-]+)">(.*?)</section>', HTML, re.S)
    assert len(parts) == HTML.count("<section") == 9
    assert all(f'<h2 id="{heading}">' in part for heading, part in parts)


def test_no_two_buttons_open_the_same_section():
    names = fill.sections()
    assert len(names) == len(set(names))


def test_the_button_for_the_language_names_the_other_one():
    button = re.search('<button id="language">(.*?)</button>', HTML)[1]
    assert button == '<span lang="en">中文</span><span lang="zh">English</span>'


@pytest.fixture
def page(recorded):
    return fresh(recorded)


WRITTEN = """() => [...document.querySelectorAll("body *")].flatMap((one) => {
  const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || one.closest("noscript, select") || !one.checkVisibility()) return [];
  const style = getComputedStyle(one);
  let behind = one;
  while (behind && getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") {
    behind = behind.parentElement;
  }
  const line = parseFloat(style.lineHeight) / parseFloat(style.fontSize);
  return [[one.textContent, style.color, getComputedStyle(behind).backgroundColor, line]];
})"""


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_that_is_written_can_be_read(open_page, theme):
    page = open_page(DOCS_PAGE, scheme=theme)
    page.locator('#account [data-guide="elbo"]').click()
    page.evaluate(SETTLED)
    written = page.evaluate(WRITTEN)
    assert len(written) > 100
    for text, colour, behind, line in written:
        front, back = (
            np.array([int(n) for n in re.findall(r"\d+", code)][:3]) / 255
            for code in (colour, behind)
        )
        assert contrast(front, back) >= 4.5, text
        assert line >= 1.1 or np.isnan(line), text


@pytest.mark.slow
def test_things_stand_in_line(open_page):
    page = open_page(DOCS_PAGE, 1900)
    box = page.locator("main").bounding_box()
    assert box["x"] == pytest.approx(1900 - box["x"] - box["width"], abs=16)  # the scroll bar's
    ends = page.evaluate(
        """() => ["n-reconstruction", "n-kl", "n-elbo", "n-log-px"].map((id) => {
          const range = document.createRange();
          range.selectNodeContents(element(id));
          return range.getBoundingClientRect().right;
        })"""
    )
    assert np.ptp(ends) < 1  # the numbers of one column, at their last digit
    frames = page.locator("#digits button").evaluate_all(
        "all => all.map((one) => [one.ariaChecked, getComputedStyle(one).borderTopColor])"
    )
    chosen = {colour for checked, colour in frames if checked == "true"}
    others = {colour for checked, colour in frames if checked != "true"}
    assert len(chosen) == len(others) == 1 and chosen != others


@pytest.mark.slow
def test_a_press_acts_where_it_is(page):
    def press(id, a, b):
        canvas = page.locator(f"#{id}")
        width = canvas.bounding_box()["width"]
        canvas.click(position={"x": a * width, "y": b * width})  # once it stands still, in view
        page.evaluate(SETTLED)

    press("noise", 0.7, 0.2)
    noise = page.evaluate("[...explore.state.noise]")
    assert noise == pytest.approx([0.4 * 3.4, 0.6 * 3.4], abs=0.1)
    press("pad", 0.3, 0.6)
    assert page.evaluate("explore.state.strokes[0][0]") == pytest.approx([0.3, 0.6], abs=0.02)
    half = page.evaluate("explore.view.half_width")
    code = np.array(page.evaluate("() => [...float32(explore.data.codes)].slice(6, 8)"))
    page.evaluate("explore.put_z([-3, -3])")  # a press on z takes z, whatever lies below it
    press("plane", *(1 + code / half * [1, -1]) / 2)
    assert page.evaluate("[explore.state.from, explore.state.index]") == ["test", 3]
    press("lens", 0.9, 0.3)
    lens = page.evaluate("explore.state.lens")
    at = np.add(lens["center"], np.multiply(lens["half_width"], [0.8, 0.4]))
    assert page.evaluate("[...explore.state.z]") == pytest.approx(at, abs=0.02)


@pytest.mark.slow
def test_the_magnification_follows_q(page):
    page.locator("#lens").focus()
    for _ in range(70):
        page.keyboard.press("ArrowRight")
    page.evaluate(SETTLED)
    q, encoded = (page.evaluate(f"[...explore.state.{of}.mean]") for of in ("q", "encoded"))
    lens, std = page.evaluate("explore.state.lens"), page.evaluate("[...explore.state.q.std]")
    assert q[0] > encoded[0] + 0.3
    off = np.abs(np.subtract(q, lens["center"])) + 2 * np.array(std)
    assert off.max() < lens["half_width"]


@pytest.mark.slow
def test_the_elbos_that_q_ran_through_are_told_from_the_least_to_the_largest(page):
    seen = []
    for a, b in ((0.3, 0), (1, 0.5), (0.2, 0.1), (0.6, 0.1)):
        page.evaluate(
            """([a, b]) => {
              const { mean, std } = explore.state.encoded;
              explore.put_q([mean[0] + a, mean[1] + b], std);
            }""",
            [a, b],
        )
        page.evaluate(SETTLED)
        seen += numbers(page.locator("#elbo-mine").inner_text())
    said = page.locator("#account-says")
    assert said.get_attribute("data-says") == "still"
    log_px = numbers(page.locator("#n-log-px").inner_text())
    assert numbers(said.inner_text()) == [min(seen), max(seen), *log_px]


@pytest.mark.slow
def test_what_the_model_is_has_its_numbers_in_their_places(page):
    about = {"widths": [9, 8, 2], "epochs": 31, "trained_on": "mine", "spacing": 0.4}
    about |= {"count": 17, "error": 0.0126, "half": True}
    for language in ("en", "zh"):
        said = page.evaluate("([of, about]) => TEXT[of].about(about)", [language, about])
        assert numbers(said) == [9, 8, 2, 31, 0.4, 17, 0.013]
        assert "mine" in said and "A(z)" not in said  # which no Gaussian decoder has
        whole = page.evaluate("([of, d]) => TEXT[of].about(d)", [language, about | {"half": False}])
        assert [bool(re.search("half prec|半精度", one)) for one in (said, whole)] == [True, False]
    for language in ("zh", "en"):
        page.evaluate("(of) => { document.documentElement.lang = of; }", language)
        page.evaluate("dispatchEvent(new Event('resize'))")
        assert "A(z) = Σ log(1 + exp(logit))" in page.locator("#about").inner_text()


@pytest.mark.slow
def test_pixels_are_drawn_by_their_own_kind_of_noise(page):
    gaussian, uniform = (
        np.array(page.evaluate(f"() => [...new {kind}().pixel_noise(20000)]"))
        for kind in ("GaussianDecoder", "BernoulliDecoder")
    )
    assert [gaussian.mean(), gaussian.std()] == pytest.approx([0, 1], abs=0.03)
    assert np.mean(np.abs(gaussian) < 1) == pytest.approx(0.683, abs=0.015)
    assert [uniform.min(), uniform.max()] == pytest.approx([0, 1], abs=0.01)
    assert [uniform.mean(), uniform.std()] == pytest.approx([0.5, 12**-0.5], abs=0.01)


TWO_PEAKS = """([spacing, half, center]) => {
  const prior = standard_normal_log_prob;
  const peak = ([a, b], m, n, log) => log - 0.5 * ((a - m) ** 2 + (b - n) ** 2) / 0.09;
  const log_p = (z) => log_sum_exp([peak(z, -2, 1, 0), peak(z, 1.5, -0.5, 1)]); // = log p(x, z)
  const log_prob = (z) => log_p(z) - prior(z);
  const decoder = { forward: (z) => ({ log_prob: () => log_prob(z) }) };
  const grid = new Grid(decoder, { spacing, half, log_partition: null });
  grid.look_at([]);
  const view = { center, half_width: 2.5, pixels: 40 };
  const modes = grid.modes().map(({ mean, cov }) => ({ mean, cov }));
  const between = { mean: [-0.3, 0.3], cov: [0.04, 0, 0.04] };
  return { modes: modes.map(({ mean }) => mean), best: grid.best(modes, false),
    climbed: grid.best([between], false), heat: [...grid.heat(view, 1)] };
}"""


@pytest.mark.slow
def test_of_two_peaks_both_are_found_and_the_higher_is_the_best(page):
    found = page.evaluate(TWO_PEAKS, [0.1, 40, [0, 0]])
    np.testing.assert_allclose(sorted(found["modes"]), [[-2, 1], [1.5, -0.5]], atol=1e-9)
    assert found["best"]["q"]["mean"] == pytest.approx([1.5, -0.5], abs=0.01)
    assert found["best"]["elbo"] == pytest.approx(1 + np.log(2 * np.pi * 0.09), abs=0.01)
    assert found["climbed"]["elbo"] > np.log(2 * np.pi * 0.09) - 0.01  # where it is convex, too


@pytest.mark.slow
def test_a_q_is_summed_wherever_it_stands(page):
    """Of a Gaussian log p(x, z) the ELBO is known: −½ E_q[(z − m)ᵀ(z − m)] + entropy."""
    qs = [([3, -3], [0.2, 0.1, 0.3]), ([-3, 3], [0.3, 0, 0.04]), ([0.5, 0.2], [0.1, -0.05, 0.1])]
    qs += [([0.5, 0.2], [0.003, 0, 0.3]), ([0.5, 0.2], [0.3, 0, 0.003])]  # narrow on one axis
    found = page.evaluate(
        """(qs) => {
          const log_p = ([a, b]) => -0.5 * ((a - 1) ** 2 + (b + 2) ** 2);
          const log_prob = (z) => log_p(z) - standard_normal_log_prob(z);
          const decoder = { forward: (z) => ({ log_prob: () => log_prob(z) }) };
          const grid = new Grid(decoder, { spacing: 0.1, half: 60, log_partition: null });
          grid.look_at([]);
          return qs.map(([mean, cov]) => grid.expectations({ mean, cov }));
        }""",
        qs,
    )
    for (mean, (a, b, c)), of in zip(qs, found, strict=True):
        square = np.sum(np.subtract(mean, [1, -2]) ** 2) + a + c
        entropy = 1 + np.log(2 * np.pi) + 0.5 * np.log(a * c - b * b)
        assert [of["mass"], of["elbo"]] == pytest.approx([1, entropy - 0.5 * square], abs=1e-3)
        slope = np.subtract([1, -2], mean)
        np.testing.assert_allclose(of["slope"], slope, atol=0.01)
        np.testing.assert_allclose(of["curvature"], [-1, 0, -1], atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("center", [[1, 0], [3, -2], [-3.5, 2]])  # and partly beyond the grid
def test_a_picture_of_a_fine_grid_has_its_density_too(page, center):
    """The grid has 161 points on an axis, the picture 40 pixels."""
    heat = np.reshape(page.evaluate(TWO_PEAKS, [0.05, 80, center])["heat"], (40, 40))
    at = 2.5 * ((2 * np.arange(40) + 1) / 40 - 1)
    a, b = np.meshgrid(center[0] + at, center[1] - at)
    peaks = [
        log - 0.5 * ((a - m) ** 2 + (b - n) ** 2) / 0.09
        for m, n, log in ((-2, 1, 0), (1.5, -0.5, 1))
    ]
    wanted = 255 * np.exp(0.5 * (np.logaddexp(*peaks) - 1))
    assert (wanted > 25).sum() > 30
    np.testing.assert_allclose(heat, wanted, atol=3)


@pytest.mark.slow
def test_a_dash_is_not_blown_up(page):
    x = page.evaluate("() => [...rasterize([[[0.5, 0.5], [0.53, 0.5]]], [28, 28])]")
    rows, columns = np.nonzero(np.reshape(x, (28, 28)))
    assert np.ptp(rows) < 4 and np.ptp(columns) < 28 * 0.03 / 0.15 + 4


@pytest.mark.slow
def test_an_arrow_to_z_points_outwards(page):
    page.evaluate("explore.put_q([0.55, -0.8], [0.3, 0.2])")
    page.evaluate("explore.put_z([-2.9, 1.5])")
    seen = Drawn(page)
    assert seen.of("lens", "rotate")
    base, opposite, tip = sorted(seen.of("lens", "lineTo")[-3:])
    assert base[0] == opposite[0] < 0 < tip[0] and base[1] == -opposite[1] != 0 == tip[1]
