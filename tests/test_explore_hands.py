"""What mouse, keys and fingers do on the page: each press does what it says, where it is."""

import base64

import numpy as np
import pytest
from browser_drawn import COPIED, RECORDED
from browser_page import SETTLED, chromium, open_once, open_page  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE, data_of, images_of

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow
STATE = """() => {
  const { q, z, noise, encoded, lens, from, index, q_from, z_from } = explore.state;
  const { code, L, beta } = explore.state;
  return { mean: [...q.mean], std: [...q.std], z: [...z], noise: [...noise], lens, from, index,
    code, q_from, z_from, L, beta, encoded: [[...encoded.mean], [...encoded.std]],
    half: explore.view.half_width, spacing: explore.data.grid.spacing };
}"""


@pytest.fixture(scope="module")
def shared(open_once):
    return open_once(DOCS_PAGE, 1500, script=RECORDED + COPIED)


@pytest.fixture(scope="module")
def data():
    return data_of(DOCS_PAGE.read_text(encoding="utf-8"))


class Hands:
    def __init__(self, page):
        self.page = page

    def state(self):
        self.page.evaluate(SETTLED)
        return self.page.evaluate(STATE)

    def at(self, id, place):
        """A point of the window, from a place in a canvas's width."""
        box = self.page.locator(f"#{id}").bounding_box()
        return box["x"] + place[0] * box["width"], box["y"] + place[1] * box["width"]

    def of(self, id, z):
        """The place of a z in a picture."""
        now = self.page.evaluate(STATE)
        center, half = {
            "plane": ([0, 0], now["half"]),
            "noise": ([0, 0], 3.4),
            "lens": (now["lens"]["center"], now["lens"]["half_width"]),
        }[id]
        return (1 + np.subtract(z, center) / half * [1, -1]) / 2

    def drag(self, id, start, end):
        self.page.mouse.move(*self.at(id, start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(id, end), steps=4)
        self.page.mouse.up()
        return self.state()

    def keys(self, id, *keys):
        self.page.mouse.move(0, 0)
        self.page.locator(f"#{id}").focus()
        for key in keys:
            self.page.keyboard.press(key)
        return self.state()


@pytest.fixture
def hands(shared):
    """The page at its seventh image, with the encoder's q."""
    shared.mouse.move(0, 0)
    shared.evaluate("() => { explore.take(6); explore.draw_z(); scrollTo(0, 0); }")
    shared.select_option("#beta", "1")
    hands = Hands(shared)
    hands.state()
    return hands


def close(values, atol=0.03):
    return pytest.approx(list(values), abs=atol)


def test_each_handle_of_q_moves_what_it_stands_for(hands):
    hands.page.evaluate("explore.put_z([-3, -3])")  # not in the way
    now = hands.state()
    mean, std, half = np.array(now["mean"]), np.array(now["std"]), now["lens"]["half_width"]
    there = mean + 0.3 * half * np.array([-1, 0.5])
    beside = 0.02  # of the picture's width: a hand is not exact
    now = hands.drag("lens", hands.of("lens", mean) + beside, hands.of("lens", there))
    assert now["mean"] == close(there) and now["std"] == close(std, 1e-9)
    assert now["q_from"] == "yours" and now["z"] == close([-3, -3], 1e-9)
    for axis, grow in ((0, 1.5), (1, 0.6)):
        before, reach = now["std"], np.eye(2)[axis] * 2 * now["std"][axis]
        start = hands.of("lens", np.add(now["mean"], reach))
        end = hands.of("lens", np.add(now["mean"], grow * reach))
        after = hands.drag("lens", start - beside, end)
        wanted = [grow * s if k == axis else s for k, s in enumerate(before)]
        assert after["std"] == close(wanted, 0.01) and after["mean"] == close(now["mean"], 1e-9)
        now = after


def test_keys_move_q_and_its_widths(hands):
    now = hands.state()
    step = now["lens"]["half_width"] / 40
    after = hands.keys("lens", "ArrowRight", "ArrowRight", "ArrowUp")
    assert np.subtract(after["mean"], now["mean"]) == close([2 * step, step], 1e-9)
    assert after["std"] == close(now["std"], 1e-9) and after["q_from"] == "yours"
    wide = hands.keys("lens", "Shift+ArrowRight", "Shift+ArrowDown")
    assert np.divide(wide["std"], after["std"]) == close([1.1, 1 / 1.1], 1e-9)
    assert wide["mean"] == close(after["mean"], 1e-9)
    back = hands.keys("lens", "Home")
    assert [back["mean"], back["std"]] == now["encoded"] and back["q_from"] == "encoder"
    for _ in range(3):
        narrow = hands.keys("lens", *["Shift+ArrowDown"] * 8, *["Shift+ArrowLeft"] * 8)
    assert narrow["lens"]["half_width"] <= now["lens"]["half_width"]


def test_a_q_of_one_s_own_stays_where_the_grid_can_sum_it(hands):
    for mean, std in (([9, -9], [5, 1e-9]), ([0, 0], [3, 0.4]), ([-5.9, 1], [0.5, 0.5])):
        hands.page.evaluate("([m, s]) => explore.put_q(m, s)", [mean, std])
        now = hands.state()
        m, s = np.array(now["mean"]), np.array(now["std"])
        least, room = now["spacing"] / 2, (6 - np.abs(m)) / 4
        assert m == close(np.clip(mean, 4 * least - 6, 6 - 4 * least), 1e-9)
        widest = np.minimum(room, 1.2)
        assert s == close(np.maximum(least, np.minimum(widest, std)), 1e-9)
        assert hands.page.locator("#n-gap").inner_text() != "—"


def test_keys_move_z_and_the_noise_and_leave_the_browser_s_own_alone(hands):
    hands.page.evaluate("explore.put_z([0.2, 0.4])")
    now = hands.keys("plane", "ArrowLeft", "ArrowDown", "Shift+ArrowUp", "Shift+ArrowRight")
    assert now["z"] == close([0.11, 0.31], 1e-9) and now["z_from"] == "hand"
    assert hands.page.evaluate("scrollY") == 0  # an arrow moves z, not the page
    others = ("Control+ArrowLeft", "Alt+ArrowUp", "Meta+ArrowDown", "x")
    assert hands.keys("plane", *others)["z"] == now["z"]
    assert hands.keys("plane", "Home")["z"] == close(now["mean"], 1e-9)
    codes = [hands.keys("plane", key)["code"] for key in "nNn"]
    assert len({None, *codes}) == 4  # another each time, whatever the case
    noise = hands.keys("noise", "ArrowRight", "ArrowUp", "Shift+ArrowLeft")["noise"]
    assert noise == close([0.09, 0.1], 1e-9)
    assert hands.keys("noise", "Home")["noise"] == [0, 0]
    now = hands.drag("noise", [0.2, 0.2], [0.75, 0.4])
    assert now["noise"] == close([0.5 * 3.4, 0.2 * 3.4]) and now["z_from"] == "hand"


def test_a_small_slip_is_a_click_and_a_drag_is_not(hands):
    page, free = hands.page, [0.62, 0.05]
    page.evaluate("explore.put_z([-3, -3])")
    for place in (hands.of("plane", hands.state()["encoded"][0]), free):  # its code, and nothing
        x, y = hands.at("plane", place)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 2, y + 1)
        page.mouse.up()
        now = hands.state()
        if place is not free:
            assert now["from"] == "test" and now["z_from"] == "draw"  # taken, and not z moved
            page.evaluate("explore.take(6)")
    assert now["z"] == close(now["half"] * np.array([0.24, 0.9]), 0.05)
    start, z = hands.of("plane", now["z"]), np.array([0.5, 1.5])
    now = hands.drag("plane", start + 0.01, hands.of("plane", z))  # taken a little beside
    assert now["z"] == close(z, 0.05) and now["from"] == "test" and now["index"] == 6
    now = hands.drag("plane", [0.5, 0.9], [0.5, 0.8])  # from where nothing is: z comes
    assert now["z"] == close(now["half"] * np.array([0, -0.6]), 0.05)
    before = now["z"]
    page.mouse.click(*hands.at("plane", free), button="right")
    page.keyboard.press("Escape")
    assert hands.state()["z"] == before


