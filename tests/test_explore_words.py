"""What the page says: the same in both languages, and of things that are there."""

import colorsys
import html
import re
from collections import Counter
from pathlib import Path

import pytest

from demos.common.mathml import mathml
from demos.page import fill
from demos.page.guide import GUIDES, explanations

HTML = fill.PAGE.read_text("utf-8")
TEXTS = (fill.TEMPLATE / "texts.js").read_text("utf-8")
ENGLISH, CHINESE = re.split(r"\n  (?:en|zh): {\n", TEXTS)[1:]
# First the words that need no counterpart; then a term, and what may stand for it in Chinese, where
# a + joins what must be there together.
SMALL, *TERMS = Path(__file__).with_name("page_glossary.txt").read_text("utf-8").splitlines()
SMALL = set(SMALL.split())
TERMS = {term: words.split() for term, words in (line.rsplit(": ", 1) for line in TERMS)}
LONGEST_FIRST = "|".join(map(re.escape, sorted(TERMS, key=len, reverse=True)))
CHINESE_TERMS = {part for words in TERMS.values() for one in words for part in one.split("+")}
CHINESE_TERMS = {part for part in CHINESE_TERMS if len(part) > 1}
TERM = re.compile(rf"(?<![\w’])(?:{LONGEST_FIRST})(?![\w’])")
SYMBOL = r"p\([xz|]*\)|q\(z\|x\)|\b[zxLNI]\b|\bKL\b|\bHome\b|\bShift\b|[βεσμ~]|\d+(?:\.\d+)?"


def spoken(script):
    """{its place in the script: what is said there}, literals with their ${…}."""
    found, group, name = {}, "", ""
    for line in script.split("\n"):
        key = re.match(r" +(\w+): (.*)", line)
        if key and key[2] == "{":
            group = key[1]
        elif line.strip() == "},":
            group = ""
        name, rest = (f"{group} {key[1]}".strip(), key[2]) if key else (name, line)
        if '"' in rest or "`" in rest:
            said = re.sub(r"\(?[\w, ]+\)? =>|\b\w+: (?=\")", "", rest)
            found[name] = found.get(name, "") + said
    return found


def pairs():
    """(English, Chinese) of all that the page says, but for its guide."""
    spans = r'<span lang="en">(.*?)</span>\s*<span lang="zh">(.*?)</span>(?=\s*<|$)'
    lines = re.findall(spans, HTML, re.M)
    lines += re.findall(r"<p>(On this page.*?)</p>\s*<p>(.*?)</p>", HTML, re.S)
    for both in lines:
        if both[0] != "中文":
            yield tuple(re.sub("<[^>]+>", "", one) for one in both)
    english, chinese = spoken(ENGLISH), spoken(CHINESE)
    assert list(english) == list(chinese)
    yield from ((english[name], chinese[name]) for name in english)


def without_numbers(text):
    return re.sub(r"d\.\w+", "", re.sub(r"\$\{[\w.]+\}", " ", text))


def test_both_languages_say_the_same():
    """Every English word has its counterpart, and no Chinese term stands there without one."""
    assert len(list(pairs())) > 100
    for english, chinese in pairs():
        words = " ".join(without_numbers(english).lower().replace("'", "’").split())
        said, claimed = without_numbers(chinese), set()
        for term in TERM.findall(words):
            there = [one for one in TERMS[term] if all(part in said for part in one.split("+"))]
            assert there, f"{term}: {TERMS[term]} is not in {chinese}"
            claimed |= {part for one in there for part in one.split("+")}
        assert set(re.findall("[a-z’]+", TERM.sub(" | ", words))) <= SMALL, english
        for word in CHINESE_TERMS:
            within = any(word in larger for larger in claimed)
            assert word not in said or within, f"{word}, but: {english}"


def test_both_languages_name_the_same_numbers_and_symbols():
    for english, chinese in pairs():
        parts = [Counter(re.findall(r"\$\{([^`]*?)[}\"?]", one)) for one in (english, chinese)]
        assert parts[0] == parts[1], english
        symbols = [
            set(re.findall(SYMBOL, without_numbers(one), re.A)) for one in (english, chinese)
        ]
        assert symbols[0] == symbols[1], english


