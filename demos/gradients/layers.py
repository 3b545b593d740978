"""Checks of the lowest level: single layers, and one after the other."""

import numpy as np

from vae_np.backend import array_module
from vae_np.gradcheck import check_layer
from vae_np.layers import Linear, ReLU, Sequential, Sigmoid, Softplus, Tanh, sigmoid


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


def single(rng):
    for layer in (Linear(4, 3), Tanh(), ReLU(), Softplus(), Sigmoid(), Swish(4)):
        x = rng.standard_normal((5, 4))
        x += 0.1 * array_module(x).sign(
            x
        )  # away from ReLU's kink at 0, where there is no derivative
        yield from check_layer(layer, x)


def sequential(rng):
    network = Sequential([Linear(4, 6), Tanh(), Linear(6, 5), Softplus(), Linear(5, 3)])
    yield from check_layer(network, rng.standard_normal((5, 4)))
