"""A reader's hour with the page, recorded: after each act, all that it has changed on the page."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from as_recorded import check_told
from browser_drawn import COPIED, RECORDED, Drawn
from browser_page import SETTLED, chromium, open_page  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE
from test_explore_hands import Hands
from test_explore_read import SAME_DRAWS

from demos.page import fill
from vae_np import VAE, GaussianDecoder, GaussianEncoder

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow
# Each element's place, whether it is seen, its attributes, and its own words.
ELEMENTS = """() => {
  const name = (one) => {
    const { id, localName, parentElement: parent } = one;
    if (id || !parent) return id ? `#${id}` : localName;
    const alike = [...parent.children].filter((other) => other.localName === localName);
    return `${name(parent)} ${localName}${alike.indexOf(one) || ""}`;
  };
  const all = [document.documentElement, ...document.body.querySelectorAll("*")];
  return all.filter((one) => !one.matches("script, style, math *, #spoken")).map((one) => {
    const attributes = [...one.attributes].filter(({ name }) => name !== "id");
    const own = [...one.childNodes].filter((part) => part.nodeType === 3).map(({ data }) => data);
    const told = [one === document.activeElement && "focused", one.scrollTop && "scrolled",
      one.checkVisibility() || "hidden", one.matches("select") && one.value,
      ...attributes.map(({ name, value }) => `${name}=${value}`), own.join(" ")];
    const words = told.filter((word) => typeof word === "string").join(" ");
    return [name(one), words.replace(/\\s+/g, " ").trim()];
  });
}"""
STATE = """() => {
  const { q, z, noise, x, from, index, q_from, z_from, code, L, beta, image, since, lens, moved,
    tried, strokes, done, extra, pixel_noise, fit, encoded } = explore.state;
  const path = fit?.path.flatMap(({ mean, value }) => [...mean, value]);
  return { mean: [...q.mean], std: [...q.std], z: [...z], noise: [...noise], from, index, q_from,
    z_from, code, L, beta, since: image - since, x: [...x], extra: extra.flatMap((e) => [...e]),
    pixel_noise: [...pixel_noise], lens: lens && [...lens.center, lens.half_width], moved, tried,
    strokes: strokes.flat(2), done: [...done].sort().join(" "), encoded: [...encoded.mean], path };
}"""
# The mean colours of a canvas's nine parts, and whether it looks the same once it is drawn anew.
PARTS = """async () => {
  const ids = [...document.querySelectorAll("canvas[id]")].filter((one) => one.checkVisibility());
  const parts = ({ id, width, height }) => {
    const { data } = copied(id).getImageData(0, 0, width, height), sums = Array(27).fill(0);
    for (let k = 0; k < data.length; k += 4) {
      const column = Math.floor((3 * ((k / 4) % width)) / width);
      const part = 9 * Math.floor((3 * Math.floor(k / 4 / width)) / height) + 3 * column;
      for (const c of [0, 1, 2]) sums[part + c] += (data[k + c] * data[k + 3]) / 255;
    }
    return sums.map((sum) => (9 * sum) / (255 * width * height));
  };
  const seen = ids.map((one) => [one.id, parts(one), one.toDataURL()]);
  dispatchEvent(new Event("resize"));
  await new Promise(requestAnimationFrame);
  return seen.map(([id, sums, url], k) => [id, sums, url === ids[k].toDataURL()]);
}"""


def summed(values):
    """Their mean, and a sum that any other order changes."""
    values = np.asarray(values, float)
    order = values @ np.cos(np.arange(len(values))) / np.sqrt(len(values))
    return f"{values.mean():.3f} {order:.3f}"


def told(value):
    """A value of the state in a few words."""
    if isinstance(value, list) and len(value) > 4:
        return f"{len(value)} of {summed(value)}"
    if isinstance(value, list | np.ndarray):
        return " ".join(f"{v:.3f}" for v in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def style(call):
    """The colours and lines that a call draws in, and the words that it writes."""
    how, name = call["how"], call["name"]
    if name == "fillText":
        said = "a label" if len(call["given"][0]) == 1 else repr(call["given"][0])
        return f" {said} {call['fill']} {how['alpha']:.2f} {' '.join(how['align'])}"
    if name.startswith("fill"):
        return f" {call['fill']} {how['alpha']:.2f}"
    if name.startswith("stroke"):
        line = f"{how['line']:.2f} {how['cap']} {how['join']} {how['dash']}"
        return f" {call['stroke']} {how['alpha']:.2f} {line}"
    return ""


def of_calls(seen):
    """Of each canvas, and of the still picture: what is drawn, in its widths, by kind of call."""
    left_out = {"measureText", "getImageData", "clearRect", "setTransform"}
    for id, size in {**seen.size, "": seen.size["plane"]}.items():
        calls = [call for call in seen.calls if call["id"] == id and call["name"] not in left_out]
        for name in sorted({call["name"] for call in calls}):
            alike = [call for call in calls if call["name"] == name]
            styles = [f"{len(list(some))}{how}" for how, some in itertools.groupby(alike, style)]
            rows = zip(*(of_numbers(call["given"], size[0] or 1) for call in alike), strict=True)
            first = f"{'; '.join(styles[:4])}{f'; {len(styles)} in all' * (len(styles) > 4)}"
            yield f"{id or 'still'} {name}", f"{first}: {', '.join(map(summed, rows))}"


def of_numbers(given, width):
    return [value / width for value in given if isinstance(value, int | float)]


class Session:
    """What is shown, and lines on what of it each act changes."""

    def __init__(self, page):
        self.page, self.hands, self.before, self.lines = page, Hands(page), {}, []

    def now(self):
        self.page.evaluate(SETTLED)
        yield from self.page.evaluate(ELEMENTS)
        for name, value in self.page.evaluate(STATE).items():
            yield f"state.{name}", told(value)
        for id, sums, same in self.page.evaluate(PARTS):
            yield f"{id}'s parts", " ".join(f"{sum:.3f}" for sum in sums)
            yield f"{id} drawn anew", "the same" if same else "another"
        yield from of_calls(Drawn(self.page))

    def note(self, title):
        now = {name: value for name, value in self.now() if value}
        self.lines += ["", title]
        self.lines += [f"{k}: {v}" for k, v in now.items() if self.before.get(k) != v]
        self.lines += [f"{k}: gone" for k in self.before if k not in now]
        self.before = now

    # ---- What a reader does

    def click(self, selector):
        self.page.click(selector)
        self.note(f"click {selector}")

    def run(self, act):
        self.page.evaluate(f"() => {{ {act}; }}")
        self.note(act)

    def choose(self, beta):
        self.page.select_option("#beta", str(beta))
        self.note(f"beta {beta}")

    def settled(self, act, *given):
        """Do it, and let the page's answer come: the path of a hand depends on no clock."""
        act(*given)
        self.page.evaluate(SETTLED)

    def keys(self, id, *keys):
        self.page.locator(f"#{id}").focus()
        for key in keys:
            self.settled(self.page.keyboard.press, key)
        self.note(f"{id}: {' '.join(keys)}")

    def pull(self, id, *places):
        """From place to place, in the canvas's width."""
        mouse = self.page.mouse
        self.page.locator(f"#{id}").scroll_into_view_if_needed()
        mouse.move(*self.hands.at(id, places[0]))
        self.settled(mouse.down)
        for place in places[1:]:
            self.settled(mouse.move, *self.hands.at(id, place))
        mouse.up()
        self.settled(mouse.move, 0, 0)
        self.note(f"{id}: from {told(places[0])} to {told(places[-1])}")


