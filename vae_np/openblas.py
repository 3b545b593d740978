"""AVX-512 matrix products on AMD's Zen 5: one environment variable, set before NumPy.

NumPy's matrix products are OpenBLAS's, which chooses its kernels by the processor's family when it
is loaded. Releases that do not know Zen 5 take it for a Haswell and use AVX2 kernels, half as wide;
Zen 4 they know. https://github.com/OpenMathLib/OpenBLAS/issues/6029 is about such a mistake, and
``demos/benchmark.py`` measures both choices.
"""

import os
import platform
import sys
from pathlib import Path

CORE_TYPE = "OPENBLAS_CORETYPE"  # OpenBLAS reads this one
SWITCH = "VAE_NP_OPENBLAS"  # "default" leaves the choice to OpenBLAS
ZEN_5 = 26  # its "cpu family"
SKYLAKEX_NEEDS = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}


def choose_kernels(environment=os.environ, modules=sys.modules):
    """Set ``OPENBLAS_CORETYPE`` where OpenBLAS would miss AVX-512, and nowhere else.

    It does nothing if NumPy is already imported (OpenBLAS has then chosen), if the variable is set,
    or if ``VAE_NP_OPENBLAS`` is "default". A process started from this one inherits the variable.
    """
    if "numpy" in modules or CORE_TYPE in environment or environment.get(SWITCH) == "default":
        return
    core_type = missed_core_type()
    if core_type:
        environment[CORE_TYPE] = core_type


def missed_core_type():
    """The core type that this machine's OpenBLAS may miss, or None."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    try:
        return avx512_core_type(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        return None


def avx512_core_type(cpuinfo):
    """The OpenBLAS core type for an AMD processor from Zen 5 on with AVX-512; None for any other.

    Parameters
    ----------
    cpuinfo : str
        The text of Linux's ``/proc/cpuinfo``.
    """
    first = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        first.setdefault(name.strip(), value.strip())
    flags = set(first.get("flags", "").split())
    overlooked = (
        first.get("vendor_id") == "AuthenticAMD" and int(first.get("cpu family", 0)) >= ZEN_5
    )
    if not overlooked or not flags >= SKYLAKEX_NEEDS:
        return None
    return "COOPERLAKE" if "avx512_bf16" in flags else "SKYLAKEX"
