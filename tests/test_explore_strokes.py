"""How the page draws: its lines, its letters, and that nothing of before is left over."""

import numpy as np
import pytest
from browser_drawn import COPIED, DENSEST, RECORDED, Drawn, near
from browser_page import SETTLED, chromium, open_once  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(open_once):
    return open_once(DOCS_PAGE, 1500, script=RECORDED + COPIED)


@pytest.fixture(scope="module")
def seen(page):
    page.evaluate("explore.put_q([0.55, -0.8], [0.3, 0.2])")
    page.evaluate(SETTLED)
    page.click("#fit")
    page.evaluate(SETTLED)
    page.click('#draws [value="10"]')
    page.evaluate("explore.put_z([2.5, -1.5])")
    return Drawn(page)


def calls(seen, id, name, **colours):
    return [
        call
        for call in seen.calls
        if (call["id"], call["name"]) == (id, name)
        and all(call[where] == seen.colour[which] for where, which in colours.items())
    ]


def test_lines_are_as_wide_as_what_they_stand_for(seen):
    """The prior's are thin, q's thick, thicker where it is magnified, and where q was is dashed."""
    wide = {}
    for id in ("plane", "lens"):
        start, *ovals = calls(seen, id, "ellipse", stroke="q")
        assert start["how"]["dash"] == [4, 3] and start["how"]["line"] == 1
        assert start["given"] == seen.ellipse(id, [0.55, -0.8], [0.6, 0.4])
        assert len(ovals) == 2 and all(one["how"]["dash"] == [] for one in ovals)
        wide[id] = {one["how"]["line"] for one in ovals}
        way = calls(seen, id, "stroke", stroke="q")
        assert any(one["how"]["line"] == 1 and one["how"]["dash"] == [] for one in way)
    assert 1 < max(wide["plane"]) < min(wide["lens"]) < 3
    for id in ("", "lens", "noise"):
        circles = calls(seen, id, "ellipse", stroke="prior")
        assert len(circles) == 3 and {round(one["how"]["line"], 3) for one in circles} == {0.7}
    for id in ("plane", "noise", "estimate", "climb"):  # dots stand out from what is below them
        for one in calls(seen, id, "arc"):
            assert one["how"]["alpha"] > 0.2
        edges = [c for c in calls(seen, id, "stroke", stroke="card")]
        assert len(edges) == len(calls(seen, id, "arc")) > 0
        assert {one["how"]["line"] for one in edges} == {2}
    handles = calls(seen, "lens", "strokeRect", stroke="card")
    assert len(handles) == 3 and {one["how"]["line"] for one in handles} == {2}
    (window,) = calls(seen, "plane", "strokeRect", stroke="soft")
    assert window["how"]["line"] == 1
    (frame,) = calls(seen, "plane", "strokeRect", stroke="z")
    assert frame["how"]["line"] == 2
    for call in calls(seen, "plane", "drawImage"):
        assert call["how"]["smooth"] == (call["given"][0] != "mean")
    (climb,) = calls(seen, "climb", "stroke", stroke="q")
    assert climb["how"]["line"] == 2


def test_squares_stand_out_from_the_dots_of_the_codes(seen):
    for id in ("", "lens"):
        alpha = {2.5: [], 6: []}
        for call in calls(seen, id, "fillRect"):
            if call["given"][2] in alpha:
                alpha[call["given"][2]].append(float(call["fill"].rstrip(")").split(",")[-1]))
        assert max(alpha[2.5]) < 0.5 and min(alpha[6]) > 0.8


def test_a_long_climb_ends_before_its_limit_s_name(page):
    """Of 61 values and of 5; to the right there are 112 pixels for the name."""
    for count, least in ((61, 0.8), (5, 0)):
        page.evaluate(
            """(count) => {
              drawn.length = 0;
              element("climb").hidden = false;
              const path = Array.from({ length: count }, (_, k) => ({ value: k - 90 }));
              draw_climb(element("climb"), path, -20, "log p(x)");
            }""",
            count,
        )
        *line, dot = page.evaluate("drawn.filter((one) => ['lineTo', 'arc'].includes(one.name))")
        w = page.evaluate("element('climb').clientWidth") - 112
        assert len(line) == count and least * w < dot["given"][0] < w
        assert dot["given"][:2] == pytest.approx(line[-1]["given"])


LETTERS = {  # how they lie about their place
    "": ["center", "middle"],
    "lens": ["center", "middle"],
    "estimate": ["center", "alphabetic"],
    "climb": ["right", "middle"],
}


