"""Layers and the parameter vector. Derivatives are proved in test_gradients.py, and against
PyTorch in test_torch_parity.py."""

import re
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_np.layers import (
    Linear,
    ReLU,
    Sequential,
    Sigmoid,
    Softplus,
    Tanh,
    backward_to_input,
    sigmoid,
    softplus,
)
from vae_np.parameters import ParameterVector


def linear_network(rng, dtype=np.float64):
    network = Sequential([Linear(4, 3), Tanh(), Linear(3, 2)])
    parameters = ParameterVector(network.initial_values(rng), dtype)
    network.own(parameters)
    return network, parameters


def test_layers_are_views_of_one_vector(rng):
    network, parameters = linear_network(rng)
    assert parameters.value.shape == (4 * 3 + 3 + 3 * 2 + 2,)
    parameters.value[:] = 0
    assert not network.forward(rng.random((5, 4))).any()
    parameters.value[-2:] = [1, 2]  # the last bias
    np.testing.assert_array_equal(network.forward(rng.random((1, 4))), [[1, 2]])


def test_backward_writes_gradients_and_does_not_add(rng):
    network, parameters = linear_network(rng)
    x, dy = rng.random((5, 4)), rng.random((5, 2))
    network.forward(x)
    network.backward(dy)
    first = parameters.grad.copy()
    assert first.any()
    network.forward(x)
    network.backward(dy)
    np.testing.assert_array_equal(parameters.grad, first)


def test_leading_axes_are_batch_axes(rng):
    network, parameters = linear_network(rng)
    x, dy = rng.random((2, 5, 4)), rng.random((2, 5, 2))
    y, dx = network.forward(x), network.backward(dy)
    grad = parameters.grad.copy()
    np.testing.assert_allclose(network.forward(x.reshape(10, 4)), y.reshape(10, 2), rtol=1e-14)
    np.testing.assert_allclose(network.backward(dy.reshape(10, 2)), dx.reshape(10, 4), rtol=1e-14)
    np.testing.assert_allclose(parameters.grad, grad, rtol=1e-14)


def test_first_layer_can_skip_its_input_gradient(rng):
    network = Sequential([Linear(4, 3, input_gradient=False)])
    network.own(ParameterVector(network.initial_values(rng), np.float64))
    network.forward(rng.random((5, 4)))
    assert network.backward(rng.random((5, 3))) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layer", [Tanh(), ReLU(), Softplus(), Sigmoid(), None])
def test_dtype_is_never_promoted(rng, dtype, layer):
    if layer is None:
        layer, parameters = linear_network(rng, dtype)
        assert parameters.value.dtype == parameters.grad.dtype == dtype
    y = layer.forward(rng.random((5, 4)).astype(dtype))
    assert y.dtype == dtype
    assert layer.backward(y).dtype == dtype


@pytest.mark.parametrize(
    ("layer", "ends"),
    [(Tanh(), [-1, 1]), (ReLU(), [0, np.inf]), (Softplus(), [0, np.inf]), (Sigmoid(), [0, 1])],
)
def test_an_activation_at_infinity_is_its_limit(layer, ends):
    assert layer.forward(np.array([-np.inf, np.inf])).tolist() == ends


def test_relu_at_its_kink():
    """max(x, 0) has no derivative at 0; it counts as 0 there."""
    relu = ReLU()
    relu.forward(np.array([-1.0, 0, 1]))
    assert relu.backward(np.full(3, 5.0)).tolist() == [0, 0, 5]


@given(st.floats(-1e4, 1e4))
def test_softplus_and_sigmoid_are_accurate_everywhere(x):
    x = np.array([x])
    np.testing.assert_allclose(softplus(x), np.logaddexp(0, x), rtol=1e-15, atol=0)
    expected = np.exp(-np.logaddexp(0, -x))
    np.testing.assert_allclose(sigmoid(x), expected, rtol=2e-12, atol=0)  # exp of up to −700


def test_softplus_and_sigmoid_in_float32_are_accurate_to_rounding():
    x = np.linspace(-80, 80, 10_001, dtype=np.float32)
    np.testing.assert_allclose(softplus(x), np.logaddexp(0, x.astype(float)), rtol=1e-6, atol=0)
    expected = np.exp(-np.logaddexp(0, -x.astype(float)))
    np.testing.assert_allclose(sigmoid(x), expected, rtol=1e-6, atol=0)


def test_initial_weights(rng):
    weight, bias = Linear(400, 300, "paper").initial_values(rng).values()
    assert weight.std() == pytest.approx(0.01, rel=0.02)
    assert bias.std() == pytest.approx(0.01, rel=0.15)
    weight, bias = Linear(400, 300, "fan-in").initial_values(rng).values()
    assert 0.049 < np.abs(weight).max() <= 0.05
    assert not bias.any()
    with pytest.raises(ValueError, match="init must be"):
        Linear(4, 3, "zeros")


def test_each_layer_has_draws_of_its_own():
    for init in ("fan-in", "paper"):
        layers = [Linear(3, 3, init), Tanh(), Linear(3, 3, init)]
        drawn = Sequential(layers).initial_values(np.random.default_rng(1))
        generator = np.random.default_rng(1)  # one after the other
        for i in (0, 2):
            for name, values in layers[i].initial_values(generator).items():
                np.testing.assert_array_equal(drawn[f"{i}.{name}"], values)
        assert (drawn["0.weight"] != drawn["2.weight"]).all()


def test_a_layer_is_given_its_own_parameters_alone(rng):
    given = []

    class Listening(Linear):
        def bind(self, value, grad):
            given.extend([set(value), set(grad)])

    network = Sequential([Linear(4, 3), Listening(3, 2)])
    network.own(ParameterVector(network.initial_values(rng)))
    assert given == [{"weight", "bias"}] * 2


def test_a_layer_that_is_no_class_of_its_own_has_a_rule_for_dx_too():
    layer = types.SimpleNamespace(backward=lambda dy: 2 * dy)
    assert backward_to_input(layer, 3) == 6


def test_widths_are_whole_numbers_and_layers_a_list():
    for widths, name in (((0, 4), "n_in"), (("16", 4), "n_in"), ((4, 2.5), "n_out")):
        with pytest.raises(ValueError, match=f"{name} must be a whole number >= 1, got"):
            Linear(*widths)
    for wrong in (Linear(4, 3), "tanh", {"a": Tanh()}, (layer for layer in [Tanh()])):
        got = re.escape(repr(wrong))
        with pytest.raises(ValueError, match=f"^layers must be a list of layers, got {got}$"):
            Sequential(wrong)


def test_what_lies_in_a_vector_is_what_it_was_made_of():
    """Whatever the order in memory: a transposed array too. What has no axis is one number."""
    initial = {"b": np.float64(7), "w": np.arange(6.0).reshape(2, 3).T, "c": np.ones((0, 2))}
    vector = ParameterVector(initial, np.float64)
    for name, part in vector.views(vector.value).items():
        np.testing.assert_array_equal(part, initial[name], strict=True)
    for name in ("value", "grad"):
        for wrong in (np.zeros((1, 7)), np.zeros((7, 1)), np.zeros(6), [0.0] * 7):
            got = re.escape(str(wrong.shape)) if isinstance(wrong, np.ndarray) else "list"
            with pytest.raises(ValueError, match=rf"^{name} must have shape \(7,\), got {got}$"):
                setattr(vector, name, wrong)
        setattr(vector, name, np.arange(7, dtype=np.float32))
        assert getattr(vector, name).dtype == np.float64
        np.testing.assert_array_equal(vector.views(getattr(vector, name))["w"].ravel(), range(1, 7))
