"""What the page draws stays within its pictures, and is whole: borders, bars, pixels, screens."""

import numpy as np
import pytest
from browser_drawn import RECORDED, Drawn, fresh, near, recorded  # noqa: F401 - fixtures
from browser_page import SETTLED, chromium, open_once  # noqa: F401 - fixtures

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow


@pytest.fixture
def page(recorded):
    return fresh(recorded)


def test_z_is_a_dot_as_long_as_it_is_seen_and_then_an_arrow_that_turns_nothing_else(page):
    half = page.evaluate("explore.view.half_width")
    for share in ([0.985, 0.2], [-0.3, -0.985]):
        page.evaluate("(z) => explore.put_z(z)", np.multiply(half, share).tolist())
        seen = Drawn(page)
        at = seen.place("plane", seen.z)
        assert seen.dots("plane") == [(near([*at, 6.5, 0, 2 * np.pi]), "z")]
    page.evaluate("(half) => explore.put_z([half, -half])", half)
    names = [call["name"] for call in Drawn(page).calls if call["id"] == "plane"]
    arrow = names[names.index("save") :]
    assert arrow.index("rotate") < arrow.index("beginPath") < arrow.index("lineTo")
    assert arrow.index("restore") < arrow.index("drawImage")


def test_the_draws_are_all_within_their_picture_and_fill_it(page):
    page.click('#draws [value="100"]')
    page.click("#draw-z")
    seen = Drawn(page)
    w, h = seen.size["estimate"]
    across = np.array([given[0] for given, _ in seen.dots("estimate")])
    assert len(across) == 100 and 4.5 <= across.min() and across.max() <= w - 4.5
    assert np.abs(across - w / 2).max() > 0.4 * w
    exact, mean = (
        seen.of("estimate", "fillText", fill=name)[0][2] for name in ("reconstruction", "z")
    )
    assert exact < h / 2 - 10 and mean > h / 2 + 10  # above and below, wherever they are


def test_what_differs_by_little_is_drawn_where_it_is(page):
    page.evaluate("drawn.length = 0")
    page.evaluate("draw_estimate(element('estimate'), [-100.5], -100.5, -100)")
    page.evaluate("element('climb').hidden = false")
    page.evaluate("draw_climb(element('climb'), [{ value: -20 }], -20, 'log p(x)')")
    estimate, climb = page.evaluate("drawn.filter(({ name }) => name === 'arc')")
    w, h = page.evaluate("[element('estimate').clientWidth, element('climb').clientHeight]")
    assert estimate["given"][0] == near(w * (0.5 - 0.5 * 0.5 / 4))
    assert climb["given"][:2] == [8, h - 6]


HALF = """(v) => {
  const context = element("estimate").getContext("2d");
  context.font = "12px system-ui, sans-serif";
  return context.measureText(fixed(v)).width / 2;
}"""


@pytest.mark.parametrize(
    ("draws", "exact", "dots", "numbers"),
    [
        ([-130], -100, [0.5 - 0.5 / 1.15], ["start", 0.5]),
        ([-70], -100, [0.5 + 0.5 / 1.15], ["end", 0.5]),
        ([-12345.67], -100, [0.5 - 0.5 / 1.15], ["start", 0.5]),
        ([-102, -98], None, [0.25, 0.75], [0.5]),  # the mean is in the middle
        ([], -100, [], [0.5]),
        ([], None, [], []),
    ],
)
def test_draws_are_shown_around_what_is_known_and_numbers_are_whole(
    page, draws, exact, dots, numbers
):
    page.evaluate("drawn.length = 0")
    mean = np.mean(draws) if draws else None
    page.evaluate("(of) => draw_estimate(element('estimate'), ...of)", [draws, mean, exact])
    w = page.evaluate("element('estimate').clientWidth")
    of = "(called) => drawn.filter(({ name }) => name === called)"
    assert [one["given"][0] for one in page.evaluate(of, "arc")] == near([w * at for at in dots])
    said = page.evaluate(of, "fillText")
    half = page.evaluate(HALF, mean) if draws else 0
    places = {"start": half, "end": w - half, 0.5: w / 2}
    assert sorted(one["given"][1] for one in said) == near(sorted(places[at] for at in numbers))


ACCOUNTS = ((8.2, 1.3, -101), (30, 2, -80), (5, 300, -400), (2, 0.01, 12.5), (0.1, 13, -7))
ACCOUNTS += ((9, 7000, -7100), (3, 14.4, -115), (12, -0.004, -115), (72.01, 38, -403.49))
ACCOUNTS += ((3, 20, -115),)
BARS = """([kl, gap, elbo]) => {
  const box = element("bars"), log_px = elbo + gap;
  draw_bars(box, { kl, gap, elbo, log_px }, { gap: "gap" });
  const rect = (one) => {
    const { left, right, top, bottom } = one.getBoundingClientRect();
    const end = left + (parseFloat(one.style.width) / 100) * box.clientWidth;
    const cut = one.scrollWidth > one.clientWidth;
    return { left, right, top, bottom, end, text: one.textContent, color: one.style.color, cut };
  };
  const of = (name) => [...box.getElementsByClassName(name)].map(rect);
  return { box: rect(box), tick: of("tick"), label: of("label"), bar: of("bar"), rule: of("rule") };
}"""


