"""The guide's sections as the page shows them: words, equations as MathML, quoted code.

What the page needs of Markdown and of LaTeX, and no more; whatever else a section uses is an error.
"""

import html
import re
from pathlib import Path

from demos.page.mathml import mathml

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDES = {"en": ROOT / "docs" / "guide.md", "zh": ROOT / "docs" / "guide.zh-CN.md"}
END = ("**Measured", "**实测")  # what follows in a section was measured, or is to be tried


def explanations(names):
    """{language: {section: {title, html}}} of the sections of these names, in both guides."""
    found = {}
    for language, path in GUIDES.items():
        sections = sections_of(path.read_text(encoding="utf-8"))
        missing = sorted(set(names) - set(sections))
        if missing:
            raise ValueError(f"{path.name} has no section {', '.join(missing)}")
        found[language] = {
            name: {"title": inline(title, names), "html": blocks(body, names)}
            for name, (title, body) in sections.items()
            if name in names
        }
    return found


def sections_of(guide):
    """{name: (title, the lines before what was measured)}."""
    found = {}
    for part in re.split(r'^<a id="', guide, flags=re.M)[1:]:
        name, rest = part.split('"></a>\n', 1)
        title, body = rest.strip().split("\n", 1)
        lines = re.sub(r"<!--.*?-->\n?", "", body, flags=re.S).splitlines()
        end = next((k for k, line in enumerate(lines) if line.startswith(END)), len(lines))
        found[name] = re.sub(r"^#+ (\d+\. )?", "", title), lines[:end]
    return found


def blocks(lines, names):
    """Paragraphs, lists, tables, equations and code as HTML."""
    made, lines = [], list(lines)

    def take(belongs):
        taken = []
        while lines and belongs(lines[0]):
            taken.append(lines.pop(0))
        return taken

    while lines:
        line = lines[0]
        if not line.strip() or line.startswith(("![", "---")):
            lines.pop(0)
        elif line.startswith("```"):
            lines.pop(0)
            body = "\n".join(take(lambda one: not one.startswith("```")))
            lines.pop(0)
            math = line == "```math"
            made.append(mathml(body) if math else f"<pre>{html.escape(body, quote=False)}</pre>")
        elif line.startswith("    "):
            body = "\n".join(one[4:] for one in take(lambda one: one.startswith("    ")))
            made.append(f"<pre>{html.escape(body, quote=False)}</pre>")
        elif line.startswith("|"):
            made.append(table(take(lambda one: one.startswith("|")), names))
        elif re.match(r"- |\d+\. ", line):
            text = "\n".join(take(lambda one: re.match(r"- |\d+\. |  ", one)))
            items = re.split(r"^(?:- |\d+\. )", text, flags=re.M)[1:]
            kind = "ul" if line.startswith("-") else "ol"
            inside = "".join(f"<li>{inline(item, names)}</li>" for item in items)
            made.append(f"<{kind}>{inside}</{kind}>")
        else:
            text = "\n".join(
                take(lambda one: one.strip() and not one.startswith(("```", "- ", "|")))
            )
            made.append(f"<p>{inline(text, names)}</p>")
    return "".join(made)


def table(lines, names):
    rows = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in lines if "---" not in line]
    cells = [[inline(cell.replace("\\|", "|").strip(), names) for cell in row] for row in rows]
    made = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells)
    return f"<table>{made}</table>"


def inline(text, names):
    """Code, links, bold and italic. A link to a section that the page has opens it there."""

    def link(found):
        words, target = found[1], found[2]
        if target.startswith("#") and target[1:] in names:
            return f'<button class="why" data-guide="{target[1:]}">{words}</button>'
        return words

    parts = re.split(r"`([^`]+)`", text.strip())
    for k, part in enumerate(parts):
        part = html.escape(part, quote=False)
        if k % 2:
            parts[k] = f"\0{part}\0"  # kept from what follows
        else:
            parts[k] = part
    text = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", link, "".join(parts))
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text, flags=re.S)
    text = re.sub(r"(?<![\w*])\*(?!\s)(.+?)\*", r"<em>\1</em>", text, flags=re.S)
    text = re.sub("\0(.*?)\0", r"<code>\1</code>", text, flags=re.S)
    return re.sub(r"(?<=[\u3000-\uffef])\n(?=\S)", "", text)  # Chinese lines join without a space
