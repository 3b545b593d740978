"""The gradient suite: one test for each tensor of derivatives that is written by hand.

    python -m pytest tests/test_gradients.py -v

runs in seconds. Read the first failure first: the order is that of the stack, in which each level
is built on those before it. The rows are in demos/gradients.
"""

import importlib
import inspect
import pkgutil
import sys

import numpy as np
import pytest

import vae_np
from demos.gradients import layers
from demos.gradients.table import rows_of, table
from vae_np.layers import Tanh

ROWS = [row for _, row in table()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_gradient(row):
    check = row.check()
    if not check.passed:
        pytest.fail(str(check), pytrace=False)


def test_every_name_is_readable_and_there_once():
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert all(name.isascii() for name in names)  # pytest would print others as \u03c3


def test_every_function_that_derives_has_a_row():
    """What is called backward or gradient in the package is called by some row."""
    called = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: called.add(frame.f_code) if event == "call" else None)
    try:
        for row in ROWS:
            row.gradient()
    finally:
        sys.setprofile(before)
    derive = {
        f"{module.__name__}.{function.__qualname__}": function.__code__
        for module in modules()
        for owner in (module, *classes(module))
        for name, function in vars(owner).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__
        if "backward" in name or "gradient" in name or name == "add_weight_prior"
    }
    assert len(derive) > 30
    assert [name for name, code in derive.items() if code not in called] == []


def modules():
    """All of the package but what judges gradients."""
    for found in pkgutil.walk_packages(vae_np.__path__, "vae_np."):
        if found.name not in ("vae_np.gradcheck", "vae_np.finite_differences"):
            yield importlib.import_module(found.name)


def classes(module):
    return [
        member
        for member in vars(module).values()
        if inspect.isclass(member) and member.__module__ == module.__name__
    ]


def test_a_row_that_cannot_be_made_hides_no_other(monkeypatch, rng):
    def broken(layer, dy):
        raise ZeroDivisionError("a mistake in backward")

    monkeypatch.setattr(Tanh, "backward", broken)
    rows = rows_of(layers.activations, rng)
    with pytest.raises(ZeroDivisionError):
        rows[0].check()
    assert [row.check().passed for row in rows[1:]] == [True] * 3

    def unmade(rng):
        raise TypeError("a mistake in __init__")

    (row,) = rows_of(unmade, rng)
    assert row.name == "unmade"
    with pytest.raises(TypeError, match="a mistake in __init__"):
        row.check()


def test_another_seed_has_other_inputs():
    one, other, again = (table(seed)[0][1].array for seed in (0, 1, 0))
    assert not np.array_equal(one, other)
    assert np.array_equal(one, again)
