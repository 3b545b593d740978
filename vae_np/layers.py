"""Layers of a neural network: each function's derivative stands right below it.

A layer has ``forward(x)`` and ``backward(dy)``. ``x``, (M, width), has a row for each
example and draw. ``dy`` is the derivative of the loss with respect to the layer's output ``y``;
``backward`` turns it into ``dx`` by the chain rule, for the ``x`` of the latest ``forward``.

That is all that a layer of your own needs. One with parameters declares them too, as `Linear` does:
``initial_values(generator)`` draws them, a dict of names (but "x") and arrays, and
``bind(value, grad)`` receives two dicts of the same names: arrays that are slices of the network's
`ParameterVector` (`vae_np.parameters`), to be kept, not copied. ``backward`` *writes* the gradients
there (``grad[...] = …``), and adds none.

Three things to know. ``forward`` is a function of x and the parameters alone, treats each row by
itself (layer norm does, batch norm does not), and returns a new array: whatever else a layer keeps,
running means or a random generator, is not in a checkpoint, and a run that goes on would go on
without it. A layer with numbers of its own names them in its ``__repr__``, as ``Leaky(0.1)``: a
checkpoint knows the layers by that text, and would else load one into ``Leaky(0.9)``. And each
layer has its own weights: tied ones, as a decoder that uses the encoder's W transposed, are not
supported, for each ``backward`` would write over the other's gradient.
"""

import math

import numpy as np

from vae_np.backend import array_module, in_one_pass
from vae_np.checks import one_of, read_only, true_or_false, whole_number
from vae_np.matrix_products import matmul, sum_rows

INITS = ("fan-in", "paper")


class Linear:
    """y = x W + b, with W of shape (n_in, n_out).

    Parameters
    ----------
    n_in, n_out : int
    init : {"fan-in", "paper"}
        "fan-in": weights uniform within ±1/√n_in, so that however wide the layer is, its outputs
        are about 1/√3 as large as its inputs; biases 0. "paper": everything from N(0, 0.01²), which
        is how we read the N(0, 0.01) of the paper's section 5.
    input_gradient : bool
        False for the first layer of a network on data: nobody asks for the derivative with respect
        to the data, and it would take one more large matrix product. ``backward`` returns None.
    """

    def __init__(self, n_in, n_out, init="fan-in", input_gradient=True):
        self.n_in, self.n_out = whole_number("n_in", n_in), whole_number("n_out", n_out)
        self.init = one_of("init", init, INITS)
        self.input_gradient = true_or_false("input_gradient", input_gradient)

    # Slices of the network's parameters, once bound: write into them, as in `weight[...] = …`.
    weight, bias, dweight, dbias = read_only("weight bias dweight dbias")

    def __repr__(self):
        return f"{type(self).__name__}({self.n_in}, {self.n_out})"

    def forward(self, x):
        self.x = x
        y = matmul(x, self.weight)
        y += self.bias
        return y

    def backward(self, dy):
        """dW = xᵀ dy and db = Σ dy, summed over the rows; dx = dy Wᵀ."""
        matmul(self.x.T, dy, out=self.dweight)
        sum_rows(dy, out=self.dbias)
        return self.backward_to_input(dy) if self.input_gradient else None

    def backward_to_input(self, dy):
        """dx alone, where the weights are held: it spares the product that dW takes."""
        return matmul(dy, self.weight.T)

    def initial_values(self, generator):
        shape = self.n_in, self.n_out
        if self.init == "paper":
            return {
                "weight": generator.normal(0, 0.01, shape),
                "bias": generator.normal(0, 0.01, self.n_out),
            }
        limit = 1 / math.sqrt(self.n_in)
        return {"weight": generator.uniform(-limit, limit, shape), "bias": np.zeros(self.n_out)}

    def bind(self, value, grad):
        self._weight, self._bias = value["weight"], value["bias"]
        self._dweight, self._dbias = grad["weight"], grad["bias"]


class Tanh:
    """y = tanh(x)."""

    def forward(self, x):
        self.y = array_module(x).tanh(x)
        return self.y

    def backward(self, dy):
        """dx = dy (1 − y²)."""
        return tanh_backward(self.y, dy)


@in_one_pass
def tanh_backward(xp, y, dy):
    dx = 1 - y * y
    dx *= dy
    return dx


class ReLU:
    """y = max(x, 0)."""

    def forward(self, x):
        self.positive = x > 0
        return array_module(x).maximum(x, 0)

    def backward(self, dy):
        """dx = dy where x > 0, else 0."""
        return dy * self.positive


class Softplus:
    """y = log(1 + exp(x)), a smooth ReLU."""

    def forward(self, x):
        self.x = x
        return softplus(x)

    def backward(self, dy):
        """dx = dy sigmoid(x)."""
        return dy * sigmoid(self.x)


