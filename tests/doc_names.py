"""What is wrong with a document's names and commands: a line for each."""

import argparse
import ast
import io
import re
import runpy
import shlex
import signal
import sys
import tokenize
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
from documents import ROOT

FOREIGN = {"nvidia-smi", "OPENBLAS_CORETYPE"}  # what is not the repository's own
STRINGS = (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", None))  # the latter from 3.12 on
SUFFIXES = "py|md|json|png|gif|svg|html|csv|npz|npy|cfg|toml"


def unknown_names(document):
    """Everything in backticks is a file, a command, an option or a name of the repository."""
    for line, code in document.inline_code():
        if re.match(r"(\w+=\S+ )*(python3?|bash|ruff|pip)\b", code):
            continue  # a command: see refused_commands
        if code in FOREIGN:
            continue
        if re.search(r"(^| )--?[a-z]", code):
            for option in re.findall(r"(?:^| )(--?[a-z][\w-]*)", code):
                if option not in options():
                    yield f"{document}:{line}: no option {option}"
        elif re.fullmatch(rf"\S*/\S*|[\w*.-]+\.({SUFFIXES})(::\w+)?", code):
            yield from (f"{document}:{line}: {wrong}" for wrong in wrong_path(document, code))
        else:
            yield from (f"{document}:{line}: no {name}" for name in unknown_in(code))


def wrong_path(document, code):
    path, _, test = code.partition("::")
    paths = {file.relative_to(ROOT).as_posix(): file for file in repository_files()}
    if path.startswith("runs/"):  # what a run makes
        path = path.rsplit("/", 1)[1] if path.count("/") > 1 else "runs"
    folders = {f"/{parent.as_posix()}/" for name in paths for parent in Path(name).parents}
    if any(folder.endswith(f"/{path.strip('/')}/") for folder in folders) or path in identifiers():
        return
    beside = [document.path.parent / path] if (document.path.parent / path).is_file() else []
    found = beside or [file for name, file in paths.items() if f"/{name}".endswith(f"/{path}")]
    if not found:
        yield f"no file {path}"
    elif test and f"def {test}(" not in found[0].read_text(encoding="utf-8"):
        yield f"no test {test} in {path}"


def unknown_in(code):
    """The names in a piece of Python that the repository does not know; not Python, not asked."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
        if not isinstance(name, str) or len(name) == 1 or re.match(r"My[A-Z]", name):
            continue  # mathematics, or the reader's own
        owner = node.value.id if isinstance(getattr(node, "value", None), ast.Name) else None
        if owner == "F":
            continue  # PyTorch's: test_guide.py runs such a line
        if owner in members() and name not in members()[owner]:
            yield f"{name} in the class {owner}"
        elif name not in identifiers() and not hasattr(np, name):
            yield name


@cache
def repository_files():
    """Every file of the repository; what else lies in the clone, such as runs, is not of it."""
    folders = (ROOT / name for name in (".ci", "demos", "docs", "tests", "vae_np"))
    inside = (path for folder in folders for path in folder.rglob("*"))
    return [p for p in [*ROOT.iterdir(), *inside] if p.is_file() and p.parent.name != "__pycache__"]


@cache
def python_sources():
    """The text of every Python file but the one that shows what these checks must find."""
    files = (f for f in repository_files() if f.suffix == ".py" and f.name != "test_docs.py")
    return [file.read_text(encoding="utf-8") for file in files]


@cache
def identifiers():
    """Every name in the repository's Python and settings, and every word in its short strings."""
    names = set()
    for settings in ("setup.cfg", "pyproject.toml"):
        names.update(re.findall(r"[\w.-]+", (ROOT / settings).read_text(encoding="utf-8")))
    for source in python_sources():
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME:
                names.add(token.string)
            elif token.type in STRINGS and len(token.string) < 100:
                names.update(re.findall(r"[\w.-]+", token.string))
    return names


@cache
def options():
    """Every command-line option of the repository's commands, and those of pip and pytest here."""
    declared = {"-e", "-i", "-m", "--help", "-h"}
    for source in python_sources():
        declared.update(re.findall(r"[\"'](--?[a-z][\w-]*)[\"']", source))
    return declared


@cache
def members():
    """Of every class in the repository: its methods and fields, and the attributes it sets."""
    found, bases = {}, {}
    for source in python_sources():
        for node in (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ClassDef)):
            own = found.setdefault(node.name, set())
            bases.setdefault(node.name, set()).update(getattr(b, "id", "") for b in node.bases)
            for child in ast.walk(node):
                if isinstance(child, ast.FunctionDef | ast.ClassDef):
                    own.add(child.name)
                elif isinstance(getattr(child, "ctx", None), ast.Store):
                    own.add(getattr(child, "attr", getattr(child, "id", None)))
    return {
        name: own.union(*(found[base] for base in bases[name] if base in found))
        for name, own in found.items()
    }


