"""Answers that come late: of a q that has moved on, of the image or the drawing before."""

import numpy as np
import pytest
from browser_drawn import RECORDED
from browser_page import SETTLED, chromium, open_once, page_of_stripes  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE
from test_explore_walk import numbers

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow
HELD = """
  window.held = null; // while it is a list, the worker's answers wait in it
  Worker = class extends Worker {
    set onmessage(hear) {
      super.onmessage = (event) => (held ? held.push(() => hear(event)) : hear(event));
    }
  };
"""
HOLD = "() => { held = []; }"
RELEASE = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  while (!held.length) await new Promise((wait) => setTimeout(wait, 5));
  held.shift()();
  await frame();
  await frame();
}"""
REST = """async () => {
  for (const hear of held.splice(0)) hear();
  held = null;
  await (SETTLED)();
}""".replace("SETTLED", SETTLED)
MOVE = """([a, b = 0]) => {
  const { mean, std } = explore.state.encoded;
  explore.put_q([mean[0] + a, mean[1] + b], std);
}"""
FRAME = "() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))"
BUSY = "element('account').ariaBusy"


class Late:
    """A page whose worker's answers are held back until they are let through."""

    def __init__(self, page):
        self.page = page

    def hold(self, *acts):
        self.page.evaluate(HOLD)
        for act in acts:
            self.page.evaluate(act)

    def one(self):
        self.page.evaluate(RELEASE)

    def rest(self):
        self.page.evaluate(REST)

    def move(self, *by):
        self.page.evaluate(MOVE, by)

    def take(self, k):
        self.page.evaluate("(k) => explore.take(k)", k)
        self.page.evaluate(SETTLED)

    def text(self, id):
        return self.page.locator(f"#{id}").inner_text()

    def says(self, id):
        return self.page.locator(f"#{id}").get_attribute("data-says")


@pytest.fixture(scope="module")
def shared(open_once):
    return open_once(DOCS_PAGE, 1500, script=HELD)


@pytest.fixture
def late(shared):
    shared.evaluate("() => { held = null; explore.draw_z(); }")
    shared.select_option("#beta", "1")
    late = Late(shared)
    late.take(6)
    return late


def test_while_q_is_moved_the_account_is_that_of_a_moment_ago(late):
    late.move(0.6)
    late.page.evaluate(SETTLED)
    ids = ("n-elbo", "n-gap", "elbo-mine", "gap-mine", "fit-says", "bars")
    there = [late.text(id) for id in ids]
    late.take(6)
    late.hold()
    late.move(0.6)
    late.move(0.1)
    late.one()
    assert [late.text(id) for id in ids] == there and late.page.evaluate(BUSY) == "true"
    late.one()
    assert late.text("n-elbo") != there[0] and late.page.evaluate(BUSY) == "false"
    late.rest()


def test_of_a_drag_only_the_latest_q_waits_for_an_answer(late):
    late.hold()
    for k in range(1, 6):
        late.move(0.1 * k)
    late.one()  # of the first
    late.one()
    assert late.page.evaluate("[explore.current(), held.length]") == [True, 0]
    late.rest()


def test_another_image_has_nothing_of_an_answer_about_the_one_before(late):
    late.take(10)
    late.hold()
    late.move(0.6)
    late.page.evaluate("explore.take(3)")
    late.one()
    assert late.text("posterior-numbers") == "…" and late.page.evaluate(BUSY) == "true"
    q = late.page.evaluate("[...explore.state.encoded.mean, ...explore.state.encoded.std]")
    for id in ("q-numbers", "lens-numbers"):  # which are there at once
        assert numbers(late.text(id)) == pytest.approx(q, abs=0.0051)
    late.rest()
    lens, mean = late.page.evaluate("[explore.state.lens.center, [...explore.state.encoded.mean]]")
    assert lens == pytest.approx(mean, abs=1e-9)
    late.move(0.01)
    late.page.evaluate(SETTLED)
    assert late.says("account-says") == "agree"  # it was not this image's ELBO that changed


def test_under_the_pen_the_posterior_is_that_of_a_moment_ago_where_it_was_found(late):
    late.page.click("#clear")
    late.page.evaluate(SETTLED)
    draw = "explore.change({ x: rasterize([[[0.3, 0.3], [0.5, %s]]], [28, 28]), from: 'drawing' })"
    late.hold(draw % 0.7, FRAME)
    assert late.text("posterior-numbers") == "…"  # that of a blank image is none of a drawing's
    late.one()
    shown = "[element('lens').toDataURL(), element('posterior-numbers').innerText]"
    seen = late.page.evaluate(shown)
    for act in (draw % 0.3, FRAME):
        late.page.evaluate(act)
    assert late.page.evaluate(f"[explore.state.lens, {BUSY}]") == [None, "true"]
    assert late.page.evaluate(shown)[1] == seen[1]
    late.page.evaluate(draw % 0.7)
    late.page.evaluate(FRAME)
    assert late.page.evaluate(shown) == seen
    late.one()
    assert late.page.evaluate(shown)[1] != seen[1] and late.page.evaluate(BUSY) == "true"
    late.rest()


