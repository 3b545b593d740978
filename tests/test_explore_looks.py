"""The page for everyone: small and large screens, both languages, keys, fingers, no worker."""

import base64
import colorsys
import re

import numpy as np
import pytest
from browser_page import SETTLED, chromium, open_page  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE, data_of
from test_explore_walk import numbers

from demos.page import fill

# ruff: noqa: F811 - a fixture's name as an argument


@pytest.mark.slow
def test_z_follows_the_keys_and_the_pointer(open_page):
    page = open_page(DOCS_PAGE)
    z = "() => [...explore.state.z]"
    page.locator("#plane").focus()
    page.keyboard.press("Home")
    start = np.array(page.evaluate(z))
    np.testing.assert_allclose(start, page.evaluate("() => [...explore.state.q.mean]"), atol=1e-9)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowDown")
    np.testing.assert_allclose(np.array(page.evaluate(z)) - start, [0.1, 0.09], atol=1e-9)
    page.evaluate(SETTLED)
    before = page.locator("#plane").get_attribute("aria-label")

    box, half = page.locator("#plane").bounding_box(), page.evaluate("explore.view.half_width")

    def at(z):
        offset = (1 + np.array(z) / half * [1, -1]) / 2
        return box["x"] + offset[0] * box["width"], box["y"] + offset[1] * box["width"]

    page.mouse.move(*at(page.evaluate(z)))
    page.mouse.down()
    page.mouse.move(*at([half / 2, half / 4]), steps=3)
    page.mouse.up()
    page.mouse.move(box["x"], box["y"])  # released: z stays
    np.testing.assert_allclose(page.evaluate(z), [half / 2, half / 4], atol=0.05)
    page.mouse.move(*at(page.evaluate(z)))
    page.mouse.down()
    page.mouse.move(*at([3 * half, 0]), steps=3)  # z can be found, wherever it is put
    page.mouse.up()
    assert page.evaluate(z)[0] == pytest.approx(half)
    page.evaluate(SETTLED)
    assert page.locator("#plane").get_attribute("aria-label") != before
    page.click("#draw-z")
    page.evaluate(SETTLED)
    assert "drawn from N(0, I)" in page.locator("#noise-says").inner_text()
    data = data_of(DOCS_PAGE.read_text(encoding="utf-8"))
    codes = np.frombuffer(base64.b64decode(data["codes"]), np.float32).reshape(-1, 2)
    page.evaluate("explore.put_z([1.5, 1])")
    page.mouse.move(0, 0)
    page.locator("#plane").focus()
    for key in ("n", "n", "Enter"):  # to the code next to the nearest
        page.keyboard.press(key)
    nearest = np.argsort(((codes - [1.5, 1]) ** 2).sum(axis=1))
    assert page.evaluate("explore.state.index") == nearest[1]


@pytest.mark.slow
def test_both_languages_and_themes_fit_every_screen(open_page):
    page = open_page(DOCS_PAGE, 1366, "dark", "zh-CN")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    background = "() => getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.click("#theme")
    light = page.evaluate(background)
    assert light != dark
    for words, others in (("账目", "The account"), ("The account", "账目")):
        for width in (1366, 1280, 768, 390, 320):
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(SETTLED)
            assert words in page.locator("#h-account").inner_text()
            assert others not in page.locator("body").inner_text()
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width
            wide = "all => all.filter((c) => c.scrollWidth > c.clientWidth).map((c) => c.id)"
            assert page.locator(".card").evaluate_all(wide) == []
            labels = page.locator("canvas[role]:not([hidden]), button:has(canvas)").evaluate_all(
                "all => all.map((one) => one.getAttribute('aria-label'))"
            )
            assert len(labels) > 25 and all(labels)
        page.click("#language")
    page.click("#language")
    page.reload()  # what was chosen stays
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.evaluate(background) == light


