"""A stand-in for CuPy where there is no GPU: NumPy behind CuPy's rules.

Its arrays refuse implicit conversion to NumPy arrays and refuse to mix with them, as CuPy's do.
Every operation that would launch a kernel on a GPU is launched on the device of `stand_in_gpu`,
which counts it, and which records it while a stream does; what CuPy refuses then is refused.
"""

import operator
import sys
import types
from collections import namedtuple
from functools import partial

import numpy as np
import stand_in_cublas
import stand_in_gpu as gpu

# What the package uses of CuPy. Each name is there to be checked against the real CuPy: see
# test_every_function_that_the_package_uses_exists_in_cupy.
FUNCTIONS = (
    "abs ascontiguousarray broadcast_to concatenate divide einsum empty exp expm1 eye full "
    "full_like isfinite log logaddexp matmul maximum minimum negative ones ones_like sign sqrt sum "
    "tanh tril where zeros"
).split()
METHODS = "all argmax astype copy max mean min reshape sum".split()


Flags = namedtuple("Flags", "c_contiguous")


class ndarray:
    __array_priority__ = 100

    def __init__(self, data, memory):
        self._data, self._memory = data, memory

    shape = property(lambda self: self._data.shape)
    ndim = property(lambda self: self._data.ndim)
    size = property(lambda self: self._data.size)
    nbytes = property(lambda self: self._data.nbytes)
    dtype = property(lambda self: self._data.dtype)
    flags = property(lambda self: Flags(self._data.flags.c_contiguous))  # none can be set
    data = property(lambda self: types.SimpleNamespace(ptr=self._data.ctypes.data))
    T = property(lambda self: ndarray(self._data.T, self._memory))

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

    def get(self):
        gpu.copied_to_host()
        return self._data.copy()

    def item(self):
        return self.get().item()

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __bool__(self):
        return bool(self.get())

    # What stays on the device.

    def __getitem__(self, key):
        keys = key if isinstance(key, tuple) else (key,)
        if any(isinstance(part, (np.ndarray, list)) for part in keys):  # copied there first
            gpu.refuse_while_recording("H2D transfers")
        if any(isinstance(part, ndarray) for part in keys):  # a kernel gathers them
            return _computed(lambda data, key: data[key].copy(), self, key)
        whole = any(part is Ellipsis for part in keys)
        rest = () if whole else (Ellipsis,)  # a view, and be it of one number
        return ndarray(self._data[(*keys, *rest)], self._memory)

    def __setitem__(self, key, value):
        _in_place(lambda data, key, value: data.__setitem__(key, value), self, key, value)

    def __deepcopy__(self, memo):
        return self.copy()

    def __getattr__(self, name):
        if name not in METHODS:
            raise AttributeError(name)
        return partial(_computed, getattr(np.ndarray, name), self)


def _operator(name):
    def forward(self, other):
        return _computed(getattr(operator, name), self, other)

    def reflected(self, other):
        return _computed(getattr(operator, name), other, self)

    def in_place(self, other):
        _in_place(getattr(operator, f"i{name}"), self, other)
        return self

    return forward, reflected, in_place


for _name in ("add", "sub", "mul", "truediv", "matmul", "pow"):
    for _prefix, _method in zip(("", "r", "i"), _operator(_name), strict=True):
        setattr(ndarray, f"__{_prefix}{_name}__", _method)
ndarray.__abs__ = lambda self: _computed(operator.abs, self)
ndarray.__neg__ = lambda self: _computed(operator.neg, self)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(ndarray, f"__{_name}__", _operator(_name)[0])


def _unwrapped(value):
    if isinstance(value, ndarray):
        return value._data
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (list, tuple)):
        return type(value)(_unwrapped(item) for item in value)
    if isinstance(value, dict):
        return {name: _unwrapped(item) for name, item in value.items()}
    return value


def _computed(function, *args, **kwargs):
    """The function's result: a view of the first argument, or an array that a kernel fills."""
    if function in (operator.matmul, np.matmul) and gpu.current_stream().is_capturing():
        raise NotImplementedError("calling cuBLAS API during stream capture is unsupported")
    data, named = _unwrapped(args), _unwrapped(kwargs)
    with np.errstate(all="ignore"):  # while recording, the data are of no meaning
        result = function(*data, **named)
    if isinstance(args[0], ndarray) and np.may_share_memory(result, data[0]):
        same = result is data[0]
        return args[0] if same else ndarray(result, args[0]._memory)
    again = gpu.current_stream().is_capturing()
    return _new(
        np.shape(result), result.dtype, lambda: function(*data, **named) if again else result
    )


