"""What the page shows after one thing and then another: nothing of before is left over."""

import colorsys
import re

import numpy as np
import pytest
from browser_drawn import DENSEST, RECORDED, Drawn
from browser_page import SETTLED, chromium, open_once, open_page  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE
from test_explore_hands import CHOSEN, close, hands  # noqa: F401 - a fixture
from test_explore_walk import numbers

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(open_once):
    return open_once(DOCS_PAGE, 1500, script=RECORDED)


def says(page, id="fit-says"):
    return page.locator(f"#{id}").get_attribute("data-says")


def test_a_z_set_by_hand_and_a_code_pointed_at_go_with_their_image(hands):
    page = hands.page
    drawn = hands.state()["noise"]
    page.locator("#digits button").nth(3).click()
    assert hands.state()["noise"] == drawn  # a draw is kept: under the pen z does not tremble
    page.evaluate("explore.put_z([1, 1])")
    by_hand = hands.state()["noise"]
    taken = hands.keys("plane", "n", "Enter")
    assert taken["code"] is None and taken["z_from"] == "draw"
    assert not set(taken["noise"]) & set(by_hand)
    assert "Code" not in page.locator("#plane").get_attribute("aria-label")
    index = taken["index"]
    assert hands.keys("plane", "Enter")["index"] == index  # with no code, it takes nothing
    assert hands.keys("plane", "n")["code"] is not None
    page.keyboard.press("Tab")
    assert hands.state()["code"] is None
    page.evaluate("explore.take(explore.data.offered)")  # not beside the pad: the first is the stop
    hands.state()
    assert page.evaluate(CHOSEN) == [[], [0]]


def test_a_code_is_shown_only_close_to_it(hands):
    codes = np.reshape(hands.page.evaluate("() => [...float32(explore.data.codes)]"), (-1, 2))
    places = np.array([hands.of("plane", code) for code in codes])
    width = hands.page.locator("#plane").bounding_box()["width"]
    far = width * np.hypot(*(places[:, None] - places).T) + 999 * np.eye(len(codes))
    inside = ((places > 0.1) & (places < 0.9)).all(axis=1)
    k = int(np.argmax(np.where(inside, far.min(axis=0), 0)))
    for off, code in ((0, k), (4, k), (12, None)):
        hands.page.mouse.move(*hands.at("plane", places[k] + [0, off / width]))
        assert hands.state()["code"] == code
    hands.page.evaluate("(z) => explore.put_z(z)", codes[k].tolist())
    hands.page.mouse.move(*hands.at("plane", places[k]))
    assert hands.state()["code"] == k
    hands.page.mouse.down()
    for off in (12, 0):  # where z is dragged, no code is in its way
        hands.page.mouse.move(*hands.at("plane", places[k] + [0, off / width]), steps=3)
        assert hands.state()["code"] is None
    hands.page.mouse.up()


def test_z_stays_where_it_was_put_while_q_climbs_and_goes_back(hands):
    z = [0.7, -0.4]
    hands.page.evaluate("(z) => explore.put_z(z)", z)
    for button in ("#fit", "#reset"):
        hands.page.click(button)
        now = hands.state()
        assert now["z"] == close(z, 1e-9) and now["z_from"] == "hand"
    hands.page.evaluate("explore.put_z([-99, 99])")
    assert hands.state()["z"] == close([-now["half"], now["half"]], 1e-9)


def test_a_draw_of_noise_is_kept_while_q_climbs_is_moved_and_goes_back(hands):
    drawn = hands.state()["noise"]
    hands.page.click("#fit")
    for now in (hands.state(), hands.keys("lens", "ArrowUp"), hands.keys("lens", "Home")):
        assert now["noise"] == drawn and now["z_from"] == "draw"  # and z goes along


def test_the_magnification_comes_along_with_q_and_shrinks_with_it(hands):
    page, now = hands.page, hands.state()
    page.evaluate("explore.put_z([-3, -3])")  # not in the way
    after = hands.drag("lens", hands.of("lens", now["mean"]), [0.99, 0.5])
    assert after["lens"]["center"] == close(after["mean"], 1e-9)
    assert after["mean"][0] > now["mean"][0] + 0.9 * now["lens"]["half_width"]
    page.click("#reset")
    back = hands.state()
    moved = hands.keys("lens", "ArrowUp", "ArrowRight")
    assert moved["lens"] == back["lens"] == page.evaluate("explore.state.found.lens")
    assert back["lens"]["center"] == close(back["encoded"][0], 1e-9)
    page.evaluate("explore.put_q(explore.state.q.mean, [1.2, 1.2])")
    wide = hands.keys("lens", "ArrowUp")
    page.evaluate("explore.put_q(explore.state.q.mean, [0.06, 0.06])")
    narrow = hands.keys("lens", "ArrowUp")
    assert wide["lens"]["half_width"] > 2.4 * 1.2 > 1.5 * narrow["lens"]["half_width"]


