"""The exercises are graded as they should be: right answers, typical wrong ones, and half-done."""

import functools
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import DEMOS, run
from exercise_answers import (
    NAMES,
    answers,
    bernoulli_backward,
    elbo_backward,
    gaussian_backward,
    kl_backward,
    sample_backward,
    tanh_backward,
    way_back,
)

from demos import exercises as learners_file
from demos.exercising.exercise_grader import main
from demos.exercising.exercise_list import make_exercises, share_of_each_draw
from demos.exercising.grading import LEFT, RIGHT, WRONG, grade
from vae_np.distributions import normalized_weights


def verdict(name, function):
    return grade(function, make_exercises(np.random.default_rng(0))[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_right_answer_is_right(name):
    status, report = verdict(name, getattr(answers(), name))
    assert status == RIGHT, report
    assert " to " in report


def halved(function, which):
    """The same answers, with one of them twice as large: its ½ forgotten."""

    def answer(*inputs):
        results = list(function(*inputs))
        results[which] = 2 * results[which]
        return tuple(results)

    return answer


SIGN = "yours is minus the right one perhaps: a sign is wrong"
HALF = "yours is 2 times the right one perhaps: a 1/2 is missing"
WRONG_ANSWERS = {
    "tanh_backward": [
        (lambda y, dy: -dy * (1 - y**2), SIGN),
        (lambda y, dy: dy * (1 - y), "no common factor"),
        (lambda y, dy: 1 - y**2, "look again: ∂y/∂x = 1 / cosh²(x) is a function of y; and the"),
        (lambda y, dy: dy * (1 - y.astype("f4") ** 2), "is something rounded to float32, or a"),
    ],
    "kl_backward": [
        (halved(kl_backward, 1), HALF),
        (lambda m, v, u: (-u[:, None] * m, kl_backward(m, v, u)[1]), SIGN),
        (
            lambda m, v, u: (u[:, None] * m, u[:, None] * 0.5 * (np.exp(0.5 * v) - 1)),
            "σ² = exp(log_var)",
        ),
    ],
    "bernoulli_backward": [
        (lambda a, x, u: x - 1 / (1 + np.exp(-a)), "is upstream in it"),
        (lambda a, x, u: -bernoulli_backward(a, x, u), SIGN),
        (lambda a, x, u: u[..., None] * (x - a), "what is ∂ log(1 + exp(a)) / ∂a?"),
        (lambda a, x, u: u[:, None] * (x - 1 / (1 + np.exp(-a))), "ValueError in line "),
    ],
    "sample_backward": [
        (halved(sample_backward, 1), HALF),
        (
            lambda v, noise, dz: (dz, dz * noise * 0.5 * np.exp(0.5 * v)),
            "dmean must be a NumPy array of shape (5, 3), got (4, 5, 3)",
        ),
        (
            lambda v, noise, dz: [d / 4 for d in sample_backward(v, noise, dz)],
            "a mean stands where f has a sum over 4",
        ),
    ],
    "linear_backward": [
        (lambda x, w, dy: (dy @ w.T, x.T @ dy, dy.mean(axis=0)), "where f has a sum over 5"),
        (lambda x, w, dy: (dy @ w, x.T @ dy, dy.sum(axis=0)), "ValueError in line "),
        (lambda x, w, dy: (dy @ w.T, dy.T @ x, dy.sum(axis=0)), "shape (3, 2), got (2, 3)"),
    ],
    "gaussian_backward": [
        (lambda *a: (-gaussian_backward(*a)[0], gaussian_backward(*a)[1]), SIGN),
        (halved(gaussian_backward, 1), HALF),
        (
            lambda m, v, x, u: (
                gaussian_backward(m, v, x, u)[0],
                u[:, None] * 0.5 * (x - m) ** 2 * np.exp(-v),
            ),
            "a term that depends on axis 0 alone is missing",
        ),
    ],
    "importance_weighted_backward": [
        (lambda w, u: normalized_weights(w), "is upstream in it"),
        (
            lambda w, u: u * np.exp(w) / np.exp(w).sum(axis=0),
            "20 of the 20 are not finite perhaps: an overflow",
        ),
        (lambda w, u: np.broadcast_to(u / 4, w.shape), "each draw's share of Σ w"),
        (
            lambda w, u: u * np.exp(w - w.max()) / np.exp(w - w.max()).sum(),
            "a factor that depends on axis 1 alone",
        ),
    ],
    "elbo_backward": [
        (way_back(kl_sign=-1), "encoder 0.weight: WRONG (48 derivatives, "),
        (way_back(over_n=False), "wrong too: decoder 2.bias, encoder 0.weight, encoder 0.bias, "),
        (way_back(through_z=False), "through z and from the KL, and the two add up"),
    ],
}


@pytest.mark.parametrize(
    ("name", "function", "said"),
    [(name, *case) for name, cases in WRONG_ANSWERS.items() for case in cases],
)
def test_a_wrong_answer_is_wrong_and_says_why(name, function, said):
    status, report = verdict(name, function)
    assert status == WRONG
    assert said in " ".join(report.split())
    assert report.count(": WRONG (") <= 3  # more would fill a page


def test_one_wrong_weight_of_the_last_exercise_is_named():
    def one_is_twice_as_large(encoder, decoder, x, noise):
        elbo_backward(encoder, decoder, x, noise)
        encoder.parameters.views(encoder.parameters.grad)["2.weight"][3, 1] *= 2

    status, report = verdict("elbo_backward", one_is_twice_as_large)
    assert status == WRONG
    assert "encoder 2.weight: WRONG (32 derivatives, " in report
    assert "\n  worst entry [3, 1]: " in report
    assert report.count("\nright: decoder 0.weight, decoder 0.bias, ") == 1
    assert ", encoder 0.weight, encoder 0.bias, encoder 2.bias\n" in report


def test_every_exercise_has_its_wrong_answers():
    assert all(len(WRONG_ANSWERS[name]) >= 3 for name in NAMES)


def test_an_answer_that_spoils_its_arguments_is_wrong():
    def spoiling(y, dy):
        dy *= 1 - y**2
        return dy

    assert verdict("tanh_backward", spoiling) == (
        WRONG,
        ": it changes dy, which its caller still needs; make a new array",
    )


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (None, "there is no function of this name"),
        (functools.cache(kl_backward), "there is no function of this name, written with def and"),
        (lambda *inputs: sys.exit("bye"), "SystemExit in line "),
        (lambda m, v, u: (m > 0, v), "dmean must be an array of real numbers, got bool"),
        (lambda m, v, u: (m + 0j, v), "dmean must be an array of real numbers, got complex128"),
        (lambda m, v, u: (m, v.astype(object)), "dlog_var must be an array of real numbers, got o"),
        (lambda *inputs: None, "dmean, dlog_var; it returns None (no return?)"),
        (lambda m, v, u: np.stack([m, v]), "dmean, dlog_var; it returns ndarray, and no more"),
        (lambda m, v, u: [m], "dmean, dlog_var; it returns list of 1"),
        (lambda *inputs: (None, None), "dmean must be a NumPy array of shape (5, 3), got NoneType"),
        (lambda: 0, "TypeError"),
        (lambda *inputs: 1 // 0, "ZeroDivisionError in line "),
    ],
)
def test_what_is_no_answer_is_wrong_in_one_line(function, said):
    status, report = verdict("kl_backward", function)
    assert status == WRONG
    assert said in report
    assert "\n" not in report


def test_the_last_exercise_says_what_it_waits_for():
    def unwritten(logits, x, upstream):
        raise NotImplementedError("write dlogits")

    def calling(encoder, decoder, x, noise):
        p = decoder.forward(noise)
        unwritten(p.logits, x, noise)

    assert verdict("elbo_backward", calling) == (
        LEFT,
        ": it calls unwritten, which is not written yet",
    )


def test_the_last_exercise_names_the_wrong_ones_that_it_calls(capsys):
    def calls_kl(encoder, decoder, x, noise):
        kl_backward(x, x, x)

    assert main(answers(kl_backward=halved(kl_backward, 1), elbo_backward=calls_kl), []) == 1
    out = capsys.readouterr().out
    assert "it calls kl_backward, which is wrong: mend that first" in out
    assert "it calls tanh_backward" not in out
    assert "6 of 8 right, 2 wrong, 0 left to write.\nNext: kl_backward (" in out


@pytest.mark.parametrize("instead", [None, functools.cache(tanh_backward)])
def test_the_next_one_has_no_place_where_it_is_no_function(instead, capsys):
    assert main(answers(tanh_backward=instead), []) == 1
    assert capsys.readouterr().out.endswith("0 left to write.\nNext: tanh_backward\n")


def test_all_right(capsys):
    assert main(answers(), []) == 0
    assert "8 of 8 right, 0 wrong, 0 left to write." in capsys.readouterr().out


def test_the_file_is_all_exercises_and_stays_as_it_is(tmp_path):
    before = (DEMOS / "exercises.py").read_bytes()
    out = run(tmp_path, "exercises", status=1).stdout
    assert out.count(": not yet: write ") == 8
    assert "0 of 8 right, 0 wrong, 8 left to write." in out
    line = before.decode().splitlines().index("def tanh_backward(y, dy):") + 1
    assert out.rstrip().endswith(f"exercises.py:{line})")
    assert (DEMOS / "exercises.py").read_bytes() == before


@pytest.mark.slow
def test_a_copy_is_graded_as_well(tmp_path):
    text = (DEMOS / "exercises.py").read_text(encoding="utf-8")
    text = text.replace('raise NotImplementedError("write dx")', "return dy * (1 - y**2)")
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    named = run(tmp_path, "exercises", "mine.py", status=1)
    alone = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8"
    )
    assert alone.returncode == 1, alone.stderr
    for result in (named, alone):
        assert "1. tanh_backward: right to " in result.stdout
        assert (
            "1 of 8 right, 0 wrong, 7 left to write.\nNext: kl_backward (mine.py:" in result.stdout
        )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file or directory"),
        ("def f(:", "SyntaxError: invalid syntax (mine.py, line 1)"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit()", "SystemExit: "),
    ],
)
def test_a_copy_that_cannot_be_read_is_an_error_in_one_line(tmp_path, capsys, text, reason):
    path = tmp_path / "mine.py"
    if text:
        path.write_text(text)
    assert main(answers(), [str(path)]) == 2
    assert capsys.readouterr().err == f"exercises.py: error: cannot read {path}: {reason}\n"