def test_a_code_that_is_pointed_at_shows_its_image(hands, data):
    codes = np.frombuffer(base64.b64decode(data["codes"]), np.float32).reshape(-1, 2)
    far = np.abs(codes[:, None] - codes).max(axis=2) + 9 * np.eye(len(codes))
    half = hands.state()["half"]
    lonely = [k for k in np.argsort(-far.min(axis=1)) if np.abs(codes[k]).max() < 0.8 * half][:3]
    labels = np.frombuffer(base64.b64decode(data["labels"]), np.uint8)
    for k in map(int, lonely):
        hands.page.mouse.move(*hands.at("plane", hands.of("plane", codes[k])))
        assert hands.state()["code"] == k
        label = hands.page.locator("#plane").get_attribute("aria-label")
        assert label == f"Code of test image {k + 1}, a {labels[k]}: Enter takes it."
        hands.page.evaluate("() => { drawn.length = 0; dispatchEvent(new Event('resize')); }")
        hands.state()
        calls = hands.page.evaluate("drawn.filter(({ id }) => id === 'plane')")
        pictures = [c["given"] for c in calls if c["name"] == "drawImage"]
        _, x, y, w, h = pictures[-1]
        size = hands.page.evaluate("element('plane').clientWidth")
        a, b = size * hands.of("plane", codes[k])
        assert (w, h) == (60, 60) and 0 <= x <= size - 60 and 0 <= y <= size - 60
        assert 3 < abs(x + 30 - a) < 75 and 3 < abs(y + 30 - b) < 75  # beside it, not over it
        shown = np.reshape(
            hands.page.evaluate(
                """([x, y]) => {
                  const { width, clientWidth } = element("plane");
                  const part = [x, y, 60, 60].map((v) => (v * width) / clientWidth);
                  const { data } = copied("plane").getImageData(...part);
                  return [...data].filter((_, k) => k % 4 === 0);
                }""",
                [x, y],
            ),
            (60, 60),
        )
        at = np.rint((np.arange(28) + 0.5) * 60 / 28 - 0.5).astype(int)[2:-2]
        image = images_of(data)[k].reshape(28, 28)[2:-2, 2:-2]
        assert np.corrcoef(shown[np.ix_(at, at)].ravel(), image.ravel())[0, 1] > 0.9
    hands.page.mouse.move(0, 0)
    assert hands.state()["code"] is None


