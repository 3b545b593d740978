"""The hunt for what no test would notice, mutants.py: that it plants, and what it passes over."""

import importlib
import math
import os

import numpy as np
import pytest
from mutant_changes import listed, mutants_of, plant
from mutants import FILES, in_a_fork

from vae_np.distributions import DiagonalGaussian
from vae_np.inference import appendix_d
from vae_np.layers import ReLU
from vae_np.optimizers import Adagrad, Adam
from vae_np.parameters import ParameterVector
from vae_np.training import aevb

ONE = np.ones((1, 1))


def relu_slope():
    relu = ReLU()
    relu.forward(ONE)
    return relu.backward(ONE).sum()


def log_sum_exp():
    return appendix_d.log_sum_exp(ONE)[0]


def adagrad():
    return Adagrad([ParameterVector({"w": np.ones(1)})])


@pytest.fixture(scope="module")
def planted():
    return [mutant for path in FILES for mutant in mutants_of(path)]


@pytest.mark.slow
def test_what_is_listed_as_equivalent_is_little_and_still_there(planted):
    keys = {mutant.key for mutant in planted}
    assert listed() - keys == set()
    assert sum(mutant.key in listed() for mutant in planted) < 0.12 * len(planted)


@pytest.mark.parametrize("path", FILES)
def test_a_change_can_be_planted_in_every_file(planted, path):
    importlib.import_module(path.removesuffix(".py").replace("/", "."))
    mutant = next(m for m in planted if m.path == path and m.lines)
    pid = os.fork()
    if pid == 0:
        try:
            plant(mutant.twin())
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize(
    ("line", "change", "value", "right", "wrong"),
    [  # in a cached property, a method, a function that others import, two constants, an
        # enumeration and an attribute that is checked
        (
            "exp(0.5 * log_var)",
            "0.5 → 1",
            lambda: DiagonalGaussian(0, ONE).std,
            math.exp(0.5),
            math.e,
        ),
        ("self.positive = x > 0", "x > 0 → x <= 0", relu_slope, 1, 0),
        ("log_w - largest).sum(", "log_w - largest → log_w", log_sum_exp, 1, 2),
        ("learning_rate = 0.02", "0.02 → 0.04", lambda: adagrad().learning_rate, 0.02, 0.04),
        (
            "LOG_2PI =",
            "2 * np.pi → np.pi",
            lambda: appendix_d.LOG_2PI,
            math.log(2 * np.pi),
            math.log(np.pi),
        ),
        ("SHUFFLE = 1", "1 → 2", lambda: aevb.Stream.SHUFFLE, 1, 2),
        ("beta1 = Checked", "0.9 → 1.8", lambda: Adam.beta1, 0.9, 1.8),
    ],
)
def test_a_planted_change_is_what_runs(planted, line, change, value, right, wrong):
    """In a fork of this process: here everything stays as it was."""
    (mutant,) = (m for m in planted if line in m.key[1] and m.key[2] == change)
    assert value() == pytest.approx(right)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            plant(mutant.twin())
            status = 0 if value() == pytest.approx(wrong) else 2
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    assert value() == pytest.approx(right)


def test_a_mutant_that_no_test_reaches_survives(planted):
    mutant = next(m for m in planted if m.path == "vae_np/optimizers.py")
    pid = os.fork()
    if pid == 0:
        in_a_fork(None, mutant, [])
    assert os.waitpid(pid, 0)[1] == 0
