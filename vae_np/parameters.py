"""The parameters of a network in one vector: the θ (or φ) of the equations."""

import math
from operator import attrgetter

import numpy as np

from vae_np.backend import device_of, on_a_cache_line, to_device


def _copied_into(name):
    """A property: what is assigned to it is copied into the array, of which layers hold views."""

    def copy(self, array):
        own, shape = getattr(self, f"_{name}"), getattr(array, "shape", type(array).__name__)
        if shape != own.shape:
            raise ValueError(f"{name} must have shape {own.shape}, got {shape}")
        if array is not own:  # as it is after `vector.grad += …`
            own[:] = to_device(array, device_of(own))

    return property(attrgetter(f"_{name}"), copy)


def _float_dtype(dtype):
    """``dtype`` as NumPy's: float32 or float64."""
    try:
        if dtype is not None and np.dtype(dtype) in (np.float32, np.float64):
            return np.dtype(dtype)
    except TypeError:  # NumPy knows no such dtype
        pass
    raise ValueError(f"dtype must be float32 or float64, got {getattr(dtype, '__name__', dtype)}")


class ParameterVector:
    """All parameters of one network in one flat array: the θ (or φ) of the equations.

    Parameters
    ----------
    initial : dict of str to array
        Each parameter's name and initial value, in the order in which they lie in the vector.
    dtype : numpy.dtype
    device : {"cpu", "gpu"}

    Attributes
    ----------
    value : (P,) array
        Layers hold views of it, so that assigning to it, or to ``grad``, copies into it.
    grad : (P,) array
        The derivative of the loss with respect to ``value``.
    shapes : dict of str to tuple
    """

    def __init__(self, initial, dtype=np.float32, device="cpu"):
        dtype = _float_dtype(dtype)
        flat = np.concatenate([np.ravel(to_device(array, "cpu")) for array in initial.values()])
        self._value = to_device(on_a_cache_line(flat.astype(dtype)), device)
        self._grad = to_device(on_a_cache_line(np.zeros_like(flat, dtype=dtype)), device)
        self.shapes = {name: np.shape(array) for name, array in initial.items()}

    value, grad = _copied_into("value"), _copied_into("grad")

    def __repr__(self):
        return f"ParameterVector({self.shapes})"

    def add_weight_prior(self, scale):
        """Add to ``grad`` that of −scale · log N(value; 0, I), which is scale · value."""
        self._grad += scale * self.value

    def views(self, flat):
        """Cut ``flat`` (``value``, ``grad``, or any (P,) array) into its named, shaped parts."""
        parts, start = {}, 0
        for name, shape in self.shapes.items():
            stop = start + math.prod(shape)
            parts[name] = flat[start:stop].reshape(shape)  # a view: writing to it writes to flat
            start = stop
        return parts
