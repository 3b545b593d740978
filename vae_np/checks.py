"""Checks of arguments that many functions share."""

import math
import numbers


def whole_number(name, value):
    """Return ``value`` as an int, or raise ValueError if it is not a whole number of at least 1."""
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name} must be a whole number ≥ 1, got {value!r}")
    return int(value)


def positive_number(name, value):
    """Return ``value`` as a float, or raise ValueError if it is not finite and above 0."""
    if not (isinstance(value, numbers.Real) and math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a finite number > 0, got {value!r}")
    return float(value)
