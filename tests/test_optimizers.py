"""Optimizers against their formulas, one number at a time; test_torch_parity.py has PyTorch's."""

import math

import numpy as np
import pytest

from vae_np import SGD, Adagrad, Adam, fused
from vae_np.optimizers import Optimizer
from vae_np.parameters import ParameterVector

GRADIENTS = (0.5, -2.0, 0.1)


def run(optimizer_class, learning_rate=0.1, **numbers):
    vector = ParameterVector({"a": np.array([1.0])}, np.float64)
    optimizer = optimizer_class([vector], learning_rate)
    for name, number in numbers.items():
        setattr(optimizer, name, number)
    for gradient in GRADIENTS:
        vector.grad[:] = gradient
        optimizer.step()
    return float(vector.value[0])


def test_sgd():
    assert run(SGD) == pytest.approx(1 - 0.1 * sum(GRADIENTS), rel=1e-14)


@pytest.mark.parametrize("numbers", [{}, {"epsilon": 0.2}])
def test_adagrad(numbers):
    value, total = 1.0, 0.0
    for g in GRADIENTS:
        total += g * g
        value -= 0.1 * g / (math.sqrt(total) + numbers.get("epsilon", 1e-8))
    assert run(Adagrad, **numbers) == pytest.approx(value, rel=1e-13)


@pytest.mark.parametrize("numbers", [{}, {"beta1": 0.5}, {"beta2": 0.8}, {"epsilon": 0.2}])
def test_adam_as_its_paper_writes_it(numbers):
    b1, b2, epsilon = ({"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8} | numbers).values()
    value, m, v = 1.0, 0.0, 0.0
    for t, g in enumerate(GRADIENTS, start=1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        value -= 0.1 * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + epsilon)
    assert run(Adam, **numbers) == pytest.approx(value, rel=1e-13)


@pytest.mark.parametrize("t", [1, 2000, 10_000])
def test_adams_means_are_of_all_steps_so_far(t):
    vector = ParameterVector({"a": np.zeros(1)}, np.float64)
    optimizer = Adam([vector], 0.1)
    optimizer.steps, vector.grad[:] = t - 1, 3.0  # before it, all gradients were 0
    optimizer.step()
    mean, mean_of_squares = 0.1 * 3 / (1 - 0.9**t), 0.001 * 9 / (1 - 0.999**t)
    assert vector.value[0] == pytest.approx(-0.1 * mean / math.sqrt(mean_of_squares), rel=1e-6)


@pytest.mark.parametrize("optimizer_class", [Adagrad, Adam])
def test_epsilon_is_above_0(optimizer_class):
    optimizer = optimizer_class([])
    for epsilon in (1e-30, 1, 10):
        optimizer.epsilon = epsilon
        assert optimizer.epsilon == epsilon
    for wrong in (0, -1e-8, math.inf):
        with pytest.raises(ValueError, match="epsilon must be a finite number > 0, got"):
            optimizer.epsilon = wrong


@pytest.mark.parametrize("optimizer_class", [Adagrad, Adam])
def test_a_gradient_as_small_as_epsilon_moves_half_a_step(optimizer_class):
    """|g| / (|g| + ε) is ½ at |g| = ε = 1e-8: a first step is half as long there."""
    vector = ParameterVector({"a": np.zeros(2)}, np.float64)
    vector.grad[:] = [1e-8, -3e-8]
    optimizer_class([vector], 0.1).step()
    np.testing.assert_allclose(vector.value, [-0.1 / 2, 0.1 * 3 / 4], rtol=1e-12)


@pytest.mark.parametrize(
    ("optimizer_class", "numbers"), [(Adagrad, (1e-8, 0.1)), (Adam, (0.9, 0.999, 1e-8, 0.1))]
)
def test_a_loop_that_is_there_is_used(optimizer_class, numbers, monkeypatch):
    """At the first step both of Adam's scales are 1. That the loop is right: test_fused.py."""
    calls = []
    monkeypatch.setattr(fused, "one_pass", lambda *args: lambda *args: calls.append(args))
    vector = ParameterVector({"w": np.ones(2)}, np.float64)
    optimizer = optimizer_class([vector], 0.1)
    optimizer.step()
    (arguments,) = calls
    arrays = vector.value, vector.grad, *optimizer.state[0]
    assert all(map(np.shares_memory, arrays, arguments))
    assert arguments[len(arrays) :] == pytest.approx(numbers)


@pytest.mark.parametrize("optimizer_class", [SGD, Adagrad, Adam])
def test_zero_gradient_moves_nothing(optimizer_class):
    vector = ParameterVector({"a": np.ones(3)}, np.float32)
    optimizer = optimizer_class([vector])
    optimizer.step()
    np.testing.assert_array_equal(vector.value, 1)
    assert all(array.dtype == np.float32 for array in optimizer.state[0])


@pytest.mark.parametrize("learning_rate", [0, -1, float("nan"), float("inf")])
def test_bad_learning_rate(learning_rate):
    with pytest.raises(ValueError, match="learning_rate must be a finite number > 0"):
        Adam([], learning_rate)


def test_the_learning_rates_that_are_not_given():
    vectors = [ParameterVector({"w": np.ones(2)})]
    rates = [cls(vectors).learning_rate for cls in (SGD, Adagrad, Adam, Optimizer)]
    assert rates == [0.001, 0.02, 0.001, 0.01]


def test_each_vector_is_stepped_once_and_rates_are_checked():
    vector = ParameterVector({"w": np.ones(2)})
    with pytest.raises(ValueError, match="vectors must hold each ParameterVector once"):
        Adam([vector, ParameterVector({"w": np.ones(2)}), vector])
    optimizer = Adam([vector])
    for rate in (-1, 0, float("nan"), "fast"):
        with pytest.raises(ValueError, match="learning_rate must be a finite number > 0"):
            optimizer.learning_rate = rate
    assert optimizer.learning_rate == 0.001


def test_settings_hold_every_number():
    vector = ParameterVector({"w": np.ones(2)})
    optimizer = Adam([vector])
    optimizer.beta1 = 0.5
    expected = {"optimizer": "Adam", "beta1": 0.5, "beta2": 0.999, "epsilon": 1e-8}
    assert optimizer.settings() == expected
    assert SGD([vector]).settings() == {"optimizer": "SGD"}
    assert Adagrad((vector,)).settings() == {"optimizer": "Adagrad", "epsilon": 1e-8}
