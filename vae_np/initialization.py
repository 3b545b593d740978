"""From layers to a network that can be trained: its initial weights, and a trial of its layers.

A layer of your own that would be trained half is refused here, in one line.
"""

import math
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from vae_np.backend import array_module
from vae_np.checks import generator_of_weights, one_of, whole_number
from vae_np.layers import Linear, ParameterVector, ReLU, Sequential, Softplus, Tanh, layer_name

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


def mlp(ends, hidden, activation, init, input_gradient=True):
    """Linear layers from one end through the hidden widths to the other, activations between."""
    if np.ndim(hidden) != 1:
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


def every_layer(network):
    """Yield the layers, also those of a `Sequential` within."""
    for layer in network.layers:
        yield from every_layer(layer) if isinstance(layer, Sequential) else (layer,)


def unused(network):
    """``network``, a `Sequential` of layers, each there once, that no other network uses."""
    if not isinstance(network, Sequential) or not network.layers:
        raise ValueError(f"network must be a Sequential of one layer or more, got {network!r}")
    for i, layer in enumerate(network.layers):
        whole_layer(f"layer {i}", layer)
    layers = list(every_layer(network))
    if any(hasattr(layer, "is_taken") for layer in layers):
        raise ValueError("a layer of network belongs to another encoder or decoder: make a new one")
    if len({id(layer) for layer in layers}) < len(layers):
        raise ValueError(f"network has the same layer twice, make a new one: {network}")
    if not any(hasattr(layer, "bind") for layer in network.layers):
        raise ValueError(f"network must have parameters to learn, got {network}")
    return network


def whole_layer(name, layer):
    """``layer``, an object with the methods of a layer."""
    if isinstance(layer, type):
        raise ValueError(f"{name} is a class: make a layer of it, as in {layer.__name__}()")
    wanted = ["forward", "backward"]
    if hasattr(layer, "bind") or hasattr(layer, "initial_values"):
        wanted += ["initial_values", "bind"]
    missing = [method for method in wanted if not callable(getattr(layer, method, None))]
    if missing:
        raise ValueError(f"{name} ({layer_name(layer)}) has no {' and no '.join(missing)}")
    return layer


def try_layers(network, n_in, n_out, input_gradient):
    """ValueError if layers do not fit, change the dtype or their input, or learn only in part."""
    parameters = network.parameters
    xp = array_module(parameters.value)
    parameters.grad[:] = math.nan  # what is still NaN afterwards was never written
    y, inputs = xp.full((2, n_in), 0.5, parameters.value.dtype), []
    for i, layer in enumerate(network.layers):
        inputs.append(y)
        y = _tried(i, layer, "forward", y)
    if y.shape != (2, n_out):
        raise ValueError(f"network must lead from {n_in} to {n_out} numbers, got {y.shape[1:]}")
    for i, layer in reversed(list(enumerate(network.layers))):
        y = _tried(i, layer, "backward", y)
        if y is None and not input_gradient:  # of an encoder: no derivative of the data
            break
        if y is None or y.shape != inputs[i].shape:
            raise ValueError(
                f"layer {i} ({layer_name(layer)}): backward must return shape {inputs[i].shape}, "
                f"got {getattr(y, 'shape', None)}"
            )
    for name, grad in parameters.views(parameters.grad).items():
        if name[0].isdigit() and not xp.isfinite(grad).all():
            raise ValueError(
                f"backward must write all of the gradient of {name}, with grad[...] = …: it left "
                "a part as it was, or added to it"
            )
    parameters.grad[:] = 0
    _try_binding(network, inputs)


def _try_binding(network, inputs):
    """ValueError if a layer computes with copies: it then follows a new ``bind``, but not θ."""
    parameters, start = network.parameters, network.parameters.value.copy()
    layers = [(i, layer) for i, layer in enumerate(network.layers) if hasattr(layer, "bind")]
    parameters.value += 0.1
    outputs = [layer.forward(inputs[i]) for i, layer in layers]
    network.own(parameters)
    for (i, layer), y in zip(layers, outputs, strict=True):
        if array_module(y).abs(layer.forward(inputs[i]) - y).max() > 0:
            raise ValueError(
                f"layer {i} ({layer_name(layer)}): bind must keep the arrays that it is given, not "
                "copies: its output does not follow them"
            )
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
        raise ValueError(f"{where} must return 2 rows, got {shape}")
    if result.dtype != rows.dtype:
        raise ValueError(f"{where} must keep the dtype {rows.dtype}, got {result.dtype}")
    return result
