"""What is wrong with a document's links, quotes and examples: a line for each."""

import ast
import io
import os
import re
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch
from urllib.parse import unquote

from documents import Document
from PIL import Image

from vae_np import Trainer

# Links


def broken_links(document):
    """Every relative link points to a file of the repository, and to an anchor in it."""
    for line, target in document.links():
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (document.path.parent / path).resolve() if path else document.path
        if not file.exists():
            yield f"{document}:{line}: no file {path}"
        elif anchor:
            other = document if file == document.path else Document(file)
            if anchor not in other.anchors:
                yield f"{document}:{line}: no anchor #{anchor} in {other}"


def repeated_anchors(document):
    names = document.explicit_anchors
    for name in {name for name in names if names.count(name) > 1}:
        yield f"{document}: the anchor {name} stands there twice"


# Quotes and examples


def wrong_quotes(document):
    """Every quote stands in its source."""
    for line, link, name, quote in document.quotes():
        path = (document.path.parent / link).resolve()
        if not path.exists():
            continue  # a broken link
        try:
            lines = source_lines(path, name)
        except KeyError:
            yield f"{document}:{line}: no {name} in {path.name}"
        else:
            if not stands_in(quote, lines):
                yield f"{document}:{line}: not so in {path.name}, {name or 'anywhere'}"


@cache
def source_lines(path, name):
    """The lines of a file, or of the function or class ``name`` in it; KeyError if it has none."""
    text = path.read_text(encoding="utf-8")
    if name is None:
        return text.splitlines()
    node = ast.parse(text)
    for part in name.split("."):
        node = next((child for child in node.body if getattr(child, "name", None) == part), None)
        if node is None:
            raise KeyError(name)
    return text.splitlines()[node.lineno - 1 : node.end_lineno]


def stands_in(quote, lines):
    """Whether the quoted lines stand in ``lines``, but for empty lines and one indentation."""
    chunks, current = [], []
    for line in [*quote, "..."]:
        if line.strip() != "...":
            current += [line.rstrip()] if line.strip() else []
        elif current:
            chunks.append(current)
            current = []
    lines = [line.rstrip() for line in lines if line.strip()]
    return bool(chunks) and any(_stand_at(chunks, lines, indent) for indent in range(0, 41, 4))


def _stand_at(chunks, lines, indent):
    start = 0
    for chunk in chunks:
        wanted = [" " * indent + line for line in chunk]
        while lines[start : start + len(wanted)] != wanted:
            start += 1
            if start + len(wanted) > len(lines):
                return False
        start += len(wanted)
    return True


def wrong_examples(document):
    """Every example runs and prints what stands below it."""
    for block, wanted, printed in run_examples(document)[1]:
        if wanted is not None and printed != wanted:
            yield f"{document}:{block.line}: the example prints {printed!r}"


@contextmanager
def empty_folder():
    """Go into a folder with nothing but some pictures in my_images, as a reader's might be."""
    here = Path.cwd()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("my_images").mkdir()
            for shade in (40, 80, 120):
                Image.new("RGB", (30, 20), (shade, 0, 0)).save(f"my_images/{shade}.png")
            yield
        finally:
            os.chdir(here)


def run_examples(document):
    """Run a document's examples in one namespace; it, and (block, wanted, printed) of each.

    What they train trains for one epoch: how well it does is not what is asked here. What they save
    goes to a folder that is removed.
    """
    namespace, results = {"__name__": document.name}, []
    fit = Trainer.fit
    one_epoch = patch.object(
        Trainer, "fit", lambda trainer, epochs, **more: fit(trainer, 1, **more)
    )
    with empty_folder(), one_epoch:
        for block, wanted in document.examples():
            printed = io.StringIO()
            with redirect_stdout(printed), redirect_stderr(io.StringIO()):
                exec(compile(block.text, f"{document}:{block.line}", "exec"), namespace)
            results.append((block, wanted, printed.getvalue().rstrip("\n")))
    return namespace, results
