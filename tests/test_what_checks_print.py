"""What the gradient checks, the exercises and the benchmark print is recorded, word for word."""

import json
import re
from pathlib import Path

import pytest
from as_recorded import RECORDED, check_text
from conftest import DEMOS

from demos import exercises, gradient_check
from demos.benchmark.report import print_report
from demos.exercising import exercise_grader

pytestmark = pytest.mark.slow
ROUNDING = 1e-6  # the error of a right gradient differs from processor to processor
CHECKS = [
    "",
    "--break relu --all",
    "--break kl",
    "--break elbo",
    "--full",
    "--full --break kl",
]
ANSWERS = Path(__file__).with_name("exercise_answers.py")
NOTHING, RAISES = "def kl_backward(mean, log_var, upstream):\n    ", "raise ValueError('no')"
FILES = {
    "right.py": ANSWERS.read_text(encoding="utf-8"),
    "half.py": ANSWERS.read_text(encoding="utf-8").replace("upstream * 0.5 *", "upstream *"),
    "raises.py": ANSWERS.read_text(encoding="utf-8") + NOTHING + RAISES + "\n",
    "stops.py": "raise KeyboardInterrupt\n",
    "no_python.py": "dmean =\n",
}


def check(session, name, tmp_path, absolute=0):
    text = re.sub(r"\(/\S+/(\w+\.py):\d+\)", r"(\1)", session.replace(f"{tmp_path}/", ""))
    found = tmp_path / name
    found.write_text(re.sub(r"the largest is .*\)", "the largest is ...)", text), encoding="utf-8")
    check_text(found, RECORDED / name, absolute=absolute)


def test_what_gradient_check_prints(tmp_path, capsys):
    session = ""
    for options in CHECKS:
        status = gradient_check.main(options.split())
        session += f"$ gradient_check.py {options}\n{capsys.readouterr().out}"
        session += f"(exit status {status})\n\n"
    check(session, "gradient_check.txt", tmp_path, ROUNDING)


def test_what_the_exercises_print(tmp_path, capsys, monkeypatch):
    session = ""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in (DEMOS / "exercises.py", *map(tmp_path.joinpath, FILES), tmp_path / "nowhere.py"):
        status = exercise_grader.main(exercises, [str(name)])
        out, err = capsys.readouterr()
        session += f"$ exercises.py {Path(name).name}\n{out}{err}(exit status {status})\n\n"
    check(session, "exercises.txt", tmp_path, ROUNDING)


def test_what_the_benchmark_prints(tmp_path, capsys):
    for path in sorted((DEMOS / "results").glob("benchmark_cpu_*.json")):
        print_report(json.loads(path.read_text(encoding="utf-8")))
    check(capsys.readouterr().out, "benchmark.txt", tmp_path)