@pytest.mark.slow
@pytest.mark.parametrize(("language", "words"), [("en", "What is the ELBO"), ("zh", "ELBO 是什么")])
def test_an_explanation_opens_in_the_page(open_page, language, words):
    page = open_page(DOCS_PAGE, search=f"?lang={language}")
    page.locator('#account [data-guide="elbo"]').click()
    dialog = page.locator("#explanation")
    assert words in dialog.locator("h2").inner_text()
    assert dialog.locator("math").count() > 1 and "encoder.forward" in dialog.inner_text()
    heights = dialog.locator("math").evaluate_all("all => all.map((one) => one.clientHeight)")
    assert min(heights) > 15
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def contrast(one, other):
    """Of two colours, (3,) each from 0 to 1, as WCAG defines it."""
    linear = [
        np.where(
            np.array(c) <= 0.03928, np.array(c) / 12.92, ((np.array(c) + 0.055) / 1.055) ** 2.4
        )
        for c in (one, other)
    ]
    light = sorted(c @ [0.2126, 0.7152, 0.0722] for c in linear)
    return (light[1] + 0.05) / (light[0] + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colour_that_writes_can_be_read(theme):
    html = fill.PAGE.read_text("utf-8").split(':root[data-theme="dark"]')
    block = html[theme == "dark"].split("}")[0].split("{")[-1]
    hexes = re.findall(r"--(\w+): #(\w{6});", block)
    colours = {name: [int(code[k : k + 2], 16) / 255 for k in (0, 2, 4)] for name, code in hexes}
    assert len(colours) == 11
    card, paper, _ = (colours.pop(name) for name in ("card", "paper", "line"))
    for name, colour in colours.items():  # white on a button or a bar, too, is card on the colour
        assert contrast(colour, card) >= 4.5, name
        assert name not in ("ink", "soft", "q", "posterior") or contrast(colour, paper) >= 4.5
    script = (fill.TEMPLATE / "pictures.js").read_text("utf-8")
    hues = re.search(r"LABEL_HUES = \[(.*?)\]", script)[1].split(",")
    shade = re.search(
        r"hsl\(\$\{hue\} \$\{dark \? (\d+) : (\d+)\}% \$\{dark \? (\d+) : (\d+)\}%", script
    )
    saturation, lightness = (int(shade[k + (theme == "light")]) / 100 for k in (1, 3))
    for hue in hues:  # the labels in the plane
        assert contrast(colorsys.hls_to_rgb(int(hue) / 360, lightness, saturation), card) >= 4.5


@pytest.mark.slow
def test_what_one_needs_first_is_on_the_first_screen(open_page):
    page = open_page(DOCS_PAGE, 1366, height=650)
    for id in ("pad", "plane", "lens", "n-log-px"):
        box = page.locator(f"#{id}").bounding_box()
        assert box["y"] + box["height"] <= 650
    phone = open_page(DOCS_PAGE, 390, height=844)
    for id in ("pad", "plane", "n-log-px"):
        box = phone.locator(f"#{id}").bounding_box()
        assert box["y"] + box["height"] <= 1.5 * 844


@pytest.mark.slow
def test_the_plane_and_fit_are_within_ten_tab_stops(open_page):
    page, stops = open_page(DOCS_PAGE), []
    for _ in range(10):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.id"))
    assert {"plane", "lens", "fit"} <= set(stops)


@pytest.mark.slow
def test_the_hint_changes_as_one_does_what_it_says(open_page):
    page = open_page(DOCS_PAGE)
    hints = [page.locator("#hint").inner_text()]
    doings = ["explore.take(3)", "explore.put_z([0, 0])", "explore.draw_z()"]
    doings += ["document.getElementById('fit').click()", "explore.put_q([0, 0], [0.2, 0.2])"]
    for doing in doings:
        page.evaluate(doing)
        page.evaluate(SETTLED)
        hints.append(page.locator("#hint").inner_text())
    said = ("Draw a digit", "Drag z", "Draw z from q", "press Fit", "Be the encoder", "β to 4")
    assert all(words in hint for words, hint in zip(said, hints, strict=True))


@pytest.mark.slow
def test_a_q_of_one_s_own_is_told_how_it_compares(open_page):
    """On the way from the encoder's q to the best one, and far from both."""
    page = open_page(DOCS_PAGE)
    page.evaluate("explore.put_q([2, 2], [0.3, 0.3])")
    said = []
    for share in (None, 0.5, 1):
        if share is not None:
            page.evaluate(
                """(t) => {
                  const { encoded, found } = explore.state, { mean, cov } = found.rows.diagonal.q;
                  const to = (a, b) => [...a].map((v, k) => (1 - t) * v + t * b[k]);
                  const std = [cov[0], cov[2]].map(Math.sqrt);
                  explore.put_q(to(encoded.mean, mean), to(encoded.std, std));
                }""",
                share,
            )
        page.evaluate(SETTLED)
        own, encoder, best, gap = (
            float(page.locator(f"#{id}").inner_text().replace("−", "-"))
            for id in ("elbo-mine", "elbo-encoder", "elbo-diagonal", "gap-mine")
        )
        says = page.locator("#fit-says")
        said.append(says.get_attribute("data-says"))
        shown = [gap] if own > best - 0.1 else [gap, abs(own - encoder)]
        assert numbers(says.inner_text())[: len(shown)] == pytest.approx(shown, abs=0.011)
        right = "ahead" if own > encoder else "behind"
        assert said[-1] == ("top" if own > best - 0.1 else right)
    assert said == ["behind", "ahead", "top"]


@pytest.mark.slow
def test_a_finger_scrolls_until_it_means_to_draw(open_page):
    page = open_page(DOCS_PAGE, 390, height=844, touch=True)
    hand = page.context.new_cdp_session(page)
    image = "() => explore.state.from"
    shown = "() => [[...explore.state.x], explore.state.index, explore.state.strokes]"

    def touch(kind, *places):
        points = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(places)]
        hand.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})

    def swipe(id):
        box = page.locator(f"#{id}").bounding_box()
        x, y = box["x"] + 0.3 * box["width"], box["y"] + 0.8 * box["height"]
        touch("Start", (x, y))
        for k in range(1, 9):
            touch("Move", (x, y - 8 * k))
            page.wait_for_timeout(20)
        touch("End")
        page.wait_for_timeout(300)
        return page.evaluate("scrollY")

    before = page.evaluate("() => [...explore.state.z]")
    for id in ("pad", "plane"):
        assert swipe(id) > 20
        page.evaluate("scrollTo(0, 0)")
    assert page.evaluate(image) == "test"
    assert page.evaluate("() => [...explore.state.z]") == before
    page.locator("#pad").tap()
    page.evaluate(SETTLED)
    assert page.evaluate(image) == "test"  # the tap only says that one means to
    known = page.evaluate(shown)
    box = page.locator("#pad").bounding_box()
    a, b = (box["x"] + 40, box["y"] + 40), (box["x"] + 90, box["y"] + 90)
    touch("Start", a)
    touch("Start", a, b)
    touch("Move", b, a)
    touch("End")
    page.evaluate(SETTLED)
    assert page.evaluate(image) == "test"  # two fingers make no stroke
    assert page.evaluate(shown) == known
    assert swipe("pad") == 0
    assert page.evaluate(image) == "drawing"
    strokes = "() => explore.state.strokes.length"
    drawn = page.evaluate(strokes)
    page.locator("h1").tap()
    assert swipe("pad") > 20  # a tap elsewhere: it is done
    assert page.evaluate(strokes) == drawn


