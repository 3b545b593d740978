"""What the gradient checks, the exercises and the benchmark print is recorded, word for word."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from as_recorded import RECORDED, check_text
from conftest import DEMOS
from exercise_answers import NAMES

from demos import exercises, gradient_check
from demos.benchmark.report import print_report
from demos.exercising import exercise_grader
from vae_np.gradcheck import check_gradient

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
ANSWERS = Path(__file__).with_name("exercise_answers.py").read_text(encoding="utf-8")
KL = "def kl_backward(mean, log_var, upstream):\n    "
THRICE = """
def thrice(function):
    def wrong(*given):
        answer = function(*given)
        return tuple(3 * a for a in answer) if isinstance(answer, tuple) else 3 * answer
    return wrong
"""
FILES = {
    "right.py": ANSWERS,
    "half.py": ANSWERS.replace("upstream * 0.5 *", "upstream *"),
    "thrice.py": ANSWERS
    + THRICE
    + "".join(f"{name} = thrice({name})\n" for name in NAMES if name != "elbo_backward"),
    "forgot_upstream.py": ANSWERS.replace("return upstream[..., None] * (x", "return 1 * (x"),
    "rounded.py": ANSWERS.replace("(1 - y**2)", "(1 - y.astype('f4')**2)"),
    "raises.py": f"{ANSWERS}{KL}raise ValueError('no')\n",
    "changes.py": f"{ANSWERS}{KL}mean *= 2\n    return mean, log_var\n",
    "exchanged.py": ANSWERS.replace(
        "return upstream * mean, upstream * 0.5 * (np.exp(log_var) - 1)",
        "return upstream * 0.5 * (np.exp(log_var) - 1), upstream * mean",
    ),
    "one.py": f"{ANSWERS}{KL}return mean\n",
    "shape.py": f"{ANSWERS}{KL}return mean[0], log_var\n",
    "none.py": f"{ANSWERS}{KL}pass\n",
    "gone.py": f"{ANSWERS}del kl_backward\n",
    "stops.py": "raise KeyboardInterrupt\n",
    "no_python.py": "dmean =\n",
}


def in_place(x):
    x[x < 0] = 0
    return x.sum()


ONES, X = np.ones((2, 3)), np.array([[0.5, -0.7, 0.3], [-0.2, 0.9, -0.4]])
SQUARE = np.array([[1.0, 2], [3, 4]])
NOISE = np.random.default_rng(0)
VERDICTS = [  # f(x), x, and what is said to be its gradient
    (lambda x: (x**2).sum(), X, 2 * X),
    (lambda x: (x**2).sum(), X, -2 * X),
    (lambda x: (x**2).sum(), X, X),
    (lambda x: (x**2).sum(), X, 2 * X + 1),
    (lambda x: (x**2).sum(), X, 2 * X * [1, 2, 3]),
    (lambda x: (x**2).sum(), X, 2 * X + [[1], [0]]),
    (lambda x: (x**2).sum(), X, 2 * X[::-1]),
    (lambda x: (x * SQUARE).sum(), np.eye(2), SQUARE.T),
    (lambda x: (x**2).sum(), X, np.where(X < 0, 0, 2 * X)),
    (lambda x: (x**2).sum(), X, (2 * X).astype("f4")),
    (lambda x: (x**2).sum(), X, np.exp(X)),
    (lambda x: (x**2).sum(), X, np.full_like(X, np.nan)),
    (lambda x: np.maximum(x, 0).sum(), X, ONES),
    (lambda x: np.maximum(x, 0).sum(), 0 * X, ONES),
    (lambda x: np.maximum(x, 0).sum(), 0 * X, 2 * ONES),
    (lambda x: np.sin(3000 * x).sum(), X, 3000 * np.cos(3000 * X)),
    (lambda x: np.floor(1e5 * x).sum(), X, ONES),
    (lambda x: x.sum() + 2.0**42, X, ONES),
    (lambda x: 1.0, X, ONES),
    (in_place, X + 0, ONES),
    (lambda x: np.log(-np.abs(x)).sum(), X, ONES),
    (lambda x: x.sum() + NOISE.random(), X, ONES),
    (lambda x: x.sum(), X + 1e17, ONES),
]


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


@pytest.mark.parametrize("directions", [0, 3])
def test_what_the_checker_says(tmp_path, directions):
    said = []
    for f, x, gradient in VERDICTS:
        with np.errstate(all="ignore"):
            x = x.copy()
            found = check_gradient("dx", lambda: f(x), x, gradient, directions=directions)  # noqa: B023
        said.append(re.sub("gave .*", "gave ...", str(found)))
    check("\n".join(said), f"verdicts_{directions}.txt", tmp_path, ROUNDING)


def test_what_the_benchmark_prints(tmp_path, capsys):
    for path in sorted((DEMOS / "results").glob("benchmark_cpu_*.json")):
        print_report(json.loads(path.read_text(encoding="utf-8")))
    check(capsys.readouterr().out, "benchmark.txt", tmp_path)
