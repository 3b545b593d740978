"""Where there is no GPU, or no CuPy that works: what is missing is said in one line."""

import importlib
import sys
from functools import reduce

import numpy as np
import pytest
import stand_in_cupy
from conftest import make_model

from vae_np.backend import device_module, first_line, random_generator, to_device, to_numpy


def test_gpu_without_cupy_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # makes `import cupy` an ImportError
    with pytest.raises(ValueError, match=r"needs CuPy.*cuda12"):
        make_model(device="gpu")


def test_a_cupy_that_cannot_be_loaded_says_why(monkeypatch, tmp_path):
    (tmp_path / "cupy.py").write_text("raise ImportError('libcudart.so.12: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    said = (
        r"needs CuPy, which cannot be imported here \(libcudart\.so\.12: no such file\)\. Install"
    )
    with pytest.raises(ValueError, match=said):
        make_model(device="gpu")


def test_gpu_without_a_driver_says_so(monkeypatch):
    stand_in_cupy.install(monkeypatch)
    runtime = importlib.import_module("cupy").cuda.runtime

    def no_driver():
        raise runtime.CUDARuntimeError("cudaErrorInsufficientDriver")

    monkeypatch.setattr(runtime, "getDeviceCount", no_driver)
    message = 'device "gpu" needs an NVIDIA GPU'
    with pytest.raises(ValueError) as refusal:
        to_device(np.ones(2), "gpu")
    assert str(refusal.value) == (
        f"{message} and its driver; CuPy is installed but finds no working driver or no GPU "
        "(cudaErrorInsufficientDriver). Does nvidia-smi list a GPU?"
    )
    monkeypatch.setattr(runtime, "getDeviceCount", lambda: 0)
    with pytest.raises(ValueError) as refusal:
        random_generator(0, "gpu")
    assert str(refusal.value) == f"{message}; the driver works but lists none"
    monkeypatch.setattr(runtime, "getDeviceCount", lambda: 2)
    assert isinstance(to_numpy(to_device(np.ones(2), "gpu")), np.ndarray)


@pytest.mark.parametrize("version", ["13.6.0", "14.0.1", "9.9.9"])
def test_a_cupy_that_is_too_old_is_refused(monkeypatch, version):
    stand_in_cupy.install(monkeypatch)
    cupy = importlib.import_module("cupy")
    monkeypatch.setattr(cupy, "__version__", version)
    with pytest.raises(ValueError) as refusal:
        device_module("gpu")
    assert str(refusal.value) == (
        f'device "gpu" needs CuPy 14.1 or newer, got {version}: '
        'python -m pip install -e ".[cuda12]" or ".[cuda13]"'
    )
    monkeypatch.setattr(cupy, "__version__", "15.0.0a1")
    assert device_module("gpu") is cupy


@pytest.mark.parametrize("missing", ["ones", "random.default_rng", "ndarray.__matmul__"])
def test_gpu_that_cannot_run_a_kernel_says_so(monkeypatch, missing):
    stand_in_cupy.install(monkeypatch)

    def no_toolkit(*args):
        error = OSError if missing != "random.default_rng" else type("NVRTCError", (Exception,), {})
        raise error("libnvrtc.so.12: cannot open shared object file")

    *path, name = missing.split(".")
    module = reduce(getattr, path, importlib.import_module("cupy"))
    monkeypatch.setattr(module, name, no_toolkit, raising=False)
    with pytest.raises(ValueError) as refusal:
        device_module("gpu")
    assert str(refusal.value) == (
        'device "gpu" found a GPU, but CuPy cannot run on it (libnvrtc.so.12: cannot open shared '
        "object file). If the CUDA toolkit is missing, install it beside CuPy: "
        'python -m pip install "cupy-cuda12x[ctk]" (or cupy-cuda13x)'
    )


def test_an_error_is_told_by_its_first_line_or_by_its_name():
    assert first_line(OSError("\n ====\n  no driver  \nmore")) == "no driver"
    assert first_line(OSError("== no file of\n--arch=")) == "== no file of"
    assert first_line(OSError()) == "OSError"
