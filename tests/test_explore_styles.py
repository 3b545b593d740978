"""How the page looks, by rules that hold for all its elements, on wide and narrow screens alike.

Seen after a fit with ten draws: in English and light, in Chinese and dark.
"""

import itertools

import numpy as np
import pytest
from browser_looks import THINGS, box, overlap, rgb, rows_of, screens  # noqa: F401 - fixtures
from browser_page import chromium, open_once  # noqa: F401 - fixtures

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow


def test_nothing_is_wider_than_the_screen_and_no_text_is_cut(screens):
    for screen in screens:
        for one in screen:
            if one.is_("in #bars") or one.is_("#spoken"):
                continue
            assert one.left >= -0.5 and one.right <= screen.width + 0.5, one
            assert one["overflow-x"] == "visible" or one.cut <= 0 or one.is_("#bars"), one
            for card in screen.of(".card"):
                if one.section == card.section and one.ink:
                    assert card.left + 6 < min(ink[0] for ink in one.ink), one
                    assert max(ink[2] for ink in one.ink) < card.right - 6, one


def test_no_two_texts_and_no_two_pictures_or_buttons_overlap(screens):
    for screen in screens:
        solid = [
            one
            for one in screen
            if one.tag in ("button", "canvas", "select") and not one.is_("in button")
        ]
        for a, b in itertools.combinations(solid, 2):
            assert min(overlap(box(a), box(b))) < 0.5, (a, b)
        inks = [(one, ink) for one in screen for ink in one.ink if not one.is_("#spoken")]
        for (a, one), (b, other) in itertools.combinations(inks, 2):
            across, down = overlap(one, other)
            assert across < 1 or down < 4, (a, b)
        for (a, ink), b in itertools.product(inks, screen.of("canvas")):
            assert min(overlap(ink, box(b))) < 2 or a.is_("in .pad"), (a, b)


def test_the_cards_are_alike_and_stand_in_rows(screens):
    for screen in screens:
        cards, main = screen.of(".card"), screen.one("main")
        assert len(cards) == 9
        looks = ("padding-left", "padding-right", "padding-top", "padding-bottom")
        looks += ("border-top-width", "border-top-style", "border-top-left-radius")
        assert len({tuple(card[name] for name in looks) for card in cards}) == 1
        assert 6 <= cards[0].px("border-top-left-radius") <= 14
        assert cards[0]["border-top-style"] == "solid"
        for name in looks[:4]:
            assert 6 <= cards[0].px(name) <= 14
        for card in cards:
            assert rgb(card["background-color"]) == screen.colour["card"]
            assert rgb(card["border-top-color"]) == screen.colour["line"]
        assert rgb(screen.one("body")["background-color"]) == screen.colour["paper"]
        assert rgb(screen.one("body")["color"]) == screen.colour["ink"]
        rows = rows_of(cards)
        left, right = main.left + main.px("padding-left"), main.right - main.px("padding-right")
        assert left + right == pytest.approx(screen.width, abs=1) and 6 <= left - main.left <= 16
        assert right - left >= min(screen.width - 32, 1300)
        for row in rows:
            assert [row[0].left, row[-1].right] == pytest.approx([left, right], abs=1)
            assert np.ptp([card.top for card in row]) < 1
            assert np.ptp([card.bottom for card in row]) < 1
        apart = [b.left - a.right for row in rows for a, b in itertools.pairwise(row)]
        apart += [b[0].top - a[0].bottom for a, b in itertools.pairwise(rows)]
        assert 7 < min(apart) and max(apart) < 11
        ids = [[card.id or str(card.section - 3) for card in row] for row in rows]
        if screen.width > 1270:
            assert ids == [["image", "planes", "around", "account"], ["1", "2", "3", "4", "5"]]
        elif screen.width > 760:
            assert ids == [["image", "planes"], ["around", "account"], ["1", "2", "3"], ["4", "5"]]
        else:
            assert ids == [[one] for one in ("image", "planes", "account", "around", *"12345")]


