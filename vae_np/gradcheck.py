"""Is a hand-written gradient right? Finite differences know, and say what a wrong one suffers from.

To check a layer of your own, and its parameters if it has any::

    print(*check_layer(MyLayer(), rng.standard_normal((5, 3))), sep="\\n")

`check_model` checks a whole VAE, `check_gradient` any gradient of any function.
"""

import copy
import math
from functools import partial

import numpy as np

from vae_np import finite_differences as differences
from vae_np.backend import device_of, to_device, to_numpy
from vae_np.checks import between_0_and_1, model_of, positive_number, whole_number
from vae_np.finite_differences import relative_error
from vae_np.gradient_causes import TOLERANCE, Entry, GradientCheck, pattern
from vae_np.initialization import every_layer, whole_layer
from vae_np.parameters import ParameterVector

ONE_BY_ONE = 5000  # derivatives in all; more are checked along directions


def check_layer(layer, x):
    """Check a layer's ``backward``: dx, and the derivative for each parameter that it declares.

    It is checked at this x alone: let that have both signs, and try another number of rows.

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
    layer = copy.deepcopy(whole_layer("layer", layer))
    generator = np.random.default_rng([1312, 6114])  # x may be of default_rng(0): dy must not be x
    for inner in every_layer(layer):
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
    y = layer.forward(x.copy())  # x, which it should not change: f notices
    if not hasattr(y, "shape"):
        raise ValueError(f"forward must return an array, got {type(y).__name__}: no return?")
    dy = to_device(generator.standard_normal(y.shape), device)

    def backward():
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
    direction v, f changes at the rate g · v, whatever the size of g. With each number of v drawn
    between ±½ and ±1, an error δ anywhere in g shows as δ · v, which is about as large as δ. Where
    one input lies on a kink, so does every such line, and the check is undecided: move it away.

    Parameters
    ----------
    name : str
    f, array, step
        As for `numerical_gradient`; it takes four evaluations of f an entry or direction. Along a
        direction all numbers move at once, by about step / √(length of a column). The step is cut
        to a power of 2.
    analytic : array of ``array``'s shape
        What your ``backward`` says. It is copied first: ``f`` may write to the gradient's buffer.
    tolerance : float
        Between 0 and 1.
    directions : int
        How many to try; 0 checks entry by entry. One that cannot tell is left out, if others can.

    Returns
    -------
    GradientCheck
        Its relative error is that of the entries, or of the rates along the directions.

    Raises
    ------
    ValueError
        As for `numerical_gradient`, and if ``analytic`` has another shape than ``array``. What
        prevents a judgement, such as fresh noise or an f that changes its input (which is put
        back), raises nothing: it is said in an undecided verdict.
    """
    analytic = _gradient_of(differences.movable(array), analytic)
    between_0_and_1("tolerance", tolerance)
    columns = math.prod(array.shape[:-1]) if whole_number("directions", directions, 0) else 1
    step = positive_number("step", step) / math.sqrt(columns)
    step = 2.0 ** max(-900, math.floor(math.log2(step)))  # so that array + step is exact
    check, changes = partial(GradientCheck, name, array.size, tolerance=tolerance), []
    along = partial(differences.along, f, array, changed=changes.append)
    values, largest = (along(..., 0.0)(0), along(..., 0.0)(0)), np.abs(to_numpy(array)).max()
    if any(changes):
        seen = "f changes its input (it was put back)"
        guess = "a line such as x[x < 0] = 0 or x *= 2 works in place: let it make a new array"
    elif infinite := [value for value in values if not math.isfinite(value)]:
        seen, guess = f"f is not finite: it gave {infinite[0]}", "an overflow, or a division by 0"
    elif values[0] != values[1]:
        seen = "f, called twice, gave {:.17g} and {:.17g}".format(*values)
        guess = "f draws fresh noise, or changes what it reads. Draw the noise once, outside f"
    elif largest > step * 2**42:
        seen = f"a step of {step:.2g} vanishes beside numbers as large as {largest:.2g}"
        guess = "these should be smaller, or the step larger"
    elif not (finite := np.isfinite(analytic)).all():
        seen = f"{(~finite).sum()} of the {array.size} are not finite"
        guess = "an overflow, a division by 0, or a grad not written by grad[...] = ..."
        return check(math.inf, "WRONG", seen, guess)
    elif directions:
        generator, shape = np.random.default_rng(0), (directions, *array.shape)
        v = generator.choice([-1, 1], shape) * generator.integers(512, 1024, shape) / 1024
        rates = np.array([(analytic * direction).sum() for direction in v])
        v = to_device(v, device_of(array))
        return _compared(check, lambda i: along(..., v[i]), values[0], rates, step, directions)
    else:
        return _compared(check, along, values[0], analytic, step)
    return check(math.inf, "undecided", seen, guess)


