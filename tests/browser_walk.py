"""A reader who does anything on the page: a seeded walk of random actions, with mouse and keys.

It remembers what was done, and so where the image, q and z must have come from.
"""

import base64

import numpy as np
from browser_page import SETTLED, exact_of
from test_explore import images_of

# What the page shows, and of which image, q and z.
READ = """() => {
  const { state, data } = explore, text = {}, says = {};
  for (const one of document.querySelectorAll("[id]")) text[one.id] = one.innerText;
  for (const one of document.querySelectorAll("[data-says]")) says[one.id] = one.dataset.says;
  const label = (id) => document.getElementById(id).getAttribute("aria-label");
  const ink = (id) => {
    const { width, height } = document.getElementById(id);
    const copy = Object.assign(document.createElement("canvas"), { width, height });
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(document.getElementById(id), 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return Array.from(data).filter((_, k) => k % 4 === 0);
  };
  const { q, z, noise, extra, L, beta, from, index, lens } = state;
  return {
    text, says, x: [...state.x], mean: [...q.mean], std: [...q.std], z: [...z], noise: [...noise],
    extra: extra.map((e) => [...e]), L, beta, from, index, lens, image_label: label("x"),
    busy: document.getElementById("account").getAttribute("aria-busy"), seen: ink("x"),
    padded: ink("pad").some((v) => v > 0), language: document.documentElement.lang,
    waiting_for_fit: state.fit?.state === "climbing", moved: state.moved,
  };
}"""


