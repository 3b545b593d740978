"""What is not given: each default of the package is the one recorded, for results hang on it."""

import importlib
import inspect
import pkgutil
from enum import EnumMeta

from as_recorded import check_letters

import vae_np


def functions():
    """(name, function) of the package's functions, and its classes' and their methods."""
    for info in pkgutil.walk_packages(vae_np.__path__, "vae_np."):
        module = importlib.import_module(info.name)
        for name, thing in vars(module).items():
            if getattr(thing, "__module__", None) == info.name and not isinstance(thing, EnumMeta):
                yield f"{info.name}.{name}", thing
                for method, function in vars(thing).items() if inspect.isclass(thing) else ():
                    if inspect.isfunction(function) and not method.startswith("__"):
                        yield f"{info.name}.{name}.{method}", function


def defaults(function):
    """How the defaults of its parameters are written; none where it has no signature."""
    if function.__name__.startswith("_"):
        return []
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [f"{p.name}={p.default!r}" for p in parameters if p.default is not p.empty]


def test_each_default_is_as_recorded(tmp_path):
    lines = sorted(f"{name}: {', '.join(defaults(f))}" for name, f in functions() if defaults(f))
    check_letters(tmp_path, "defaults.txt", "\n".join(lines) + "\n")
