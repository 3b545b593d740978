"""What is said of a pattern of errors: a table of what was planted against what is seen in it."""

import math

import numpy as np
import pytest

from vae_np.gradient_causes import Entry, GradientCheck, pattern

RIGHT = np.array([[1.0, 2, 4], [3, -1, 5]])
ROW, COLUMN = np.array([[1.3], [0.4]]), np.array([1.3, 0.4, 7])
FLIPPED = np.where([[False, False, True]] * 2, -RIGHT, RIGHT)
SQUARE = np.array([[1.0, 2], [4, 3]])
SMALL, BLURRED, FALLING = np.array([*[1.0] * 8, 0.01]), np.arange(9) == 8, np.arange(9.0, 0, -1)
UNKNOWN = "differs; no common factor or term is seen"
UPSTREAM = "a function or the upstream derivative"
CONSTANT = "a constant factor is missing or extra"
MASK, CUT = "a mask is missing, or a term is extra", "never computed, or cut off by a mask"


def told(yours, right, doubt=1e-13, entries=True):
    right = np.array(right, float)
    yours = np.array(yours, float)
    doubt = np.broadcast_to(np.array(doubt, float), right.shape)
    return pattern(yours, right, yours != right, doubt, entries)


SUM, MEAN = "a sum stands where f has a mean over ", "a mean stands where f has a sum over "
AXES = ", the length of axis 0", ", the length of axis 1"


@pytest.mark.parametrize(
    ("factor", "seen", "guess"),
    [
        (-1, "minus the right one", "a sign is wrong"),
        (-1.000005, "minus the right one", "a sign is wrong"),
        (-1.00005, "of the wrong sign and 1.00005 times the", f"a sign is wrong, and {CONSTANT}"),
        (
            -2,
            "of the wrong sign and 2 times the",
            f"a sign is wrong, and a 1/2 is missing, or {SUM}2",
        ),
        (2, "2 times the", f"a 1/2 is missing, or {SUM}2{AXES[0]}"),
        (0.5, "1/2 of the", f"a 2 is missing, or {MEAN}2{AXES[0]}"),
        (3, "3 times the", f"{SUM}3{AXES[1]}"),
        (-1 / 3, "of the wrong sign and 1/3 of the", f"a sign is wrong, and {MEAN}3{AXES[1]}"),
        (6, "6 times the", f"{SUM}6"),
        (2.000015, "2 times the", f"a 1/2 is missing, or {SUM}2{AXES[0]}"),
        (2.0001, "2.0001 times the", CONSTANT),
        (1 / 3.0004, "0.333289 times the", CONSTANT),
        (9876.543, "9876.54 times the", CONSTANT),
        (1.5, "1.5 times the", CONSTANT),
        (1.001, "1.001 times the", CONSTANT),
        (0.9, "0.9 times the", CONSTANT),
        (999_999, "999999 times the", f"{SUM}999999"),
        (1_500_000, "1.5e+06 times the", CONSTANT),
        (1.5e-6, "1.5e-06 times the", CONSTANT),
        (1 / 666_667, "1/666667 of the", f"{MEAN}666667"),
        (0.75e-6, "7.5e-07 times the", CONSTANT),
        (0.5e-6, "5e-07 times the", CONSTANT),
    ],
)
def test_a_common_factor(factor, seen, guess):
    said = told(factor * RIGHT, RIGHT)
    assert said[0].startswith(f"in all 6 entries, yours is {seen}") and said[0].endswith(
        "right one"
    )
    assert said[1] == guess or said[1] == guess + AXES[0]
    along, guess_along = told(factor * RIGHT[0], RIGHT[0], entries=False)
    assert along == said[0].replace("6 entries", "3 directions")
    assert guess_along == said[1].replace(AXES[0], "").replace(AXES[1], "")


@pytest.mark.parametrize("factor", [1.000001, 1.000008])
def test_a_factor_that_is_nearly_1_is_not_called_1(factor):
    seen, _ = told(RIGHT * factor, RIGHT, entries=False)
    assert seen == f"in all 6 directions, yours is {factor} times the right one"


def test_rates_along_directions_have_no_common_term_and_no_order():
    for yours in (RIGHT[0] - 0.25, np.roll(RIGHT[0], 1)):
        seen, _ = told(yours, RIGHT[0], entries=False)
        assert seen == f"in all 3 directions, yours {UNKNOWN}"


def test_a_factor_of_two_axes():
    assert told(2 * SQUARE, SQUARE)[1].endswith(f"{SUM}2{AXES[0]}{AXES[1]}")


