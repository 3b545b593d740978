"""The documents say what is so: links, quotes, examples, numbers, names and commands."""

import re

import pytest
from doc_checks import broken_links, repeated_anchors, wrong_examples, wrong_quotes
from doc_names import refused_commands, repository_files, unknown_names
from doc_numbers import wrong_numbers
from documents import ROOT, Document

DOCUMENTS = [Document(path) for path in sorted(repository_files()) if path.suffix == ".md"]
CHECKS = (
    broken_links,
    repeated_anchors,
    wrong_quotes,
    wrong_examples,
    wrong_numbers,
    unknown_names,
    refused_commands,
)


@pytest.mark.parametrize("find_wrong", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_what_a_document_says_is_so(document, find_wrong):
    wrong = list(find_wrong(document))
    assert not wrong, "\n".join(wrong)


def fence(language, text):
    return f"```{language}\n{text}\n```\n"


def quote(text, source="[`distributions.py`](vae_np/distributions.py), `gaussian_sample`"):
    return f"From {source}:\n\n{fence('python', text)}"


NEEDED = "why_q.json: two_latents.q.needed {}"
REFERENCE = "two_latents.reference {:.1f}"
TABLE = "With each q:\n\n| q | reference |\n|---|---|\n| 10 | −172.0 |"


def measured(sentence, numbers=f"{NEEDED}; {REFERENCE}"):
    """A page, and its file of numbers."""
    if re.match(r"[\w.]+\.json:", numbers):
        numbers = f"#why-q\n\nMeasured.\n    {numbers}\n"
    return f"## Why q\n\n**Measured.** {sentence}\n", numbers


SAMPLE = "return mean + std * noise"
RIGHT = [
    (broken_links, '[a](vae_np/vae.py) ![b](demos/results/why_q.png) <a id="x"></a> [c](#x)'),
    (broken_links, "# Two `words`, here\n\n[a](#two-words-here) [b](https://no.where) `[c](no)`"),
    (repeated_anchors, '<a id="x"></a> <a id="y"></a>'),
    (wrong_quotes, quote(SAMPLE)),
    (wrong_quotes, quote("def gaussian_sample(xp, mean, std, noise):\n    ...\n    " + SAMPLE)),
    (wrong_quotes, quote(SAMPLE, "[the file](vae_np/distributions.py)")),
    (wrong_examples, fence("python", "x = 2\nprint(x)") + fence("text", "2")),
    (wrong_numbers, measured("It takes 10, at −172.0 nats.")),
    (
        wrong_numbers,
        measured(
            "It takes 10,\nat −172.0 nats.\n\nOn 16 images.",
            f"#why-q\n\nIt **takes** 10, at\n    {NEEDED}\n\n    {REFERENCE}\n"
            "On 16\n    why_q.json:\n        images {}\n",
        ),
    ),
    (wrong_numbers, measured(TABLE, "#why-q\n\nq | reference\n    why_q.json: " + REFERENCE)),
    (wrong_numbers, (fence("python", "x = 2") + "\nIt is 4.", "It is\n  example: 2 * x {}")),
    (wrong_numbers, ("<!-- a note -->\n\n1.5 is said, not measured.", "")),
    (
        unknown_names,
        "`VAE.encode`, `vae_np/vae.py`, `vae.py`, `samples.png`, `--seed 1`, `z = x`",
    ),
    (unknown_names, "`tests/test_vae.py::test_encode_and_decode_return_distributions`, `docs/`"),
    (refused_commands, "    python demos/questions/why_q.py --epochs 3 && python demos/train.py\n"),
    (refused_commands, "`python demos/gradient_check.py --break kl`, `python -m pytest -m slow`"),
    (refused_commands, fence("sh", 'X=1 python -m pip install -e ".[test]"')),
]
WRONG = [
    (broken_links, "[a](vae_np/no.py)"),
    (broken_links, "![a](no.png)"),
    (broken_links, "[![a](no.png)](vae_np/vae.py)"),
    (broken_links, '<img src="no.png">'),
    (broken_links, "[a](#no)"),
    (broken_links, "[a](README.md#no-such-heading)"),
    (repeated_anchors, '<a id="x"></a> <a id="x"></a>'),
    (wrong_quotes, quote(SAMPLE.replace("std", "mean"))),
    (wrong_quotes, quote(f"    ...\n{SAMPLE}\n# more")),
    (wrong_quotes, quote(f"{SAMPLE}\n...\n{SAMPLE}")),
    (wrong_quotes, quote(SAMPLE, "[the file](vae_np/distributions.py), `DiagonalGaussian.draw`")),
    (wrong_quotes, quote(SAMPLE, "[the file](vae_np/distributions.py), `Gaussian`")),
    (wrong_quotes, quote("...")),
    (wrong_examples, fence("python", "print(2)") + fence("text", "3")),
    (wrong_numbers, measured("It takes 10, at −172.1 nats.")),
    (wrong_numbers, measured("It takes 10, at 172.0 nats.")),
    (wrong_numbers, measured("At −172.0 nats it takes 10.")),
    (wrong_numbers, measured("It takes 100, at −172.0 nats.")),
    (wrong_numbers, measured("It takes 10, at −172.0 nats, in 1.5 s.")),
    (wrong_numbers, measured("It takes 10.", "why_q.json: two_latents.no {}")),
    (wrong_numbers, measured("It takes 10.", "no.json: two_latents.q.needed {}")),
    (wrong_numbers, measured("It takes 10.", "Measured.\n    two_latents.q.needed {}")),  # no file
    (wrong_numbers, measured("It takes 10.", NEEDED.replace("{}", "10"))),  # no format
    (wrong_numbers, measured("It takes 10.", "")),  # a number without a source
    (wrong_numbers, measured("It takes 10, at −172.0 nats.", NEEDED)),
    (wrong_numbers, measured(TABLE, "")),
    (wrong_numbers, measured(TABLE, f"#why-q\n\nq | reference\n    {NEEDED}")),
    (wrong_numbers, measured("It takes 10, at a price.")),  # a source without a number
    (wrong_numbers, measured("10.\n\nOn 16.", f"10\n    {NEEDED}\n\nOn 16\n    images {{}}")),
    (wrong_numbers, measured("It takes 10.", f"#no\n\nMeasured.\n    {NEEDED}")),
    (wrong_numbers, ("It takes 10.", f"    {NEEDED}")),
    (wrong_numbers, ("It takes 10.", f"It took\n    {NEEDED}")),
    (wrong_numbers, measured("It takes 10.", f"Measured.\n    {NEEDED}\nIt takes")),
    (wrong_numbers, measured("It takes 10.\n\nIt takes 10.", f"takes\n    {NEEDED}")),
    (wrong_numbers, (f"It takes 10.\n<!-- {NEEDED} -->\n", "")),
    (wrong_numbers, ("It takes 10.\n<!-- a note -->\n<!--\nexample: x {} -->\n", "")),
    (unknown_names, "`VAE.no_such`"),
    (unknown_names, "`no_such(x)`"),
    (unknown_names, "`vae_np/no.py`"),
    (unknown_names, "`no.png`"),
    (unknown_names, "`--no-such 1`"),
    (unknown_names, "`tests/test_vae.py::test_no_such`"),
    (refused_commands, "    python demos/no.py\n"),
    (refused_commands, "    python demos/train.py --no-such 1\n"),
    (refused_commands, "    python demos/train.py --epochs none\n"),
    (refused_commands, "    python demos/questions/why_q.py --latent 2\n"),
    (refused_commands, "    python demos/train.py && python demos/gradient_check.py --break no\n"),
    (refused_commands, "`python -m pytest -m no`"),
    (refused_commands, "`python -m pytest tests/test_vae.py::test_no_such`"),
    (refused_commands, '    python -m pip install -e ".[no]"\n'),
    (refused_commands, "`bash no.sh`"),
]


def planted(page):
    return Document(ROOT / "README.md", *([page] if isinstance(page, str) else page))


@pytest.mark.parametrize(("find_wrong", "page"), RIGHT)
def test_a_check_lets_pass_what_is_so(find_wrong, page):
    assert list(find_wrong(planted(page))) == []


@pytest.mark.parametrize(("find_wrong", "page"), WRONG)
def test_a_check_finds_what_is_not_so(find_wrong, page):
    wrong = list(find_wrong(planted(page)))
    assert wrong
    assert all(re.match(r"(README\.md|docs/numbers/README\.txt)(:\d+)?: .", line) for line in wrong)


def test_every_file_of_numbers_has_its_page():
    files = set((ROOT / "docs" / "numbers").rglob("*.*"))
    assert files
    assert files <= {document.numbers_path for document in DOCUMENTS}