def test_arrows_choose_among_the_digits_and_come_round(hands, data):
    buttons = hands.page.locator("#digits button")
    buttons.nth(6).focus()
    last = data["offered"] - 1
    for key, k in (("ArrowRight", 7), ("ArrowDown", 8), ("ArrowLeft", 7), ("ArrowUp", 6)):
        hands.page.keyboard.press(key)
        check_chosen(hands, k)
    buttons.nth(0).focus()
    hands.page.keyboard.press("ArrowLeft")
    check_chosen(hands, last)
    hands.page.keyboard.press("ArrowRight")
    check_chosen(hands, 0)
    hands.page.click("#clear")
    assert hands.state()["from"] == "blank"
    chosen, stops = hands.page.evaluate(CHOSEN)
    assert chosen == [] and stops == [0]


CHOSEN = """() => {
  const all = [...element("digits").children], numbers = [...all.keys()];
  return [numbers.filter((k) => all[k].ariaChecked === "true"),
    numbers.filter((k) => all[k].tabIndex === 0)];
}"""


def check_chosen(hands, k):
    now = hands.state()
    assert (now["from"], now["index"]) == ("test", k)
    assert hands.page.evaluate(CHOSEN) == [[k], [k]]
    focused = "[...element('digits').children].indexOf(document.activeElement)"
    assert hands.page.evaluate(focused) == k


def test_each_button_does_what_it_says(hands):
    page = hands.page
    for L in ("1", "100", "10"):
        page.click(f'#draws [value="{L}"]')
        pressed = page.locator('#draws [aria-pressed="true"]')
        assert pressed.count() == 1 and pressed.inner_text() == f"L = {L}"
        assert hands.state()["L"] == int(L)
    labels = page.locator("#draws button").all_inner_texts()
    assert labels == ["L = 1", "L = 10", "L = 100"]
    assert page.locator("#beta option").all_inner_texts() == ["1", "2", "4", "8"]
    page.select_option("#beta", "4")
    assert hands.state()["beta"] == 4 and page.locator("#beta").input_value() == "4"
    pixels = "[...explore.state.pixel_noise]"
    before, noise = hands.state(), page.evaluate(pixels)
    page.click("#new-draw")
    after = hands.state()
    assert after == before and page.evaluate(pixels) != noise
    for id in ("#new-noise", "#draw-z"):
        noise = hands.state()["noise"]
        page.click(id)
        assert hands.state()["noise"] != noise and hands.state()["z_from"] == "draw"
    page.select_option("#beta", "1")
    assert page.locator("#reset").is_disabled()
    assert page.locator("#elbo-diagonal").inner_text() == "?"  # to be guessed first
    page.click("#fit")
    fitted = hands.state()
    assert fitted["q_from"] == "fitted" and page.locator("#elbo-diagonal").inner_text() != "?"
    page.locator("#reset").press("Enter")
    back = hands.state()
    assert page.evaluate("document.activeElement.id") == "reset"
    assert [back["mean"], back["std"]] == back["encoded"] and back["q_from"] == "encoder"
    page.locator("#digits button").nth(2).click()
    assert hands.state()["index"] == 2
    assert [page.locator(f"#elbo-{k}").inner_text() for k in ("diagonal", "full")] == ["?", "?"]


def test_a_drawing_goes_on_and_a_new_one_starts_clean(hands):
    page, strokes = hands.page, "explore.state.strokes.length"
    hands.drag("pad", [0.3, 0.3], [0.6, 0.3])
    hands.drag("pad", [0.4, 0.5], [0.6, 0.7])
    assert hands.state()["from"] == "drawing" and page.evaluate(strokes) == 2
    ink = """() => {
      const { width, height } = element("pad"), context = copied("pad");
      const at = (a, b) => context.getImageData(a * width, b * height, 1, 1).data[3];
      const places = [[0.45, 0.3], [0.5, 0.6], [0.45, 0.33], [0.45, 0.37], [0.7, 0.3], [0.8, 0.8]];
      return places.map((place) => at(...place));
    }"""
    assert page.evaluate(ink) == [255, 255, 255, 0, 0, 0]
    page.locator("#digits button").nth(3).click()
    hands.drag("pad", [0.2, 0.3], [0.6, 0.3])
    assert hands.state()["from"] == "drawing" and page.evaluate(strokes) == 1
    page.click("#clear")
    assert hands.state()["from"] == "blank" and page.evaluate(ink) == [0] * 6
    hands.drag("pad", [0.2, 0.8], [0.6, 0.8])  # brings nothing back
    assert hands.state()["from"] == "drawing" and page.evaluate(ink) == [0] * 6