CLIMB = """async () => {
  const { state } = explore, frames = async (count) => {
    for (let k = 0; k < count; k++) await new Promise(requestAnimationFrame);
  };
  element("fit").click();
  while (!(state.fit?.path.length > 2)) await frames(1);
  ACT;
  const q = [...state.q.mean, ...state.q.std];
  await frames(30);
  return [q, [...state.q.mean, ...state.q.std], state.fit];
}"""


@pytest.mark.parametrize(
    ("act", "q_from", "said"),
    [
        ("explore.put_q([0.5, 0.5], [0.3, 0.3])", "yours", "behind"),
        ("element('reset').click()", "encoder", "start"),
        ("explore.take(2)", "encoder", "start"),
        ("element('clear').click()", "encoder", "start"),
        ("element('beta').value = 4; element('beta').onchange({ target: { value: '4' } })",
         "stopped", "beta"),
    ],
)  # fmt: skip
def test_what_changes_q_or_its_aim_ends_a_climb(hands, act, q_from, said):
    page = hands.page
    then, later, fit = page.evaluate(CLIMB.replace("ACT", act))
    now = hands.state()
    assert then == later == [*now["mean"], *now["std"]] and fit is None
    assert now["q_from"] == q_from and says(page) == said
    assert page.locator("#climb").is_hidden()
    assert page.locator("#fit").inner_text() == "Fit q to this image"


def test_what_changes_only_what_is_seen_lets_a_climb_go_on(hands):
    page, dark = hands.page, hands.page.evaluate("document.documentElement.dataset.theme")
    acts = ("draw-z", "theme", "new-draw", "language")
    clicks = "window.told = [element('encoder-says').innerText, element('reset').ariaDisabled];"
    clicks += ";".join(f"element('{id}').click()" for id in acts)
    page.evaluate(CLIMB.replace("ACT", clicks))
    assert hands.state()["q_from"] == "fitted" and says(page) == "arrived"
    assert page.evaluate("told") == ["The q shown is climbing away from it.", "false"]
    assert page.evaluate("document.documentElement.dataset.theme") != dark
    page.click("#theme")
    page.click("#language")


def test_a_climb_that_was_stopped_goes_on_on_its_way(hands):
    page = hands.page
    page.evaluate(CLIMB.replace("ACT", "element('fit').click()"))
    hands.state()
    paths = []
    for _ in range(2):
        paths.append(page.evaluate("explore.state.fit.path"))
        assert numbers(page.inner_text("#n-elbo")) == close([paths[-1][-1]["value"]], 0.006)
        assert says(page) == ("arrived" if paths[1:] else "stopped")
        page.click("#fit")
        hands.state()
    assert says(page) == "arrived_own"  # another fit, and not from the encoder's q
    stopped, arrived = paths
    assert arrived[: len(stopped)] == stopped and len(arrived) > len(stopped) + 3


def test_the_encoder_s_row_is_the_encoder_s_though_q_was_moved_before_it_was_there(hands):
    page, row = hands.page, "#elbo-encoder"
    elbo = page.locator(row).inner_text()
    acts = "explore.take(3); explore.take(6); explore.put_q([0, 0], [0.3, 0.3]);"
    page.evaluate(f"() => {{ {acts} }}")
    hands.state()
    assert page.locator(row).inner_text() == elbo != page.locator("#elbo-mine").inner_text()
    page.evaluate("explore.put_q([1, 1], [0.3, 0.3])")
    hands.state()
    assert says(page, "account-says") == "still"  # what ran through, of this image
    page.evaluate("explore.take(3)")
    hands.state()
    assert says(page, "account-says") == "agree"


def test_of_a_q_beyond_the_grid_no_sum_is_known(hands):
    """Asked of the functions themselves: the page lets no reader put a q there."""
    rows = hands.page.evaluate(
        """() => {
          const { x, encoded } = explore.state, answer = make_answers(explore.data);
          return [[0, 0, 0.3], [0, 6, 0.3], [5.5, 0, 0.8]].map(([a, b, s], image) => {
            const mean = Float64Array.of(a, b), log_var = mean.map(() => 2 * Math.log(s));
            const q = as_gaussian(new DiagonalGaussian(mean, log_var));
            const { reconstruction, gap, kl, rows } = answer({ version: 0, x, image, mean, log_var,
              encoded: q, noise: [], beta: 1, rate: 0, view: explore.view, lens: null });
            return [rows.encoder.elbo, gap, reconstruction, kl].map((v) => v !== null);
          });
        }"""
    )
    assert rows == [[True] * 4, [False, False, True, True], [False, False, False, True]]