def test_letters_are_of_one_size_and_within_their_picture(seen):
    said = [call for call in seen.calls if call["name"] == "fillText"]
    assert len(said) > 30
    for call in said:
        assert call["how"]["font"].startswith("12px system-ui") and call["how"]["alpha"] == 1
        _, x, y = call["given"]
        w, h = seen.size[call["id"] or "plane"]
        if call["id"] in ("climb", "estimate"):
            reach = call["how"]["wide"] / (1 if call["id"] == "climb" else 2)
            assert x - reach >= -0.5 and x <= w and 4 <= y <= h
    for id, align in LETTERS.items():
        places = [call["how"]["align"] for call in said if call["id"] == id]
        assert places and all(place == align for place in places), id
    (limit,) = calls(seen, "climb", "fillText")
    line, *_ = calls(seen, "climb", "fillRect", fill="ink")
    assert limit["given"][1] - limit["how"]["wide"] > line["given"][0] + line["given"][2]
    lines = np.array([call["given"] for call in calls(seen, "climb", "lineTo")])
    assert lines[:, 0].min() >= 4 and lines[:, 0].max() < line["given"][2]
    assert lines[:, 1].max() <= seen.size["climb"][1] - 4


def test_each_picture_begins_clean_and_each_thing_is_drawn_after_what_it_covers(seen):
    for id in ("plane", "lens", "noise", "estimate", "climb"):
        its = [call for call in seen.calls if call["id"] == id]
        names = [call["name"] for call in its]
        assert names[0] == "setTransform" and names[1] == "clearRect"
        assert its[1]["given"] == [0, 0, *seen.size[id]]
    for id in ("plane", "lens"):
        order = [call for call in seen.calls if call["id"] == id]
        heat = next(k for k, call in enumerate(order) if call["name"] == "drawImage")
        assert order[heat]["given"][1:] == [0, 0, *seen.size[id]]
        q = max(k for k, call in enumerate(order) if call["name"] == "ellipse")
        z = max(k for k, call in enumerate(order) if call["name"] in ("arc", "translate"))
        assert heat < q < z
    for id, below, above in (
        ("noise", "ellipse", "arc"),
        ("climb", "lineTo", "arc"),
        ("estimate", "arc", "fillText"),
    ):
        names = [call["name"] for call in seen.calls if call["id"] == id]
        assert below not in names[names.index(above) :], id
    line, *_ = calls(seen, "estimate", "fillRect", fill="soft")
    w, h = seen.size["estimate"]
    assert line["given"] == [0, h / 2, w, 1]


def test_each_line_and_dot_is_a_path_of_its_own(seen):
    begun = {}
    for call in seen.calls:
        if call["name"] in ("moveTo", "lineTo", "ellipse", "arc"):
            assert begun[call["id"]], call
        elif call["name"] in ("beginPath", "stroke", "fill"):
            begun[call["id"]] = call["name"] == "beginPath"
    assert {"plane", "lens", "noise", "estimate", "climb"} <= begun.keys()


def test_many_draws_are_seen_through_each_other(page):
    alphas = []
    for L in ("1", "10", "100"):
        page.click(f'#draws [value="{L}"]')
        page.click("#draw-z")
        seen = Drawn(page)
        dots = calls(seen, "estimate", "arc")
        assert len(dots) == int(L)
        alphas.append({one["how"]["alpha"] for one in dots})
    assert all(len(of) == 1 for of in alphas)
    one, ten, hundred = (of.pop() for of in alphas)
    assert one == 1 > ten > hundred > 0.1


def test_an_integral_that_is_not_known_is_not_drawn(page):
    page.click('#draws [value="10"]')
    for known in (True, False):
        page.evaluate(SETTLED)
        if not known:
            page.evaluate("() => { explore.state.found.reconstruction = null; }")
        seen = Drawn(page)
        marks = calls(seen, "estimate", "fillRect", fill="reconstruction")
        numbers = calls(seen, "estimate", "fillText", fill="reconstruction")
        assert len(marks) == len(numbers) == known
        assert len(calls(seen, "estimate", "fillRect", fill="z")) == 1


def test_a_pen_s_line_is_white_round_and_wide(page):
    box = page.locator("#pad").bounding_box()
    page.evaluate("drawn.length = 0")
    for a, b in ((0.3, 0.4), (0.6, 0.7)):
        page.mouse.move(box["x"] + a * box["width"], box["y"] + 0.4 * box["width"])
        page.mouse.down()
        page.mouse.move(box["x"] + b * box["width"], box["y"] + 0.5 * box["width"], steps=3)
        page.mouse.up()
    page.evaluate(SETTLED)
    strokes = page.evaluate("drawn.filter(({ id, name }) => id === 'pad' && name === 'stroke')")
    assert len(strokes) >= 2
    for stroke in strokes:
        assert stroke["stroke"] == "#ffffff"
        assert stroke["how"]["cap"] == stroke["how"]["join"] == "round"
        assert stroke["how"]["line"] == pytest.approx(0.085 * box["width"], rel=0.02)


