"""The guide answers every question; it and the symptoms say the same in both languages."""

import re
from collections import Counter

import numpy as np
import pytest
from doc_numbers import sources
from documents import ROOT, Document

from vae_np import downloads
from vae_np.distributions import Bernoulli, DiagonalGaussian

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
AFTERWARDS = ["in-notes", "symbols", "sources"]
SHOWN = (".png", ".gif", ".svg", ".html")
ANSWER = re.compile(r"<details>\n<summary>\S+</summary>\n\n(.+?)\n\n</details>\n", re.DOTALL)
PARTS = {  # what a section has beside its answer: the word that opens it in each language
    GUIDE: ("**Before reading on.**", "**Measured.**", "**Try.**", "**Misreading.**"),
    CHINESE: ("**先想一想。**", "**实测。**", "**试一试。**", "**常见误读。**"),
}


def in_both_languages(page):
    return [ROOT / "docs" / f"{page}{language}.md" for language in ("", ".zh-CN")]


SECTIONS = [
    (page, name)
    for page in ("guide", "symptoms")
    for name in Document(in_both_languages(page)[0]).explicit_anchors
]


def guide(path):
    if not path.exists():
        pytest.skip(f"there is no {path.name}")
    return Document(path)


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.name)
def test_every_question_has_its_section_in_order(path):
    assert guide(path).explicit_anchors == [*QUESTIONS, *AFTERWARDS]


def test_the_symptoms_are_the_same_in_both_languages():
    english, chinese = map(Document, in_both_languages("symptoms"))
    assert chinese.explicit_anchors == english.explicit_anchors
    shown = [
        [target for _, target in page.links() if target[0] == "#"] for page in (english, chinese)
    ]
    assert {f"#{name}" for name in english.explicit_anchors} <= set(shown[0])
    assert set(shown[0]) == set(shown[1])


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


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.name)
def test_every_question_to_the_reader_has_its_folded_answer(path):
    """Below the question, alone, and with the empty lines that GitHub needs to read Markdown."""
    text = guide(path).text
    questions = re.split(rf"^{re.escape(PARTS[path][0])}", text, flags=re.MULTILINE)[1:]
    for question in questions:
        asked, below = question.split("\n\n", 1)
        assert re.search(r"[?？。.]$", asked), asked
        assert ANSWER.match(below), asked
    assert len(questions) == text.count("<details>") == text.count("</details>")


@pytest.mark.parametrize(("page", "name"), SECTIONS)
def test_both_languages_agree(page, name):
    english, chinese = (dict(guide(path).sections())[name] for path in in_both_languages(page))
    for what in (quotes, examples, equations, commands, numbers, pictures, answers):
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
    """Drawings have one file for each language."""
    shown = (target for _, target in section.links() if target.endswith(SHOWN))
    return [target.replace("-zh-CN", "") for target in shown]


def answers(section):
    return len(ANSWER.findall(section.text))


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.name)
def test_pytorchs_losses_are_what_their_table_says(path, rng):
    torch = pytest.importorskip("torch")
    section = dict(guide(path).sections())["likelihoods"]
    lines = [code for _, code in section.inline_code() if code.startswith("F.")]
    N, D = 3, 5
    mean, logits, log_var = rng.standard_normal((3, N, D))
    x = rng.random((N, D))
    arrays = {"mean": mean, "logits": logits, "x": x, "variance": np.exp(log_var)}
    names = {name: torch.tensor(array) for name, array in arrays.items()}
    names |= {"F": torch.nn.functional, "N": N}
    squared, gaussian, cross_entropy, averaged = (eval(line, names).item() for line in lines)

    of_mean = DiagonalGaussian(mean, np.log(np.full((), 0.5))).log_prob(x)
    assert -squared == pytest.approx((of_mean + D / 2 * np.log(np.pi)).mean(), rel=1e-12)
    assert -gaussian == pytest.approx(DiagonalGaussian(mean, log_var).log_prob(x).mean(), rel=1e-12)
    assert -cross_entropy == pytest.approx(Bernoulli(logits).log_prob(x).mean(), rel=1e-12)
    assert averaged == pytest.approx(squared / D, rel=1e-12)


def test_the_chinese_readme_says_where_each_file_goes_that_cannot_be_downloaded():
    text = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
    shown = [line.strip() for line in text.splitlines() if line.startswith("    data/")]
    assert shown == [f"data/{name}" for name in downloads.SHA256]