def test_what_a_hint_tells_to_press_is_a_button_s_name():
    marks = {"en": (ENGLISH, r"“(.*?)”|press (Fit)"), "zh": (CHINESE, r"“(.*?)”")}
    for language, (script, mark) in marks.items():
        hints = script[: script.index("},")]
        names = ["".join(found.groups(default="")) for found in re.finditer(mark, hints)]
        assert len(names) >= 2
        buttons = re.findall(rf'<button.*?<span lang="{language}">(.*?)</span>', HTML)
        assert all(any(name in button for button in buttons) for name in names)


HUES = {
    "q": ("blue", 0.59),
    "z": ("red", 0.94),
    "kl": ("violet", 0.72),
    "posterior": ("orange", 0.07),
}
HUES |= {"reconstruction": ("green", 0.46)}


@pytest.mark.parametrize("name", HUES)
def test_what_is_called_red_is_red_in_either_theme(name):
    for code in re.findall(rf"--{name}: #(\w{{6}});", HTML):
        red, green, blue = (int(code[k : k + 2], 16) / 255 for k in (0, 2, 4))
        hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
        assert hue == pytest.approx(HUES[name][1], abs=0.03) and saturation > 0.35


QUESTIONS = [  # what each button says, and words of its section's title
    ("own q", "own q"),
    ("eq. 1: a KL", "minimise a KL"),
    ("one q for each", "classical"),
    ("β", "tug of war"),
    ("the ELBO", "What is the ELBO"),
    ("appendix B", "KL's formula"),
    ("evidence", "p(x) hard"),
    ("eq. 9", "the network the distribution"),
    ("eq. 4", "reparameterize"),
    ("appendix C", "MSE or BCE"),
    ("section 2.1", "four forward steps"),
    ("eq. 7", "L = 1"),
]


def test_whose_numbers_the_equations_have_is_said_before_the_steps():
    steps = HTML[HTML.index('id="numbering"') : HTML.index('aria-labelledby="h-1"')]
    assert re.findall(r'<span lang="(\w+)">[^<]*1312\.6114', steps) == ["en", "zh"]


def test_a_section_is_shown_without_its_number_its_pictures_and_its_ends_of_lines():
    names = set(fill.sections())
    for sections in explanations(names).values():
        for one in sections.values():
            assert not re.match(r"\d+\.", one["title"])
            assert not re.search("<picture|<img|<p>---", one["html"])
            assert set(re.findall('data-guide="([^"]*)"', one["html"])) <= names
            words = re.sub("<pre.*?</pre>", "", one["html"], flags=re.S)
            assert not re.search("[\u3000-\uffef]\n\\S", words)  # a space, in Chinese


def letters(text):
    return "".join(re.findall(r"\w", re.sub(r"</?\w[^>]*>", "", html.unescape(text))))


@pytest.mark.parametrize("language", GUIDES)
def test_a_section_is_shown_whole_up_to_what_was_measured(language):
    """Each letter and each equation, in their order."""
    guide = GUIDES[language].read_text("utf-8")
    for name, shown in explanations(fill.sections())[language].items():
        its = guide.split(f'<a id="{name}"></a>')[1].split("<a id=")[0]
        title, _, its = its.strip().removeprefix("## ").partition("\n")
        its = re.split(r"^\*\*(?:Measured|实测)", its, flags=re.M)[0]
        equations = re.findall(r"```math\n(.*?)```", its, re.S)
        assert re.findall("<math.*?</math>", shown["html"], re.S) == [*map(mathml, equations)]
        its = re.sub(
            r"<picture>.*?</picture>|```math.*?```|```\w*|^!.*?$", "", its, flags=re.S | re.M
        )
        its = re.sub(r"^\d+\. |\]\([^)]*\)", "", its, flags=re.M)
        assert letters(title).lstrip("0123456789") == letters(shown["title"])
        assert letters(its) == letters(re.sub("<math.*?</math>", "", shown["html"], flags=re.S))


def test_a_button_opens_the_section_that_it_names():
    buttons = re.findall(r'data-guide="([\w-]+)">(.*?)</button>', HTML)
    titles = {name: one["title"] for name, one in explanations(fill.sections())["en"].items()}
    for (section, says), (words, title) in zip(buttons, QUESTIONS, strict=True):
        assert words in says and title in titles[section]
