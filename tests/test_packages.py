"""The wheel and the sdist, each installed where nothing else is: no clone, no repository."""

import os
import subprocess
import sys
import tarfile
import zipfile

import pytest
from documents import ROOT

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
QUIET = ("-q", "--no-deps", "--no-build-isolation")  # no network
USE = """
import sys
import numpy as np
import vae_np
from vae_np.gradcheck import check_layer
from vae_np.layers import Linear

assert vae_np.__file__.startswith(sys.argv[1]), vae_np.__file__


class Square:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dy):
        return self.x * dy


x = np.random.default_rng(0).standard_normal((5, 3))
for layer in (Linear(3, 2), Square()):
    print({check.verdict for check in check_layer(layer, x)})
print(len(vae_np.datasets.load("mnist5k").train))
"""


def run(*command, **where):
    command = [str(word) for word in command]
    result = subprocess.run(command, **where, capture_output=True, text=True, encoding="utf-8")
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The sdist, of the files that git knows, and the wheel, which is made from it."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("packages")
    clone, out = folder / "clone", folder / "out"
    run("git", "clone", "-q", ROOT, clone, cwd=folder)
    code = "from setuptools import build_meta as b; import sys; print(b.build_sdist(sys.argv[1]))"
    out.mkdir()
    run(sys.executable, "-c", code, out, cwd=clone)
    (sdist,) = out.glob("*.tar.gz")
    run(*PIP, "wheel", *QUIET, "-w", out, sdist, cwd=folder)
    (wheel,) = out.glob("*.whl")
    return {"sdist": sdist, "wheel": wheel}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_installed_works_without_the_clone(packages, kind, tmp_path):
    target = tmp_path / "installed"
    run(*PIP, "install", *QUIET, "--target", target, packages[kind], cwd=tmp_path)
    command = [sys.executable, "-c", USE, target.resolve()]
    printed = run(*command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(target)})
    assert printed.split("\n")[:3] == ["{'right'}", "{'WRONG'}", "4000"]


@pytest.mark.slow
def test_the_packages_hold_the_package_and_nothing_else(packages):
    wanted = {p.relative_to(ROOT).as_posix() for p in (ROOT / "vae_np").rglob("*.py")}
    wanted |= {p.relative_to(ROOT).as_posix() for p in (ROOT / "vae_np" / "data").iterdir()}
    inside = {
        name for name in zipfile.ZipFile(packages["wheel"]).namelist() if "-info/" not in name
    }
    assert inside == wanted
    with tarfile.open(packages["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert wanted | {"README.md", "LICENSE", "setup.cfg", "pyproject.toml"} <= names
