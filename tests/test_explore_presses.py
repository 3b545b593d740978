"""What a press of the mouse takes: z, a handle of q, a code, or nothing; on a sharp screen."""

import numpy as np
import pytest
from browser_page import chromium, open_once  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE
from test_explore_hands import CHOSEN, close, hands  # noqa: F401 - a fixture

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(open_once):
    return open_once(DOCS_PAGE, 1500, ratio=2)


def codes_of(hands):
    return np.reshape(hands.page.evaluate("() => [...float32(explore.data.codes)]"), (-1, 2))


def lonely(hands):
    """The code that is farthest from all others, but for those near the picture's borders."""
    codes = codes_of(hands)
    places = np.array([hands.of("plane", code) for code in codes])
    far = np.hypot(*(places[:, None] - places).T) + 999 * np.eye(len(codes))
    inside = ((places > 0.15) & (places < 0.85)).all(axis=1)
    k = int(np.argmax(np.where(inside, far.min(axis=0), 0)))
    return k, codes[k], places[k]


def width(hands, id):
    return hands.page.locator(f"#{id}").bounding_box()["width"]


def press(hands, id, place):
    hands.page.mouse.click(*hands.at(id, place))
    return hands.state()


def test_a_press_on_z_or_on_a_handle_takes_nothing_below_it(hands):
    _, code, place = lonely(hands)
    hands.page.evaluate("(z) => explore.put_z(z)", code.tolist())
    now = press(hands, "plane", place)
    assert (now["index"], now["z_from"]) == (6, "hand") and now["z"] == close(code)
    hands.page.evaluate("explore.put_z([-3, -3])")
    now = press(hands, "lens", hands.of("lens", now["mean"]))
    assert now["z"] == close([-3, -3], 1e-9)


def test_a_press_takes_what_is_within_some_pixels_and_else_puts_z_there(hands):
    k, code, place = lonely(hands)
    wide = width(hands, "plane")
    beside = np.add(place, [0, 10 / wide])
    hands.page.evaluate("explore.put_z([-3, -3])")
    for off, code_there in ((5, k), (10, None)):
        hands.page.mouse.move(*hands.at("plane", np.add(place, [0, off / wide])))
        assert hands.state()["code"] == code_there
    now = press(hands, "plane", beside)
    assert now["index"] == 6 and hands.of("plane", now["z"]) == close(beside, 1.5 / wide)
    z = code + np.array([16 / wide * 2 * now["half"], 0])
    hands.page.evaluate("(z) => explore.put_z(z)", z.tolist())
    assert press(hands, "plane", np.add(place, [0, 5 / wide]))["index"] == k


def test_the_first_code_can_be_pointed_at_and_taken_too(hands):
    hands.page.evaluate("explore.put_z([-3, -3])")
    place = hands.of("plane", codes_of(hands)[0])
    hands.page.mouse.move(*hands.at("plane", place))
    assert hands.state()["code"] == 0
    assert press(hands, "plane", place)["index"] == 0
    label = hands.page.locator("#x").get_attribute("aria-label")
    assert label == "The image x: test image 1, a 0"
    hands.page.evaluate("explore.take(6)")
    hands.page.locator("#plane").focus()
    hands.page.evaluate("explore.change({ code: 0 })")
    hands.page.keyboard.press("Enter")
    assert hands.state()["index"] == 0


def test_of_z_and_a_handle_the_nearer_one_is_taken_and_z_if_it_covers_it(hands):
    now = hands.state()
    mean, half = np.array(now["mean"]), now["lens"]["half_width"]
    z = np.add(mean, [8 / width(hands, "lens") * 2 * half, 0])
    hands.page.evaluate("(z) => explore.put_z(z)", z.tolist())
    there = mean + 0.3 * half * np.array([-1, 0.5])
    after = hands.drag("lens", hands.of("lens", mean), hands.of("lens", there))
    assert after["mean"] == close(there) and after["z"] == close(z, 1e-9)
    assert after["lens"] == now["lens"]  # it stands still while q is in it
    now = hands.keys("plane", "Home")
    there = np.array(now["mean"]) - [0.2 * half, 0.5 * half]
    after = hands.drag("lens", hands.of("lens", now["mean"]), hands.of("lens", there))
    assert after["z"] == close(there) and after["mean"] == now["mean"]
    free = hands.drag("lens", [0.05, 0.05], [0.1, 0.15])  # from where nothing is: z comes
    assert hands.of("lens", free["z"]) == close([0.1, 0.15], 0.01)
    assert free["mean"] == now["mean"]


def test_the_magnification_follows_q_down_and_in_its_height(hands):
    now = hands.state()
    hands.page.evaluate("explore.put_z([-3, -3])")
    lens = now["lens"]
    there = np.subtract(lens["center"], [0, 0.96 * lens["half_width"]])
    after = hands.drag("lens", hands.of("lens", now["mean"]), [0.5, 0.98])
    assert after["mean"] == close(there)  # and not while it is dragged: q would fly off
    assert after["lens"]["center"] == close(after["mean"], 1e-9)
    top = np.add(after["mean"], [0, 2 * after["std"][1]])
    half = after["lens"]["half_width"]
    high = hands.drag("lens", hands.of("lens", top), [0.5, 0.02])
    assert high["std"][1] > 0.4 * half and high["lens"]["half_width"] > 2.4 * high["std"][1]


