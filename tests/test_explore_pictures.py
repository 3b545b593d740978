"""What the page draws, call by call: each thing in its colour, and where its numbers say."""

import base64
import re

import numpy as np
import pytest
from browser_drawn import RECORDED, Drawn, fresh, hue, near, recorded  # noqa: F401 - fixtures
from browser_page import SETTLED, chromium, exact_of, open_once, open_page  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE, data_of, images_of
from test_explore_walk import numbers

# ruff: noqa: F811 - a fixture's name as an argument


@pytest.fixture
def page(recorded):
    return fresh(recorded)


@pytest.fixture(scope="module")
def data():
    return data_of(DOCS_PAGE.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_q_z_and_the_prior_are_where_their_numbers_say(page):
    page.evaluate("explore.put_z([0.7, -0.4])")
    page.evaluate("explore.put_q([0.55, -0.8], [0.3, 0.2])")
    for z in ([0.7, -0.4], [-2.9, 1.5]):
        page.evaluate("(z) => explore.put_z(z)", z)
        seen = Drawn(page)
        np.testing.assert_allclose([seen.mean, seen.std, seen.z], [[0.55, -0.8], [0.3, 0.2], z])
        for id in ("plane", "lens"):
            ellipses = [seen.ellipse(id, seen.mean, np.multiply(k, seen.std)) for k in (1, 2)]
            assert seen.of(id, "ellipse", stroke="q") == ellipses
        for id in ("", "lens", "noise"):  # the plane's stand still, on a canvas behind it
            circles = [seen.ellipse(id or "plane", [0, 0], [k, k]) for k in (1, 2, 3)]
            assert seen.of(id, "ellipse", stroke="prior") == circles
        for id, at in (("plane", z), ("noise", seen.noise), ("lens", z)):
            x, y = seen.place(id, at)
            edge = np.clip([x, y], 9, np.subtract(seen.size[id], 9))
            if np.hypot(*np.subtract(edge, [x, y])) < 9:
                assert seen.dots(id) == [(near([x, y, 6.5, 0, 2 * np.pi]), "z")]
            else:  # an arrow to where it is
                assert seen.of(id, "translate") == [near(edge)] and seen.dots(id) == []
                assert seen.of(id, "rotate") == [near([np.arctan2(y - edge[1], x - edge[0])])]
                assert seen.of(id, "fill", fill="z") == [[]]
    assert seen.of("lens", "translate")
    handles = [seen.mean, np.add(seen.mean, [0.6, 0]), np.add(seen.mean, [0, 0.4])]
    squares = [near([*np.subtract(seen.place("lens", z), 5), 10, 10]) for z in handles]
    assert seen.of("lens", "fillRect", fill="q") == squares
    corner = np.add(seen.lens["center"], seen.lens["half_width"] * np.array([-1, 1]))
    side = seen.size["plane"][0] * seen.lens["half_width"] / seen.half
    square = near([*seen.place("plane", corner), side, side])
    assert seen.of("plane", "strokeRect", stroke="soft") == [square]
    w = seen.size["plane"][0]
    inset = near([w - 0.18 * w - 6, 6, 0.18 * w, 0.18 * w])
    assert [one[1:] for one in seen.of("plane", "drawImage") if one[0] == "mean"] == [inset]
    assert seen.of("plane", "strokeRect", stroke="z") == [inset]


@pytest.mark.slow
def test_each_code_is_where_the_encoder_puts_it_in_its_label_s_colour(page, data):
    codes = np.frombuffer(base64.b64decode(data["codes"]), np.float32).reshape(-1, 2)
    labels = np.frombuffer(base64.b64decode(data["labels"]), np.uint8)
    seen = Drawn(page)
    for id in ("", "lens"):  # the plane's stand still, on a canvas behind it
        drawn_at = {}
        places = np.array([seen.place(id or "plane", z) for z in codes])
        inside = ((places >= 0) & (places <= seen.size[id or "plane"][0])).all(axis=1)
        said = []
        for call in seen.calls:
            if call["id"] != id or call["name"] not in ("fillRect", "fillText"):
                continue
            given = call["given"]
            if call["name"] == "fillText":
                said.append(given[1:3])
                k = near_to(places, given[1:3])
                assert given[0] == str(labels[k]) and k >= data["offered"]
            elif given[2] in (6, 2.5):
                k = near_to(places, np.add(given[:2], given[2] / 2))
                assert (given[2] == 6) == (k < data["offered"])
            else:
                continue
            drawn_at[k] = hue(call["fill"])
        assert sorted(drawn_at) == np.flatnonzero(inside).tolist()
        hues = {label: {drawn_at[k] for k in drawn_at if labels[k] == label} for label in range(10)}
        middle = {label: np.mean(list(of)) for label, of in hues.items() if of}
        assert all(np.ptp(list(of)) < 0.03 for of in hues.values() if of)  # one, but for rounding
        assert np.diff(sorted(middle.values())).min() > 0.03
        apart = [np.hypot(*np.subtract(said, one).T) for one in said]
        assert len(said) > 5 and min(np.sort(far)[1] for far in apart) > (26 if id else 30)


def near_to(places, place):
    """Whose place it is."""
    far = np.hypot(*(places - place).T)
    assert far.min() < 1e-3
    return int(far.argmin())


@pytest.mark.slow
def test_the_shades_are_the_exact_posterior_s(page, data):
    """255 for the square root of its density, relative to the highest on the grid."""
    exact = exact_of(data)
    on_grid = (np.rint(exact.z / exact.step) % 2 == 0).all(axis=1)  # the page's
    heats = """() => {
      const { x, found, lens } = explore.state, half = explore.view.half_width;
      return { x: [...x], lens, half, heats: found.heats.map((heat) => [...heat]) };
    }"""
    for k in (15, 3):
        page.evaluate("(k) => explore.take(k)", k)
        page.evaluate(SETTLED)
        shown = page.evaluate(heats)
        x, lens = np.array(shown["x"]), shown["lens"]
        best = (exact.log_likelihood(x) + exact.log_prior)[on_grid].max()
        views = (([0, 0], shown["half"]), (lens["center"], lens["half_width"]))
        for heat, (center, half) in zip(shown["heats"], views, strict=True):
            side = int(len(heat) ** 0.5)
            image = np.reshape(heat, (side, side))
            at = half * ((2 * np.arange(side) + 1) / side - 1)
            bright, dark = np.argwhere(image > 25), np.argwhere(image == 0)
            assert len(bright) > 30 and len(dark) > 30
            for row, column in [*bright[:: len(bright) // 15], *dark[:: len(dark) // 15]]:
                z = np.array([center[0] + at[column], center[1] - at[row]])
                log_p = exact.log_prob(x, z) - 0.5 * (z**2).sum() - np.log(2 * np.pi)
                assert image[row, column] == pytest.approx(
                    255 * np.exp(0.5 * (log_p - best)), abs=3
                )


@pytest.mark.slow
def test_the_images_are_those_of_the_model(page, data):
    page.evaluate("explore.put_z([0.7, -0.4])")
    Drawn(page)
    ink = """(canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return Array.from(data).filter((_, k) => k % 4 === 0); }"""
    state = "explore.state"
    mean, noise = (np.array(page.evaluate(f"[...{state}.{k}]")) for k in ("p.mean", "pixel_noise"))
    assert noise.std() == pytest.approx(1 / np.sqrt(12), abs=0.03)
    expected = {"mean": mean, "shown": mean, "draw": noise < mean, "pad": images_of(data)[15]}
    for id, values in expected.items():
        seen = page.locator(f"#{id}").evaluate(ink)
        np.testing.assert_allclose(seen, 255 * values, atol=0.51)
    small = page.locator("#digits canvas")
    assert small.count() == data["offered"]
    for k in range(0, data["offered"], 3):
        np.testing.assert_allclose(small.nth(k).evaluate(ink), 255 * images_of(data)[k], atol=0.51)


BARS = """() => {
  const box = document.getElementById("bars");
  const of = (name) => [...box.getElementsByClassName(name)].map(({ style, textContent }) => ({
    text: textContent, left: parseFloat(style.left), width: parseFloat(style.width),
    color: style.background, at: style.left || style.right }));
  return Object.fromEntries(["tick", "rule", "bar", "label"].map((name) => [name, of(name)]));
}"""


ACCOUNTS = (None, (8.2, 1.3, -101), (30, 2, -80), (5, 300, -400), (2, 0.01, 12.5), (0.1, 13, -7))


@pytest.mark.slow
def test_the_bars_are_as_long_as_their_nats(page):
    """Of the page's own account, and of a KL, a gap and an ELBO that are given."""
    seen = Drawn(page)
    for given in ACCOUNTS:
        check_bars(page, seen, given)


def check_bars(page, seen, given):
    kl, gap, elbo = given or (seen.kl, seen.gap, seen.reconstruction - seen.kl)
    log_px = elbo + gap
    if given:
        account = {"kl": kl, "gap": gap, "elbo": elbo, "log_px": log_px}
        page.evaluate("(of) => draw_bars(element('bars'), of, { gap: 'gap' })", account)
    bars = page.evaluate(BARS)
    texts = [float(tick["text"].replace("−", "-")) for tick in bars["tick"]]
    per_nat, at_0 = np.polyfit(texts, [tick["left"] for tick in bars["tick"]], 1)
    rules = [rule["left"] for rule in bars["rule"]]
    assert rules == pytest.approx([at_0 + per_nat * v for v in (elbo, log_px)], abs=0.3)
    of_kl, of_gap = bars["bar"]
    assert [of_kl["left"], of_gap["left"]] == pytest.approx([rules[0]] * 2, abs=1e-4)
    lengths = [per_nat * kl, per_nat * gap]
    assert [of_kl["width"], of_gap["width"]] == pytest.approx(lengths, abs=0.1)
    assert rules[0] > 0 and rules[0] + max(lengths) <= 100.1
    assert max(lengths) > 7  # nor needlessly short
    assert "kl" in of_kl["color"] and "posterior" in of_gap["color"]
    said = {label["text"].rpartition(" ")[0]: label for label in bars["label"] + bars["bar"]}
    for word, value in (("KL", kl), ("gap", gap), ("ELBO", elbo), ("log p(x)", log_px)):
        assert numbers(said[word]["text"])[-1] == pytest.approx(value, abs=0.006)
    for word, rule in (("ELBO", rules[0]), ("log p(x)", rules[1])):
        at = float(re.search(r"[\d.]+", said[word]["at"])[0])
        assert min(abs(at - rule), abs(100 - at - rule)) < 0.1


@pytest.mark.slow
def test_a_fit_s_way_and_its_values_are_drawn(page):
    page.evaluate("explore.put_q([1.5, 0.5], [0.2, 0.4])")
    page.evaluate(SETTLED)
    assert page.locator("#fit").inner_text() == "Fit q to this image"
    button = """async () => {
      document.getElementById("fit").click();
      await new Promise(requestAnimationFrame);
      return [explore.state.fit.state, document.getElementById("fit").innerText];
    }"""
    assert page.evaluate(button) == ["climbing", "Stop"]
    seen = Drawn(page)
    path = np.array(seen.path)
    assert len(path) > 5 and (np.diff(path[:, 2]) > 0).all()
    for id in ("plane", "lens"):
        mean, std = seen.start
        assert seen.ellipse(id, mean, np.multiply(2, std)) == seen.of(id, "ellipse", stroke="q")[0]
        way = [near(seen.place(id, z)) for z in path[:, :2]]
        assert [at for at in seen.of(id, "lineTo", stroke="q")][: len(way)] == way
    np.testing.assert_allclose(path[-1, :2], seen.mean, atol=1e-9)
    (_, h), lines = seen.size["climb"], np.array(seen.of("climb", "lineTo"))
    assert len(lines) == len(path) and (np.diff(lines[:, 0]) > 0).all()
    (_, top, _, _), *_ = seen.of("climb", "fillRect", fill="ink")
    up = (lines[0, 1] - lines[:, 1]) / (lines[0, 1] - top - 0.5)  # of the way to log p(x)
    wanted = (path[:, 2] - path[0, 2]) / (seen.log_px - path[0, 2])
    np.testing.assert_allclose(up, wanted, atol=1e-6)
    assert 0 < top < lines[0, 1] <= h
    assert seen.dots("climb") == [(near([*lines[-1], 4.5, 0, 2 * np.pi]), "q")]
    text = f"log p(x) {seen.log_px:.2f}".replace("-", "−")
    assert [given[0] for given in seen.of("climb", "fillText")] == [text]


@pytest.mark.slow
def test_the_draws_stand_around_what_they_estimate(page):
    page.click('#draws [value="10"]')
    page.click("#draw-z")
    seen = Drawn(page)
    values = [seen.log_prob, *seen.log_probs[1:]]
    w, h = seen.size["estimate"]
    dots = seen.dots("estimate")
    assert len(dots) == 10 and {name for _, name in dots} == {"z"}
    assert [given[1:] for given, _ in dots] == [[h / 2, 4.5, 0, near(2 * np.pi)]] * 10
    slope, middle = np.polyfit(values, [given[0] for given, _ in dots], 1)
    assert slope > 0
    np.testing.assert_allclose(
        [g[0] for g, _ in dots], middle + slope * np.array(values), atol=1e-6
    )
    for value, name in ((seen.reconstruction, "reconstruction"), (np.mean(values), "z")):
        at = middle + slope * value
        assert [one[0] + 1 for one in seen.of("estimate", "fillRect", fill=name)] == near([at])
        ((text, x, _),) = seen.of("estimate", "fillText", fill=name)
        assert float(text.replace("−", "-")) == pytest.approx(value, abs=0.006)
        assert x == near(min(max(at, 26), w - 26))
    assert middle + slope * seen.reconstruction == near(w / 2) and h > 0


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_read_aloud_has_its_numbers_in_their_places(open_page, language):
    page = open_page(DOCS_PAGE, search=f"?lang={language}", script=RECORDED)
    page.evaluate("explore.put_z([0.7, -0.4])")
    page.evaluate("explore.put_q([0.55, -0.8], [0.3, 0.2])")
    page.evaluate(SETTLED)
    page.click("#fit")
    seen = Drawn(page)
    page.wait_for_timeout(1000)  # it is said once the numbers have come to rest
    q, posterior = [*seen.mean, *seen.std], page.locator("#posterior-numbers").inner_text()
    assert len(numbers(posterior)) == 4
    elbo = seen.reconstruction - seen.kl
    said = {name: page.locator(f"#{name}").get_attribute("aria-label") for name in LABELLED}
    said["spoken"] = page.locator("#spoken").inner_text()
    wanted = {
        "plane": [*seen.z, *q, *numbers(posterior)],
        "lens": [*q, *numbers(posterior), *seen.z],
        "noise": seen.noise,
        "mean": seen.z,
        "draw": seen.z,
        "x": [16, 7],  # test image 16, a 7
        "climb": [seen.path[0][2], elbo, seen.log_px],
        "spoken": [seen.log_px, elbo, seen.gap],
    }
    for name, values in wanted.items():
        assert numbers(said[name]) == pytest.approx(values, abs=0.0051), name


LABELLED = ("plane", "lens", "noise", "mean", "draw", "x", "climb")


@pytest.mark.slow
def test_a_drawing_s_ink_is_put_in_the_middle(page):
    """Its centre of mass, in a box of 20/28 of the image."""
    strokes = [[[0.1, 0.2], [0.5, 0.2]], [[0.5, 0.2], [0.1, 0.7], [0.5, 0.7]]]  # a Z
    for shape in ((28, 28), (12, 8), (8, 14)):
        x = page.evaluate("([of, shape]) => [...rasterize(of, shape)]", [strokes, shape])
        image = np.reshape(x, shape)
        for axis, side in enumerate(shape):
            ink = image.sum(axis=1 - axis)
            assert (ink @ (np.arange(side) + 0.5)) / ink.sum() == pytest.approx(side / 2, abs=0.1)
        extent = [np.ptp(places) + 1 for places in np.nonzero(image)]
        assert np.divide(extent, shape).max() == pytest.approx(20 / 28, abs=1.6 / min(shape))
        edges = image[0], image[-1], image[:, 0], image[:, -1]
        assert max(edge.max() for edge in edges) == 0
