"""Rows of the lowest level: single layers, and one after the other."""

from dataclasses import replace

import numpy as np

from demos.gradients.row import layer_rows
from vae_np.layers import (
    Linear,
    ParameterVector,
    ReLU,
    Sequential,
    Sigmoid,
    Softplus,
    Tanh,
    sigmoid,
)


class Swish:
    """A layer as you may write it: y = x sigmoid(β x), with a β for each unit that is learned."""

    def __init__(self, width):
        self.width = width

    def forward(self, x):
        self.x, self.s = x, sigmoid(self.beta * x)
        return x * self.s

    def backward(self, dy):
        """dx = dy (s + β x s (1 − s)) and dβ = Σ dy x² s (1 − s), with s = sigmoid(β x)."""
        slope = self.s * (1 - self.s)
        self.dbeta[...] = (dy * self.x**2 * slope).sum(axis=0)
        return dy * (self.s + self.beta * self.x * slope)

    def initial_values(self, generator):
        return {"beta": np.ones(self.width)}

    def bind(self, value, grad):
        self.beta, self.dbeta = value["beta"], grad["beta"]


def linear(rng):
    for row in bound_layer_rows("Linear", Linear(4, 3), rng, width=3):
        yield replace(row, name=row.name.replace(": weight", " dW").replace(": bias", " db"))


def activations(rng):
    for layer in (Tanh(), ReLU(), Softplus(), Sigmoid()):
        x, dy = rng.standard_normal((2, 5, 4))
        x += 0.1 * np.sign(x)  # away from ReLU's kink at 0, where there is no derivative
        yield from layer_rows(type(layer).__name__, layer, None, x, dy)


def your_own(rng):
    yield from bound_layer_rows("Your own layer", Swish(4), rng, width=4)


def sequential(rng):
    network = Sequential([Linear(4, 6), Tanh(), Linear(6, 5), Softplus(), Linear(5, 3)])
    yield from bound_layer_rows("Sequential", network, rng, width=3)


def bound_layer_rows(name, layer, rng, width):
    """Rows of a layer with parameters, for inputs (5, 4) and outputs (5, width)."""
    parameters = ParameterVector(layer.initial_values(rng), np.float64)
    parameters.value += 0.1 * rng.standard_normal(parameters.value.shape)  # biases start at 0
    layer.bind(parameters.views(parameters.value), parameters.views(parameters.grad))
    x, dy = rng.standard_normal((5, 4)), rng.standard_normal((5, width))
    yield from layer_rows(name, layer, parameters, x, dy)
