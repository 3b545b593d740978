"""What the page's parts look like while they are used: focus, hover, dialog, bars, late numbers."""

import itertools
import re

import numpy as np
import pytest
from browser_looks import SEEN, Screen, Seen, box, overlap, rgb, rows_of
from browser_page import SETTLED, chromium, open_once  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE, data_of
from test_explore_walk import numbers

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(open_once):
    return open_once(DOCS_PAGE, 1500)


@pytest.fixture
def wide(page):
    page.set_viewport_size({"width": 1500, "height": 900})
    page.evaluate(SETTLED)
    return page


def test_what_has_the_focus_has_a_ring_and_what_is_pointed_at_shows_it(wide):
    q, ink, soft = (Screen(wide, 1500).colour[name] for name in ("q", "ink", "soft"))
    rings = wide.evaluate(
        """() => [...document.querySelectorAll("button, select, canvas[tabindex]")]
          .filter((one) => one.checkVisibility() && !one.disabled).map((one) => {
            one.focus({ focusVisible: true });
            const { outlineStyle, outlineWidth: width, outlineColor, outlineOffset: offset } =
              getComputedStyle(one);
            return [outlineStyle, parseFloat(width), outlineColor, parseFloat(offset)];
          })"""
    )
    assert len(rings) > 40
    for style, width, colour, offset in rings:
        assert style == "solid" and width >= 2 and rgb(colour) == q and 0 <= offset <= 4
    looks = "(one) => [getComputedStyle(one).borderTopColor, getComputedStyle(one).color]"
    for where, k, before in (("#clear", 0, None), ("#account .why", 1, soft)):
        one = wide.locator(where).first
        assert before is None or rgb(one.evaluate(looks)[k]) == before
        assert rgb(one.evaluate(looks)[k]) != ink
        one.hover()
        assert rgb(one.evaluate(looks)[k]) == ink
    wide.mouse.move(0, 0)
    reset = Screen(wide, 1500).one("#reset")
    assert reset.disabled and reset["opacity"] == "0.6" and reset["cursor"] == "default"


DIALOG = """() => {
  const dialog = element("explanation"), { scrollTop, scrollWidth, clientWidth } = dialog;
  const button = dialog.querySelector("form button");
  const sides = ({ left, top, right, bottom }) => [left, top, right, bottom];
  const box = (one) => sides(one.getBoundingClientRect());
  const [left, top, right, bottom] = box(button), range = document.createRange();
  range.selectNodeContents(element("explanation-title"));
  const title = [...range.getClientRects()].map(sides);
  const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2).closest("button");
  return {
    box: box(dialog), close: box(button), title, scrollTop,
    wider: scrollWidth - clientWidth, view: [innerWidth, innerHeight],
    behind: getComputedStyle(dialog, "::backdrop").backgroundColor,
    hit: hit === button,
    focused: dialog.contains(document.activeElement),
  };
}"""


