"""Checks of arguments that many functions share."""

import math
import numbers

import numpy as np

from vae_np.backend import array_module, device_module, device_of


def whole_number(name, value, minimum=1):
    """Return ``value`` as an int, or raise ValueError if it is not a whole number ≥ minimum."""
    if not isinstance(value, numbers.Integral) or value < minimum:
        raise ValueError(f"{name} must be a whole number ≥ {minimum}, got {value!r}")
    return int(value)


def positive_number(name, value):
    """Return ``value`` as a float, or raise ValueError if it is not finite and above 0."""
    if not (isinstance(value, numbers.Real) and math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a finite number > 0, got {value!r}")
    return float(value)


def between_0_and_1(name, value):
    """Return ``value``, or raise ValueError if it is not a number strictly between 0 and 1."""
    if not (isinstance(value, numbers.Real) and 0 < value < 1):
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value!r}")
    return value


def checked_generator(generator, device):
    """Return ``generator``, or raise ValueError if it is a seed, say, or of another device."""
    if not isinstance(generator, device_module(device).random.Generator):
        module = "numpy" if device == "cpu" else "cupy"
        raise ValueError(
            f"generator must be one that {module}.random.default_rng(seed) makes, got {generator!r}"
        )
    return generator


def rows_of(name, x, width):
    """Raise ValueError if ``x`` is not an array (N, width) with N ≥ 1, without a mask."""
    shape = getattr(x, "shape", type(x).__name__)
    if len(shape) != 2 or shape[0] == 0 or shape[1] != width:
        raise ValueError(f"{name} must have shape (N, {width}) with N ≥ 1, got {shape}")
    if isinstance(x, np.ma.MaskedArray):
        raise ValueError(f"{name} must be a plain array, got one with a mask")


def values_in(name, x, support):
    """Return the least and the largest value of the array ``x``.

    ValueError if a value is not finite or outside ``support``.
    """
    if not array_module(x).isfinite(x).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    low, high = float(x.min()), float(x.max())
    if low < support[0] or high > support[1]:
        raise ValueError(
            f"{name} must lie in [{support[0]:g}, {support[1]:g}] for this decoder, got {low} to "
            f"{high}"
        )
    return low, high


def pixels(x, decoder):
    """Return ``x`` if it is what ``decoder`` models: a float array (N, D) of its support, N ≥ 1.

    ValueError otherwise, or if its dtype or device is not that of the decoder's weights.
    """
    theta = decoder.parameters.value
    rows_of("x", x, decoder.n_pixels)
    if x.dtype != theta.dtype or device_of(x) != device_of(theta):
        raise ValueError(
            f"x must be {theta.dtype} on {device_of(theta)} as the decoder is, got {x.dtype} on "
            f"{device_of(x)}; VAE.as_pixels makes it so"
        )
    values_in("x", x, decoder.support)
    return x
