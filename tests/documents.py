"""What the tests of the documents read in a Markdown file: its blocks, and what they promise.

How a document says where a thing comes from, so that a test can look:

- **A quote.** A paragraph that ends in a link to a .py file, perhaps a name in it, and a colon, and
  a ```python fence below: From [`vae_np/vae.py`](../vae_np/vae.py), `VAE.elbo`:
  The lines stand so in the file (within the name). ``...`` is a gap.
- **An example.** Any other ```python fence: it runs, and a ```text fence below is what it prints.
- **A measured number.** docs/numbers/ has a file for each page, one for its two languages:

      #why-hard

      Measured.
      实测。
          why_q.json: two_latents.q.needed {}; two_latents.reference {:.1f}

  Below the anchor (or without one: anywhere), words that one paragraph or table has and no other, a
  line for each language. Below them, indented and in the order of the text, a file of demos/results
  and, between semicolons or in lines, an expression over its keys and a format for each number. (A
  language whose sentence has another order has an entry of its own.) The sign is the value's: in
  the text, −172.0 is two_latents.reference itself. ``summary["20 latents"]`` reaches a key that is
  no name. The file "example" stands for the names that the page's own examples define.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"(`{3,}|~{3,})\s*(\w*)\s*$")
LINK = re.compile(r"(?<!`)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
HTML_LINK = re.compile(r"<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)=\"([^\"]+)\"")
INLINE_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?(?!\w|[.,]\d)")


@dataclass
class Block:
    """Some lines of one kind: heading, fence, indented, comment, or text (all the rest)."""

    kind: str
    line: int
    lines: list = field(default_factory=list)
    language: str = ""  # of a fence
    below: tuple = ()  # the anchors that it stands below: the last explicit one, the last heading's

    @property
    def text(self):
        return "\n".join(self.lines)


class Document:
    """A Markdown file, cut into blocks, and the text of its file in docs/numbers."""

    def __init__(self, path, text=None, numbers=""):
        self.path = path
        self.name = path.relative_to(ROOT).as_posix()
        docs = ROOT / "docs"
        inside = path.relative_to(docs if path.is_relative_to(docs) else ROOT)
        self.numbers_path = docs / "numbers" / inside.with_name(f"{stem(path)}.txt")
        if text is None:
            text = path.read_text(encoding="utf-8")
            if self.numbers_path.exists():
                numbers = self.numbers_path.read_text(encoding="utf-8")
        self.text, self.numbers = text, numbers
        self.blocks = list(_blocks(self.text.splitlines()))
        self._find_anchors()

    def __repr__(self):
        return self.name

    @property
    def prose(self):
        """Everything outside fences, indented code and comments: (line, text) of each block."""
        return [(b.line, b.text) for b in self.blocks if b.kind in ("text", "heading")]

    @property
    def anchors(self):
        """What a link can point to: explicit anchors, and headings as GitHub names them."""
        return [*self.explicit_anchors, *self.slugs]

    def _find_anchors(self):
        self.explicit_anchors, self.slugs, seen = [], [], Counter()
        for block in self.blocks:
            if block.kind == "heading":
                slug = heading_slug(block.text)
                self.slugs.append(f"{slug}-{seen[slug]}" if seen[slug] else slug)
                seen[slug] += 1
            if block.kind in ("text", "heading"):
                self.explicit_anchors += ANCHOR.findall(block.text)
            block.below = (*self.explicit_anchors[-1:], *self.slugs[-1:])

    def links(self):
        """The target of every link and picture, with its line."""
        for line, text in self.prose:
            plain = INLINE_CODE.sub(lambda code: "`" * len(code[0]), text)
            for target in [*(m[2] for m in _all_links(plain)), *HTML_LINK.findall(plain)]:
                yield line, target

    def inline_code(self):
        for line, text in self.prose:
            for match in INLINE_CODE.finditer(text):
                yield line, " ".join(match[2].split()).replace("\\|", "|")

    def commands(self):
        """Every command line shown, in a block or within a sentence; continued lines joined."""
        for block in self.blocks:
            if block.kind == "indented" or (
                block.kind == "fence" and block.language in ("sh", "bash", "console", "")
            ):
                for line in block.text.replace("\\\n", " ").splitlines():
                    for command in line.strip().removeprefix("$ ").split("&&"):
                        if is_command(command.strip()):
                            yield block.line, command.strip()
        for line, code in self.inline_code():
            if is_command(code):
                yield line, code

    def quotes(self):
        """(line, file, name or None, the quoted lines) of each quote."""
        for before, block in self._python_fences():
            source = _source_of(before)
            if source:
                yield block.line, *source, block.lines

    def examples(self):
        """(block, what it should print or None) of each fence of Python that is no quote."""
        following = dict(zip(map(id, self.blocks), [*self.blocks[1:], None], strict=True))
        for before, block in self._python_fences():
            if not _source_of(before):
                after = following[id(block)]
                prints = after is not None and after.kind == "fence" and after.language == "text"
                yield block, after.text if prints else None

    def _python_fences(self):
        before = None
        for block in self.blocks:
            if block.kind == "fence" and block.language == "python":
                yield before, block
            if block.kind != "comment":
                before = block

    def sections(self):
        """The text below each explicit anchor, as a document of its own."""
        pieces = re.split(r"(?=^<a id=)", self.text, flags=re.MULTILINE)
        for piece in pieces[1:]:
            yield ANCHOR.search(piece)[1], Document(self.path, piece, self.numbers)


def stem(path):
    """What the languages of a page have in common: guide of guide.md and of guide.zh-CN.md."""
    return path.name.split(".")[0]


def _blocks(lines):
    """Cut the lines into blocks, the way GitHub does as far as these documents need."""
    index, current = 0, None
    while index < len(lines):
        line = lines[index]
        fence = FENCE.match(line)
        starts_paragraph = current is None
        if fence:
            end = index + 1
            while end < len(lines) and lines[end].strip() != fence[1]:
                end += 1
            yield from [current] if current else []
            yield Block("fence", index + 1, lines[index + 1 : end], fence[2])
            current, index = None, end
        elif line.startswith("<!--"):
            end = index
            while "-->" not in lines[end]:
                end += 1
            yield from [current] if current else []
            yield Block("comment", index + 1, lines[index : end + 1])
            current, index = None, end
        elif not line.strip():
            yield from [current] if current else []
            current = None
        elif re.match(r"#{1,6} ", line):
            yield from [current] if current else []
            yield Block("heading", index + 1, [line])
            current = None
        else:
            if starts_paragraph:
                current = Block("indented" if line.startswith("    ") else "text", index + 1)
            current.lines.append(line)
        index += 1
    if current:
        yield current


def _all_links(text):
    """Links, and the pictures within links."""
    for match in LINK.finditer(text):
        yield match
        yield from LINK.finditer(match[1])


def _source_of(block):
    """The .py file, and the name in it or None, that a paragraph above a fence quotes from."""
    if block is None or block.kind != "text" or not re.search(r"[:：]\s*$", block.text):
        return None
    links = [m for m in LINK.finditer(block.text) if m[2].endswith(".py")]
    if not links:
        return None
    after = INLINE_CODE.search(block.text, links[-1].end())
    return links[-1][2], after[2] if after else None


def heading_slug(heading):
    """The anchor that GitHub makes of a heading."""
    title = LINK.sub(r"\1", heading.lstrip("#").strip()).replace("`", "")
    title = re.sub(r"<[^>]+>", "", title)
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def is_command(text):
    return re.match(r"(\w+=\S+ )*(python3?|bash|ruff|pip) \S", text) is not None