@pytest.mark.slow
def test_without_a_worker_it_works_all_the_same(open_page):
    page = open_page(
        DOCS_PAGE, script="Worker = class { constructor() { throw Error('refused'); } };"
    )
    assert "without a worker" in page.locator("#trouble").inner_text()
    assert page.locator("#n-log-px").inner_text().startswith("−")
    page.click("#fit")
    page.evaluate(SETTLED)
    assert page.locator("#fit-says").get_attribute("data-says") == "arrived"
    page.click("#language")
    assert "后台线程" in page.locator("#trouble").inner_text()


@pytest.mark.slow
def test_without_javascript_it_says_what_it_would_be(chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(DOCS_PAGE.resolve().as_uri())
    words = page.locator("body").inner_text()
    assert "please allow it" in words and "请启用它" in words
    assert not any(one in words for one in ("Fit q", "Light", "▸", "Close"))
    context.close()


@pytest.mark.slow
def test_a_language_can_be_asked_for(open_page):
    assert open_page(DOCS_PAGE, search="?lang=ZH").locator("html").get_attribute("lang") == "zh-CN"
    page = open_page(DOCS_PAGE, locale="zh-CN", search="#lang=en")
    assert page.locator("html").get_attribute("lang") == "en"
    page.click("#language")  # what is asked for comes before what was chosen last
    page.goto(DOCS_PAGE.resolve().as_uri() + "?lang=en")
    assert page.locator("html").get_attribute("lang") == "en"
    no_store = "Object.defineProperty(window, 'localStorage', { get() { throw Error(); } });"
    page = open_page(DOCS_PAGE, locale="zh-CN", script=no_store)
    for lang, theme in (("en", "dark"), ("zh-CN", "light")):
        page.click("#language")
        page.click("#theme")
        shown = page.evaluate(
            "() => { const { lang, dataset } = document.documentElement; "
            "return [lang, dataset.theme]; }"
        )
        assert shown == [lang, theme]