def test_a_fit_that_is_refused_does_not_begin(hands):
    page = hands.page
    page.evaluate("() => { explore.state.found.gap = null; element('fit').click(); }")
    now = hands.state()
    assert page.evaluate("explore.state.fit") is None and now["q_from"] == "encoder"


def climbed(seen):
    return seen.reconstruction - 4 * seen.kl


def test_the_values_of_another_weight_climb_below_their_own_ceiling(hands):
    page = hands.page
    page.select_option("#beta", "4")
    hands.state()
    begun = climbed(Drawn(page))
    page.click("#fit")
    seen = Drawn(page)
    assert [seen.path[k][2] for k in (0, -1)] == close([begun, climbed(seen)], 1e-9)
    ((text, *_),) = seen.of("climb", "fillText")
    ceiling = page.evaluate("explore.state.found.ceiling")
    assert text.startswith("≤ ") and numbers(text) == [pytest.approx(ceiling, abs=0.006)]
    page.select_option("#beta", "1")  # where q is not what a fit arrives at
    assert hands.state()["q_from"] == "stopped" and says(page) == "on_the_way"
    page.evaluate("explore.put_q([0, 0], [0.3, 0.3])")
    page.select_option("#beta", "8")
    assert hands.state()["q_from"] == "yours"


def test_draws_are_of_n_0_i_and_each_its_own(hands):
    noise = hands.page.evaluate(
        """() => Array.from({ length: 600 }, () => {
          explore.draw_z();
          return [...explore.state.noise];
        })"""
    )
    hands.page.click('#draws [value="100"]')
    hands.state()
    extra = hands.page.evaluate("explore.state.extra.map((e) => [...e])")
    hands.page.click('#draws [value="1"]')
    for draws, off in ((noise, 0.2), (extra, 0.4)):
        assert len({v for one in draws for v in one}) == 2 * len(draws)
        np.testing.assert_allclose(np.mean(draws, axis=0), 0, atol=off)
        np.testing.assert_allclose(np.cov(np.transpose(draws)), np.eye(2), atol=1.5 * off)


SHADES = "() => {" + DENSEST + "return explore.state.found.pictures[1].map(densest); }"


def test_the_pictures_follow_the_theme_there_and_back(hands):
    page = hands.page
    for lightness in (0.7, 0.31):
        page.click("#theme")
        seen = Drawn(page)
        wanted = [int(seen.colour["posterior"][k : k + 2], 16) for k in (1, 3, 5)]
        for shade in page.evaluate(SHADES):
            assert np.abs(np.subtract(shade, wanted)).max() <= 2
        fills = {call["fill"] for call in seen.calls if call["name"] == "fillText"}
        codes = [fill for fill in fills if fill not in seen.colour.values()]
        assert len(codes) > 4
        for fill in codes:
            rgb = [int(fill[k : k + 2], 16) / 255 for k in (1, 3, 5)]
            assert colorsys.rgb_to_hls(*rgb)[1] == pytest.approx(lightness, abs=0.02)


def test_labels_and_the_title_follow_the_language_there_and_back(hands):
    page = hands.page
    for zh in (True, False):
        page.click("#language")
        hands.state()
        assert page.title() == page.locator("h1").inner_text()
        labels = page.locator("[aria-label]").evaluate_all(
            "all => all.filter((one) => one.checkVisibility()).map((one) => one.ariaLabel)"
        )
        assert len(labels) > 25
        for label in labels:
            assert bool(re.search("[\u4e00-\u9fff]", label)) == zh, label


def test_a_pen_that_is_down_while_another_image_is_chosen_draws_nothing_on_it(hands):
    page = hands.page
    page.mouse.move(*hands.at("pad", [0.3, 0.3]))
    page.mouse.down()
    page.mouse.move(*hands.at("pad", [0.5, 0.5]), steps=3)
    assert hands.state()["from"] == "drawing"
    page.evaluate("explore.take(3)")
    page.mouse.move(*hands.at("pad", [0.7, 0.5]), steps=3)
    page.mouse.up()
    now = hands.state()
    assert (now["from"], now["index"]) == ("test", 3)
    hands.drag("pad", [0.2, 0.8], [0.6, 0.8])
    assert hands.page.evaluate("explore.state.strokes.length") == 1


def test_a_climb_goes_on_without_a_worker_that_fails_on_the_way(open_page):
    falls = """Worker = class extends Worker { postMessage(question) {
      question.rate ? setTimeout(() => this.onerror()) : super.postMessage(question);
    } };"""
    page = open_page(DOCS_PAGE, script=falls)
    page.click("#fit")
    page.evaluate(SETTLED)
    assert (says(page), page.locator("#trouble").is_visible()) == ("arrived", True)
