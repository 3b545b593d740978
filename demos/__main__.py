"""`python demos`: what can be run here, and the question that each script answers."""

import ast
import os
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve().parent
ADVICE = {
    "one_page_vae.py": "To start with: python {} (pictures: runs/)",
    "train.py": "To train: python {}",
    "questions/the_gap.py": "To answer a question: python {} (its options: --help)",
    "exercises.py": "To write the derivatives yourself: python {}",
}
NOT_FOR_A_PERSON = {"__main__.py", "peers.py"}  # the latter is what benchmark.py starts


def scripts():
    """(path, its question) for every script, those of one folder together.

    The question is the first line of its docstring, or the heading of its first cell.
    """
    found = []
    for path in sorted(HERE.rglob("*.py"), key=lambda path: (path.parent, path.name)):
        source = path.read_text(encoding="utf-8")
        if source.startswith("# %%"):
            found.append((path, source.partition("\n# # ")[2].partition("\n")[0]))
        elif 'if __name__ == "__main__":' in source and path.name not in NOT_FOR_A_PERSON:
            found.append((path, (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]))
    return found


def shown(path):
    """As it is typed after `python`."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def listing():
    lines, folder = [], None
    for path, question in scripts():
        if path.parent != folder:
            folder = path.parent
            lines += ["", f"{shown(folder)}"]
        name, room = f"  {path.name:<24}", " " * 26
        lines += textwrap.wrap(question, 98, initial_indent=name, subsequent_indent=room) or [name]
    lines.append("")
    for name, advice in ADVICE.items():
        if (HERE / name).exists():  # the copy for a class has not all
            lines.append(advice.format(shown(HERE / name)))
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.stdout is None:  # closed
        sys.exit()
    sys.stdout.reconfigure(errors="replace")  # a terminal that cannot write ∫ shows a "?"
    try:
        print(listing(), flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # nobody reads on: `| head`
            sys.exit(f"demos: error: cannot print: {error.strerror}")
