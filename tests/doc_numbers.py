"""What is wrong with a document's measured numbers: a line for each."""

import json
import math
import re
import statistics

import numpy as np
from doc_checks import run_examples
from documents import NUMBER, ROOT

RESULTS = ROOT / "demos" / "results"


def wrong_numbers(document):
    """Every marked number stands in its paragraph as its source has it, in the order of the marks.

    And where a paragraph says "Measured", every number with a decimal point, a thousands separator
    or an exponent is marked.
    """
    marks = list(document.marks())
    uses_examples = any(mark.source == "example" for mark in marks)
    namespace = run_examples(document)[0] if uses_examples else {}
    for index, block in enumerate(document.blocks):
        texts = []
        for mark in (mark for mark in marks if mark.block == index):
            try:
                texts.append(expected_text(mark, namespace))
            except Exception as error:  # whatever is wrong with an expression, say which
                yield f"{document}:{block.line}: {mark.source}: {mark.expression}: {error!r}"
        for text, span in zip(texts, positions(texts, block.text), strict=True):
            if span is None:
                yield f"{document}:{block.line}: {text} is not there, or not in this order"
        if block.kind == "text" and re.match(r"\*\*(Measured|实测)", block.text):
            yield from unmarked_numbers(document, block, texts)


def unmarked_numbers(document, block, texts):
    spans = [span for span in positions(texts, block.text) if span]
    for number in NUMBER.finditer(plain(block.text)):
        precise = re.search(r"[.,e]", number[0])
        if precise and not any(a <= number.start() < b for a, b in spans):
            yield f"{document}:{block.line}: where does {number[0]} come from?"


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


def expected_text(mark, namespace):
    """What the text says of a mark; ``namespace`` is what the document's examples have defined."""
    if mark.source == "example":
        names = FUNCTIONS | namespace
    else:
        keys = Keys(json.loads((RESULTS / mark.source).read_text(encoding="utf-8")))
        names = FUNCTIONS | {"summary": keys} | {name: keys[name] for name in keys.value}
    expression = re.sub(r"(?<=[a-z_\]])\.(\d+)", r"[\1]", mark.expression)  # models.0 is models[0]
    value = eval(expression, {"__builtins__": {}} | names)
    return plain(mark.format.format(value))


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