# Commands


class Parsed(Exception):
    """The command line was accepted."""


def refused_commands(document):
    """Every command shown is one: its file is there, and takes these options."""
    for line, command in document.commands():
        words = shlex.split(command, comments=True)
        while "=" in words[0]:  # an environment variable
            words.pop(0)
        for problem in refused(tuple(words)):
            yield f"{document}:{line}: {command}: {problem}"


@cache
def refused(words):
    program, *arguments = words
    if program == "bash":
        return [] if (ROOT / arguments[0]).is_file() else [f"no file {arguments[0]}"]
    if not program.startswith("python") or not arguments:
        return []
    if arguments[:2] == ["-m", "pytest"]:
        return refused_by_pytest(arguments[2:])
    if arguments[0] == "-m":
        extras = re.findall(r"^\.\[(\w+)\]$", "\n".join(arguments), re.MULTILINE)
        known = re.findall(r"^(\w+) =", (ROOT / "setup.cfg").read_text("utf-8"), re.MULTILINE)
        return [f"no extra {extra}" for extra in extras if extra not in known]
    script = ROOT / arguments[0]
    if script.is_dir():
        script /= "__main__.py"
    if not script.is_file():
        return [f"no file {arguments[0]}"]
    source = script.read_text(encoding="utf-8")
    if not re.search(r"\b(parse|parse_args|run|main)\(", source):
        return ["it takes no options"] if arguments[1:] else []
    return refused_by_script(script, arguments[1:]) if arguments[1:] else []


def refused_by_pytest(arguments):
    problems = []
    for argument in arguments:
        path, _, test = argument.partition("::")
        if path.endswith(".py"):
            if not (ROOT / path).is_file():
                problems.append(f"no file {path}")
            elif test and f"def {test}(" not in (ROOT / path).read_text(encoding="utf-8"):
                problems.append(f"no test {test}")
    if "-m" in arguments:
        marker = arguments[arguments.index("-m") + 1]
        settings = (ROOT / "setup.cfg").read_text(encoding="utf-8")
        problems += [] if re.search(rf"^    {marker}:", settings, re.M) else [f"no mark {marker}"]
    return problems


def refused_by_script(script, arguments):
    """Start the script, and stop it when it has read its command line."""
    parse_args = argparse.ArgumentParser.parse_args

    def parse_and_stop(parser, args=None, namespace=None):
        parse_args(parser, args, namespace)
        raise Parsed

    errors = io.StringIO()
    with (
        patch.object(argparse.ArgumentParser, "parse_args", parse_and_stop),
        patch.object(sys, "argv", [str(script), *arguments]),
        patch.object(signal, "signal"),
        redirect_stdout(io.StringIO()),
        redirect_stderr(errors),
    ):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except Parsed:
            return []
        except SystemExit as stop:
            return [] if stop.code == 0 else [errors.getvalue().strip().splitlines()[-1]]
        except Exception as error:  # it does not even start
            return [repr(error)]
    return ["it took no notice of its options"]
