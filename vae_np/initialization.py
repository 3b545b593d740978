"""From layers to a network that can be trained: its initial weights, and a trial of its layers.

A layer of your own that would be trained half is refused here, in one line.
"""

import math
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from vae_np.backend import array_module, device_of, to_device
from vae_np.checks import one_of, whole_number
from vae_np.layers import Linear, ReLU, Sequential, Softplus, Tanh, layer_name
from vae_np.parameters import ParameterVector

ACTIVATIONS = {"tanh": Tanh, "relu": ReLU, "softplus": Softplus}


def built(
    network, ends, hidden, activation, init, seed, dtype, device, input_gradient=True, **more
):
    """A network that leads from one of two widths, ``ends``, to the other, and its parameters.

    It is the user's own ``network`` or, where that is None, an `mlp`. ``more`` parameters, by name,
    join those of its layers.
    """
    own = network is not None
    if own and (hidden is not None or activation != "tanh" or init != "fan-in"):
        raise ValueError(
            "network= stands for hidden, activation and init: leave those three out, got "
            f"hidden={hidden!r}, activation={activation!r}, init={init!r}"
        )
    if not own:
        network = mlp(ends, hidden, activation, init, input_gradient)
    network, generator = unused(network), generator_of_weights(seed)
    with blaming(f"initial_values fails in a layer of {network}"):
        values = network.initial_values(generator)
    parameters = ParameterVector(values | more, dtype, device)
    network.own(parameters)
    if own or callable(activation):
        try_layers(network, *ends, input_gradient)
    for layer in every_layer(network):
        layer.is_taken = True  # only now, so that the layers of a refused network can be used
    return network, parameters


def generator_of_weights(seed):
    """The generator of a network's initial weights, from an int or a sequence of them."""
    try:
        if seed is None:  # it would be another start each time
            raise TypeError
        return np.random.default_rng(np.random.SeedSequence(seed))
    except (TypeError, ValueError):
        raise ValueError(f"seed must be a whole number >= 0, or several, got {seed!r}") from None


def mlp(ends, hidden, activation, init, input_gradient=True):
    """Linear layers from one end through the hidden widths to the other, activations between."""
    if isinstance(hidden, str) or not np.iterable(hidden):
        raise ValueError(f"hidden must be a list of widths such as [500], got {hidden!r}")
    hidden = [whole_number("each hidden width", width) for width in hidden]
    if callable(getattr(activation, "forward", None)) and not isinstance(activation, type):
        raise ValueError(
            "activation must be a name or a class, of which each hidden layer makes its own, got "
            f"an object: {layer_name(activation)}"
        )
    if not callable(activation):
        activation = ACTIVATIONS[one_of("activation", activation, ACTIVATIONS)]
    layers = []
    for n_in, n_out in pairwise([ends[0], *hidden, ends[1]]):
        is_first = not layers
        layers.append(Linear(n_in, n_out, init, input_gradient or not is_first))
        with blaming("activation must be a name, or a class that is called without arguments"):
            layers.append(activation())
    return Sequential(layers[:-1])  # no activation at the end: a logit may be any number


def every_layer(layer):
    """A list of the layer alone, or of the layers of a `Sequential`, also of one within."""
    if not isinstance(layer, Sequential):
        return [layer]
    return [inner for part in layer.layers for inner in every_layer(part)]


def unused(network):
    """``network``, a `Sequential` of layers, each there once, that no other network uses."""
    if not isinstance(network, Sequential) or not network.layers:
        raise ValueError(
            f"network must be a Sequential of layers, got {layer_name(network) or 'none'}"
        )
    for i, layer in enumerate(network.layers):
        whole_layer(f"layer {i}", layer)
    layers = every_layer(network)
    if any(hasattr(layer, "is_taken") for layer in layers):
        raise ValueError("a layer of network is another's, or a copy of another's: make a new one")
    if len({id(layer) for layer in layers}) < len(layers):
        raise ValueError(f"network has the same layer twice, make a new one: {network}")
    if not any(hasattr(layer, "bind") for layer in layers):
        raise ValueError(f"network must have parameters to learn, got {network}")
    return network


def whole_layer(name, layer):
    """``layer``, an object with the methods of a layer, as are all within a `Sequential`."""
    for part in every_layer(layer):
        if isinstance(part, type):
            raise ValueError(f"{name} is a class: make a layer of it, as in {part.__name__}()")
        wanted = ["forward", "backward"]
        if hasattr(part, "bind") or hasattr(part, "initial_values"):
            wanted += ["initial_values", "bind"]
        missing = [method for method in wanted if not callable(getattr(part, method, None))]
        if missing:
            raise ValueError(f"{name} ({layer_name(part)}) has no {' and no '.join(missing)}")
    return layer


def try_layers(network, n_in, n_out, input_gradient):
    """ValueError if layers do not fit, change the dtype or their input, or learn only in part."""
    _try_in_turn(network, network.layers, n_in, n_out, input_gradient)
    if type(network) is not Sequential:  # it may do more than call them
        _try_in_turn(network, [network], n_in, n_out, input_gradient)


