"""The guide answers every question, and says the same in both languages."""

from collections import Counter

import pytest
from doc_numbers import sources
from documents import ROOT, Document

GUIDE, CHINESE = ROOT / "docs" / "guide.md", ROOT / "docs" / "guide.zh-CN.md"
QUESTIONS = [
    "learned-and-inferred",
    "one-theta",
    "four-names",
    "why-hard",
    "why-compute-with-q",
    "network-is-not-distribution",
    "sigma",
    "elbo",
    "unknown-kl",
    "closed-form-kl",
    "likelihoods",
    "four-steps",
    "tug-of-war",
    "every-image-its-own-q",
    "why-one-draw",
    "reparameterization",
    "three-names",
    "classical-vb",
    "black-box-and-mcmc",
]
PARTS = {  # what a section has beside its answer: the word that opens it in each language
    GUIDE: ("**Measured.**", "**Try.**", "**Misreading.**"),
    CHINESE: ("**实测。**", "**试一试。**", "**常见误读。**"),
}


def guide(path):
    if not path.exists():
        pytest.skip(f"there is no {path.name}")
    return Document(path)


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.name)
def test_every_question_has_its_section_in_order(path):
    assert guide(path).explicit_anchors == [*QUESTIONS, "symbols", "sources"]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.name)
def test_a_section_has_all_its_parts(path, question):
    section = dict(guide(path).sections())[question]
    openings = [block.text for block in section.blocks if block.kind == "text"]
    for part in PARTS[path]:
        assert any(text.startswith(part) for text in openings), f"no {part}"
    assert any(b.kind == "fence" and b.language == "math" for b in section.blocks), "no equation"
    assert list(section.quotes()), "no lines of the package"
    assert [s for _, s in sources(section) if s.file != "example"], "no measured number"
    assert list(section.commands()), "nothing to try"


@pytest.mark.parametrize("question", [*QUESTIONS, "symbols", "sources"])
def test_both_languages_agree(question):
    english, chinese = (dict(guide(path).sections())[question] for path in (GUIDE, CHINESE))
    for what in (quotes, examples, equations, commands, numbers, pictures):
        assert what(chinese) == what(english), what.__name__


def quotes(section):
    return [(link, name, lines) for _, link, name, lines in section.quotes()]


def examples(section):
    return [(block.text, printed) for block, printed in section.examples()]


def equations(section):
    """The number of them: the words within differ."""
    return sum(block.kind == "fence" and block.language == "math" for block in section.blocks)


def commands(section):
    return [command for _, command in section.commands()]


def numbers(section):
    """Without their order, which is the sentence's."""
    return Counter((s.file, s.expression, s.format) for _, s in sources(section))


def pictures(section):
    return [target for _, target in section.links() if target.endswith((".png", ".gif", ".html"))]
