"""Which OpenBLAS kernels are asked for, on processors that this machine need not have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vae_np import openblas

AVX512 = "avx512f avx512dq avx512cd avx512bw avx512vl"
ZEN_5 = f"vendor_id\t: AuthenticAMD\ncpu family\t: 26\nflags\t\t: fpu avx2 {AVX512} avx512_bf16\n"


@pytest.mark.parametrize(
    "cpuinfo, core_type",
    [
        (ZEN_5, "COOPERLAKE"),
        (ZEN_5 + "\n" + ZEN_5.replace("avx512_bf16", ""), "COOPERLAKE"),  # the first core speaks
        (ZEN_5.replace(" avx512_bf16", ""), "SKYLAKEX"),
        (ZEN_5.replace(" avx512vl", ""), None),
        (ZEN_5.replace(": 26", ": 25"), None),  # Zen 4, which OpenBLAS knows
        (ZEN_5.replace("AuthenticAMD", "GenuineIntel"), None),  # OpenBLAS knows Intel's
        ("", None),
        ("vendor_id\t: AuthenticAMD\n", None),
        ("Processor: ARMv8\nFeatures: asimd\n", None),
    ],
)
def test_core_type_follows_the_processors_flags(cpuinfo, core_type):
    assert openblas.avx512_core_type(cpuinfo) == core_type


@pytest.fixture
def on_zen_5(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(openblas.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: ZEN_5)


@pytest.mark.parametrize(
    "environment, modules, chosen",
    [
        ({}, {}, "COOPERLAKE"),
        ({"VAE_NP_OPENBLAS": "default"}, {}, None),
        ({"OPENBLAS_CORETYPE": "HASWELL"}, {}, "HASWELL"),
        ({}, {"numpy": "imported"}, None),
    ],
)
def test_the_users_own_setting_stands(on_zen_5, environment, modules, chosen):
    openblas.choose_kernels(environment, modules)
    assert environment.get("OPENBLAS_CORETYPE") == chosen


def test_other_systems_are_left_alone(on_zen_5, monkeypatch):
    for module, name, value in (
        (sys, "platform", "darwin"),
        (openblas.platform, "machine", lambda: "aarch64"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            environment = {}
            openblas.choose_kernels(environment, {})
            assert environment == {}


def test_the_package_chooses_before_numpy_is_imported():
    """In a fresh process, with this machine's own flags."""
    code = (
        "import sys, os\n"
        "from vae_np import openblas\n"
        "assert os.environ.get('OPENBLAS_CORETYPE') == openblas.missed_core_type()\n"
        "modules = list(sys.modules)\n"
        "assert modules.index('vae_np.openblas') < modules.index('numpy')\n"
    )
    environment = {k: v for k, v in os.environ.items() if "OPENBLAS" not in k}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