@pytest.mark.parametrize(
    ("yours", "right", "doubt", "seen", "guess"),
    [
        # what is 0
        ([1, 2, 0], [0, 0, 0], 0, "by differences, all are 0", "f is flat here, reads"),
        (
            [1, 2, 0],
            [1e-9, 0, 0],
            [1.2e-9, 3e-9, 1e-12],
            "by differences, all are 0 but for rounding, up to 3.0e-09",
            "f is flat here, reads a copy",
        ),
        ([0, 0, 3], [1, 2, 3], 0, "in 2 of the 3 entries, yours is 0, and should not be", CUT),
        ([0, 0], [1, 2], 0, "in all 2 entries, yours is 0, and should not be", CUT),
        ([0], [1], 0, "in 1 of the 1 entries, yours is 0, and should not be", CUT),
        ([1, -1, 1], [0, 0, 1], 0, "in 2 of the 3 entries, yours is not 0, and should be", MASK),
        (
            [1, 1],
            [9e-4, 1],
            1e-2,
            "in 1 of the 2 entries, all at 0 on axis 0, yours is not 0",
            MASK,
        ),
        (
            [1, 1],
            [1.5e-3, 1],
            1e-2,
            f"in 1 of the 2 entries, all at 0 on axis 0, yours {UNKNOWN}",
            "",
        ),
        (
            [1, 1],
            [9e-4, 1],
            1e-4,
            f"in 1 of the 2 entries, all at 0 on axis 0, yours {UNKNOWN}",
            "",
        ),
        (
            [2e-3, 1],
            [5e-4, 1],
            1e-2,
            f"in 1 of the 2 entries, all at 0 on axis 0, yours {UNKNOWN}",
            "",
        ),
        # what is rounded
        (
            RIGHT * (1 + 9e-6),
            RIGHT,
            0,
            "in all 6 entries, yours is right to 5 digits or more, not all",
            "it or f is",
        ),
        (RIGHT * (1 + 1.5e-5), RIGHT, 0, "in all 6 entries, yours is 1.00002 times", CONSTANT),
        # a factor or a term of some of them, of rows, of columns
        (
            FLIPPED,
            RIGHT,
            0,
            "in 2 of the 6 entries, all at 2 on axis 1, yours is minus the",
            "a sign",
        ),
        ([3], [2], 0, "in 1 of the 1 entries, yours is 1.5 times the right one", UPSTREAM),
        (4, 2, 0, "in 1 of the 1 entries, yours is 2 times the right one", "a 1/2 is missing"),
        (RIGHT - 0.25, RIGHT, 0, "in all 6 entries, yours is off by -0.25", "a term is missing or"),
        (1e9 * RIGHT + 3e8, 1e9 * RIGHT, 0, "in all 6 entries, yours is off by 3e+08", "a term is"),
        (RIGHT * ROW, RIGHT, 0, "yours / right depends on axis 0 alone", "a factor that depends"),
        (
            RIGHT * COLUMN,
            RIGHT,
            0,
            "yours / right depends on axis 1 alone",
            "a factor that depends on",
        ),
        (
            RIGHT + ROW,
            RIGHT,
            0,
            "yours - right depends on axis 0 alone",
            "a term that depends on axis",
        ),
        (
            RIGHT + COLUMN,
            RIGHT,
            0,
            "yours - right depends on axis 1 alone",
            "a term that depends on",
        ),
        ([[1, 2, 1], [2, 2, 1]], np.ones((2, 3)), 0, "in 3 of the 6 entries, yours is 2", ""),
        ([1.00003, 2.0001, 1.00006], [1, 2, 1], 0, f"in all 3 entries, yours {UNKNOWN}", ""),
        (RIGHT + np.arange(3), RIGHT, 0, f"in 4 of the 6 entries, yours {UNKNOWN}", UPSTREAM),
        ([1.5, 2.9], [1, 2], 0, f"in all 2 entries, yours {UNKNOWN}", UPSTREAM),
        ([[3, 6], [1, 1]], [[1, 2], [1e-200, 1e-200]], 0, f"in all 4 entries, yours {UNKNOWN}", ""),
        ([2, -2], [1, -1], 0, "in all 2 entries, yours is 2 times the right one", "a 1/2"),
        ([-2, -4], [-1, -2], 0, "in all 2 entries, yours is 2 times the right one", "a 1/2"),
        ([-2e200, -4e200, 2], [-1e200, -2e200, 1], 0, "in all 3 entries, yours is 2 times", ""),
        (
            [[2, 4, 5]],
            [[2, 4, 3]],
            0,
            "in 1 of the 3 entries, all at 2 on axis 1, yours is 1.66667",
            UPSTREAM,
        ),
        # the numbers in another order
        (
            [[2, 4], [1, 3]],
            [[2, 1], [4, 3]],
            0,
            "yours is the transpose of the right one",
            "its axes",
        ),
        (
            RIGHT[::-1],
            RIGHT,
            0,
            "yours has the right numbers, in another order",
            "an axis is reversed",
        ),
        (
            RIGHT.T.reshape(2, 3),
            RIGHT,
            0,
            "yours has the right numbers, in another order",
            "an axis",
        ),
        (SQUARE[::-1], SQUARE, 0, "yours has the right numbers, in another order", "an axis"),
        ([1, 2, 3 + 6e-7], [2, 3, 1], 0, f"in all 3 entries, yours {UNKNOWN}", UPSTREAM),
        ([3, 4e-9, 1], [1, 3, 0], 0, f"in all 3 entries, yours {UNKNOWN}", UPSTREAM),
        # how exactly: to 1e-4 of the error, to a hundredth of what is known of it
        (
            [1.1, 2.2 + 5e-6],
            [1, 2],
            0,
            "in all 2 entries, yours is 1.1 times the right one",
            CONSTANT,
        ),
        ([1.1, 2.2 + 5e-5], [1, 2], 0, f"in all 2 entries, yours {UNKNOWN}", UPSTREAM),
        ([2, 4], [1, 2], [9e-4, 1], "in all 2 entries, yours is 2 times the right one", "a 1/2"),
        ([2, 4], [1, 2], [1.5e-3, 3e-3], f"in all 2 entries, yours {UNKNOWN}", UPSTREAM),
        ([1, 2], [0, 1], [0, 0.5], "in all 2 entries, yours is off by 1", "a term is missing"),
        (1.5e-4 * BLURRED - FALLING, FALLING, 0, f"in all 9 entries, yours {UNKNOWN}", UPSTREAM),
        ([101, 202, 5], [1, 2, 5], [0.05, 0.05, 0], f"in 2 of the 3 entries, yours {UNKNOWN}", ""),
        ([101, 202], [1, 2], 0.05, f"in all 2 entries, yours {UNKNOWN}", UPSTREAM),
        ([101, 202], [100, 200], 0.05, f"in all 2 entries, yours {UNKNOWN}", UPSTREAM),
        (
            1.1 * SMALL + 9e-6 * BLURRED,
            SMALL,
            BLURRED,
            "in all 9 entries, yours is 1.1 times",
            CONSTANT,
        ),
        (
            1.1 * SMALL + 2e-5 * BLURRED,
            SMALL,
            BLURRED,
            f"in all 9 entries, yours {UNKNOWN}",
            UPSTREAM,
        ),
    ],
)
def test_a_pattern(yours, right, doubt, seen, guess):
    said = told(yours, right, doubt)
    assert said[0].startswith(seen) and said[1].startswith(guess)


