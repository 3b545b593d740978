"""What a result was measured on."""

import os
import platform
from datetime import date
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info


def machine():
    """What a result was measured on, and when."""
    return {
        "date": date.today().isoformat(),
        "processor": processor(),
        "cores": cores(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "products": products_library(),  # other kernels round otherwise
    }


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def products_library():
    """Which library computes NumPy's matrix products, and with which of its kernels."""
    for library in threadpool_info():
        if library["user_api"] == "blas":
            kernels = library.get("architecture", "unknown")
            return f"{library['internal_api']} {library['version']}, {kernels} kernels"
    return "a library that threadpoolctl does not know"


def processor():
    """Its name, the family and model behind it, which some names hide, and whether it is wide."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        parted = [line.partition(":") for line in lines]
        about = {name.strip(): value.strip() for name, _, value in parted}
        name, kind = about["model name"], f"family {about['cpu family']}, model {about['model']}"
        return f"{name} ({kind}), {'AVX-512' if 'avx512f' in about['flags'] else 'no AVX-512'}"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()