def test_what_stands_in_a_card_is_evenly_spaced(screens):
    """Below each other come a few pixels of room, neither none nor a hole."""
    for screen in screens:
        for card in screen.of(".card"):
            blocks = [
                one
                for one in screen
                if one.section == card.section
                and (
                    one.tag in ("h2", "canvas", "table", "ul", "p", "figcaption")
                    or one.is_(".buttons")
                    or one.is_("div", ".numbers")
                    or one.is_("#bars")
                )
                and not (one.is_("in button") or one.is_("in .key"))
                and one.height
            ]
            for below in blocks:
                above = [
                    one.bottom
                    for one in blocks
                    if one.bottom <= below.top + 1 and overlap(box(one), box(below))[0] > 2
                ]
                gap = below.top - max(above, default=card.top)
                assert 0 <= gap <= (17 if above else 12) or below.is_("in .side"), (below, gap)


def test_letters_are_of_few_sizes_and_of_two_families(screens):
    for screen in screens:
        written = [one for one in screen if one.ink]
        sizes = {
            name: {one.px("font-size") for one in screen.of(name) if one.tag != "button"}
            for name in ("h1", "h2", ".note", "small", "figcaption")
        }
        assert all(len(of) == 1 for of in sizes.values()), sizes
        size = {name: of.pop() for name, of in sizes.items()}
        assert 1.25 * size["h2"] < size["h1"] < 1.6 * size["h2"]
        assert 14 <= size["h2"] and size[".note"] == size["small"] == size["figcaption"] < 13
        assert 14 <= screen.one("body").px("font-size") <= 16
        for one in written:
            assert 11 <= one.px("font-size") <= size["h1"], one
            assert 1.2 <= one.px("line-height") / one.px("font-size") <= 1.6, one
            formula = one.is_(".formula") or one.is_("in .formula") or one.tag == "i"
            assert one["font-family"].endswith(", serif" if formula else ", sans-serif"), one
        assert len({one["font-family"] for one in written}) == 2
        for one in screen.of("h1") + screen.of("h2") + screen.of("#hint"):
            assert int(one["font-weight"]) >= 600
        for one in screen.of(".note"):
            assert rgb(one["color"]) == screen.colour["soft"] and one["font-weight"] == "400", one
        for one in screen.of(".n"):  # a step's number, in its circle
            assert one.width == pytest.approx(one.height, abs=0.5) and one.px("font-size") < 14
            assert one["border-top-left-radius"] == "50%"
            assert rgb(one["background-color"]) == screen.colour["ink"]
            (ink,) = one.ink
            middle = [(ink[0] + ink[2]) / 2, (ink[1] + ink[3]) / 2]
            assert middle == pytest.approx(
                [(one.left + one.right) / 2, (one.top + one.bottom) / 2], abs=1.5
            )


def test_buttons_of_a_kind_look_alike(screens):
    shape = ("border-top-width", "border-top-left-radius", "padding-left", "padding-right")
    shape += ("padding-top", "padding-bottom", "font-size")
    for screen in screens:
        colour = screen.colour
        buttons = [one for one in screen.of("button") if not one.is_("in #digits")]
        why = [one for one in buttons if one.is_(".why")]
        plain = [one for one in buttons + screen.of("select") if one not in why]
        assert len(why) == 12 and len(plain) == 12
        assert len({tuple(one[name] for name in shape) for one in plain}) == 1
        assert plain[0].px("border-top-width") == 1 and plain[0].px("padding-left") >= 6
        assert 4 <= plain[0].px("border-top-left-radius") <= 10
        for one in plain:
            assert one["cursor"] == ("default" if one.disabled else "pointer")
            assert float(one["opacity"]) == (0.6 if one.disabled else 1)
            main, bold = one.is_(".main"), int(one["font-weight"]) >= 600
            assert bold == (main or one.pressed)
            back, front = (colour[k] for k in (("q", "card") if main else ("card", "ink")))
            assert rgb(one["background-color"]) == back
            assert rgb(one["color"]) == (colour["q"] if one.pressed else front)
            frame = "q" if main or one.pressed else "prior"
            assert rgb(one["border-top-color"]) == colour[frame]
        assert sum(one.pressed for one in plain) == sum(one.is_(".main") for one in plain) == 1
        for one in why:
            assert one["text-decoration-line"] == "underline" and one.px("border-top-width") == 0
            assert one["cursor"] == "pointer" and one["font-size"] == why[0]["font-size"]
            assert one["background-color"] == "rgba(0, 0, 0, 0)"
            assert rgb(one["color"]) == colour["soft"] and one.px("padding-left") == 0
        for group in screen.of(".buttons"):
            within = [one for one in plain if one.parent == "div"]
            for row in rows_of([one for one in within if min(overlap(box(one), box(group))) > 1]):
                for a, b in itertools.pairwise(row):
                    assert 3 <= b.left - a.right, (a, b)
                    assert a.top + a.bottom == pytest.approx(b.top + b.bottom, abs=3), (a, b)


