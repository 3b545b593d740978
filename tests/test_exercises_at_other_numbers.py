"""exercises.py at a second set of inputs: no answer is right by chance, or until it overflows."""

import sys
import textwrap

import numpy as np
import pytest
from exercise_answers import NAMES, answers, kl_backward

from demos.exercising.exercise_grader import main
from demos.exercising.exercise_list import make_exercises

ONLY_THERE = "WRONG, at other numbers and sizes only\n   "


def shares(w, subtracted):
    w = np.exp(w - subtracted)
    return w / w.sum(axis=0)


def by_probabilities(a, x, u):
    y = 1 / (1 + np.exp(-a))
    return u[..., None] * y * (1 - y) * (x / y - (1 - x) / (1 - y))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("kl_backward", lambda m, v, u: tuple(d * u.size / 5 for d in kl_backward(m, v, u))),
        ("bernoulli_backward", by_probabilities),
        ("importance_weighted_backward", lambda w, u: u * shares(w, -1000)),
        ("importance_weighted_backward", lambda w, u: u * shares(w, w.max())),
        ("importance_weighted_backward", lambda w, u: u * shares(w, w.min(axis=0))),
        ("importance_weighted_backward", lambda w, u: u * shares(w, w[0])),
    ],
)
def test_what_is_right_at_the_first_inputs_alone_is_wrong(name, function, capsys):
    assert main(answers(**{name: function}), []) == 1
    number = NAMES.index(name) + 1
    assert f"{number}. {name}: {ONLY_THERE}" in capsys.readouterr().out


def test_no_two_sizes_of_the_whole_model_are_the_same():
    """Else a sum over the one would be called a sum over the other."""
    inputs = make_exercises(np.random.default_rng(0))["elbo_backward"].arguments
    hidden = inputs["encoder"].network.layers[0].n_out
    sizes = [*inputs["noise"].shape, inputs["x"].shape[1], hidden]
    assert len({*sizes}) == len(sizes) == 5


def test_answers_that_are_exchanged_are_told_so(capsys):
    assert main(answers(kl_backward=lambda m, v, u: kl_backward(m, v, u)[::-1]), []) == 1
    assert "2. kl_backward: WRONG: dmean and dlog_var are exchanged\n" in capsys.readouterr().out


def test_answers_of_which_one_is_the_other_are_not_called_exchanged(capsys):
    for wrong in (lambda one, other: (other, other + 1), lambda one, other: (one + 1, one)):
        yours = answers(kl_backward=lambda m, v, u, wrong=wrong: wrong(*kl_backward(m, v, u)))
        assert main(yours, []) == 1
        assert "are exchanged" not in capsys.readouterr().out


def test_a_small_number_that_is_added_is_not_called_rounding_alone(capsys):
    def safe(w, u):
        w = np.exp(w - w.max(axis=0))
        return u * w / (w.sum(axis=0) + 1e-8)

    assert main(answers(importance_weighted_backward=safe), []) == 1
    assert "rounded to float32, or a small number added, as 1e-8?" in capsys.readouterr().out


class Tensor:
    """As PyTorch's: a shape that compares equal to a tuple, and a dtype of its own."""

    shape, dtype = (5, 3), "torch.float64"


def test_an_answer_that_is_no_array_of_numpys_is_told_so(capsys):
    assert main(answers(tanh_backward=lambda y, dy: Tensor()), []) == 1
    said = "1. tanh_backward: WRONG: dx must be a NumPy array of shape (5, 3), got "
    assert f"{said}{__name__}.Tensor" in capsys.readouterr().out


def test_an_answer_file_runs_as_it_runs_by_itself(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "beside_the_answers.py").write_text("ONE = 1\n")
    (tmp_path / "numpy.py").write_text(
        textwrap.dedent("""
            from __future__ import annotations
            from dataclasses import dataclass
            from pathlib import Path
            import numpy as np
            from beside_the_answers import ONE

            HERE = Path(__file__).parent

            @dataclass
            class Kept:
                y: np.ndarray

            def tanh_backward(y, dy):
                return dy * (ONE - Kept(y).y ** 2)
        """)
    )
    assert main(None, [str(tmp_path / "numpy.py")]) == 1
    assert "1. tanh_backward: right to " in capsys.readouterr().out