def _new(shape, dtype, kernel=None):
    """An array of that shape in device memory, and what fills it."""
    n_bytes = max(1, int(np.prod(shape))) * np.dtype(dtype).itemsize
    memory = gpu.allocators[-1](n_bytes)
    data = memory.block.view(dtype)[: int(np.prod(shape))].reshape(shape)
    if kernel:
        gpu.launch(lambda: np.copyto(data, kernel()), memory)
    return ndarray(data, memory)


def _in_place(function, array, *args):
    data, args = array._data, _unwrapped(args)
    gpu.launch(lambda: function(data, *args), array._memory)


class Generator:
    def __init__(self, seed):
        self._generator = np.random.default_rng(seed)

    def standard_normal(self, size=(), dtype=np.float64):
        return _new(size, dtype, lambda: self._generator.standard_normal(size, dtype))

    def uniform(self, low=0.0, high=1.0, size=()):
        return _new(size, np.float64, lambda: self._generator.uniform(low, high, size))

    def random(self, size=(), dtype=np.float64):
        return _new(size, dtype, lambda: self._generator.random(size, dtype))


def _asarray(value):
    if isinstance(value, ndarray):
        return value
    gpu.refuse_while_recording("H2D transfers")
    value = np.array(value)
    array = _new(value.shape, value.dtype)
    array._data[...] = value
    return array


def _asnumpy(value):
    return value.get() if isinstance(value, ndarray) else np.asarray(value)


class _InKernel:
    """An array within ``fuse``: operators and the module's functions, no shape and no methods."""

    __array_ufunc__ = None

    def __init__(self, data):
        self.numbers = data


def _inner(value):
    return value.numbers if isinstance(value, _InKernel) else value


def _kernel_operator(function):
    def forward(self, other):
        return _InKernel(function(self.numbers, _inner(other)))

    def reflected(self, other):
        return _InKernel(function(_inner(other), self.numbers))

    def in_place(self, other):
        self.numbers[...] = function(self.numbers, _inner(other))
        return self

    return forward, reflected, in_place


for _name in "add sub mul truediv pow lt le gt ge".split():
    _methods = _kernel_operator(getattr(operator, _name))
    for _prefix, _method in zip(("", "r", "i"), _methods, strict=True):
        setattr(_InKernel, f"__{_prefix}{_name}__", _method)
_InKernel.__neg__ = lambda self: _InKernel(-self.numbers)


def _fuse(kernel_name):
    def decorator(formula):
        def body(*data):
            args = (_InKernel(x) if isinstance(x, np.ndarray) else x for x in data)
            return _inner(formula(*args))

        def call(*args):
            data = _unwrapped(args)
            with np.errstate(all="ignore"):
                copies = (x.copy() if isinstance(x, np.ndarray) else x for x in data)
                result = body(*copies)  # for its shape
            if result is not None:
                return _new(np.shape(result), result.dtype, lambda: body(*data))
            gpu.launch(lambda: body(*data), args[0]._memory)

        return call

    return decorator


def _function(function):
    def call(*args, out=None, **kwargs):
        if any(isinstance(value, _InKernel) for value in args):
            out = {} if out is None else {"out": _inner(out)}
            return _InKernel(function(*map(_inner, args), **out, **kwargs))
        if out is None:
            return _computed(function, *args, **kwargs)
        data = _unwrapped(args)
        if function is np.matmul:
            _computed(function, *args)  # is refused while recording
        _in_place(lambda result: np.copyto(result, function(*data, **kwargs)), out)
        return out

    return call


def _module():
    module = types.ModuleType("cupy")
    module.__version__ = "14.1.0"
    module.ndarray = ndarray
    module.asarray, module.asnumpy, module.fuse = _asarray, _asnumpy, _fuse
    module.random = types.SimpleNamespace(default_rng=Generator, Generator=Generator)
    runtime = types.SimpleNamespace(
        getDeviceCount=lambda: 1, getDevice=lambda: 0, CUDARuntimeError=RuntimeError
    )
    module.cuda = types.SimpleNamespace(
        runtime=runtime,
        Stream=gpu.Stream,
        get_current_stream=gpu.current_stream,
        MemoryPool=gpu.MemoryPool,
        using_allocator=gpu.using_allocator,
    )
    module.get_default_memory_pool = lambda: gpu.default
    module.inf = np.inf
    for name in FUNCTIONS:
        setattr(module, name, _function(getattr(np, name)))
    module.empty = lambda shape, dtype=np.float64: _new(
        shape if isinstance(shape, tuple) else (shape,), dtype
    )
    return module


def install(monkeypatch, nvmath=True):
    """Make ``import cupy`` find the stand-in for one test, and ``nvmath``, or none."""
    monkeypatch.setitem(sys.modules, "cupy", _module())
    bindings = types.ModuleType("nvmath.bindings")
    bindings.cublas = stand_in_cublas
    monkeypatch.setitem(sys.modules, "nvmath.bindings", bindings if nvmath else None)
