"""The page's equations: each command of LaTeX that the guide writes, as MathML has it."""

import re
import unicodedata

import pytest

from demos.common.mathml import CELLS, LETTERS, LIMITS, OVER, SIGNS, SPACES, mathml

X, Y = "<mi>x</mi>", "<mi>y</mi>"


def made(latex):
    return re.fullmatch('<math display="block" class="math">(.*)</math>', mathml(latex))[1]


def sign(text):
    return f'<mo stretchy="false">{text}</mo>'


CASES = {
    r"\tfrac xy": f'<mstyle displaystyle="false"><mfrac>{X}{Y}</mfrac></mstyle>',
    r"x'": X + sign("′"),
    r"x - 1.5": X + sign("−") + "<mn>1.5</mn>",
    r"\log x": '<mi>log</mi><mspace width="0.17em"></mspace>' + X,
    r"\exp x": '<mi>exp</mi><mspace width="0.17em"></mspace>' + X,
    r"x_y": f"<msub>{X}{Y}</msub>",
    r"x^{10}": f"<msup>{X}<mrow><mn>10</mn></mrow></msup>",
    r"x^10": f"<msup>{X}<mn>1</mn></msup><mn>0</mn>",
    r"\int_x^y": f'<munderover><mo movablelimits="false">∫</mo>{X}{Y}</munderover>',
    r"\prod^x": f'<mover><mo movablelimits="false">∏</mo>{X}</mover>',
    r"\max_x": f'<munder><mo movablelimits="false">max</mo>{X}</munder>',
    r"\min_x": f'<munder><mo movablelimits="false">min</mo>{X}</munder>',
    r"\overbrace x^y": f"<mover><mover>{X}<mo>⏞</mo></mover>{Y}</mover>",
    r"\underbrace{x}": f"<munder><mrow>{X}</mrow><mo>⏟</mo></munder>",
    r"\xrightarrow x": f"<mover><mo>→</mo>{X}</mover>",
    r"\tilde x": f'<mover accent="true">{X}{sign("~")}</mover>',
    r"\bar x": f'<mover accent="true">{X}{sign("¯")}</mover>',
    r"\mathrm{KL} x": f'<mi mathvariant="normal">KL</mi>{X}',
    r"\operatorname{a b}": '<mi mathvariant="normal">a b</mi>',
    r"\text{a < b}": "<mtext>a\xa0&lt;\xa0b</mtext>",
    r"\big(x\Big)\textstyle": sign("(") + X + sign(")"),
    r"\left(x\right]": f"<mrow><mo>(</mo>{X}<mo>]</mo></mrow>",
    r"\mathcal N": "<mi>𝒩</mi>",
    r"\mathcal{L}": "<mi>ℒ</mi>",
    r"\mathbb{E}\mathbb R": "<mi>𝔼</mi><mi>ℝ</mi>",
    r"x \, y": f'{X}<mspace width="0.17em"></mspace>{Y}',
}


@pytest.mark.parametrize("latex", CASES)
def test_a_command_becomes_mathml(latex):
    assert made(latex) == CASES[latex]


def test_a_space_is_as_wide_as_in_latex():
    """In 18ths of an em: 3, 4 and 5; a word space of 0.28; and one or two whole ones."""
    wanted = {",": 3 / 18, ":": 4 / 18, ";": 5 / 18, " ": 5 / 18, "quad": 1, "qquad": 2}
    assert SPACES == pytest.approx(wanted, abs=0.005)


def test_a_large_sign_is_the_one_that_its_name_says():
    names = {"sum": "N-ARY SUMMATION", "prod": "N-ARY PRODUCT", "int": "INTEGRAL"}
    assert {name: unicodedata.name(LIMITS[name]) for name in names} == names


def test_a_letter_and_a_sign_are_what_their_names_say():
    others = {"nabla": "NABLA", "partial": "PARTIAL DIFFERENTIAL", "infty": "INFINITY"}
    for name, letter in LETTERS.items():
        greek = f"GREEK SMALL LETTER {name.removeprefix('var').upper()}"
        assert unicodedata.name(letter) == others.get(name, greek)
    names = {
        "approx": "ALMOST EQUAL TO",
        "cdot": "MIDDLE DOT",
        "ge": "GREATER-THAN OR EQUAL TO",
        "le": "LESS-THAN OR EQUAL TO",
        "mid": "VERTICAL LINE",
        "ne": "NOT EQUAL TO",
        "odot": "CIRCLED DOT OPERATOR",
        "sim": "TILDE OPERATOR",
        "times": "MULTIPLICATION SIGN",
        "to": "RIGHTWARDS ARROW",
        "Vert": "DOUBLE VERTICAL LINE",
        "|": "DOUBLE VERTICAL LINE",
        "propto": "PROPORTIONAL TO",
        "ldots": "HORIZONTAL ELLIPSIS",
        "Longrightarrow": "LONG RIGHTWARDS DOUBLE ARROW",
        "Longleftrightarrow": "LONG LEFT RIGHT DOUBLE ARROW",
    }
    assert {name: unicodedata.name(one) for name, one in SIGNS.items()} == names
    assert OVER == {"tilde": "~", "hat": "^", "bar": "¯"}


def test_a_command_that_is_not_known_is_named():
    with pytest.raises(ValueError, match=r"equations know no \\sqrt$"):
        mathml(r"x = \sqrt y")


def test_the_columns_of_aligned_lines_meet_at_their_signs():
    rows = made(r"\begin{aligned} x &= y && x \\ x &= y && y \end{aligned}")
    cells = re.findall(r'<mtd style="text-align: (\w+)', rows)
    assert cells == 2 * ["right", "left", "right", "left"] and rows.count("<mtr>") == 2
    assert CELLS[3].endswith("2em")  # a remark stands apart