def test_the_target_s_shades_are_violet_and_the_posterior_s_its_own(page):
    page.evaluate("explore.take(3)")
    page.select_option("#beta", "4")
    page.evaluate(SETTLED)
    hues, wanted = page.evaluate(
        "() => {"
        + DENSEST
        + """
          const rgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
          return [explore.state.found.pictures.map((both) => both.map(densest)),
            [colour.kl, colour.posterior].map(rgb)];
        }"""
    )
    for shades, colour in zip(hues, wanted, strict=True):
        assert len(shades) == 2  # the plane and the lens
        assert np.abs(np.array(shades) - colour).max() <= 2


def test_each_picture_has_its_own_shades_the_posterior_s_above_the_target_s(page):
    page.select_option("#beta", "4")
    page.evaluate(SETTLED)
    seen = page.evaluate(
        """async () => {
          const { pictures } = explore.state.found;
          const named = (layer) => (one, k) => { one.id = `${layer}, ${k}`; };
          pictures.forEach((both, layer) => both.forEach(named(layer)));
          const wide = ["plane", "lens"].map((id) => element(id).clientWidth);
          window.coarse = pictures.flat().map((one, k) => wide[k % 2] / one.width);
          drawn.length = 0;
          explore.draw_z();
          await new Promise(requestAnimationFrame);
          const calls = drawn.filter(({ name }) => name === "drawImage");
          return calls.map(({ id, given }) => [id, ...given]);
        }"""
    )
    size = Drawn(page).size
    shades = []
    for id, of, *place in seen:
        if of != "mean":  # shades, and what stands still
            assert place == [0, 0, *size[id]]
        if "," in (of or ""):
            shades.append([id, of])
    assert max(page.evaluate("coarse")) < 2  # a pixel of them is less than two of the screen's
    assert shades == [["plane", "0, 0"], ["plane", "1, 0"], ["lens", "0, 1"], ["lens", "1, 1"]]


INSET = """async (z) => {
  explore.put_z(z);
  await new Promise(requestAnimationFrame); // and no second one
  const plane = copied("plane"), { clientWidth: w, width } = element("plane");
  const pixel = (0.18 * width) / 28, left = (1 - 0.18 - 6 / w) * width, top = (6 / w) * width;
  const mean = copied("mean").getImageData(0, 0, 28, 28).data, seen = [];
  for (let k = 0; k < 28 * 28; k++) {
    const [x, y] = [left + ((k % 28) + 0.5) * pixel, top + (Math.floor(k / 28) + 0.5) * pixel];
    seen.push([plane.getImageData(x, y, 1, 1).data[0], mean[4 * k]]);
  }
  return seen;
}"""


def test_the_small_image_in_the_plane_is_of_this_z(page):
    page.evaluate(SETTLED)
    for z in ([0.5, 0.5], [-1.5, 1], [1.5, -1]):
        inset, mean = np.transpose(page.evaluate(INSET, z))
        assert np.corrcoef(inset, mean)[0, 1] > 0.95


def test_a_code_that_is_shown_has_a_dot_and_its_image_a_frame(page):
    page.evaluate("explore.change({ code: 0 })")  # the first one's
    seen = Drawn(page)
    place = seen.place("plane", page.evaluate("[...float32(explore.data.codes)].slice(0, 2)"))
    assert page.locator("#plane").get_attribute("aria-label").startswith("Code of test image 1,")
    assert (near([*place, 5, 0, 2 * np.pi]), "ink") in seen.dots("plane")
    (frame,) = seen.of("plane", "strokeRect", stroke="ink")
    assert frame == [one[1:] for one in seen.of("plane", "drawImage")][-1]
    page.evaluate("explore.change({ code: null })")
    assert Drawn(page).of("plane", "strokeRect", stroke="ink") == []


def test_the_image_of_a_code_near_an_edge_is_shown_whole(page):
    codes = np.reshape(page.evaluate("() => [...float32(explore.data.codes)]"), (-1, 2))
    inside = (np.abs(codes) < page.evaluate("explore.view.half_width")).all(axis=1)
    for axis, side in ((0, 1), (0, -1), (1, 1), (1, -1)):
        k = int(np.argmax(np.where(inside, side * codes[:, axis], -np.inf)))
        page.evaluate("(code) => explore.change({ code })", k)
        seen = Drawn(page)
        ((x, y, w, h),) = seen.of("plane", "strokeRect", stroke="ink")
        assert (w, h) == (60, 60)
        assert 0 < x < seen.size["plane"][0] - 60 and 0 < y < seen.size["plane"][1] - 60
    page.evaluate("explore.change({ code: null })")
