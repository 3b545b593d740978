"""How each element of the page looks and where it stands, for tests; see browser_page.py."""

import re

import pytest
from browser_page import SETTLED
from test_explore import DOCS_PAGE

THINGS = ("q", "posterior", "z", "prior", "kl", "reconstruction", "soft")  # classes, and colours
LOOKS = """color background-color background-image border-top-color border-top-style
border-top-width border-top-left-radius padding-top padding-bottom padding-left padding-right
font-family font-size font-weight font-style font-variant-numeric line-height letter-spacing
text-align text-decoration-line white-space opacity cursor touch-action image-rendering
list-style-type forced-color-adjust overflow-x pointer-events display clip-path position""".split()
SEEN = """() => [...document.querySelectorAll("html, body, body *")]
  .filter((one) => !one.closest("noscript, script, math") && one.checkVisibility())
  .map((one) => {
    const style = getComputedStyle(one), looks = {}, within = [], ink = [];
    for (const name of NAMES) looks[name] = style.getPropertyValue(name);
    const around = ({ left, top, right, bottom }) =>
      [left + scrollX, top + scrollY, right + scrollX, bottom + scrollY];
    for (const node of one.childNodes) {
      if (node.nodeType !== 3 || !node.data.trim()) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      ink.push(...[...range.getClientRects()].filter(({ width }) => width).map(around));
    }
    for (let up = one.parentElement; up; up = up.parentElement) {
      within.push(up.tagName.toLowerCase(), "#" + up.id, ...[...up.classList].map((c) => "." + c));
    }
    const [left, top, right, bottom] = around(one.getBoundingClientRect());
    return {
      tag: one.tagName.toLowerCase(), id: one.id, classes: [...one.classList], within, looks, ink,
      text: one.textContent.trim().slice(0, 40),
      disabled: !!one.disabled || one.ariaDisabled === "true",
      pressed: (one.ariaPressed ?? one.ariaChecked) === "true",
      section: [...document.querySelectorAll("section")].indexOf(one.closest("section")),
      index: one.parentElement ? [...one.parentElement.children].indexOf(one) : 0,
      parent: one.parentElement?.tagName.toLowerCase(),
      left, top, right, bottom, cut: one.scrollWidth - one.clientWidth,
    };
  })""".replace("NAMES", str(LOOKS))


class Seen:
    """An element as it was seen: its place, the ink of its own text, and its looks."""

    def __init__(self, found):
        self.__dict__ |= found
        self.width, self.height = self.right - self.left, self.bottom - self.top

    def __getitem__(self, name):
        return self.looks[name]

    def px(self, name):
        return float(self.looks[name].removesuffix("px"))

    def is_(self, *names):
        """Whether it is a tag, an #id or a .class, or stands in one, given as "in …"."""
        own = {self.tag, "#" + self.id, *("." + one for one in self.classes)}
        return all(n[3:] in self.within if n.startswith("in ") else n in own for n in names)

    def __repr__(self):
        return f"<{self.tag} id={self.id} class={self.classes} {self.text!r}>"


def rgb(code):
    """Of #rrggbb or rgb(…), as (3,) from 0 to 255."""
    if code.startswith("#"):
        return [int(code[k : k + 2], 16) for k in (1, 3, 5)]
    return [round(float(n)) for n in re.findall(r"[\d.]+", code)][:3]


class Screen(list):
    """All elements as they are seen on a screen of a width."""

    def __init__(self, page, width):
        super().__init__(Seen(found) for found in page.evaluate(SEEN))
        self.width = width
        self.colour = {name: rgb(code) for name, code in page.evaluate(COLOURS).items()}

    def of(self, *names):
        return [one for one in self if one.is_(*names)]

    def one(self, *names):
        (one,) = self.of(*names)
        return one


COLOURS = """() => {
  const style = getComputedStyle(document.documentElement);
  const names = [...THINGS, "card", "paper", "ink", "line"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name)]));
}""".replace("THINGS", str(list(THINGS)))


def overlap(a, b):
    """By how much two boxes overlap, across and down."""
    return min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])


def box(one):
    return one.left, one.top, one.right, one.bottom


def rows_of(boxes):
    """Boxes in reading order, those side by side in one row."""
    rows = []
    for one in sorted(boxes, key=lambda one: (round(one.top), one.left)):
        if rows and one.top < rows[-1][0].bottom - 2:
            rows[-1].append(one)
        else:
            rows.append([one])
    return rows


WIDTHS = (1500, 1280, 900, 390, 340)


@pytest.fixture(scope="module")
def screens(open_once):
    page, found = open_once(DOCS_PAGE, 1500), []
    page.click("#fit")
    page.evaluate(SETTLED)
    page.click('#draws [value="10"]')
    for _ in range(2):
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.mouse.move(0, 0)  # over no button
            page.evaluate(SETTLED)
            found.append(Screen(page, width))
        page.click("#theme")
        page.click("#language")
    assert min(map(len, found)) > 250
    return found
