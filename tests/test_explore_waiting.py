"""What the page says while a new image's numbers are not there yet, and what it keeps."""

import numpy as np
import pytest
from browser_page import SETTLED, chromium, exact_of, open_once  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE, data_of, images_of
from test_explore_edges import page, says  # noqa: F401 - a fixture
from test_explore_walk import numbers

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow
FRAMES = "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));"


def test_fit_pressed_too_early_begins_with_the_numbers_unless_another_image_is_chosen(page):
    page.locator("#fit").focus()
    page.evaluate("() => { explore.take(3); element('fit').click(); }")
    page.evaluate(SETTLED)
    assert says(page, "fit-says").startswith("arrived")
    begun = numbers(page.locator("#fit-says").inner_text())[0]  # and with this image's
    assert [begun] == numbers(page.locator("#elbo-encoder").inner_text())
    assert page.evaluate("document.activeElement.id") == "fit"
    page.evaluate("() => { explore.take(4); element('fit').click(); explore.take(6); }")
    page.evaluate(SETTLED)
    page.wait_for_timeout(500)
    assert says(page, "fit-says") == "start"
    page.evaluate(
        "() => { explore.take(4); element('fit').click(); explore.put_q([0, 0], [1, 1]); }"
    )
    page.evaluate(SETTLED)
    assert page.evaluate("explore.state.q_from") == "yours"  # nor with a q that came since


@pytest.mark.parametrize(
    "change",
    [
        """element('draws').querySelector('[value="10"]').click()""",
        "element('beta').value = 4; element('beta').dispatchEvent(new Event('change'))",
    ],
)
def test_fit_pressed_too_early_outlives_other_draws_and_another_beta(page, change):
    """It is of the same q, whose numbers are asked for anew."""
    page.evaluate(f"() => {{ explore.take(3); element('fit').click(); {change}; }}")
    page.evaluate(SETTLED)
    assert page.evaluate("explore.state.fit?.state") == "arrived"
    assert page.evaluate("explore.state.fit.beta === explore.state.beta")
    page.evaluate("element('draws').querySelector('[value=\"1\"]').click()")
    page.evaluate(SETTLED)
    assert page.evaluate("[explore.state.q_from, explore.state.fit.state]") == ["fitted", "arrived"]


def test_no_image_is_shown_the_posterior_of_another(page):
    """As while the worker is still busy with the image before."""
    page.evaluate("explore.take(8)")
    page.evaluate(SETTLED)
    seen = page.evaluate(
        """async () => {
          const { state } = explore, { found } = state, seen = [];
          const earlier = { ...found, version: -1, image: state.image - 1 };
          for (const one of [null, earlier, found]) {
            state.found = one;
            dispatchEvent(new Event("resize"));
            FRAMES
            const pictures = ["plane", "lens"].map((id) => element(id).toDataURL());
            const told = [element("posterior-numbers").innerText, element("plane").ariaLabel];
            seen.push([...pictures, ...told]);
          }
          return seen;
        }""".replace("FRAMES", FRAMES)
    )
    assert seen[0] == seen[1] and seen[0][2] == "…"
    assert all(with_it != without for with_it, without in zip(seen[2], seen[0], strict=True))


def test_a_drawing_keeps_the_posterior_of_a_moment_ago(page):
    """Under the pen the numbers follow; and they are of no image before the drawing."""
    numbers_of = "() => [explore.state.image, explore.state.since]"
    before, _ = page.evaluate(numbers_of)
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 60, steps=4)
    page.evaluate(SETTLED)
    first, since = page.evaluate(numbers_of)
    page.mouse.move(box["x"] + 60, box["y"] + 90, steps=4)
    page.mouse.up()
    page.evaluate(SETTLED)
    later, kept = page.evaluate(numbers_of)
    assert before < since == kept <= first < later
    late = page.evaluate(
        f"""async () => {{
          const {{ state }} = explore;
          state.found = {{ ...state.found, version: -1, image: state.since }};
          dispatchEvent(new Event("resize"));
          {FRAMES}
          return element("posterior-numbers").innerText;
        }}"""
    )
    assert len(numbers(late)) == 4
    for other in ("element('clear').click()", "explore.take(2)"):
        page.evaluate(other)
        image, since = page.evaluate(numbers_of)
        assert image == since > later
    pad = """() => {
      const { data } = element("pad").getContext("2d").getImageData(0, 0, 28, 28);
      return [...data].filter((_, k) => k % 4 === 0);
    }"""
    page.evaluate(SETTLED)
    image = images_of(data_of(DOCS_PAGE.read_text(encoding="utf-8")))[2]
    np.testing.assert_allclose(page.evaluate(pad), 255 * image, atol=0.51)  # and no pen's line


