"""Is a hand-written gradient right? Finite differences know, and say what a wrong one suffers from.

To check a layer of your own, and its parameters if it has any::

    print(*check_layer(MyLayer(), rng.standard_normal((5, 3))), sep="\\n")

`check_model` checks a whole VAE, `check_gradient` any gradient of any function.
"""

import copy
import math
from dataclasses import replace

import numpy as np

from vae_np import finite_differences as differences
from vae_np.backend import device_of, to_device, to_numpy
from vae_np.checks import model_of, whole_number
from vae_np.finite_differences import relative_error, relative_errors, wrong_entries
from vae_np.gradient_causes import TOLERANCE, Entry, GradientCheck, likely_cause
from vae_np.initialization import every_layer, whole_layer
from vae_np.layers import ParameterVector, Sequential

ONE_BY_ONE = 5000  # derivatives in all; more are checked along directions


def check_layer(layer, x):
    """Check a layer's ``backward``: dx, and the derivative for each of its parameters.

    The output, multiplied by random numbers dy and summed, is one number, whose derivative for the
    output is dy: that is what ``backward`` is given.

    Parameters
    ----------
    layer : object
        See `vae_np.layers` for what it needs. It is left as it is: a copy is checked, in float64,
        with parameters of its own, near ``initial_values``.
    x : array
        For ``forward``, such as (M, width).

    Returns
    -------
    list of GradientCheck
        One for each tensor. If they have more than 5,000 numbers, along 5 random directions.
    """
    layer, generator = copy.deepcopy(whole_layer("layer", layer)), np.random.default_rng(0)
    for inner in every_layer(Sequential([layer])):
        if hasattr(inner, "input_gradient"):
            inner.input_gradient = True
    name, initial = type(layer).__name__, {"x": x}
    if hasattr(layer, "bind"):
        drawn = layer.initial_values(generator)  # a bias of 0 or a factor of 1 would hide errors
        initial |= {part: a + generator.uniform(0, 0.2, np.shape(a)) for part, a in drawn.items()}
    vector, device = ParameterVector(initial, np.float64, device_of(x)), device_of(x)
    value, grad = vector.views(vector.value), vector.views(vector.grad)
    x, dx = value.pop("x"), grad.pop("x")
    if value:
        layer.bind(value, grad)
    dy = to_device(generator.standard_normal(layer.forward(x).shape), device)

    def backward():
        layer.forward(x)
        dx[...] = to_device(_gradient_of(x, layer.backward(dy.copy())), device)

    return check_vectors({f"{name} d": vector}, lambda: (layer.forward(x) * dy).sum(), backward)


def check_model(model, x, noise):
    """Check the derivative of minus the ELBO, averaged over a minibatch, for all weights.

    Parameters
    ----------
    model : VAE
        It is left as it is: a copy with the same weights is checked, in float64.
    x : (N, D) array
    noise : (L, N, Z) array
        As for `VAE.elbo`.

    Returns
    -------
    list of GradientCheck
        As `check_layer` makes it, named "encoder 0.weight" and so on.
    """
    device = model_of(model).device
    in_float64 = {
        id(v): ParameterVector(v.views(v.value), np.float64, device) for v in model.parameters
    }
    model = copy.deepcopy(model, in_float64)  # which has these in place of its own
    x, noise = model.as_pixels(x), to_device(noise, device).astype(np.float64)
    return check_vectors(
        {"encoder ": model.encoder.parameters, "decoder ": model.decoder.parameters},
        lambda: -model.elbo(x, noise).value.mean(),
        lambda: model.elbo_and_gradient(x, noise),
    )


def check_vectors(vectors, f, backward):
    """Check the derivatives of ``f`` for all named parts of some `ParameterVector`.

    Parameters
    ----------
    vectors : dict of str to ParameterVector
        Of float64. The key stands before the names of the vector's parts.
    f : callable
        As for `numerical_gradient`.
    backward : callable
        Fills the vectors' ``grad``.

    Returns
    -------
    list of GradientCheck
    """
    for vector in vectors.values():
        vector.grad[:] = math.nan  # what backward leaves, or adds to, stays NaN
    backward()
    parts = [
        (prefix + name, value, vector.views(vector.grad)[name].copy())
        for prefix, vector in vectors.items()
        for name, value in vector.views(vector.value).items()
    ]
    directions = 5 if sum(value.size for _, value, _ in parts) > ONE_BY_ONE else 0
    return [check_gradient(name, f, *arrays, directions=directions) for name, *arrays in parts]


