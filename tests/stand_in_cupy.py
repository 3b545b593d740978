"""A stand-in for CuPy where there is no GPU: NumPy behind CuPy's rules.

Its arrays refuse implicit conversion to NumPy arrays and refuse to mix with them, as CuPy's do, and
every copy from the "device" to the host is counted in ``host_copies``, every operation that would
launch a kernel there in ``launches``.
"""

import operator
import sys
import types

import numpy as np

host_copies = 0
launches = 0

# What the package uses of CuPy. Each name is there to be checked against the real CuPy: see
# test_every_function_that_the_package_uses_exists_in_cupy.
FUNCTIONS = (
    "abs broadcast_to concatenate divide empty exp expm1 full full_like isfinite log logaddexp "
    "matmul maximum minimum negative ones ones_like sqrt sum tanh where zeros"
).split()
METHODS = "all argmax astype copy max mean min reshape sum".split()


class ndarray:
    __array_priority__ = 100

    def __init__(self, data):
        self._data = data

    shape = property(lambda self: self._data.shape)
    ndim = property(lambda self: self._data.ndim)
    size = property(lambda self: self._data.size)
    dtype = property(lambda self: self._data.dtype)
    T = property(lambda self: ndarray(self._data.T))

    def __len__(self):
        return len(self._data)

    def __repr__(self):
        return f"stand-in {self._data!r}"

    # What CuPy refuses.

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        raise TypeError(f"np.{ufunc.__name__} was called with a device array")

    # What makes the host wait for the device.

    def _to_host(self):
        global host_copies
        host_copies += 1
        return self._data

    def __float__(self):
        return float(self._to_host())

    def __int__(self):
        return int(self._to_host())

    def __bool__(self):
        return bool(self._to_host())

    def item(self):
        return self._to_host().item()

    def get(self):
        return self._to_host().copy()

    # What stays on the device.

    def __getitem__(self, key):
        return _wrapped(self._data[_index(key)])

    def __setitem__(self, key, value):
        self._data[_index(key)] = _unwrapped(value)
        _launched(None)

    def __neg__(self):
        return _launched(-self._data)

    def __getattr__(self, name):
        if name not in METHODS:
            raise AttributeError(name)
        method = getattr(self._data, name)

        def call(*args, **kwargs):
            result = method(*map(_unwrapped, args), **_unwrapped_values(kwargs))
            return _wrapped(result) if name == "reshape" else _launched(result)

        return call


def _operator(function):
    def forward(self, other):
        return _launched(function(self._data, _unwrapped(other)))

    return forward


def _reflected(function):
    def backward(self, other):
        return _launched(function(_unwrapped(other), self._data))

    return backward


def _in_place(function):
    def update(self, other):
        _launched(function(self._data, _unwrapped(other)))
        return self

    return update


for _name in ("add", "sub", "mul", "truediv", "matmul", "pow"):
    setattr(ndarray, f"__{_name}__", _operator(getattr(operator, _name)))
    setattr(ndarray, f"__r{_name}__", _reflected(getattr(operator, _name)))
    setattr(ndarray, f"__i{_name}__", _in_place(getattr(operator, f"i{_name}")))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(ndarray, f"__{_name}__", _operator(getattr(operator, _name)))


def _unwrapped(value):
    if isinstance(value, ndarray):
        return value._data
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (list, tuple)):
        return type(value)(_unwrapped(item) for item in value)
    return value


def _index(key):
    """CuPy takes NumPy arrays as an index nowhere either."""
    return tuple(map(_unwrapped, key)) if isinstance(key, tuple) else _unwrapped(key)


def _unwrapped_values(kwargs):
    return {name: _unwrapped(value) for name, value in kwargs.items()}


def _wrapped(value):
    # CuPy has no scalars: a sum over everything is an array of shape ().
    return ndarray(np.asarray(value)) if isinstance(value, (np.ndarray, np.generic)) else value


def _launched(value):
    global launches
    launches += 1
    return _wrapped(value)


class Generator:
    def __init__(self, seed):
        self._generator = np.random.default_rng(seed)

    def standard_normal(self, size=None, dtype=np.float64):
        return _launched(self._generator.standard_normal(size, dtype))

    def random(self, size=None, dtype=np.float64):
        return _launched(self._generator.random(size, dtype))


def _asarray(value):
    return value if isinstance(value, ndarray) else ndarray(np.array(value))


def _asnumpy(value):
    return value.get() if isinstance(value, ndarray) else np.asarray(value)


def _module():
    module = types.ModuleType("cupy")
    module.ndarray = ndarray
    module.asarray, module.asnumpy = _asarray, _asnumpy
    module.random = types.SimpleNamespace(default_rng=Generator, Generator=Generator)
    runtime = types.SimpleNamespace(getDeviceCount=lambda: 1, CUDARuntimeError=RuntimeError)
    module.cuda = types.SimpleNamespace(runtime=runtime)

    module.inf = np.inf
    for name in FUNCTIONS:
        setattr(module, name, _function(getattr(np, name)))
    return module


def _function(function):
    def call(*args, **kwargs):
        result = function(*map(_unwrapped, args), **_unwrapped_values(kwargs))
        launched = _launched(result)
        return kwargs.get("out", launched)

    return call


def install(monkeypatch):
    """Make ``import cupy`` find the stand-in for one test."""
    monkeypatch.setitem(sys.modules, "cupy", _module())