def test_an_elbo_that_came_late_is_counted_too(page):
    page.evaluate("explore.take(10)")
    page.evaluate(SETTLED)
    page.evaluate(
        """() => {
          const { mean, std } = explore.state.encoded;
          explore.put_q([mean[0] + 0.6, mean[1]], std);
          window.far = [...explore.state.q.mean, ...explore.state.q.std];
          explore.put_q([mean[0] + 0.01, mean[1]], std);
        }"""
    )
    page.evaluate(SETTLED)
    data, far = data_of(DOCS_PAGE.read_text(encoding="utf-8")), page.evaluate("far")
    low = exact_of(data).account(images_of(data)[10], np.array(far[:2]), np.array(far[2:]))[2]
    high = numbers(page.locator("#elbo-mine").inner_text())[0]
    assert says(page, "account-says") == "still" and low < high - 1
    told = numbers(page.locator("#account-says").inner_text())
    assert told[:2] == [pytest.approx(low, abs=0.02), high]


def test_a_weight_and_a_number_of_draws_outlast_an_image_and_its_q(page):
    page.select_option("#beta", "4")
    page.click('#draws [value="10"]')
    page.evaluate(SETTLED)
    assert page.locator("#encoder-says").inner_text() == ""  # it is the encoder's q still
    acts = ("explore.take(2)", "element('clear').click()", "explore.put_q([0, 0], [0.3, 0.3])")
    for act in (*acts, "element('reset').click()"):
        page.evaluate(act)
        page.evaluate(SETTLED)
        assert (says(page, "fit-says"), says(page, "estimate-says")) == ("beta", "many")
        assert page.locator("#beta").input_value() == "4"
        assert page.locator("#draws [aria-pressed=true]").inner_text() == "L = 10"


def test_one_draw_is_z_s_own_and_z_set_by_hand_is_none(page):
    page.evaluate("explore.put_z([1, 1])")
    for L, said in (("1", "by_hand"), ("10", "many"), ("1", "by_hand")):
        page.click(f'#draws [value="{L}"]')
        page.evaluate(SETTLED)
        assert says(page, "estimate-says") == said
    extra = "explore.state.extra.flatMap((e) => [...e])"
    page.click('#draws [value="10"]')
    drawn = page.evaluate(extra)
    page.click('#draws [value="10"]')  # pressed again, it draws again
    assert len(drawn) == 20 and not set(drawn) & set(page.evaluate(extra))


def test_of_the_elbos_told_to_have_been_run_through_all_are_of_the_reader_s_q(page):
    said = "[element('account-says').dataset.says, element('account-says').innerText]"
    move = """(a) => {
      const { mean, std } = explore.state.encoded;
      explore.put_q([mean[0] + a, mean[1]], std);
    }"""
    page.evaluate("explore.take(10)")
    page.evaluate(SETTLED)
    page.evaluate(move, 0.6)
    page.evaluate(SETTLED)
    for act in ("#fit", '#draws [value="10"]', "#reset"):  # of which each asks for an account
        page.click(act)
        page.evaluate(SETTLED)
        assert page.evaluate(said)[0] == "agree"
    page.evaluate(move, 0.1)
    page.evaluate(SETTLED)
    told = page.evaluate(said)
    assert told[0] == "still"
    page.click("#reset")
    page.evaluate(SETTLED)
    assert page.evaluate(said) == told  # it is true whatever q is shown


def test_the_hint_is_the_first_thing_that_was_not_done_and_each_is_done_by_hand(page):
    def hint(said):
        page.evaluate(SETTLED)
        assert said in page.locator("#hint").inner_text()

    hint("Draw a digit")
    page.locator("#lens").press("ArrowUp")
    hint("Draw a digit")
    page.locator("#pad").click()
    hint("Drag z")
    page.locator("#noise").press("ArrowUp")  # which is no z that is dragged, and no draw
    hint("Drag z")
    page.locator("#plane").press("ArrowUp")
    hint("Draw z from q")
    page.click("#new-noise")
    hint("Guess how")
    page.evaluate("() => { element('fit').click(); element('fit').click(); }")
    assert page.evaluate("explore.state.fit") is None
    hint("Guess how")  # until it has arrived
    page.click("#fit")
    hint("β to 4")
