"""What the grader says of an answer besides its verdict: how exact it is, the line, the place."""

import inspect
import io
import re
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import exercise_answers
import numpy as np
import pytest
from exercise_answers import NAMES, answers, elbo_backward, gaussian_backward, kl_backward, way_back

from demos import exercises as learners_file
from demos.exercising import exercise_grader
from demos.exercising.exercise_grader import main
from demos.exercising.exercise_list import make_exercises
from demos.exercising.grading import LEFT, RIGHT, WRONG, grade
from demos.exercising.solutions import location, solution

WEIGHTS = ("0.weight", "0.bias", "2.weight", "2.bias")


def verdict(name, function):
    return grade(function, make_exercises(np.random.default_rng(0))[name])


def helper_that_divides():
    return 1 // 0


def raising(mean, log_var, upstream):
    helper_that_divides()


def raising_in_numpy(mean, log_var, upstream):
    mean = mean + 1
    return np.linalg.inv(mean)


def of_one_argument(mean):
    return mean


@pytest.mark.parametrize(
    ("function", "where", "line", "why"),
    [  # the innermost line of the learner's file,
        (raising, helper_that_divides, 1, "integer division or modulo by zero"),
        (raising_in_numpy, raising_in_numpy, 2, "Last 2 dimensions of the array must be square"),
        (of_one_argument, of_one_argument, 0, "of_one_argument() takes 1 positional argument but"),
    ],  # not of NumPy's; and called with three, it has no line of its own
)
def test_the_line_of_an_error_is_the_learners(function, where, line, why):
    status, report = verdict("kl_backward", function)
    assert status == WRONG
    assert f"Error in line {where.__code__.co_firstlineno + line}: {why}" in report


@pytest.mark.parametrize("which", [0, 1])
def test_a_right_answer_is_as_exact_as_its_worst_part(which):
    def nearly(*inputs):
        parts = list(kl_backward(*inputs))
        parts[which] = parts[which] * (1 + 2e-10)
        return parts

    status, report = verdict("kl_backward", nearly)
    assert status == RIGHT
    assert float(report.removeprefix(" to ")) == pytest.approx(1e-10, rel=0.2)


def test_three_wrong_parts_are_shown_and_all_are_named():
    status, report = verdict("elbo_backward", way_back(over_n=False))
    lines = report.splitlines()
    parts = [f"{part} {name}" for part in ("decoder", "encoder") for name in WEIGHTS]
    shown = [line.partition(": WRONG (")[0] for line in lines if ": WRONG (" in line]
    assert status == WRONG and shown == parts[:3]
    assert f"wrong too: {', '.join(parts[3:])}" in lines
    assert not any(line.startswith("right: ") for line in lines)
    assert lines[-1].startswith("look again: upstream is ")


@pytest.mark.parametrize(("factor", "nearly"), [(1, True), (-1, False)])
def test_a_formula_is_nearly_right_where_all_its_parts_are(factor, nearly):
    def rounded(*inputs):
        dmean, dlog_var = kl_backward(*inputs)
        return dmean.astype("f4"), factor * dlog_var.astype("f4")

    status, report = verdict("kl_backward", rounded)
    assert status == WRONG and "dmean: WRONG" in report and "dlog_var: WRONG" in report
    assert ("the formula is nearly right" in report) == nearly
    assert ("look again: " in report) != nearly


def not_written(mean, log_var, upstream):
    raise NotImplementedError("write dmean")


def test_what_is_not_written_says_what_to_write():
    assert verdict("kl_backward", not_written) == (LEFT, ": write dmean")


def test_a_place_is_named_as_from_here(tmp_path, monkeypatch):
    file = Path(__file__)
    monkeypatch.chdir(file.parent)
    assert location(raising) == f"{file.name}:{raising.__code__.co_firstlineno}"
    monkeypatch.chdir(tmp_path)
    assert location(raising) == f"{file}:{raising.__code__.co_firstlineno}"


def test_all_are_numbered_and_the_first_that_is_not_right_comes_next(capsys):
    learner = answers(sample_backward=not_written, gaussian_backward=lambda m, v, x, u: (m, v))
    assert main(learner, []) == 1
    lines = capsys.readouterr().out.splitlines()
    numbered = [line.split(": ")[:2] for line in lines if line[:1].isdigit() and ". " in line]
    assert [name for name, _ in numbered] == [f"{i}. {name}" for i, name in enumerate(NAMES, 1)]
    says = ["right"] * 8
    says[3], says[5] = "not yet", "WRONG"
    assert [said.split(" to ")[0] for _, said in numbered] == says
    assert lines[-2] == "6 of 8 right, 1 wrong, 1 left to write."
    assert lines[-1] == f"Next: sample_backward ({location(not_written)})" and lines[-3] == ""
    assert any(line.startswith("   look again: ") for line in lines)  # below its number
    assert main(answers(), []) == 0
    assert capsys.readouterr().out.splitlines()[-2] == "8 of 8 right, 0 wrong, 0 left to write."


def test_the_help_is_the_learners_file_s_own(capsys):
    with pytest.raises(SystemExit):
        main(SimpleNamespace(__doc__="Derivatives of a VAE."), ["--help"])
    out = capsys.readouterr().out
    assert "Derivatives of a VAE." in out and "The exit status is 0 if all are right" in out


