"""`python demos`: what can be run here, and the question that each script answers."""

import ast
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve().parent


def scripts():
    """(path, first line of its docstring) for every script, those of one folder together."""
    found = []
    for path in sorted(HERE.rglob("*.py"), key=lambda path: (path.parent, path.name)):
        source = path.read_text(encoding="utf-8")
        runs = 'if __name__ == "__main__":' in source or "\n# %%" in source
        if runs and path != HERE / "__main__.py":
            docstring = ast.get_docstring(ast.parse(source)) or ""
            found.append((path, docstring.partition("\n")[0]))
    return found


def shown(path):
    """As it is typed after `python`."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def main():
    sys.stdout.reconfigure(errors="replace")  # a terminal that cannot write ∫ shows a "?"
    folder = None
    for path, question in scripts():
        if path.parent != folder:
            folder = path.parent
            print(f"\n{shown(folder)}")
        print(
            textwrap.fill(
                question, 98, initial_indent=f"  {path.name:<24}", subsequent_indent=" " * 26
            )
        )
    example = shown(HERE / "questions" / "the_gap.py")
    print(
        f"\nTo run one: python {example}\nWhat it takes, and more about it: python {example} --help"
    )


if __name__ == "__main__":
    main()
