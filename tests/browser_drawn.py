"""What the page draws, call by call, and the q and z of which it is; see browser_page.py."""

import colorsys
import itertools
import re

import numpy as np
import pytest
from browser_page import SETTLED
from test_explore import DOCS_PAGE

# All that is asked of a canvas from now on: its id, the call, and the colours at that time.
RECORDED = """
  window.drawn = [];
  const real = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (...kind) {
    const context = real.apply(this, kind), { id } = this;
    const plain = (v) => (["number", "string"].includes(typeof v) ? v : v?.id ?? null);
    return new Proxy(context, {
      get(target, name) {
        if (typeof target[name] !== "function") return target[name];
        return (...given) => {
          const { fillStyle: fill, strokeStyle: stroke } = target;
          const wide = name === "fillText" ? target.measureText(given[0]).width : 0;
          const how = { line: target.lineWidth, alpha: target.globalAlpha, font: target.font, wide,
            cap: target.lineCap, join: target.lineJoin, dash: target.getLineDash(),
            smooth: target.imageSmoothingEnabled,
            align: [target.textAlign, target.textBaseline],
            canvas: [target.canvas.width, target.canvas.height] };
          drawn.push({ id, name, given: given.map(plain), fill, stroke, how });
          return target[name](...given);
        };
      },
      set(target, name, value) { target[name] = value; return true; },
    });
  };
"""
# The colour of a canvas's least transparent pixel.
DENSEST = """
  const densest = (canvas) => {
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    let best = 0;
    for (let k = 0; k < data.length; k += 4) if (data[k + 3] > data[best + 3]) best = k;
    return [...data.slice(best, best + 3)];
  };
"""
# What a canvas shows, as a context whose pixels can be read often.
COPIED = """
  window.copied = (id) => {
    const { width, height } = element(id);
    const copy = Object.assign(document.createElement("canvas"), { width, height });
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(element(id), 0, 0);
    return context;
  };
"""
DRAWN = """async () => {
  drawn.length = 0;
  dispatchEvent(new Event("resize")); // everything is drawn anew
  await new Promise(requestAnimationFrame);
  const { state, view } = explore, { fit, found } = state, size = {};
  for (const id of ["plane", "lens", "noise", "climb", "estimate"]) {
    const { clientWidth, clientHeight } = document.getElementById(id);
    size[id] = [clientWidth, clientHeight];
  }
  return {
    calls: drawn, colour: { ...colour }, half: view.half_width, lens: state.lens, L: state.L,
    mean: [...state.q.mean], std: [...state.q.std], z: [...state.z], noise: [...state.noise],
    start: fit && [[...fit.start.q.mean], [...fit.start.q.std]],
    path: fit?.path.map(({ mean, value }) => [...mean, value]),
    log_px: found.log_px, kl: found.kl, reconstruction: found.reconstruction, gap: found.gap,
    log_prob: state.p.log_prob(state.x), log_probs: found.log_probs,
    size,
  };
}"""


@pytest.fixture(scope="module")
def recorded(open_once):
    """The page of the docs, which notes what is drawn."""
    return open_once(DOCS_PAGE, script=RECORDED)


def fresh(page):
    """The same page as it was when it was opened, but for its language, theme and hint."""
    page.mouse.move(0, 0)
    page.evaluate("() => { explore.take(explore.data.start); explore.draw_z(); scrollTo(0, 0); }")
    page.select_option("#beta", "1")
    page.click('#draws [value="1"]')
    page.evaluate(SETTLED)
    return page


class Drawn:
    """What was drawn, and of which q and z; places in a canvas's pixels."""

    def __init__(self, page):
        page.evaluate(SETTLED)
        self.__dict__ |= page.evaluate(DRAWN)

    def of(self, id, name, **colours):
        """What was given to each of these calls, in the colours of these names."""
        return [
            call["given"]
            for call in self.calls
            if (call["id"], call["name"]) == (id, name)
            and all(call[where] == self.colour[which] for where, which in colours.items())
        ]

    def dots(self, id):
        """Each arc and the colour that it is filled with."""
        calls = [c for c in self.calls if c["id"] == id and c["name"] in ("arc", "fill")]
        return [
            (arc["given"], next(name for name, code in self.colour.items() if code == fill["fill"]))
            for arc, fill in itertools.pairwise(calls)
            if arc["name"] == "arc"
        ]

    def place(self, id, z):
        views = {"plane": ([0, 0], self.half), "noise": ([0, 0], 3.4)}
        views["lens"] = self.lens["center"], self.lens["half_width"]
        (center, half), (w, _) = views[id], self.size[id]
        return [w * (1 + (z[0] - center[0]) / half) / 2, w * (1 - (z[1] - center[1]) / half) / 2]

    def ellipse(self, id, mean, std):
        """An ellipse of these radii: its centre in the canvas, its radii, and all of it."""
        center, (a, b) = self.place(id, mean), self.place(id, np.add(mean, std))
        return near([*center, a - center[0], center[1] - b, 0, 0, 2 * np.pi])


def near(values):
    return pytest.approx(values, abs=1e-6)


def hue(colour):
    """Of #rrggbb or rgba(…)."""
    numbers = [float(n) for n in re.findall(r"[\d.]+", colour)][:3]
    if colour.startswith("#"):
        numbers = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return colorsys.rgb_to_hls(*np.divide(numbers, 255))[0]