def _gradient_of(array, gradient):
    """A copy of ``gradient``, if it has a real number for each of ``array``."""
    nothing, gradient = gradient is None, np.array(to_numpy(gradient))
    if gradient.shape != array.shape or gradient.dtype.kind not in "fiu":
        got = "None: no return?" if nothing else f"{gradient.dtype} {gradient.shape}"
        raise ValueError(f"a gradient must be real numbers of its array's {array.shape}, got {got}")
    return gradient.astype(np.float64)


def _compared(check, line, value, analytic, step, directions=0):
    """The verdict, entry by entry, or direction by direction."""
    shape, looks, tolerance = analytic.shape, {}, check.keywords["tolerance"]
    numeric = [differences.central(line(index), step) for index in np.ndindex(shape)]
    numeric, doubt = np.reshape(numeric, shape), np.full(shape, differences.rounding(value, step))
    largest = np.abs(analytic).max() or 1.0
    rms = largest * math.sqrt(np.mean((analytic / largest) ** 2))
    tolerated = 2 * tolerance / (1 + tolerance) * rms  # of each: then the whole is below tolerance
    off, on_kinks = ~(np.abs(analytic - numeric) <= tolerated), -1 if directions else tolerated
    for index in map(tuple, np.argwhere(off).tolist()):
        judgement = differences.judged(line(index), analytic[index], step, on_kinks)
        numeric[index], doubt[index], *looks[index] = judgement

    gap, lost = np.abs(analytic - numeric), np.isinf(doubt)
    off = ~(gap <= tolerated) | lost
    # What rounding hides of one, it may hide of others; and all directions move what is on a kink.
    alike = (differences.ROUNDED, differences.KINK)[: 2 if directions else 1]
    hidden = [doubt[i] for i in looks if looks[i][1] in alike and gap[i] <= doubt[i]]
    wrong = off & (gap > np.maximum(doubt, max(hidden, default=0)))
    unsure = off & ~wrong
    known = np.where(lost, math.nan, numeric)
    # Where a direction cannot tell, the others can.
    dropped = unsure & (directions > unsure.sum() and relative_error(analytic, known) >= tolerance)
    error = relative_error(analytic, np.where(dropped, analytic, known))
    short = sorted(i for i, (look, _) in looks.items() if look.step < step and not unsure[i])
    check = partial(check, shortened=tuple(short), directions=directions - int(dropped.sum()))
    blamed = wrong if wrong.any() else unsure & ~dropped
    if error < tolerance or not blamed.any():
        return check(error, "right")
    at = max((i for i in looks if blamed[i]), key=lambda i: np.nan_to_num(gap[i], nan=np.inf))
    worst = Entry(at, float(analytic[at]), float(numeric[at]))
    if wrong.any():
        return check(error, "WRONG", *pattern(analytic, known, wrong, doubt, not directions), worst)
    look, guess = looks[at]
    seen = f"{blamed.sum()} of the {blamed.size} cannot be told: at this one, the slope to the left"
    seen += f" is {look.left:.6g}, to the right {look.right:.6g}, by a step of {look.step:.2g}"
    return check(error, "undecided", seen, guess, worst)