def draws(session):
    for button in ("#digits button:nth-child(3)", "#new-noise", "#draw-z", "#new-draw"):
        session.click(button)
    for draws in (10, 100, 1):
        session.click(f'#draws [value="{draws}"]')
    session.pull("noise", [0.3, 0.3], [0.5, 0.6])
    session.pull("noise", [0.7, 0.3])
    session.keys("noise", "ArrowLeft", "Shift+ArrowUp")
    session.keys("noise", "Home")
    session.click("#digits button:nth-child(12)")


def planes(session):
    hands = session.hands
    session.pull("plane", hands.of("plane", hands.state()["z"]), [0.4, 0.5], [0.3, 0.35])
    session.pull("plane", [0.7, 0.2])
    now = hands.state()
    session.pull("lens", hands.of("lens", now["mean"]), [0.5, 0.4], [0.6, 0.35])
    for side in np.eye(2):
        now = hands.state()
        handle = hands.of("lens", np.add(now["mean"], 2 * side * now["std"]))
        session.pull("lens", handle, handle + [0.1, -0.1] * side)
    session.pull("lens", [0.1, 0.9])
    session.keys("plane", "ArrowRight", "Shift+ArrowDown")
    for keys in (["n"], ["N", "n"], ["Enter"], ["Home"]):
        session.keys("plane", *keys)
    session.keys("lens", *["ArrowLeft"] * 30)
    session.keys("lens", "Shift+ArrowRight", "Shift+ArrowDown")
    session.keys("lens", "Home")