@pytest.mark.parametrize("width", [1300, 390, 340])
@pytest.mark.parametrize("account", ACCOUNTS, ids=str)
def test_what_is_written_at_the_bars_is_whole_and_beside_what_it_names(page, account, width):
    page.set_viewport_size({"width": width, "height": 900})
    kl, gap, _ = account
    seen = page.evaluate(BARS, account)
    box = seen["box"]
    assert 4 <= len(seen["tick"]) <= 6
    middles = [(one["left"] + one["right"]) / 2 for one in seen["tick"]]
    room = 0.03 * (box["right"] - box["left"])
    assert box["left"] + room < min(middles) and max(middles) < box["right"] - room
    named = {one["text"].rpartition(" ")[0]: one for one in seen["label"]}
    for one in seen["label"]:
        assert box["left"] - 1 <= one["left"] and one["right"] <= box["right"] + 1, one["text"]
    elbo, log_px = named["ELBO"], named["log p(x)"]
    assert elbo["right"] < log_px["left"] or log_px["right"] < elbo["left"]
    for name, colour, bar in zip(("KL", "gap"), ("kl", "posterior"), seen["bar"], strict=True):
        assert not bar["cut"]
        assert bar["right"] == pytest.approx(bar["end"], abs=1)
        if not bar["text"]:  # too short for it
            assert named[name]["left"] == pytest.approx(bar["end"] + 7, abs=1)
            assert named[name]["color"] == f"var(--{colour})"
            assert bar["top"] - 1 <= named[name]["top"] < named[name]["bottom"] <= bar["bottom"] + 1
    of_kl, of_gap = (one["end"] - one["left"] for one in seen["bar"])
    assert of_gap * kl == pytest.approx(of_kl * gap, rel=0.01, abs=0.5 * max(kl, gap))
    assert max(of_kl, of_gap) > 0.07 * (box["right"] - box["left"])


def pixels_of(page, where):
    """Red, green, blue and alpha, (height, width, 4)."""
    data, *shape = page.locator(where).evaluate(
        """(canvas) => {
          const { width, height } = canvas;
          const copy = Object.assign(document.createElement("canvas"), { width, height });
          const context = copy.getContext("2d", { willReadFrequently: true });
          context.drawImage(canvas, 0, 0);
          return [[...context.getImageData(0, 0, width, height).data], height, width];
        }"""
    )
    return np.reshape(data, (*shape, 4))


def test_a_pixel_is_grey_and_covers_what_is_below(page):
    Drawn(page)
    for where in ("#x", "#mean", "#draw", "#shown", "#pad", "#digits canvas >> nth=3"):
        red, green, blue, alpha = np.moveaxis(pixels_of(page, where), -1, 0)
        assert (red == green).all() and (red == blue).all() and (alpha == 255).all()
        assert red.max() > 200 and red.min() < 30


def test_a_tap_on_the_pad_is_a_dot(page):
    page.evaluate("draw_pad(element('pad'), [[[0.4, 0.6]]])")
    pad = pixels_of(page, "#pad")
    places = ((0.4, 0.6), (0.43, 0.6), (0.4, 0.63), (0.46, 0.6))
    ink = [pad[int(b * len(pad)), int(a * len(pad)), 3] for a, b in places]
    assert ink == [255, 255, 255, 0]


def test_what_stands_still_in_the_plane_is_sharp_on_any_screen(page):
    session = page.context.new_cdp_session(page)
    screen = {"width": 1500, "height": 900, "mobile": False}
    for ratio in (2, 1):
        screen["deviceScaleFactor"] = ratio
        session.send("Emulation.setDeviceMetricsOverride", screen)
        page.wait_for_function("(ratio) => devicePixelRatio === ratio", arg=ratio)
        seen = Drawn(page)
        (scaled,) = [call for call in seen.calls if call["name"] == "scale"]
        assert scaled["given"] == [ratio, ratio]
        assert scaled["how"]["canvas"] == [ratio * side for side in seen.size["plane"]]
        for id in ("plane", "noise"):
            at = seen.place(id, seen.z if id == "plane" else seen.noise)
            assert seen.dots(id) == [(near([*at, 6.5, 0, 2 * np.pi]), "z")]
    session.send("Emulation.clearDeviceMetricsOverride")


def test_between_two_strokes_there_is_no_ink(page):
    image = page.evaluate(
        """() => [...rasterize(
          [[[0.3, 0.2], [0.3, 0.8]], [[0.6, 0.2], [0.6, 0.8]], [[0.45, 0.9]]], [28, 28])]"""
    )
    ink = np.reshape(image, (28, 28)) > 0
    assert ink[5:20, 8:20].sum(axis=1).max() <= 8 and (ink[5:20].sum(axis=1) >= 4).all()
    assert not ink[5:18, 13:15].any() and ink[20:, 13:15].any()
    tap = np.reshape(page.evaluate("[...rasterize([[[0.3, 0.8]]], [28, 28])]"), (28, 28))
    assert tap[13:15, 13:15].min() > 0.5 and tap.sum() == tap[11:17, 11:17].sum()


def test_every_picture_is_drawn_anew_in_the_colours_of_another_theme(page):
    for _ in range(2):
        page.evaluate("drawn.length = 0")
        page.click("#theme")
        page.evaluate(SETTLED)
        ids = page.evaluate(
            "drawn.map(({ id, name }) => (name === 'fillText' ? `${id} text` : id))"
        )
        # The plane's labels are on a canvas behind it, of no name.
        assert {" text", "plane", "lens", "lens text", "noise", "estimate"} <= set(ids)
        had, wanted = page.evaluate(
            """() => {
              const style = getComputedStyle(document.documentElement), wanted = {};
              for (const name in colour) wanted[name] = style.getPropertyValue(`--${name}`).trim();
              return [colour, wanted];
            }"""
        )
        assert had == wanted and len(set(had.values())) == 9
