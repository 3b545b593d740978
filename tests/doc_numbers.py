"""What is wrong with a page's measured numbers and their sources: a line for each."""

import json
import math
import re
import statistics
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from doc_checks import run_examples
from documents import NUMBER, ROOT, Document, stem

RESULTS = ROOT / "demos" / "results"
COMMENTED_SOURCE = re.compile(r"<!--(?:(?!-->).)*?(?:[.]json|example:)", re.DOTALL)


@dataclass(frozen=True)
class Source:
    """Where a number comes from, and how the text writes it."""

    line: int
    file: str
    expression: str
    format: str


@dataclass
class Entry:
    """Words of a paragraph, a line for each language, and the sources of its numbers in order."""

    section: str = ""  # the anchor above the paragraph, or none: anywhere in the page
    words: list = field(default_factory=list)  # (line, words)
    sources: list = field(default_factory=list)

    def names(self, block, words):
        """Whether it is this block that has the words, however its lines break, bold or not."""
        there = block.kind == "text" and self.section in ("", *block.below)
        return there and bare(words) in bare(block.text)


@cache
def bare(text):
    return re.sub(r"[\s*]", "", text)


def entries(text):
    """What a file of docs/numbers says."""
    found, section, file, after_words = [Entry()], "", "", False
    for number, line in enumerate(text.splitlines(), 1):
        words = re.match(r"[^\s#]", line)
        if line.startswith("#"):
            section = line[1:].strip()
        elif words:
            if not after_words:
                found.append(Entry(section))
                file = ""
            found[-1].words.append((number, line.strip()))
        else:
            new_file, rest = re.match(r"\s*(?:([\w./-]+\.json|example):)?(.*)", line).groups()
            file = new_file or file
            for source in filter(None, map(str.strip, rest.split(";"))):
                expression, _, spec = source.rpartition(" ")
                found[-1].sources.append(Source(number, file, expression.strip(), spec))
        after_words = words
    return [entry for entry in found if entry.words or entry.sources]


def sources(document):
    """(block, source) of every number; those of one block in the order of its text."""
    for entry in entries(document.numbers):
        for block in document.blocks:
            if any(entry.names(block, words) for _, words in entry.words):
                for source in entry.sources:
                    yield block, source


def lost_sources(document):
    """Every entry names one paragraph, here or in the other language, and has sources."""
    numbers = document.numbers_path.relative_to(ROOT)
    paths = [p for p in document.path.parent.glob("*.md") if stem(p) == stem(document.path)]
    pages = [document, *(Document(path) for path in sorted(paths) if path != document.path)]
    for entry in entries(document.numbers):
        if not entry.words:
            yield f"{numbers}:{entry.sources[0].line}: no words of a paragraph above the source"
        for line, words in entry.words:
            if not entry.sources:
                yield f"{numbers}:{line}: no source below the words: {words}"
            here, *elsewhere = (
                [f"{page}:{block.line}" for block in page.blocks if entry.names(block, words)]
                for page in pages
            )
            if not any([here, *elsewhere]):
                where = " or ".join(f"{page}#{entry.section}".rstrip("#") for page in pages)
                yield f"{numbers}:{line}: no paragraph of {where} has the words: {words}"
            if len(here) > 1:
                yield f"{numbers}:{line}: {' and '.join(here)} have the words: {words}"