def test_a_thing_has_its_colour_wherever_it_is_named(screens):
    for screen in screens:
        named = 0
        for one in screen:
            for name in set(THINGS) & set(one.classes):
                named += 1
                assert rgb(one["color"]) == screen.colour[name], one
        assert named > 35
        marks = {kind: screen.one(".mark", f".{kind}") for kind in ("ring", "blur", "oval", "ball")}
        for mark in marks.values():
            assert 8 <= mark.width <= 16 and mark["border-top-left-radius"] == "50%"
            assert mark["forced-color-adjust"] == "none"
        for kind, name in (("ring", "prior"), ("oval", "q")):
            assert rgb(marks[kind]["border-top-color"]) == screen.colour[name]
            assert marks[kind].px("border-top-width") >= 1
        assert marks["ring"].height == marks["ring"].width > marks["oval"].height + 2
        assert rgb(marks["ball"]["background-color"]) == screen.colour["z"]
        blur = marks["blur"]["background-image"]
        assert blur.startswith("radial-gradient") and str(rgb(blur))[1:-1] in blur
        assert rgb(blur) == screen.colour["posterior"]
        key = screen.one(".key")
        assert key["list-style-type"] == "none"
        for one in screen.of("li", "in .key")[:4]:  # of one line each
            assert one.height < 1.5 * one.px("line-height")
        assert marks["ring"].left == pytest.approx(screen.one("#h-plane").left, abs=1)


def test_numbers_stand_in_columns(screens):
    for screen in screens:
        for one in screen.of(".numbers") + [
            one for one in screen.of("td") if one.is_("in #equations")
        ]:
            assert "tabular-nums" in one["font-variant-numeric"], one
            lines = 2 if one.is_("#q-numbers") else min(len(one.ink), 1)
            assert len({round(ink[1]) for ink in one.ink}) == lines, one
        for one in screen.of("td", ".numbers"):
            assert int(one["font-weight"]) >= 600
            assert (one.px("padding-left") >= 6) == (not one.is_("in #around"))
        columns = (("n-reconstruction", "n-kl", "n-elbo", "n-gap", "n-sum", "n-log-px"),)
        columns += tuple(
            [f"{what}-{of}" for of in ("mine", "encoder", "diagonal", "full", "posterior")]
            for what in ("elbo", "gap")
        )
        columns += (("posterior-numbers", "lens-numbers"),)
        ends = []
        for column in columns:
            ends.append([max(ink[2] for ink in screen.one(f"#{id}").ink) for id in column])
            assert np.ptp(ends[-1]) < 1
        assert ends[0][0] == pytest.approx(ends[2][0], abs=1)  # both at the card's edge
        assert ends[1][0] < ends[2][0] - 30
        first, elbo, _ = [one for one in screen.of("th") if one.is_("in #rows")]
        assert rgb(elbo["color"]) == screen.colour["soft"] and elbo["font-weight"] == "400"
        assert max(ink[2] for ink in elbo.ink) == pytest.approx(ends[1][0], abs=1)
        assert first["text-align"] in ("left", "start")
        mine, (other, *_) = screen.one("tr", ".mine"), screen.of("tr", ".posterior")
        shown = [one for one in screen.of("td") if one.is_("in .mine")]
        assert all(rgb(one["background-color"]) == screen.colour["paper"] for one in shown)
        assert all(int(one["font-weight"]) > 600 for one in shown) and mine.top < other.top
        for one in screen.of("td"):
            line = one.is_("in .sum")
            assert (one.px("border-top-width") == 1) == line
            assert not line or rgb(one["border-top-color"]) == screen.colour["line"]
        signs = [one for one in screen.of("td") if one.is_("in #equations")]
        assert {one["white-space"] for one in signs} == {"nowrap"}
        for a, b in itertools.pairwise(signs[:8]):  # of z₁: no hole between what is added
            assert 0 <= b.left - a.right < 8