class Sigmoid:
    """y = 1 / (1 + exp(−x)), which squashes into (0, 1)."""

    def forward(self, x):
        self.y = sigmoid(x)
        return self.y

    def backward(self, dy):
        """dx = dy y (1 − y)."""
        return dy * self.y * (1 - self.y)


class Sequential:
    """One layer after the other: y = f_n(… f_2(f_1(x))).

    Parameters
    ----------
    layers : list
        Of this file, or of your own.
    """

    def __init__(self, layers):
        if not isinstance(layers, list | tuple):
            raise ValueError(f"layers must be a list of layers, got {layer_name(layers)}")
        self._layers, self.parameters = tuple(layers), None

    (layers,) = read_only("layers")  # a tuple: of layers exchanged later none would be trained

    def __repr__(self):
        layers = " -> ".join(map(layer_name, self.layers))
        return layers if type(self) is Sequential else f"{type(self).__name__}({layers})"

    def forward(self, x):
        """(..., n_in) to (..., n_out), a row for each example and draw: all products are 2-D."""
        y = x.reshape(-1, x.shape[-1])
        for layer in self.layers:
            y = layer.forward(y)
        return y.reshape(*x.shape[:-1], -1)

    def backward(self, dy):
        """The chain rule, from the last layer to the first."""
        dx = dy.reshape(-1, dy.shape[-1])
        for layer in reversed(self.layers):
            dx = layer.backward(dx)
        return dx if dx is None else dx.reshape(*dy.shape[:-1], -1)

    def backward_to_input(self, dy):
        """dx alone, see `backward_to_input`."""
        dx = dy.reshape(-1, dy.shape[-1])
        for layer in reversed(self.layers):
            dx = backward_to_input(layer, dx)
        return dx.reshape(*dy.shape[:-1], -1)

    def initial_values(self, generator):
        """Draw every layer's parameters: a dict of names, such as "0.weight", and arrays."""
        return {
            f"{i}.{name}": value
            for i, layer in self._with_parameters()
            for name, value in layer.initial_values(generator).items()
        }

    def bind(self, value, grad):
        """Give every layer its own parts of two dicts of the names of `initial_values`."""
        for i, layer in self._with_parameters():
            layer.bind(_of_layer(i, value), _of_layer(i, grad))

    def own(self, parameters):
        """Let the layers use slices of this `ParameterVector`, and a copy those of its own."""
        self.parameters = parameters
        self.bind(parameters.views(parameters.value), parameters.views(parameters.grad))

    def __setstate__(self, state):  # called by the copy module and by pickle
        self.__dict__.update(state)
        if self.parameters:
            self.own(self.parameters)

    def _with_parameters(self):
        return [(i, layer) for i, layer in enumerate(self.layers) if hasattr(layer, "bind")]


def backward_to_input(layer, dy):
    """dx alone. A layer that has a ``backward_to_input`` keeps the gradients of its weights.

    One without, or which inherits it but has a ``backward`` of its own, writes them.
    """
    authors = (vars(one) for one in type(layer).__mro__ if "backward" in vars(one))
    spares = "backward_to_input" in next(authors, ())
    return layer.backward_to_input(dy) if spares else layer.backward(dy)


def layer_name(layer):
    """What a layer calls itself, or the name of its class: the same in every process."""
    speaks = type(layer).__repr__ is not object.__repr__
    return repr(layer) if speaks else type(layer).__name__


def _of_layer(i, parts):
    prefix = f"{i}."
    return {
        name.removeprefix(prefix): part for name, part in parts.items() if name.startswith(prefix)
    }


@in_one_pass
def softplus(xp, x):
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(−|x|)), which never overflows."""
    return xp.maximum(x, 0) + log1p(xp, xp.exp(-xp.abs(x)))


def log1p(xp, e):
    """log(1 + e) for 0 ≤ e ≤ 1, within a few units in the last place.

    On a CPU without AVX-512, NumPy's own float32 log1p takes five times as long: 1.15 against
    0.23 ms for 100 × 784 numbers.
    """
    u = 1 + e
    return xp.log(u) - (u - 1 - e)  # less what rounding 1 + e to u has added


@in_one_pass
def sigmoid(xp, x):
    """1 / (1 + exp(−x)) for x ≥ 0 and exp(x) / (1 + exp(x)) below: neither overflows."""
    return sigmoid_of(xp, x, xp.exp(-xp.abs(x)))


def sigmoid_of(xp, x, e):
    """sigmoid(x), where e = exp(−|x|) is known."""
    return xp.maximum(e, x >= 0) / (1 + e)  # e ≤ 1: the maximum is 1 where x ≥ 0, else e
