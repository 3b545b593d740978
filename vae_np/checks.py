"""Checks of arguments that many functions share."""

import math
import numbers

from vae_np.backend import array_module, device_of


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


def pixels(x, decoder):
    """Return ``x`` if it is what ``decoder`` models: a finite float array (N, D) with N ≥ 1.

    ValueError otherwise, or if its dtype or device is not that of the decoder's weights.
    """
    theta = decoder.parameters.value
    if x.ndim != 2 or x.shape[1] != decoder.n_pixels or len(x) == 0:
        raise ValueError(f"x must have shape (N, {decoder.n_pixels}) with N ≥ 1, got {x.shape}")
    if x.dtype != theta.dtype or device_of(x) != device_of(theta):
        raise ValueError(
            f"x must be {theta.dtype} on {device_of(theta)} as the decoder is, got {x.dtype} on "
            f"{device_of(x)}; VAE.as_pixels makes it so"
        )
    if not array_module(x).isfinite(x).all():
        raise ValueError("x must be finite, got NaN or infinity")
    return x
