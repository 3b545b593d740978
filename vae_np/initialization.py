"""From layers to a network that can be trained: its initial weights, and a trial of its layers.

A layer of your own that would be trained half is refused here, in one line.
"""

import math
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
    values = unused(network).initial_values(generator_of_weights(seed))
    parameters = ParameterVector(values | more, dtype, device)
    network.own(parameters)
    if own or callable(activation):
        try_layers(network, *ends)
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
        layers += [Linear(n_in, n_out, init, input_gradient or not is_first), activation()]
    return Sequential(layers[:-1])  # no activation at the end: a logit may be any number


def unused(network):
    """``network``, a `Sequential` of layers, each there once, that no other network uses."""
    if not isinstance(network, Sequential) or not network.layers:
        raise ValueError(f"network must be a Sequential of one layer or more, got {network!r}")
    for i, layer in enumerate(network.layers):
        wanted = ["forward", "backward"]
        if hasattr(layer, "bind") or hasattr(layer, "initial_values"):
            wanted += ["initial_values", "bind"]
        missing = [name for name in wanted if not callable(getattr(layer, name, None))]
        if missing:
            raise ValueError(f"layer {i} ({layer_name(layer)}) has no {' and no '.join(missing)}")
    if network.parameters:
        raise ValueError("network belongs to another encoder or decoder: make a new one")
    if len({id(layer) for layer in network.layers}) < len(network.layers):
        raise ValueError(f"network has the same layer twice, make a new one: {network}")
    if not any(hasattr(layer, "bind") for layer in network.layers):
        raise ValueError(f"network must have parameters to learn, got {network}")
    return network


def try_layers(network, n_in, n_out):
    """ValueError if layers do not fit, change the dtype or leave a gradient unwritten."""
    parameters = network.parameters
    xp = array_module(parameters.value)
    parameters.grad[:] = math.nan  # what is still NaN afterwards was never written
    y, shapes = xp.full((2, n_in), 0.5, parameters.value.dtype), []
    for i, layer in enumerate(network.layers):
        shapes.append(y.shape)
        y = _tried(i, layer, "forward", y)
    if y.shape != (2, n_out):
        raise ValueError(f"network must lead from {n_in} to {n_out} numbers, got {y.shape[1:]}")
    for i, layer in reversed(list(enumerate(network.layers))):
        y = _tried(i, layer, "backward", y)
        if y is None:
            break
        if y.shape != shapes[i]:
            raise ValueError(
                f"layer {i} ({layer_name(layer)}): backward must return shape {shapes[i]}, got "
                f"{y.shape}"
            )
    for name, grad in parameters.views(parameters.grad).items():
        if name[0].isdigit() and not xp.isfinite(grad).all():
            raise ValueError(
                f"backward must write all of the gradient of {name}, with grad[...] = …: it left "
                "a part as it was, or added to it"
            )
    parameters.grad[:] = 0


def _tried(i, layer, method, rows):
    """What layer i's forward or backward makes of ``rows``: as many, of the same dtype."""
    where = f"layer {i} ({layer_name(layer)}): {method}"
    try:
        result = getattr(layer, method)(rows)
    except Exception as error:  # of a layer of the user's own: anything
        raise ValueError(
            f"{where} fails on an array {rows.shape}: {type(error).__name__}: {error}"
        ) from error
    if result is None and i == 0 and method == "backward":  # no derivative of the data
        return None
    if getattr(result, "ndim", None) != 2 or len(result) != len(rows):
        shape = getattr(result, "shape", type(result).__name__)
        raise ValueError(f"{where} must return 2 rows, got {shape}")
    if result.dtype != rows.dtype:
        raise ValueError(f"{where} must keep the dtype {rows.dtype}, got {result.dtype}")
    return result
