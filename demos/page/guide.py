"""The guide's sections as the page shows them: words, equations as MathML, quoted code."""

import html
import re
from pathlib import Path

from demos.common.mathml import mathml

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDES = {"en": ROOT / "docs" / "guide.md", "zh": ROOT / "docs" / "guide.zh-CN.md"}
END = ("**Measured", "**实测")  # what follows in a section was measured, or is to be tried


def explanations(names):
    """{language: {section: {title, html}}} of the sections of these names, in both guides."""
    return {
        language: {name: section(path, name, names) for name in sorted(set(names))}
        for language, path in GUIDES.items()
    }


def section(path, name, names):
    guide = re.sub("<picture>.*?</picture>", "", path.read_text(encoding="utf-8"), flags=re.S)
    found = re.search(
        rf'^<a id="{name}"></a>\s+## (?:\d+\. )?(.*?)\n(.*?)(?=^<a id=|\Z)', guide, re.S | re.M
    )
    if not found:
        raise ValueError(f"{path.name} has no section {name}")
    lines = found[2].splitlines()
    end = next((k for k, line in enumerate(lines) if line.startswith(END)), len(lines))
    return {"title": inline(found[1], names), "html": blocks(lines[:end], names)}


def blocks(lines, names):
    """Paragraphs, lists, tables, equations and code as HTML."""
    made, lines = [], list(lines)

    def take(belongs):
        taken = []
        while lines and re.match(belongs, lines[0]):
            taken.append(lines.pop(0))
        return "\n".join(taken)

    while lines:
        line = lines[0]
        if not line.strip() or line.startswith(("![", "---")):
            lines.pop(0)
        elif line.startswith("<"):
            made.append(lines.pop(0))  # HTML, as an answer that is folded away
        elif line.startswith("```"):
            fence = lines.pop(0)
            body = take(r"(?!```)")
            lines.pop(0)
            made.append(mathml(body) if fence == "```math" else code(body))
        elif line.startswith("    "):
            made.append(code(re.sub("^    ", "", take("    "), flags=re.M)))
        elif line.startswith("|"):
            rows = [row.strip("|") for row in take(r"\|").split("\n") if "---" not in row]
            cells = [tags("td", *re.split(r"(?<!\\)\|", row), names=names) for row in rows]
            made.append(tags("table", tags("tr", *cells)))
        elif found := re.match(r"(- |\d+\. )", line):
            items = re.split(r"^(?:- |\d+\. )", take(r"- |\d+\. |  "), flags=re.M)[1:]
            made.append(tags("ul" if found[1] == "- " else "ol", tags("li", *items, names=names)))
        else:
            made.append(tags("p", take(r"(?!```|- |\||<)."), names=names))
    return "".join(made)


def code(text):
    return f"<pre tabindex='0'>{html.escape(text, quote=False)}</pre>"


def tags(name, *texts, names=None):
    """Each text in an element; with `names` it is Markdown, else HTML."""
    texts = texts if names is None else [inline(text, names) for text in texts]
    return "".join(f"<{name}>{text}</{name}>" for text in texts)


def inline(text, names):
    """Code, links, bold and italic. A link to a section that the page has opens it there."""

    def link(found):
        if found[2][:1] == "#" and found[2][1:] in names:
            return f'<button class="why" data-guide="{found[2][1:]}">{found[1]}</button>'
        return found[1]

    parts = re.split(r"`([^`]+)`", html.escape(text.replace("\\|", "|").strip(), quote=False))
    words = "\0".join(parts[::2])  # without the code, which keeps its asterisks
    words = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", link, words)
    words = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", words, flags=re.S)
    words = re.sub(r"(?<![A-Za-z\d_*])\*(?!\s)(.+?)\*", r"<em>\1</em>", words, flags=re.S)
    words = re.sub(r"(?<=[\u3000-\uffef])\n(?=\S)", "", words)  # Chinese lines join without a space
    code = iter(parts[1::2])
    return re.sub("\0", lambda _: f"<code>{next(code)}</code>", words)