def test_n_goes_on_to_ever_farther_codes(hands):
    hands.page.evaluate("explore.put_z([0, 0])")
    codes, seen = codes_of(hands), []
    for _ in range(25):
        seen.append(hands.keys("plane", "n")["code"])
    order = np.argsort((codes**2).sum(axis=1), kind="stable").tolist()
    assert seen == order[:25]
    hands.page.evaluate("(code) => explore.change({ code })", order[-1])
    assert [hands.keys("plane", "n")["code"] for _ in range(2)] == order[:2]  # and round again


def test_the_magnification_follows_q_s_widths_while_keys_change_them(hands):
    now = hands.keys("lens", *["Shift+ArrowDown", "Shift+ArrowLeft"] * 16)
    narrow = now["lens"]["half_width"]
    assert max(now["std"]) > narrow / 15
    now = hands.keys("lens", *["Shift+ArrowRight"] * 26)
    assert 2.3 * now["std"][0] < now["lens"]["half_width"] and now["std"][0] > narrow


def test_a_new_noise_is_a_draw_though_z_was_set_by_hand(hands):
    for id in ("#new-noise", "#draw-z"):
        hands.page.evaluate("explore.put_z([0.7, -0.4])")
        hands.page.click(id)
        assert hands.state()["z_from"] == "draw"
        assert "drawn from N(0, I)" in hands.page.locator("#noise-says").inner_text()


def test_a_drag_of_six_pixels_is_no_click(hands):
    _, code, place = lonely(hands)
    hands.page.evaluate("explore.put_z([-3, -3])")
    now = hands.drag("plane", place, np.add(place, [6 / width(hands, "plane"), 0]))
    assert now["index"] == 6 and now["z"] == close(code, 0.2)


def test_a_pen_draws_as_a_mouse_does(hands):
    session = hands.page.context.new_cdp_session(hands.page)
    for kind, place in (("Pressed", [0.3, 0.4]), ("Moved", [0.6, 0.4]), ("Released", [0.6, 0.4])):
        x, y = hands.at("pad", place)
        event = {"type": f"mouse{kind}", "x": x, "y": y, "button": "left", "pointerType": "pen"}
        session.send("Input.dispatchMouseEvent", event | {"buttons": 1, "clickCount": 1})
    assert hands.state()["from"] == "drawing"


def test_home_moves_what_has_the_focus_and_not_the_page(hands):
    hands.page.evaluate("scrollTo(0, 150)")
    for id, z_from in (("plane", "hand"), ("noise", "hand"), ("lens", "draw")):
        hands.page.evaluate("explore.draw_z()")
        assert hands.keys(id, "Home")["z_from"] == z_from
        assert hands.page.evaluate("scrollY") > 0
    hands.page.evaluate("scrollTo(0, 0)")


def test_a_stroke_has_a_point_wherever_the_pen_was(hands):
    hands.drag("pad", [0.2, 0.2], [0.8, 0.2])  # in four steps
    hands.page.mouse.move(*hands.at("pad", [0.2, 0.5]))
    hands.page.mouse.down()
    hands.page.mouse.move(*hands.at("pad", [0.8, 0.5]), steps=12)
    hands.page.mouse.up()
    assert hands.state()["index"] is None and hands.page.evaluate(CHOSEN) == [[], [0]]
    lengths = hands.page.evaluate("explore.state.strokes.map(({ length }) => length)")
    assert lengths == [5, 13]
    shown, wanted = hands.page.evaluate(
        """() => {
          const { x, strokes } = explore.state;
          return [[...x], [...rasterize(strokes, explore.data.image_shape)]];
        }"""
    )
    assert shown == wanted  # of both strokes


PRESSED = """(acts) => {
  const { left, top, width } = element("pad").getBoundingClientRect();
  const press = (isPrimary) => element("pad").dispatchEvent(new PointerEvent("pointerdown", {
    isPrimary, pointerId: 1, clientX: left + width / 2, clientY: top + width / 2 }));
  const acted = { finger: () => press(true), second: () => press(false),
    take: () => explore.take(3), up: () => element("pad").onpointerup({ pointerId: 1 }) };
  for (const act of acts) acted[act](); // before the next frame
}"""


def test_a_stroke_that_ends_before_it_was_shown_leaves_nothing(hands):
    for acts, index in ((["finger", "second"], 6), (["finger", "take", "up"], 3)):
        hands.page.evaluate(PRESSED, acts)
        now = hands.state()
        assert (now["from"], now["index"]) == ("test", index)
        hands.drag("pad", [0.3, 0.3], [0.6, 0.3])  # and the next one is drawn
        assert hands.state()["from"] == "drawing"
        assert hands.page.evaluate("explore.state.strokes.length") == 1