def test_a_file_of_some_answers_alone_is_graded(tmp_path, capsys):
    (tmp_path / "mine").write_text("def tanh_backward(y, dy):\n    return dy * (1 - y * y)\n")
    assert main(SimpleNamespace(__doc__=None), [str(tmp_path / "mine")]) == 1
    out = capsys.readouterr().out
    assert "1 of 8 right, 7 wrong, 0 left to write." in out
    assert "2. kl_backward: WRONG: there is no function of this name" in out


def test_the_example_is_right(rng):
    x, dy = rng.standard_normal((2, 5))
    y, step = 1 / (1 + np.exp(-x)), 1e-6
    slope = (1 / (1 + np.exp(-x - step)) - 1 / (1 + np.exp(-x + step))) / (2 * step)
    np.testing.assert_allclose(learners_file.sigmoid_backward(y, dy), dy * slope, rtol=1e-8)


def test_solutions_show_the_lines_of_the_package(capsys):
    assert main(answers(), ["--solutions", "kl_backward"]) == 0
    head, _, *lines = capsys.readouterr().out.splitlines()
    name, place = head.removeprefix("kl_backward: ").rstrip(")").split(" (")
    path, line = place.rsplit(":", 1)
    assert name == "DiagonalGaussian.kl_backward"
    source = (DEMOS.parent / path).read_text(encoding="utf-8").splitlines()[int(line) - 1 :]
    assert lines[0].strip() == "def kl_backward(self, upstream):"
    assert lines[:3] == source[:3]
    assert "def gaussian_kl_backward(xp, variance_minus_1, upstream):" in lines  # what it calls
    assert verdict("importance_weighted_backward", share_of_each_draw)[0] == RIGHT

    with pytest.raises(SystemExit) as leaving:
        main(answers(), ["--solutions", "none"])
    assert leaving.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1

    assert main(answers(), ["--solutions"]) == 0
    out = capsys.readouterr().out
    assert [name for name in NAMES if f"{name}: " in out] == list(NAMES)
    assert {head, *lines[:3]} <= set(out.splitlines())  # all are shown, and none is graded
