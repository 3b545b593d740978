"""A finger on a phone: it takes what is near, and scrolls or taps where nothing is."""

import numpy as np
import pytest
from browser_page import SETTLED, chromium, open_page  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE
from test_explore_hands import Hands, close

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow


class Finger(Hands):
    """On a touch screen: a place is in units of a canvas's width, a move in pixels."""

    def __init__(self, page):
        super().__init__(page)
        self.session = page.context.new_cdp_session(page)

    def touch(self, kind, *points):
        points = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)]
        event = {"type": f"touch{kind}", "touchPoints": points}
        self.session.send("Input.dispatchTouchEvent", event)

    def in_view(self, id):
        self.page.locator(f"#{id}").evaluate("one => one.scrollIntoView({ block: 'center' })")
        self.page.wait_for_timeout(100)

    def swipe(self, id, place, move, end="End"):
        """What is then on the page, and how far the picture went off."""
        self.in_view(id)
        start, top = self.at(id, place), self.at(id, [0, 0])[1]
        self.touch("Start", start)
        for k in range(1, 9):
            self.touch("Move", np.add(start, np.multiply(move, k / 8)))
            self.page.wait_for_timeout(20)
        self.touch(end)
        self.page.wait_for_timeout(300)
        return self.state(), abs(self.at(id, [0, 0])[1] - top)

    def tap(self, id, place):
        self.in_view(id)
        self.page.touchscreen.tap(*self.at(id, place))
        return self.state()


@pytest.fixture
def finger(open_page):
    finger = Finger(open_page(DOCS_PAGE, 390, height=844, touch=True, ratio=3))
    assert finger.page.evaluate("innerWidth") == 390  # a phone shows it at its own width
    finger.page.evaluate("explore.put_z([-3, -3])")
    finger.state()
    return finger


def test_a_finger_takes_what_is_within_its_width_and_scrolls_elsewhere(finger):
    page, beside = finger.page, 18  # pixels
    moved = np.array([30, -24])
    for id, of in (("lens", "mean"), ("plane", "z"), ("noise", "noise")):
        if id == "noise":
            page.evaluate("explore.put_z([...explore.state.q.mean])")
        before = finger.state()
        width = page.locator(f"#{id}").bounding_box()["width"]
        half = {"plane": before["half"], "noise": 3.4, "lens": before["lens"]["half_width"]}[id]
        start = np.add(finger.of(id, before[of]), [-beside / width, 0])
        after, scrolled = finger.swipe(id, start, moved)
        wanted = np.add(before[of], 2 * half / width * (moved - [beside, 0]) * [1, -1])
        assert after[of] == close(wanted, 0.02 * half) and scrolled < 1
        still, scrolled = finger.swipe(id, np.add(start, [0, 0.3]), [0, -64])
        assert still == after and scrolled > 20


def test_a_tap_takes_the_code_that_it_is_near_or_puts_z_there(finger):
    codes = np.reshape(finger.page.evaluate("() => [...float32(explore.data.codes)]"), (-1, 2))
    width = finger.page.locator("#plane").bounding_box()["width"]
    places = width * np.array([finger.of("plane", code) for code in codes])
    below = np.add(places, [0, 11])  # pixels
    far = np.hypot(*(below[:, None] - places).T) + 999 * np.eye(len(codes))
    inside = ((places > 0.15 * width) & (places < 0.85 * width)).all(axis=1)
    k = int(np.argmax(np.where(inside, far.min(axis=0), 0)))
    now, _ = finger.swipe("plane", finger.of("plane", [-3, -3]), [20, 0])  # after a drag, too
    now = finger.tap("plane", [0.03, 0.06])
    assert now["z"] == close(now["half"] * np.array([-0.94, 0.88]), 0.1)
    assert finger.tap("plane", below[k] / width)["index"] == k


def test_a_tap_puts_z_and_the_noise_there(finger):
    now = finger.tap("lens", [0.2, 0.1])
    half = now["lens"]["half_width"]
    wanted = np.add(now["lens"]["center"], half * np.array([-0.6, 0.8]))
    assert now["z"] == close(wanted, 0.02 * half) and now["q_from"] == "encoder"
    now = finger.tap("noise", [0.8, 0.3])
    assert now["noise"] == close([0.6 * 3.4, 0.4 * 3.4], 0.06) and now["z_from"] == "hand"


def test_a_touch_that_the_system_takes_away_ends_what_it_moved(finger):
    now = finger.state()
    there = [0.48 * finger.page.locator("#lens").bounding_box()["width"], 0]
    after, _ = finger.swipe("lens", finger.of("lens", now["mean"]), there, end="Cancel")
    assert after["mean"][0] > now["mean"][0] + 0.8 * now["lens"]["half_width"]
    assert after["lens"]["center"] == close(after["mean"], 1e-9)


def test_a_second_finger_takes_back_its_own_stroke_only_and_the_pad_says_what_to_do(finger):
    page = finger.page
    drawing = "() => [[...explore.state.x], explore.state.strokes, explore.state.from]"
    told = [page.locator("#pad-says").inner_text()]
    finger.tap("pad", [0.5, 0.5])
    told.append(page.locator("#pad-says").inner_text())
    finger.swipe("pad", [0.3, 0.3], [40, 0])
    told.append(page.locator("#pad-says").inner_text())
    known = page.evaluate(drawing)
    assert known[2] == "drawing" and len(known[1]) == 1
    a, b = finger.at("pad", [0.4, 0.6]), finger.at("pad", [0.7, 0.8])
    finger.touch("Start", a)
    finger.touch("Move", b)
    page.evaluate(SETTLED)
    assert len(page.evaluate(drawing)[1]) == 2
    finger.touch("Start", b, a)
    finger.touch("Move", a, b)
    finger.touch("End")
    page.evaluate(SETTLED)
    assert page.evaluate(drawing) == known
    page.locator("h1").tap()
    page.evaluate(SETTLED)
    told.append(page.locator("#pad-says").inner_text())
    page.locator("#clear").tap()
    finger.tap("pad", [0.5, 0.5])
    told.append(page.locator("#pad-says").inner_text())
    assert told == ["tap, then draw", "draw here", "", "tap, then draw", "draw here"]
    page.locator("#language").tap()
    page.evaluate(SETTLED)
    assert page.locator("#pad-says").inner_text() == "点一下，再写"
    page.evaluate("explore.take(3)")
    finger.touch("Start", a)
    finger.touch("Start", a, b)
    finger.touch("End")
    assert finger.state()["index"] == 3  # where no stroke was begun, none is taken back