def wrong_numbers(document):
    """Every source's number stands in its paragraph as the source has it, in their order.

    And where a paragraph says "Measured", or in the table right below it, there is a source, and
    every number with a decimal point, a thousands separator or an exponent has one.
    """
    numbers = document.numbers_path.relative_to(ROOT)
    yield from lost_sources(document)
    all_sources = list(sources(document))
    uses_examples = any(source.file == "example" for _, source in all_sources)
    namespace = run_examples(document)[0] if uses_examples else {}
    measured = False
    for block in document.blocks:
        here = f"{document}:{block.line}"
        if COMMENTED_SOURCE.search(block.text):
            yield f"{here}: a comment is no place for a source, {numbers} is"
        texts, origins = [], []
        its_sources = [source for other, source in all_sources if other is block]
        for source in its_sources:
            origin = f"{numbers}:{source.line}: {source.file}: {source.expression}"
            try:
                texts.append(expected_text(source, namespace))
                origins.append(origin)
            except Exception as error:  # whatever is wrong with an expression, say which
                yield f"{here}: {origin}: {error!r}"
        spans = positions(texts, block.text)
        for text, origin, span in zip(texts, origins, spans, strict=True):
            if span is None:
                yield f"{here}: {text} is not there, or not in this order; {origin}"
        opens = block.kind == "text" and re.match(r"\*\*(Measured|实测)", block.text)
        measured = opens or (measured and block.text.startswith("|"))
        if measured:
            if not its_sources and not block.text.endswith((":", "：")):  # which a table follows
                yield f"{here}: measured, and {numbers} has no source for it"
            for number in precise_numbers_outside(spans, block):
                yield f"{here}: where does {number} come from? {numbers} does not say"


def precise_numbers_outside(spans, block):
    spans = [span for span in spans if span]
    for number in NUMBER.finditer(plain(block.text)):
        precise = re.search(r"[.,e]", number[0])
        if precise and not any(a <= number.start() < b for a, b in spans):
            yield number[0]


class Keys:
    """A JSON value whose keys are attributes."""

    def __init__(self, value):
        self.value = value

    def __getattr__(self, name):
        return self[name]

    def __getitem__(self, key):
        item = self.value[key]
        return Keys(item) if isinstance(item, dict | list) else item

    def __iter__(self):
        return (self[index] for index in range(len(self.value)))

    def __len__(self):
        return len(self.value)


def kl(mean, variance):
    """KL(N(mean, variance) ‖ N(0, 1)) as a sum over a fine grid; nats."""
    q, p = statistics.NormalDist(mean, math.sqrt(variance)), statistics.NormalDist()
    z = mean + q.stdev * np.linspace(-12, 12, 4801)
    log_q, log_p = (-0.5 * ((z - d.mean) / d.stdev) ** 2 - math.log(d.stdev) for d in (q, p))
    return float((np.exp(log_q) * (log_q - log_p)).sum() / np.exp(log_q).sum())


FUNCTIONS = {
    **{name: getattr(math, name) for name in ("exp", "log", "sqrt")},
    **{name: getattr(statistics, name) for name in ("mean", "median", "NormalDist")},
    **{function.__name__: function for function in (min, max, sum, len, round, kl)},
}


def expected_text(source, namespace):
    """What the text says; ``namespace`` is what the document's examples have defined."""
    if not source.file:
        raise ValueError("no file of demos/results before it")
    if not re.fullmatch(r"\{(:[^{}]+)?\}", source.format):
        raise ValueError("no format after it, as {:.1f}")
    if source.file == "example":
        names = FUNCTIONS | namespace
    else:
        keys = Keys(json.loads((RESULTS / source.file).read_text(encoding="utf-8")))
        names = FUNCTIONS | {"summary": keys} | {name: keys[name] for name in keys.value}
    indexed = re.sub(r"(?<=[a-z_\]])\.(\d+)", r"[\1]", source.expression)  # models.0: models[0]
    value = eval(indexed, {"__builtins__": {}} | names)
    return plain(source.format.format(value))


def plain(text):
    """With ASCII minus signs, 2e-05 as 2e-5, and in one line."""
    return re.sub(r"(?<=\de)([+-])0+", r"\1", " ".join(text.replace("−", "-").split()))


def positions(texts, block_text):
    """Where each number stands in a block's text, after the one before; None if it does not."""
    text, start, spans = plain(block_text), 0, []
    for number in texts:
        before = r"(?<![\d.,])" if number.startswith("-") else r"(?<![\d.,-])"
        match = re.compile(rf"{before}{re.escape(number)}(?!\d|[.,]\d|e-?\d)").search(text, start)
        spans.append(match and match.span())
        start = match.end() if match else start
    return spans
