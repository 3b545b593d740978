"""A row of the gradient table: one tensor of derivatives, and what proves it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vae_np.gradcheck import check_gradient


@dataclass(frozen=True)
class Row:
    """Nothing is computed before `check`: a row that cannot be computed hides no other.

    Attributes
    ----------
    name : str
    f : callable
        Returns one number, which depends on ``array``.
    array : float64 numpy.ndarray
    gradient : callable
        Runs the hand-written ``backward``, and returns the derivative of f with respect to array.
    """

    name: str
    f: Callable
    array: np.ndarray
    gradient: Callable

    def check(self):
        return check_gradient(self.name, self.f, self.array, self.gradient())


def layer_rows(name, layer, parameters, x, dy):
    """dx, and the derivative for each parameter, of what has forward(x) and backward(dy).

    Summed against dy, the output is one number, whose derivative for the output is dy.
    """

    def f():
        return (layer.forward(x) * dy).sum()

    def dx():
        layer.forward(x)
        return layer.backward(dy)

    yield Row(f"{name} dx", f, x, dx)
    if parameters:
        yield from parameter_rows(f"{name}: ", parameters, f, dx)


def parameter_rows(prefix, parameters, f, backward):
    """A row for each named part of a `ParameterVector`, whose ``grad`` ``backward()`` fills."""

    def gradient(part):
        backward()
        return parameters.views(parameters.grad)[part]

    for part, value in parameters.views(parameters.value).items():
        yield Row(f"{prefix}{part}", f, value, lambda part=part: gradient(part))
