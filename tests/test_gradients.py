"""The gradient suite: every tensor of derivatives that is written by hand, a test for each group.

    python -m pytest tests/test_gradients.py -v

runs in seconds. Read the first failure first: the order is that of the stack, in which each level
is built on those before it. The checks are in demos/gradients.
"""

import importlib
import inspect
import pkgutil
import sys

import pytest

import vae_np
from demos.gradients import full_size
from demos.gradients.table import LEVELS, table
from vae_np import gradcheck
from vae_np.backend import random_generator

GROUPS = [group for groups in LEVELS.values() for group in groups]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_gradients(group, rng):
    wrong = [str(check) for check in group(rng) if not check.passed]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.mark.slow
@pytest.mark.parametrize("group", [*GROUPS, full_size.full_size], ids=lambda group: group.__name__)
def test_gradients_on_a_gpu(group, gpu):
    """Its products and kernels are its own; the differences of what it computes judge them."""
    wrong = [str(check) for check in group(random_generator(0, gpu)) if not check.passed]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.fixture
def no_differences(monkeypatch):
    """Only what is written by hand runs."""
    monkeypatch.setattr(gradcheck, "_compared", lambda check, *_: check(0.0, "right"))


def test_every_name_is_readable_and_there_once(no_differences):
    names = [check.name for _, check in table()]
    assert len(names) > 150
    assert len(set(names)) == len(names)
    assert all(name.isascii() for name in names)  # some terminals print others as "?"


def test_every_function_that_derives_is_checked(no_differences):
    """What is called backward or gradient in the package is called by some check."""
    called = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: called.add(frame.f_code) if event == "call" else None)
    try:
        list(table())
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


def test_another_seed_has_other_inputs():
    one, other, again = (next(table(seed))[1] for seed in (0, 1, 0))
    assert one != other
    assert one == again
