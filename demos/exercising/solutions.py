"""Where the package has the answers to the exercises, and their lines."""

import inspect
from pathlib import Path


def solution(exercise):
    """Where the package has the answer, its lines, and those of what it calls."""
    texts = []
    for function in map(inspect.unwrap, exercise.solution):
        try:
            lines, _ = inspect.getsourcelines(function)
        except OSError:
            raise OSError(f"this copy of vae_np has no source of {function.__qualname__}") from None
        texts.append(f"{function.__qualname__} ({location(function)})\n\n{''.join(lines)}")
    return "\n".join(texts)


def location(function):
    """The file and the line of a function, as editors understand them."""
    path, here = Path(function.__code__.co_filename), Path.cwd()
    path = path.relative_to(here) if path.is_relative_to(here) else path
    return f"{path}:{function.__code__.co_firstlineno}"