def check_gradient(name, f, array, analytic, step=1e-3, tolerance=TOLERANCE, directions=0):
    """Compare an analytic gradient of ``f`` with respect to ``array`` with finite differences.

    A gradient g too large to go entry by entry is compared along a few random directions. Along a
    direction v, f changes at the rate g · v, whatever the size of g. With v of random signs, an
    error δ anywhere in g shows as δ · v, which is about as large as δ; two errors may cancel in one
    direction, not in all.

    Parameters
    ----------
    name : str
    f, array, step
        As for `numerical_gradient`; it takes four evaluations of f an entry or direction. Along a
        direction all numbers move at once, those of a column by step / √(length of the column).
    analytic : array of ``array``'s shape
        What your ``backward`` says. It is copied first: ``f`` may write to the gradient's buffer.
    tolerance : float
    directions : int
        How many to try; 0 checks entry by entry.

    Returns
    -------
    GradientCheck
        Its relative error is that of the entries, or of the rates along the directions.

    Raises
    ------
    ValueError
        As for `numerical_gradient`, and if ``analytic`` has another shape than ``array``.
    """
    analytic = _gradient_of(differences.movable(array), analytic)
    if not whole_number("directions", directions, minimum=0):
        return _compared(name, f, array, analytic, step, tolerance)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (directions, *array.shape))
    start, distances = array.copy(), np.zeros(directions)

    def moved():
        array[...] = start + to_device(np.tensordot(distances, signs, 1), device_of(array))
        return f()

    rates = np.array([(analytic * v).sum() for v in signs])
    try:
        step /= math.sqrt(math.prod(array.shape[:-1]))
        check = _compared(name, moved, distances, rates, step, tolerance, entries=False)
    finally:
        array[...] = start
    return replace(check, derivatives=array.size, directions=directions)


def _gradient_of(array, gradient):
    """A copy of ``gradient``, if it has a real number for each of ``array``."""
    gradient = np.array(to_numpy(gradient))
    if gradient.shape != array.shape or gradient.dtype.kind not in "fiu":
        got = f"{gradient.dtype} {gradient.shape}"
        raise ValueError(f"a gradient must be real numbers of its array's {array.shape}, got {got}")
    return gradient


def _compared(name, f, array, analytic, step, tolerance, entries=True):
    """The verdict, entry by entry."""
    value, again = differences.number(f), differences.number(f)
    if value != again and not (math.isnan(value) and math.isnan(again)):
        cause = (
            f"f draws fresh noise, or changes what it reads: called twice, it gave {value:.6g} and "
            f"{again:.6g}. Draw the noise once, outside f"
        )
        return GradientCheck(name, array.size, math.inf, False, tolerance, cause=cause)

    numeric = differences.numerical_gradient(f, array, step)
    kinks, cause = np.zeros(array.shape, bool), ""
    if tolerance <= relative_error(analytic, numeric) < math.inf:
        for index in map(tuple, np.argwhere(wrong_entries(analytic, numeric, tolerance))):
            line = differences.along(f, array, index)
            numeric[index], kinks[index] = differences.near_kink(line, analytic[index], step)
    error = relative_error(analytic, numeric)
    if not error < tolerance:
        wrong = wrong_entries(analytic, numeric, tolerance)
        noise = differences.rounding(value, step)
        cause = likely_cause(analytic, numeric, wrong, kinks, noise, entries)
    at = np.unravel_index(relative_errors(analytic, numeric).argmax(), array.shape)
    worst = Entry(tuple(map(int, at)), float(analytic[at]), float(numeric[at]))
    kinks = tuple(tuple(map(int, index)) for index in np.argwhere(kinks))
    return GradientCheck(name, array.size, error, error < tolerance, tolerance, worst, cause, kinks)