def test_while_q_climbs_all_that_is_shown_is_of_its_latest_step(late):
    late.take(10)
    late.hold("element('fit').click()")
    pictures = []
    for _ in range(3):
        late.one()
        q, value, log_prob, shown = late.page.evaluate(
            """() => {
              const { q, fit, p, x } = explore.state;
              const ids = ["plane", "lens", "mean", "estimate", "climb"];
              return [[...q.mean, ...q.std], fit.path.at(-1).value, p.log_prob(x),
                ids.map((id) => element(id).toDataURL())];
            }"""
        )
        pictures.append(shown)
        equations = [numbers(late.text(id))[0] for id in ("m0", "m1", "s0", "s1")]
        for told in (numbers(late.text("lens-numbers")), equations):
            assert told == pytest.approx(q, abs=0.0051)
        for id in ("n-elbo", "elbo-mine", "fit-says"):
            assert numbers(late.text(id)) == [pytest.approx(value, abs=0.006)]
        assert numbers(late.text("estimate-says"))[1] == pytest.approx(log_prob, abs=0.006)
    assert all(len(set(seen)) == 3 for seen in zip(*pictures, strict=True))
    late.rest()


def test_aloud_it_is_said_once_the_numbers_are_those_of_q(late):
    late.page.wait_for_timeout(1000)
    before = late.text("spoken")
    for k in range(10):  # nor while z is moved on
        late.move(0.3 + k / 100)
        late.page.wait_for_timeout(100)
    assert late.text("spoken") == before
    late.hold()
    late.move(0.6)
    late.move(0.1)
    late.one()
    late.page.wait_for_timeout(1000)
    assert late.text("spoken") == before
    late.rest()
    late.page.wait_for_timeout(1000)
    assert numbers(late.text("spoken"))[1] == numbers(late.text("n-elbo"))[0]


FALLS = """Worker = class extends Worker { postMessage(question) {
  window.falling ? setTimeout(() => this.onerror()) : super.postMessage(question);
} };"""


def test_after_a_worker_has_failed_all_numbers_are_what_they_were_with_it(late, open_once):
    fallen = Late(open_once(DOCS_PAGE, 1500, script=FALLS))
    fallen.take(6)
    draw = "explore.change({ x: rasterize([[[0.3, 0.3], [0.5, 0.7]]], [28, 28]), from: 'drawing' })"
    acts = (MOVE, "element('fit').click()", "element('reset').click()", draw, MOVE)
    fallen.page.evaluate("() => { window.falling = true; }")
    ids = ("n-elbo", "n-gap", "n-log-px", "elbo-encoder", "elbo-diagonal", "posterior-numbers")
    for act in acts:
        told = []
        for one in (late, fallen):
            one.page.evaluate(act, [0.6] if act is MOVE else None)
            one.page.evaluate(SETTLED)
            told.append([one.text(id) for id in (*ids, "lens-numbers", "fit-says", "account-says")])
        assert told[0] == told[1]
    assert fallen.page.locator("#trouble").is_visible()


def test_a_gaussian_decoder_s_page_waits_for_its_own_numbers(open_once, tmp_path, rng):
    late = Late(open_once(page_of_stripes(tmp_path, rng, "gaussian"), script=HELD + RECORDED))
    late.take(2)
    late.hold()
    late.move(0.3)
    late.page.evaluate(FRAME)
    assert late.says("fit-says") != "waiting" != late.says("account-says")
    late.page.evaluate("() => { explore.take(5); drawn.length = 0; }")
    late.one()
    assert late.says("fit-says") == late.says("account-says") == "waiting"
    busy = "[...document.querySelectorAll('[aria-busy=true]')].length"
    assert late.page.evaluate(busy) == 4  # what is still of the image before is faded
    around = """drawn.filter(({ id, name, stroke }) =>
      id === "lens" && name === "ellipse" && stroke === colour.q).at(-1).given"""
    half = late.page.evaluate("element('lens').clientWidth") / 2
    assert late.page.evaluate(around)[:2] == pytest.approx([half, half])  # q, and all of it
    assert max(late.page.evaluate(around)[2:4]) == pytest.approx(half / 2)
    late.page.click("#fit")
    late.rest()
    assert late.says("fit-says").startswith("arrived")
    noise, mean, std = (
        np.array(late.page.evaluate(f"[...explore.state.{of}]"))
        for of in ("pixel_noise", "p.mean", "p.std")
    )
    assert noise.min() < -1 and noise.max() > 1  # N(0, 1), and not from 0 to 1
    seen = late.page.evaluate(
        """() => {
          const { width, height } = element("draw"), context = element("draw").getContext("2d");
          return [...context.getImageData(0, 0, width, height).data].filter((_, k) => k % 4 === 0);
        }"""
    )
    np.testing.assert_allclose(seen, 255 * np.clip(mean + std * noise, 0, 1), atol=0.51)
