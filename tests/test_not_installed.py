"""What the scripts at the top of demos/ say where something that they need is not installed."""

import configparser
import os
import re
import shlex
import subprocess
import sys

import pytest
from conftest import DEMOS

ROOT = DEMOS.parent
SCRIPTS = sorted(path for path in DEMOS.glob("*.py") if path.name != "__main__.py")


def run_bare(script, folder, pythonpath=""):
    """Run the script in a Python that knows the standard library and ``pythonpath`` alone."""
    return subprocess.run(
        [sys.executable, "-S", script],  # no site-packages
        cwd=folder,
        env={**os.environ, "PYTHONPATH": pythonpath},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_without_the_package_a_script_says_so_in_one_line(script):
    result = run_bare(script, ROOT)
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{script.name}: error: ") and "vae_np" in line
    assert line.endswith(" not installed: python -m pip install -e .")
    assert (result.stdout, result.returncode) == ("", 2)


def test_the_command_is_right_in_any_folder(tmp_path):
    (line,) = run_bare(DEMOS / "train.py", tmp_path).stderr.splitlines()
    assert shlex.split(line)[-2:] == ["-e", str(ROOT)]


def test_what_the_package_needs_is_missed_too(tmp_path):
    installed = tmp_path / "installed"
    installed.mkdir()
    names = needed()
    assert len(names) > 4
    for name in ["vae_np", *names]:  # one more at a time
        (line,) = run_bare(DEMOS / "train.py", ROOT, str(installed)).stderr.splitlines()
        assert line.startswith(f"train.py: error: {name} is not installed")
        (installed / f"{name}.py").touch()
    result = run_bare(DEMOS / "train.py", ROOT, str(installed))
    assert "not installed" not in result.stderr
    assert "Traceback" in result.stderr  # such an empty package is an error to be seen


def needed():
    """What setup.cfg requires; each is imported by the name under which it is installed."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return re.findall(r"^[a-z]+", config["options"]["install_requires"], re.MULTILINE)