def _try_in_turn(network, layers, n_in, n_out, input_gradient):
    """Try the layers of a network, or itself as the one layer that it has."""
    theta = network.parameters.value
    x = np.linspace(0.1, 0.9, 5 * n_in, dtype=theta.dtype).reshape(5, n_in)
    x, ends = to_device(x, device_of(theta)), (n_out, input_gradient)
    first, _ = _try_both_ways(network, layers, x, *ends)
    before = first.copy()  # and once more: a layer may treat its first rows otherwise
    _, inputs = _try_both_ways(network, layers, x / 2, *ends)
    if array_module(first).abs(first - before).max() > 0:
        name = layer_name(layers[-1])
        raise ValueError(f"forward of {name} must return a new array: it wrote into an earlier one")
    network.parameters.grad[:] = 0
    _try_binding(network, layers, inputs)


def _try_both_ways(network, layers, y, n_out, input_gradient):
    """Forward and back once; return the output, and every layer's input."""
    parameters, inputs = network.parameters, []
    parameters.grad[:] = math.nan  # what is still NaN afterwards was never written
    for i, layer in enumerate(layers):
        inputs.append(y)
        y = _tried(i, layer, "forward", y)
    output, n_in = y, inputs[0].shape[1]
    if y.shape != (5, n_out):
        raise ValueError(f"network must lead from {n_in} to {n_out} numbers, got {y.shape[1:]}")
    for i, layer in reversed(list(enumerate(layers))):
        y = _tried(i, layer, "backward", y)
        if y is None and not input_gradient:  # of an encoder: no derivative of the data
            break
        if y is None or y.shape != inputs[i].shape:
            raise ValueError(
                f"layer {i} ({layer_name(layer)}): backward must return shape {inputs[i].shape}, "
                f"got {getattr(y, 'shape', None)}"
            )
    for name, grad in parameters.views(parameters.grad).items():
        if name != "log_var" and not array_module(grad).isfinite(grad).all():
            raise ValueError(
                f"backward must write all of the gradient of {name}, with grad[...] = ...: it left "
                "a part as it was, or added to it"
            )
    return output, inputs


NOT_ITSELF = (
    "forward must return the same for the same x and parameters, got two results: does it draw "
    "noise, or keep a state?"
)
NOT_BY_ROWS = (
    "forward must treat each row by itself, got another result for two rows than for the same two "
    "of five: with batch norm, say, a code depends on the images beside it; layer norm is by rows"
)
COPIES = "bind must keep the arrays that it is given, not copies: its output does not follow them"


def _try_binding(network, layers, inputs):
    """ValueError if a layer is no function of x and θ, or of a copy: it follows a new ``bind``."""
    parameters, start = network.parameters, network.parameters.value.copy()
    parameters.value += 0.1
    outputs = [layer.forward(x).copy() for layer, x in zip(layers, inputs, strict=True)]
    for wrong in (NOT_ITSELF, COPIES):
        for i, layer in enumerate(layers):
            if array_module(inputs[i]).abs(layer.forward(inputs[i]) - outputs[i]).max() > 0:
                raise ValueError(f"layer {i} ({layer_name(layer)}): {wrong}")
        network.own(parameters)
    for i, (layer, x, y) in enumerate(zip(layers, inputs, outputs, strict=True)):
        off = array_module(y).abs(layer.forward(x[:2]) - y[:2]).max()
        if off > 1e-3 * array_module(y).abs(y).max():  # rounding is less
            raise ValueError(f"layer {i} ({layer_name(layer)}): {NOT_BY_ROWS}")
    parameters.value = start


@contextmanager
def blaming(what):
    """ValueError that says ``what`` is to blame for an error: in a reader's own code, any."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{what}: {type(error).__name__}: {error}") from error


def _tried(i, layer, method, rows):
    """What layer i's forward or backward makes of ``rows``: as many, of the same dtype."""
    where = f"layer {i} ({layer_name(layer)}): {method}"
    if method == "forward" and isinstance(rows, np.ndarray):
        rows = rows[:]
        rows.flags.writeable = False  # they may be the user's data, or the layer's before
    with blaming(f"{where} fails on an array {rows.shape}"):
        result = getattr(layer, method)(rows)
    if result is None and i == 0 and method == "backward":  # no derivative of the data
        return None
    if getattr(result, "ndim", None) != 2 or len(result) != len(rows):
        shape = getattr(result, "shape", type(result).__name__)
        raise ValueError(f"{where} must return {len(rows)} rows, got {shape}")
    if result.dtype != rows.dtype:
        raise ValueError(f"{where} must keep the dtype {rows.dtype}, got {result.dtype}")
    if not array_module(result).isfinite(result).all():
        raise ValueError(f"{where} makes NaN or infinity")
    return result