@pytest.mark.parametrize("width", [1500, 390])
def test_an_explanation_can_be_read_and_closed_wherever_one_is_in_it(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("element('explanation').close()")
    page.locator('#account [data-guide="why-hard"]').click()
    dialog = page.locator("#explanation")
    for end in (0, 1):
        dialog.evaluate("(one, end) => { one.scrollTop = end * one.scrollHeight; }", end)
        seen = page.evaluate(DIALOG)
        left, top, right, bottom = seen["box"]
        assert left > 0 and top > 20 and right < width and bottom < 880 and seen["focused"]
        assert right - left == pytest.approx(min(760, 0.94 * width), abs=40)
        assert left + right == pytest.approx(width, abs=20)
        assert seen["wider"] <= 0 and seen["hit"]
        close = seen["close"]
        assert top - 1 <= close[1] < top + 30 and right - 50 < close[2] <= right
        alpha = float(re.findall(r"[\d.]+", seen["behind"])[3])
        assert rgb(seen["behind"]) == [0, 0, 0] and 0.3 < alpha < 0.7
    assert seen["scrollTop"] > 100
    screen = Screen(page, width)
    one = screen.one("dialog")
    assert rgb(one["background-color"]) == screen.colour["card"]
    assert rgb(one["color"]) == screen.colour["ink"]
    assert one.px("border-top-width") == 1 and 6 < one.px("border-top-left-radius") < 14
    assert 10 <= one.px("padding-top") <= 24 and 14 <= one.px("padding-left") <= 30
    for one in screen.of("p", "in dialog"):
        assert one.px("line-height") / one.px("font-size") == pytest.approx(1.6, abs=0.05)
    for one in screen.of("pre", "in dialog"):
        assert rgb(one["background-color"]) == screen.colour["paper"]
        assert one["overflow-x"] == "auto" and one.px("padding-left") >= 6
        assert one.px("padding-top") >= 4 and one.px("border-top-left-radius") >= 3
        assert 11.5 < one.px("font-size") < 14
        assert one.px("line-height") / one.px("font-size") == pytest.approx(1.45, abs=0.1)
    math = dialog.locator(".math").evaluate_all(
        """all => all.map((one) => {
          const { overflowX, overflowY, fontSize, marginTop, marginBottom } = getComputedStyle(one);
          return [overflowX, overflowY, ...[fontSize, marginTop, marginBottom].map(parseFloat)];
        })"""
    )
    for across, down, size, *margins in math:
        assert (across, down) == ("auto", "hidden") and 15 <= size <= 18 and min(margins) >= 6
    link = dialog.locator("[data-guide]").first
    name = link.get_attribute("data-guide")
    link.click()
    seen, title = page.evaluate(DIALOG), dialog.locator("h2").inner_text()
    data = data_of(DOCS_PAGE.read_text(encoding="utf-8"))["explanations"]["en"]
    assert title == data[name]["title"] and seen["scrollTop"] == 0
    assert all(min(overlap(line, seen["close"])) < 3 for line in seen["title"])
    dialog.locator("form button").click()
    assert not dialog.is_visible()


@pytest.mark.parametrize("width", [340, 390, 1500])
def test_each_question_opens_its_own_section_which_scrolls_down_alone(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    data = data_of(DOCS_PAGE.read_text(encoding="utf-8"))["explanations"]
    for language in ("en", "zh"):
        shown = page.evaluate(
            """() => [...document.querySelectorAll("main [data-guide]")].map((one) => {
              one.click();
              const dialog = element("explanation"), { scrollWidth, clientWidth } = dialog;
              const title = element("explanation-title").innerText;
              const { length } = element("explanation-html").innerText;
              dialog.close();
              return [one.dataset.guide, title, length, scrollWidth - clientWidth];
            })"""
        )
        assert len(shown) == 12
        for name, title, length, wider in shown:
            wanted = re.sub("<[^>]+>", "", data[language][name]["title"])
            assert wanted == title.replace("\xa0", " ") and length > 500
            assert wider <= 0, name
        page.click("#language")


@pytest.mark.parametrize(("width", "columns"), [(1271, 4), (1270, 2), (761, 2), (760, 1)])
def test_down_to_a_width_the_cards_stand_side_by_side(page, width, columns):
    page.set_viewport_size({"width": width, "height": 900})
    assert len(rows_of(Screen(page, width).of(".card"))[0]) == columns
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_first_line_holds_the_name_the_hint_and_two_buttons(page):
    for width in (1500, 1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        screen = Screen(page, width)
        name, hint = screen.one("h1"), screen.one("#hint")
        language, theme = screen.one("#language"), screen.one("#theme")
        cards = screen.of(".card")
        assert name.left == pytest.approx(min(card.left for card in cards), abs=1)
        assert theme.right == pytest.approx(max(card.right for card in cards), abs=1)
        assert 2 < theme.left - language.right < 10 and name.bottom < cards[0].top
        assert 0 <= min(one.top for one in (name, language)) < 16
        middle = [(one.top + one.bottom) / 2 for one in (name, language, theme)]
        assert np.ptp(middle) < 4
        below = min(card.top for card in cards) - max(hint.bottom, theme.bottom)
        assert 4 <= below <= 14
        if width > 760:
            assert (hint.top + hint.bottom) / 2 == pytest.approx(middle[0], abs=4)
            assert name.right + 8 < hint.left < name.right + 30 and hint.right < language.left
        else:
            assert hint.top >= max(name.bottom, theme.bottom) - 1 and hint.left == name.left
            assert hint.height >= 1.9 * hint.px("line-height")
        arrow = page.evaluate(
            """() => { const { content, color } = getComputedStyle(element("hint"), "::before");
              return [content, color]; }"""
        )
        assert arrow[0] == '"▸ "' and rgb(arrow[1]) == screen.colour["q"]
        about = screen.one("footer")
        assert about.top >= max(card.bottom for card in cards) and about.px("padding-bottom") > 8
        assert about.px("padding-top") >= 6 and about.left + about.px("padding-left") == name.left


def test_the_bars_their_labels_and_the_scale_stand_where_their_numbers_say(wide):
    screen = Screen(wide, 1500)
    bars = screen.one("#bars")
    of = {name: screen.of(f".{name}") for name in ("bar", "label", "rule", "tick", "axis")}
    (axis,), rules = of["axis"], of["rule"]
    values = [numbers(one.text)[0] for one in of["tick"]]
    middles = [(one.left + one.right) / 2 for one in of["tick"]]
    slope, middle = np.polyfit(values, middles, 1)
    np.testing.assert_allclose(middles, middle + slope * np.array(values), atol=1)
    said = {one.text.rpartition(" ")[0]: one for one in of["label"] + of["bar"]}
    for word, rule in zip(("ELBO", "log p(x)"), rules, strict=True):
        value = numbers(said[word].text)[-1]
        assert rule.left == pytest.approx(middle + slope * value, abs=1) and rule.width == 1
        assert rgb(rule["background-color"]) == screen.colour["ink"]
        assert said[word].bottom <= rule.top + 4 and said[word].top >= bars.top - 1
        assert abs(min(said[word].left - rule.left, rule.left - said[word].right, key=abs)) < 6
    kl, gap = of["bar"]
    assert kl.bottom < gap.top < gap.bottom < axis.top <= min(one.top for one in of["tick"]) + 1
    assert rules[0].top < kl.top and gap.bottom < rules[0].bottom <= axis.bottom + 4
    assert max(one.bottom for one in of["tick"]) <= bars.bottom + 1 and axis.height == 1
    assert [axis.left, axis.right] == pytest.approx([bars.left, bars.right], abs=1)
    assert rgb(axis["background-color"]) == screen.colour["line"]
    for name, one in (("kl", kl), ("posterior", gap)):
        assert rgb(one["background-color"]) == screen.colour[name] and 16 <= one.height <= 24
        assert one.ink and rgb(one["color"]) == screen.colour["card"]
        assert one.left + 1 < one.ink[0][0] < one.left + 10 and one.px("border-top-left-radius") > 1
        assert one.ink[0][3] <= one.bottom + 1 and one.ink[0][1] >= one.top - 1
    for one in of["tick"]:
        assert rgb(one["color"]) == screen.colour["soft"] and one["text-align"] == "center"
    texts = [one for name in ("label", "tick", "bar") for one in of[name]]
    for a, b in itertools.combinations(texts, 2):
        across, down = overlap(a.ink[0], b.ink[0])
        assert across < 1 or down < 4, (a, b)
    assert {one["white-space"] for one in of["bar"] + of["label"]} == {"nowrap"}
    assert bars["forced-color-adjust"] == "none" and bars["overflow-x"] == "hidden"
    assert rgb(bars["background-color"]) == screen.colour["card"]
    assert rgb(bars["color"]) == screen.colour["ink"] and bars["position"] == "relative"


def test_numbers_that_are_late_fade_but_not_at_once(wide):
    at_once, later = wide.evaluate(
        """async () => {
          const account = element("account"), seen = [];
          account.setAttribute("aria-busy", "true");
          for (const wait of [60, 400]) {
            await new Promise((resolve) => setTimeout(resolve, wait));
            seen.push(Number(getComputedStyle(account).opacity));
          }
          account.setAttribute("aria-busy", "false");
          return seen;
        }"""
    )
    assert at_once == 1 and later == 0.5


def test_the_hidden_is_hidden_and_the_pad_says_what_to_do(wide):
    shown = """() => [...document.querySelectorAll("main [lang], header [lang], form [lang]")]
      .map((one) => [one.lang, getComputedStyle(one).display !== "none"])"""
    for language in ("en", "zh"):
        for its, seen in wide.evaluate(shown):
            assert seen == (its == language)
        wide.click("#language")
    states = wide.evaluate(
        """() => {
          const shown = (id) => element(id).checkVisibility();
          const kinds = [...document.querySelectorAll("[data-kind]")]
            .map((one) => [one.dataset.kind, one.checkVisibility()]);
          const [climb, trouble] = ["climb", "trouble"].map(shown);
          return { climb, trouble, kinds, fit: element("fit").innerText };
        }"""
    )
    assert not states["trouble"] and not states["climb"] and states["fit"] == "Fit q to this image"
    assert all(seen == (kind == "bernoulli") for kind, seen in states["kinds"])
    spoken = next(Seen(one) for one in wide.evaluate(SEEN) if one["id"] == "spoken")
    assert spoken.width <= 1 and spoken.height <= 1 and spoken["clip-path"] == "inset(50%)"
    assert spoken["overflow-x"] == "hidden" and spoken["position"] == "absolute"
    wide.click("#clear")
    wide.evaluate(SETTLED)
    screen = Screen(wide, 1500)
    pad, says = screen.one("#pad"), screen.one("#pad-says")
    assert says.text == "draw here" and says["pointer-events"] == "none"
    assert pad.top + pad.height / 2 < says.top and 0 < pad.bottom - says.bottom < 12
    assert says.left + says.right == pytest.approx(pad.left + pad.right, abs=2)
    assert says.width < 0.8 * pad.width and rgb(says["color"]) == [255, 255, 255]
    assert says.px("padding-left") >= 3 and says.px("border-top-left-radius") >= 3
    assert 11 < says.px("font-size") < 13 and overlap(box(pad), box(says))[0] > 20
    wide.locator("#digits button").nth(15).click()
    wide.evaluate(SETTLED)
    assert wide.locator("#pad-says").inner_text() == ""


def test_with_colours_of_one_s_own_what_is_pressed_still_shows(wide):
    wide.emulate_media(forced_colors="active")
    outlines = wide.evaluate(
        """() => [...document.querySelectorAll("[aria-pressed], [role=radio]")].map((one) => {
          one.blur();
          const { outlineStyle, outlineWidth } = getComputedStyle(one);
          return [(one.ariaPressed ?? one.ariaChecked) === "true", outlineStyle, outlineWidth];
        })"""
    )
    assert len(outlines) == 23
    for pressed, style, width in outlines:
        assert (style == "solid" and width == "2px") if pressed else style == "none"
    wide.emulate_media(forced_colors="none")


def test_the_browser_s_own_parts_follow_the_theme(wide):
    for theme in ("light", "dark"):
        assert wide.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme
        wide.click("#theme")