def test_a_terminal_that_knows_no_symbols_is_told_as_well(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(answers(tanh_backward=lambda y, dy: y), []) == 1
    terminal.flush()
    assert b"look again: ?y/?x = 1 / cosh" in terminal.buffer.getvalue()


def test_what_an_answer_calls_is_blamed_for_a_wrong_one_alone(capsys):
    def wrong(log_var, noise, dz):
        mean = np.copy(log_var)
        return kl_backward(mean, noise, dz)

    def not_yet(encoder, decoder, x, noise):
        raise NotImplementedError(f"write the rest, with {kl_backward}")

    learner = answers(kl_backward=lambda m, v, u: (m, v), sample_backward=wrong)
    learner.elbo_backward = not_yet
    assert main(learner, []) == 1
    said = capsys.readouterr().out
    assert said.count("it calls kl_backward, which is wrong: mend that first") == 1


def test_each_grading_starts_at_gradients_of_0():
    exercise = make_exercises(np.random.default_rng(0))["elbo_backward"]
    assert grade(way_back(), exercise)[0] == RIGHT
    status, report = grade(lambda *inputs: None, exercise)
    assert status == WRONG and report.count("yours is 0, and should not be") == 3


def test_scores_that_cannot_be_written_are_said_in_one_line(tmp_path, monkeypatch, capsys):
    def full(path, content):
        raise OSError("the disk is full")

    monkeypatch.setattr(exercise_grader, "write_json", full)
    assert main(answers(), ["--json", str(tmp_path / "r.json")]) == 2
    assert capsys.readouterr().err == "exercises.py: error: the disk is full\n"


@pytest.mark.parametrize(
    ("name", "function", "asked"),
    [
        ("kl_backward", lambda m, v, u: kl_backward(m, v, np.ones(5)), True),
        ("kl_backward", lambda m, v, u: kl_backward(m, v, -u), False),
        ("tanh_backward", lambda y, dy: dy * (1 - y**2) * np.arange(1, 4), False),
    ],
)
def test_who_forgets_upstream_is_asked_for_it(name, function, asked):
    status, report = verdict(name, function)
    assert status == WRONG
    assert ("is upstream in it" in report) == asked


def test_an_answer_that_trains_the_weights_is_wrong_and_puts_them_back():
    def training(encoder, decoder, x, noise):
        elbo_backward(encoder, decoder, x, noise)
        encoder.parameters.value[:] -= 0.1 * encoder.parameters.grad

    exercise = make_exercises(np.random.default_rng(0))["elbo_backward"]
    before = exercise.answers["encoder 0.weight"].copy()
    said = (WRONG, ": it changes encoder 0.weight, which the optimizer is to change")
    assert grade(training, exercise) == said
    np.testing.assert_array_equal(exercise.answers["encoder 0.weight"], before)
    assert grade(elbo_backward, exercise)[0] == RIGHT


def test_a_missing_term_is_not_said_to_be_a_missing_upstream():
    def of_one_place(mean, log_var, x, upstream):
        dmean, dlog_var = gaussian_backward(mean, log_var, x, upstream)
        return dmean, dlog_var + 0.5 * upstream[:, None]

    assert "is upstream in it" not in verdict("gaussian_backward", of_one_place)[1]


@pytest.mark.parametrize("name", NAMES)
def test_each_function_of_the_file_takes_what_it_is_given_in_its_order(name):
    given = make_exercises(np.random.default_rng(0))[name].arguments
    assert [*inspect.signature(getattr(learners_file, name)).parameters] == [*given]


def test_the_way_forward_that_is_written_out_leads_to_a_right_answer():
    forward = inspect.getsource(learners_file.elbo_backward).partition("    raise ")[0]
    back = inspect.getsource(way_back).partition("* noise)\n")[2].partition("    return elbo")[0]
    known = {**vars(exercise_answers), "kl_sign": 1, "over_n": True, "through_z": True}
    exec(forward + textwrap.indent(textwrap.dedent(back), "    "), known)
    status, report = verdict("elbo_backward", known["elbo_backward"])
    assert status == RIGHT, report


def test_one_that_was_interrupted_is_blamed_for_what_calls_it(capsys):
    def pressed(*given):
        raise KeyboardInterrupt

    def calling(encoder, decoder, x, noise):
        kl_backward(x, x, x)

    assert main(answers(kl_backward=pressed, elbo_backward=calling), []) == 130
    out = capsys.readouterr().out
    assert "it calls kl_backward, which did not end: mend that first" in out
    assert "6 of 8 right, 2 wrong, 0 left to write." in out


SHOWN = """
Tanh.backward tanh_backward
DiagonalGaussian.kl_backward gaussian_kl_backward
Bernoulli.log_prob_backward bernoulli_log_prob_backward
DiagonalGaussian.sample_backward gaussian_sample_backward
Linear.backward Linear.backward_to_input
DiagonalGaussian.log_prob_backward
share_of_each_draw normalized_weights
VAE.elbo_and_gradient
"""


@pytest.mark.parametrize(
    ("name", "functions"), [*zip(NAMES, SHOWN.strip().splitlines(), strict=True)]
)
def test_a_solution_is_shown_whole_and_so_is_what_it_calls(name, functions, capsys):
    exercise = make_exercises(np.random.default_rng(0))[name]
    shown = solution(exercise)
    assert re.findall(r"^(\S+) \(.*:\d+\)$", shown, re.M) == functions.split()
    assert main(answers(), ["--solutions", name]) == 0
    assert capsys.readouterr().out == f"{name}: {shown}\n"
    for function in map(inspect.unwrap, exercise.solution):
        assert inspect.getsource(function) in shown


def test_a_copy_has_the_same_options(tmp_path, capsys):
    copy, scores = tmp_path / "mine.py", tmp_path / "new" / "scores.json"
    copy.write_text("def tanh_backward(y, dy):\n    return dy * (1 - y * y)\n")
    assert main(answers(), [str(copy), "--solutions", "tanh_backward"]) == 0
    assert capsys.readouterr().out.startswith("tanh_backward: Tanh.backward (")
    assert main(answers(), [str(copy), "--json", str(scores)]) == 1
    assert scores.exists()