class Walk:
    """A page, what was done to it, and what must therefore hold."""

    def __init__(self, page, data, seed):
        self.page, self.data, self.exact = page, data, exact_of(data)
        self.rng = np.random.default_rng(seed)
        self.images = images_of(data)
        self.codes = np.frombuffer(base64.b64decode(data["codes"]), np.float32).reshape(-1, 2)
        self.half = page.evaluate("explore.view.half_width")
        self.q_from, self.z_from, self.image = "encoder", "draw", data["start"]
        self.before, self.start, self.done = None, None, []
        self.shown = page.evaluate(READ)

    # ---- What a reader may do

    def at(self, id, place):
        """The point of a canvas at this place, in units of its width."""
        self.page.locator(f"#{id}").scroll_into_view_if_needed()
        box = self.page.locator(f"#{id}").bounding_box()
        return [box["x"] + place[0] * box["width"], box["y"] + place[1] * box["width"]]

    def stroke(self, id, places):
        points = [self.at(id, place) for place in places]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*point, steps=3)
        self.page.mouse.up()

    def new_image(self, image):
        self.image, self.q_from, self.z_from = image, "encoder", "draw"

    def keep_z(self):
        return self.z_from

    def choose(self):
        k = int(self.rng.integers(self.data["offered"]))
        self.page.locator("#digits button").nth(k).click()
        self.new_image(k)

    def draw(self):
        for _ in range(self.rng.integers(1, 4)):
            self.stroke("pad", self.rng.uniform(0.1, 0.9, (self.rng.integers(2, 6), 2)))
        self.new_image("drawing")

    def tap(self):
        self.page.mouse.click(*self.at("pad", self.rng.uniform(0.1, 0.9, 2)))
        self.new_image("drawing")

    def right_click(self):
        self.page.mouse.click(*self.at("pad", [0.4, 0.5]), button="right")
        self.page.keyboard.press("Escape")

    def clear(self):
        self.page.click("#clear")
        self.new_image("blank")

    def place(self, z, center=(0, 0), half=None):
        offset = (np.array(z) - center) / (half or self.half)
        return [(1 + offset[0]) / 2, (1 - offset[1]) / 2]

    def drag_z(self):
        z = self.shown["z"]
        if max(map(abs, z)) < self.half:
            self.stroke("plane", [self.place(z), self.rng.uniform(0.02, 0.98, 2)])
            self.z_from = "hand"

    def click_plane(self):
        place = self.rng.uniform(0.02, 0.98, 2)
        width = self.page.locator("#plane").bounding_box()["width"]
        codes = np.array([self.place(code) for code in self.codes]) - place
        far = width * np.hypot(*codes.T)
        on_z = width * np.hypot(*np.subtract(self.place(self.shown["z"]), place))
        if 5.5 < far.min() < 8.5 or on_z < 15:
            return  # too close to call
        self.page.mouse.click(*self.at("plane", place))
        if far.min() < 7:
            self.new_image(int(far.argmin()))
        else:
            self.z_from = "hand"

    def code_by_keys(self):
        self.page.mouse.move(0, 0)  # no longer on a code
        self.page.locator("#plane").focus()
        for key in ("n", "n", "Enter"):
            self.page.keyboard.press(key)
        order = np.argsort(((self.codes - self.shown["z"]) ** 2).sum(axis=1), kind="stable")
        self.new_image(int(order[1]))

    def keys(self):
        id = self.rng.choice(["plane", "noise"])
        self.page.locator(f"#{id}").focus()
        self.page.keyboard.press(
            self.rng.choice(["ArrowLeft", "ArrowUp", "Shift+ArrowDown", "Home"])
        )
        self.z_from = "hand"

    def q_by_keys(self):
        self.page.locator("#lens").focus()
        arrows = ["ArrowLeft", "ArrowUp", "Shift+ArrowUp", "Shift+ArrowLeft", "Shift+ArrowRight"]
        for key in self.rng.choice(arrows, self.rng.integers(1, 9)):
            self.page.keyboard.press(str(key))
        self.q_from = "yours"

    def drag_q(self):
        mean, std, lens = (self.shown[k] for k in ("mean", "std", "lens"))
        handle = self.rng.choice(["center", "width", "height"])
        reach = {"center": (0, 0), "width": (2 * std[0], 0), "height": (0, 2 * std[1])}[handle]
        view = lens["center"], lens["half_width"]
        start = self.place(np.add(mean, reach), *view)
        z = self.place(self.shown["z"], *view)
        if not (0.02 < min(start) and max(start) < 0.98) or np.hypot(*np.subtract(z, start)) < 0.1:
            return  # out of sight, or under z
        self.stroke("lens", [start, self.rng.uniform(0.1, 0.9, 2)])
        self.q_from = "yours"

    def drag_noise(self):
        self.stroke("noise", self.rng.uniform(0.1, 0.9, (2, 2)))
        self.z_from = "hand"

    def new_noise(self):
        self.page.click(str(self.rng.choice(["#new-noise", "#draw-z"])))
        self.z_from = "draw"

    def new_draw(self):
        self.page.click("#new-draw")

    def draws(self):
        self.page.locator("#draws button").nth(int(self.rng.integers(3))).click()

    def fit(self, steps=None):
        if self.shown["text"]["n-gap"] == "—":
            return
        if not (self.q_from == "stopped" and self.shown["says"]["fit-says"] == "stopped"):
            self.start = self.q_from, self.account()[2]
        end = self.page.evaluate(
            """async (steps) => {
              const button = document.getElementById("fit");
              button.click();
              for (let k = 0; k < steps; k++) await new Promise(requestAnimationFrame);
              const { state, path } = explore.state.fit;
              if (state !== "climbing" || !steps) return "fitted";
              button.click();
              return path.length > 1 ? "stopped" : "not begun";
            }""",
            steps or 0,
        )
        if end != "not begun":
            self.q_from = end
        elif self.q_from == "fitted":
            self.q_from = "stopped"

    def stop_a_fit(self):
        self.fit(int(self.rng.integers(2, 12)))

    def reset(self):
        if self.q_from != "encoder":
            self.page.click("#reset")
            self.q_from = "encoder"

    def weigh(self):
        self.page.select_option("#beta", str(self.rng.choice([1, 1, 2, 4, 8])))
        if self.q_from == "fitted":
            self.q_from = "stopped"

    def look_up(self):
        self.page.locator(".why").nth(int(self.rng.integers(10))).click()
        self.page.keyboard.press("Escape")

    def change_looks(self):
        self.page.click(str(self.rng.choice(["#language", "#theme"])))

    ACTIONS = (
        [choose, draw, drag_z, drag_q, fit, stop_a_fit] * 3
        + [tap, clear, click_plane, q_by_keys, keys, new_noise, draws, weigh, reset] * 2
        + [right_click, code_by_keys, drag_noise, new_draw, look_up, change_looks]
    )

    def act(self):
        action = self.ACTIONS[self.rng.integers(len(self.ACTIONS))]
        self.done.append(action.__name__)
        self.before = self.shown
        action(self)
        self.read()

    def read(self):
        self.page.evaluate(SETTLED)
        self.shown = self.page.evaluate(READ)

    def account(self, q=None):
        shown = self.shown
        x = np.array(shown["x"], float)
        return self.exact.account(x, *(q or (np.array(shown["mean"]), np.array(shown["std"]))))