def test_pictures_are_square_and_sharp_and_of_one_size(screens):
    for screen in screens:
        width = screen.width
        for one in screen.of("canvas"):
            assert one["display"] == "block" and 1 <= one.px("border-top-left-radius") <= 6
            assert one["forced-color-adjust"] == "none"
            if one.id not in ("climb", "estimate"):
                assert one.width == pytest.approx(one.height, abs=1), one
            pixels = one.is_(".pixels") or one.id == "pad"
            assert (one["image-rendering"] == "pixelated") == pixels
            back = [0, 0, 0] if pixels else screen.colour["card"]
            assert rgb(one["background-color"]) == back
            dragged = one.id in ("pad", "plane", "lens", "noise")
            assert (one["cursor"] == "crosshair") == dragged
            assert one["touch-action"] == ("pan-y pinch-zoom" if dragged else "auto")
        of = {one.id: one for one in screen.of("canvas")}
        assert of["mean"].width == of["x"].width == of["noise"].width
        assert of["draw"].width == pytest.approx(of["shown"].width, abs=0.1)
        assert of["draw"].top == of["shown"].top
        assert 100 <= of["x"].width <= 132 and 90 <= of["draw"].width <= 132
        assert 8 <= of["shown"].left - of["draw"].right <= 16
        assert of["climb"].width > 200 and 40 < of["climb"].height < 70
        assert of["estimate"].width > 200 and 40 < of["estimate"].height < 70
        plane, lens, card = of["plane"], of["lens"], screen.one("#planes")
        inner = card.width - 2 * (card.px("padding-left") + 1)
        most = 470 if width > 1270 else 330 if width < 760 else np.inf
        assert plane.width == pytest.approx(min(inner, most), abs=1) and plane.width > lens.width
        for one in (plane, lens):
            around = next(card for card in screen.of(".card") if card.section == one.section)
            middle = (around.left + around.right) / 2
            assert (one.left + one.right) / 2 == pytest.approx(middle, abs=1)
        assert lens.width <= 300 or width > 1270 or width == 900
        assert 130 <= of["pad"].width < 400
        small = width < 760  # where the pad and the digits stand side by side, without a heading
        assert bool(screen.of("#h-image")) != small
        assert (of["pad"].right < screen.one("#digits").left) == small
        beside = of["x"].right < screen.one("#q-numbers").ink[0][0]
        assert beside == small  # else the numbers are below the image
        digits = [one for one in screen.of("button") if one.is_("in #digits")]
        rows = rows_of(digits)
        assert [len(row) for row in rows] == ([5] * 4 if width > 760 else [7, 7, 6])
        assert np.ptp([one.width for one in digits]) < 1
        for row in rows:
            assert all(1 < b.left - a.right < 5 for a, b in itertools.pairwise(row))
        assert all(1 < b[0].top - a[0].bottom < 5 for a, b in itertools.pairwise(rows))
        for one in digits:
            assert one.px("border-top-width") == 2 and one["cursor"] == "pointer"
            if one.pressed:
                assert rgb(one["border-top-color"]) == screen.colour["q"]
            else:
                assert one["border-top-color"] == "rgba(0, 0, 0, 0)"
        assert sum(one.pressed for one in digits) == 1
