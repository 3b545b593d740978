"""Pages of other models: without labels, with words for labels, of images that are no squares."""

import base64

import numpy as np
import pytest
from browser_drawn import RECORDED, Drawn, hue
from browser_page import SETTLED, chromium, open_once, page_of_stripes  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE, data_of
from test_explore_hands import Hands

from demos.page import fill

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow
WORDS = "zero one two three four five six seven eight nine".split()


@pytest.fixture
def changed(open_once, tmp_path):
    """The page of the docs with other data: its codes are this times as far out."""
    data = data_of(DOCS_PAGE.read_text(encoding="utf-8"))
    codes = np.frombuffer(base64.b64decode(data["codes"]), np.float32)

    def open_page(factor, **other):
        data.update(other, codes=fill.base64_of(factor * codes, np.float32))
        path = tmp_path / "page.html"
        path.write_text(fill.fill_template(data), encoding="utf-8")
        return open_once(path, 1500, script=RECORDED)

    return open_page


def plane_s(seen, name):
    return [call for call in seen.calls if call["name"] == name and call["id"] in ("", "lens")]


def test_without_labels_images_have_numbers_and_codes_are_dots(changed):
    page = changed(4, labels=None, label_names=None)
    labels = page.locator("#digits button").evaluate_all("all => all.map((one) => one.ariaLabel)")
    assert labels == [f"test image {k}" for k in range(1, 21)]
    assert page.locator("#x").get_attribute("aria-label") == "The image x: test image 16"
    assert page.evaluate("explore.view.half_width") == 6  # no further than the grid
    seen = Drawn(page)
    assert plane_s(seen, "fillText") == []
    dots = [call for call in plane_s(seen, "fillRect") if call["given"][2] in (6, 2.5)]
    sizes = [call["given"][2] for call in dots]
    assert 5 < sizes.count(6) <= 2 * 20  # the offered ones, in the plane and in the lens
    assert len(dots) > 400 and {round(hue(call["fill"]), 2) for call in dots} == {0.61}
    Hands(page).keys("plane", "n")
    label = page.locator("#plane").get_attribute("aria-label")
    k = page.evaluate("explore.state.code") + 1
    assert label == f"Code of test image {k}: Enter takes it."
    page.evaluate("element('language').click()")
    page.evaluate(SETTLED)
    label = page.locator("#plane").get_attribute("aria-label")
    assert label == f"测试图像 {k}的编码：按回车选中它。"


def test_labels_may_be_words_which_the_plane_shortens(changed):
    page = changed(0.5, label_names=WORDS, start=3)
    said = {call["given"][0] for call in plane_s(Drawn(page), "fillText")}
    assert len(said) > 4 and said <= {word[:3] for word in WORDS}
    assert page.locator("#digits button").nth(6).get_attribute("aria-label").endswith(", a three")
    label = page.locator("#x").get_attribute("aria-label")
    assert label == "The image x: test image 4, a one"  # with which this page opens
    assert page.evaluate("explore.view.half_width") == pytest.approx(3.3)  # the prior's circles


def test_an_eleventh_label_has_the_colour_of_the_first(changed):
    labels = fill.base64_of(np.arange(2000) % 11, np.uint8)
    page = changed(1, labels=labels, label_names=[f"k{k}" for k in range(11)])
    hues = {}
    for call in plane_s(Drawn(page), "fillText"):
        hues.setdefault(call["given"][0], set()).add(round(hue(call["fill"]), 2))
    assert len(hues) == 11 and len(hues["k0"]) == 1
    assert hues["k10"] == hues["k0"] != hues["k9"] != hues["k1"]


@pytest.mark.parametrize("decoder", ["bernoulli", "gaussian"])
def test_a_page_of_images_that_are_no_squares_with_either_decoder(
    open_once, tmp_path, rng, decoder
):
    """They are 12 pixels high and 8 wide."""
    page = open_once(page_of_stripes(tmp_path, rng, decoder), 1500, script=RECORDED)
    boxes = page.locator("canvas.pixels, #pad, #digits canvas").evaluate_all(
        "all => all.map((one) => one.clientHeight / one.clientWidth)"
    )
    assert len(boxes) > 15 and boxes == pytest.approx([1.5] * len(boxes), rel=0.03)
    page.evaluate("explore.change({ code: 2 })")
    seen = Drawn(page)
    insets = [
        (w, h) for id, *_, w, h in seen.of("plane", "drawImage") if h != seen.size["plane"][1]
    ]
    assert len(insets) == 2
    assert [w / h for w, h in insets] == pytest.approx([8 / 12] * 2)
    assert max(insets[0]) == pytest.approx(0.18 * seen.size["plane"][0]) and max(insets[1]) == 60
    kinds = page.locator("[data-kind]").evaluate_all(
        "all => all.filter((one) => one.checkVisibility()).map((one) => one.dataset.kind)"
    )
    assert len(kinds) > 1 and set(kinds) == {decoder}
    w, h = page.evaluate("[element('pad').clientWidth, element('pad').clientHeight]")
    page.locator("#pad").click(position={"x": 0.3 * w, "y": 0.8 * h})
    page.evaluate(SETTLED)
    at = page.evaluate("drawn.findLast(({ id, name }) => id === 'pad' && name === 'lineTo').given")
    assert at == pytest.approx([0.3 * w, 0.8 * h], abs=1)
    if decoder == "gaussian":
        said = [page.locator("[data-kind=gaussian]").nth(k).inner_text() for k in range(3)]
        assert said == [
            "p(x) is a density here: its logarithm may be positive.",
            "appendix C.2",
            "The decoder returns the mean of each pixel, and its σ: the parameters of p(x|z). "
            "Here is the mean.",
        ]
        # Its account takes longer: meanwhile none is shown.
        says = page.evaluate(
            """async () => {
              explore.take(5);
              await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
              return ["fit-says", "account-says"].map((id) => element(id).dataset.says);
            }"""
        )
        assert says == ["waiting", "waiting"]
    page.evaluate(SETTLED)