RIGHT_ONE = "t: right (1,200 derivatives, relative error 2.0e-11, wanted below 1e-09)"
WRONG = "t: WRONG (1 derivative{}, relative error inf, wanted below 0.01)"


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (GradientCheck("t", 1200, 2e-11, "right"), RIGHT_ONE),
        (
            GradientCheck("t", 1, math.inf, "WRONG", "this", "that", tolerance=0.01),
            WRONG.format("") + "\n  seen: this\n  perhaps: that",
        ),
        (
            GradientCheck("t", 1, math.inf, "WRONG", worst=Entry((2, 3), 1, -4), tolerance=0.01),
            WRONG.format("") + "\n  worst entry [2, 3]: yours 1, by differences -4, ratio -0.25",
        ),
        (
            GradientCheck(
                "t",
                1,
                math.inf,
                "WRONG",
                worst=Entry((0,), 1.23456789, 0),
                tolerance=0.01,
                shortened=((2,), (3,)),
                directions=1,
            ),
            WRONG.format(" along 1 random directions")
            + "\n  worst direction [0]: yours 1.23457, by differences 0"
            "\n  by a shorter step: 2 of them, first direction [2], where f has a kink or bends "
            "within the first step",
        ),
        (
            GradientCheck("t", 1200, 2e-11, "right", shortened=((2, 0),)),
            RIGHT_ONE
            + "\n  by a shorter step: 1 of them, first entry [2, 0], where f has a kink or "
            "bends within the first step",
        ),
    ],
)
def test_what_is_printed(check, text):
    assert str(check) == text
    assert check.passed == (check.verdict == "right")
    assert all(np.size(entry) for entry in check.shortened)  # a loop over none goes well