def fits(session):
    session.click("#fit")
    session.choose(beta=4)
    for button in ("#fit", "#reset", "#fit"):
        session.click(button)
    session.choose(beta=1)
    session.keys("lens", "ArrowUp")
    session.click("#fit")
    for act in ("take(187)", "take(428)", "put_q([4, -3], [2, 0.01])", "put_q([0, 0], [1, 0.5])"):
        session.run(f"explore.{act}")
        session.click("#fit")
    session.run("explore.take(12)")
    session.run("explore.put_q(explore.state.encoded.mean, [0.44, 0.44])")


def drawings(session):
    session.click("#clear")
    session.pull("pad", [0.3, 0.2], [0.5, 0.2], [0.7, 0.22], [0.55, 0.5], [0.45, 0.8])
    session.pull("pad", [0.35, 0.5], [0.65, 0.52])
    session.click("#fit")
    session.click("#clear")
    session.pull("pad", [0.5, 0.2], [0.5, 0.8])
    session.keys("digits", "ArrowRight", "ArrowDown")
    session.pull("pad", [0.6, 0.3], [0.4, 0.7])


def looks(session):
    for button in ("#theme", "#language", "#fit", "#clear"):
        session.click(button)
    for width in (390, 900, 2000):
        session.page.set_viewport_size({"width": width, "height": 900})
        session.note(f"{width} pixels wide")
    for button in ("#account .why", "#explanation button", "#language"):
        session.click(button)


def of_stripes(folder):
    """A page of images that are no squares, of a Gaussian decoder that nobody has trained."""
    rng, stripes = np.random.default_rng(5), np.tile(np.repeat(np.eye(2), 48, axis=1), (15, 1))
    images = np.clip(0.1 + 0.8 * stripes + 0.05 * rng.standard_normal(stripes.shape), 0, 1)
    model = VAE(GaussianEncoder(96, [9, 7], 2), GaussianDecoder(2, [7, 9], 96, squash=True))
    for vector in model.parameters:
        vector.value *= 3  # far from flat
    model.encoder.network.layers[-1].bias[2:] -= 3  # narrow q's
    labels = np.tile(["top", "bottom"], 15)
    data = SimpleNamespace(test=images, test_labels=labels, image_shape=(12, 8))
    settings = SimpleNamespace(data="stripes.npz", hidden=[9, 7], epochs=80)
    contents = fill.contents(settings, data, SimpleNamespace(model=model, epoch=31))
    (folder / "stripes.html").write_text(fill.fill_template(contents), encoding="utf-8")
    return folder / "stripes.html"


def on_stripes(session):
    hands = session.hands
    for button in ("#digits button:nth-child(3)", "#new-noise", "#new-draw", "#fit", "#reset"):
        session.click(button)
    session.click('#draws [value="10"]')
    session.pull("lens", hands.of("lens", hands.state()["mean"]), [0.6, 0.4])
    session.keys("plane", "n")
    session.keys("plane", "Enter")
    session.choose(beta=4)
    for button in ("#fit", "#clear"):
        session.click(button)
    session.choose(beta=1)
    session.pull("pad", [0.2, 0.3], [0.7, 0.4], [0.4, 1.2])
    session.run("explore.put_q([4, -4], [0.5, 0.05])")
    session.click("#fit")


@pytest.mark.parametrize("acts", [draws, planes, fits, drawings, looks, on_stripes])
def test_what_each_act_changes_is_as_recorded(acts, open_page, tmp_path):
    path = of_stripes(tmp_path) if acts is on_stripes else DOCS_PAGE
    session = Session(open_page(path, 1500, script=SAME_DRAWS + RECORDED + COPIED))
    session.note("the page is opened")
    if acts not in (looks, on_stripes):
        session.lines.clear()
    acts(session)
    found = tmp_path / f"page_{acts.__name__}.txt"
    check_told(found, [session.lines], relative=1e-5, absolute=0.004)


def parts_after(page, act):
    page.evaluate(f"() => {{ {act}; }}")
    page.evaluate(SETTLED)
    return {id: parts for id, parts, _ in page.evaluate(PARTS)}


def test_on_a_screen_of_twice_as_many_pixels_all_looks_the_same(open_page):
    pages = [open_page(DOCS_PAGE, 1500, script=SAME_DRAWS + COPIED, ratio=k) for k in (1, 2)]
    for act in ("explore.take(3)", "element('fit').click()", "explore.change({ code: 40 })"):
        coarse, fine = (parts_after(page, act) for page in pages)
        assert len(coarse) > 8 and coarse.keys() == fine.keys()
        for id, parts in coarse.items():
            np.testing.assert_allclose(fine[id], parts, atol=0.01, err_msg=id)
