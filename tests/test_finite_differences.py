"""How a slope is judged from differences: lines whose slopes are known, kinked, rounded, broken."""

import math

import numpy as np
import pytest

from vae_np.finite_differences import (
    BENDS,
    KINK,
    ROUNDED,
    along,
    central,
    judged,
    one_sided,
    relative_error,
    rounding,
)

STEP = 2.0**-10
KNOWN = {  # a line, its slope at 0, the step by which that is judged, and how well it is known
    "smooth": (lambda t: math.sin(1 + t), math.cos(1), STEP, 1e-9),
    "straight": (lambda t: -5 - 3 * t, -3, STEP, 1e-9),
    "flat": (lambda t: math.pi, 0, STEP, 1e-9),
    "0": (lambda t: 0.0, 0, STEP, 1e-9),
    "far from 0": (lambda t: 1e5 + t, 1, STEP, 1e-6),
    "a kink 1.5 steps away": (lambda t: abs(t - 1.5 * STEP), -1, STEP / 8, 1e-9),
    "a kink far below a step": (lambda t: abs(t + 1e-3 * STEP), 1, STEP / 8**4, 1e-9),
    "and far from 0": (lambda t: 1 + abs(t + 1e-6 * STEP), 1, STEP / 8**8, 1e-2),
    "infinite 3 steps away": (lambda t: math.inf if t > 3 * STEP else t, 1, STEP / 8, 1e-9),
    "infinite 2.5 steps away": (lambda t: math.inf if t > 2.5 * STEP else t, 1, STEP / 8, 1e-9),
    "0 between two kinks": (lambda t: max(abs(t), STEP) + math.cos(t), 0, STEP / 8, 1e-9),
    "flat, a kink ahead": (lambda t: max(t - 1e-3 * STEP, 0), 0, STEP / 8**4, 1e-9),
    "flat, a kink behind": (lambda t: min(t + 1e-3 * STEP, 0), 0, STEP / 8**4, 1e-9),
    "flat, then a parabola": (lambda t: max(t, 0) ** 2, 0, STEP / 8**8, 1e-5),
    "a parabola, then flat": (lambda t: min(t, 0) ** 2, 0, STEP / 8**8, 1e-5),
    "waves in a step": (lambda t: 1 + math.sin(3000 * t) / 3000, 1, STEP / 8**3, 1e-5),
}


@pytest.mark.parametrize("scale", [1, 1e7, -1e-7])
@pytest.mark.parametrize(("line", "slope", "step", "known"), KNOWN.values(), ids=KNOWN)
def test_a_known_slope_is_found_and_how_far_it_may_be_off(line, slope, step, known, scale):
    seen, steps = [], []

    def looked_at(distance):
        seen.append(distance)
        return float(scale * line(distance))

    for off in (0, 1e-3, 3, -3):
        found, doubt, look, _ = judged(looked_at, scale * (slope + off), STEP, on_kinks=-1)
        assert abs(found - scale * slope) <= doubt < known * abs(scale)
        slopes = look.left, look.across, look.right
        assert doubt == look.doubt >= 10 * (max(slopes) - min(slopes))
        assert slopes == pytest.approx((scale * slope,) * 3, abs=known * abs(scale))
        steps.append(look.step)
    assert steps[0] == step
    assert steps[2] == steps[3] >= step  # what is far off needs no shorter one
    assert max(map(abs, seen)) == 4 * STEP


def test_what_is_far_off_is_judged_by_the_first_step_though_f_bends():
    for off, step in ((0, STEP / 64), (3, STEP)):
        slope = math.cos(1) + off
        _, _, look, _ = judged(lambda t: math.sin(1 + 20 * t) / 20, slope, STEP, on_kinks=-1)
        assert look.step == step


@pytest.mark.parametrize("degree", range(5))
def test_differences_are_exact_for_polynomials_of_degree_four(degree):
    def line(t):
        return 3 + 2 * (t + 1) ** degree

    slope = 2 * degree
    assert central(line, 0.25) == pytest.approx(slope, rel=1e-13)
    assert one_sided(line, 0.25) == pytest.approx(slope, rel=1e-13)
    assert one_sided(line, -0.25) == pytest.approx(slope, rel=1e-13)


def leaky(t):
    return t if t > 0 else 0.25 * t


@pytest.mark.parametrize(
    ("analytic", "on_kinks", "slope", "doubt"),
    [
        (0.25, 1e-9, 0.25, 0),
        (0.5, 1e-9, 0.5, 0),
        (1, 1e-9, 1, 0),
        (1.001, 1e-9, 0.625, math.inf),
        (0.2, 1e-9, 0.625, math.inf),
        (0.5, -1, 0.625, math.inf),
    ],
)
@pytest.mark.parametrize("scale", [1, -1e7, 1e-7])
def test_on_a_kink_what_lies_between_its_sides_is_right(analytic, on_kinks, slope, doubt, scale):
    """Where its entry alone is moved: ``on_kinks`` is how much rounding is then allowed."""
    found, how_far, look, suggests = judged(
        lambda t: scale * leaky(t), scale * analytic, STEP, on_kinks
    )
    assert (found, how_far, suggests) == (pytest.approx(scale * slope, rel=1e-12), doubt, KINK)
    assert (look.left, look.right) == pytest.approx((scale * 0.25, scale), rel=1e-12)
    # Where rounding moves the sides by more than is allowed:
    _, how_far, *_ = judged(lambda t: 1 + leaky(t), analytic, STEP, min(on_kinks, 1e-12))
    assert how_far == math.inf


def test_on_a_kink_the_rounding_of_the_step_that_shows_it_is_allowed():
    """By the first step the waves hide the kink; by the next, rounding moves its sides by 4e-11."""
    for on_kinks, doubt in ((1e-10, pytest.approx(3.6e-11, rel=0.1)), (1e-11, math.inf)):
        _, how_far, _, suggests = judged(
            lambda t: 1 + leaky(t) + math.sin(300 * t) / 300, 1.5, STEP, on_kinks
        )
        assert (how_far, suggests) == (doubt, KINK)


@pytest.mark.parametrize(
    ("line", "suggests"),
    [
        (lambda t: 2 * t + (t > 0), BENDS),
        (lambda t: 2 * t - (t < 0), BENDS),
        (lambda t: math.sqrt(abs(t)), BENDS),
        (lambda t: abs(t) ** 0.9, BENDS),  # whose slopes grow so slowly that a kink seems near
        (lambda t: float(np.float32(1 / 3 + t)), ROUNDED),
        (lambda t: 1e9 + t, ROUNDED),
    ],
)
@pytest.mark.parametrize("scale", [1, -1e7, 1e-7])
def test_what_cannot_be_judged_says_why(line, suggests, scale):
    found, doubt, _, said = judged(lambda t: scale * line(t), scale * 5.0, STEP, on_kinks=1e-9)
    assert said == suggests
    if suggests == BENDS:
        assert doubt == math.inf
    else:
        assert abs(found - scale) <= doubt < 10 * abs(scale)


@pytest.mark.parametrize("slope", [1, 1 + 1e-4])
@pytest.mark.parametrize(
    "small",
    [
        lambda t: 1e-9 * math.sin(1e5 * t),
        lambda t: 1e-6 * round(t / 1.44e-5),  # step by step it scatters more, but by little
        lambda t: 3e-6 * round(t / 1.71e-5),
    ],
)
def test_what_scatters_is_not_believed_at_a_shorter_step_where_it_looks_straight(slope, small):
    """Its waves, or its noise: whether the slope with or without them is meant cannot be told."""
    _, doubt, *_ = judged(lambda t: t + small(t), slope, STEP, on_kinks=1e-9)
    assert doubt == math.inf


def test_a_stair_as_high_as_a_step_is_no_slope_of_0():
    found, doubt, *_ = judged(lambda t: 2000 + round(t / STEP) * STEP, 5.0, STEP, on_kinks=1e-9)
    assert abs(found - 1) <= doubt < math.inf


@pytest.mark.parametrize("off", [0, 1e-3, 1])
def test_no_stair_of_float32_is_taken_for_the_slope(off):
    for start in np.linspace(0, 5.5, 100):
        slope = 1 - math.tanh(start) ** 2

        def line(t, start=start):
            return float(np.float32(math.tanh(start + t)))

        found, doubt, *_ = judged(line, slope + off, STEP, on_kinks=1e-9)
        assert abs(found - slope) <= doubt, start


@pytest.mark.parametrize("slope", [-1e-3, 0, 1e-3, 3])
def test_what_float32_may_have_rounded_away_is_not_known_to_be_0(slope):
    """5 and 5.1 in float32 have 24 bits, 5.1 more, and 5 + 2⁻²² has 25: no float32 gave these."""
    small = 0 < abs(slope) < 1
    rounded = float(np.float32(5.1))
    for value, hides in ((5.0, small), (rounded, small), (5.1, False), (5 + 2.0**-22, False)):
        found, doubt, look, said = judged(lambda t, v=value: v, slope, STEP, on_kinks=1e-9)
        assert found == look.left == look.across == look.right == 0
        assert said == ROUNDED and (1e-3 < doubt < 0.1 if hides else doubt < 1e-9)
    # 5 too, but its slope is 0 across alone, as at every peak: what moves has not been rounded.
    assert judged(lambda t: 4 + math.cos(t), slope, STEP, on_kinks=1e-9)[1] < 1e-9


@pytest.mark.parametrize("value", [1.0, -7e5, 3e-9])
def test_rounding_leaves_no_more_than_is_said_and_not_much_less(value):
    rng, worst = np.random.default_rng(0), 0
    for start in value * rng.uniform(0.9, 1.1, 300):
        for slope_of in (central, one_sided):
            slope = slope_of(lambda t, start=start: start * (1 + t) / 3, STEP)
            worst = max(worst, abs(slope - start / 3) / rounding(start / 3, STEP))
    assert 0.02 < worst < 0.5
    assert rounding(value, STEP) == rounding(-value, STEP) == rounding(value / 4, STEP / 4)


@pytest.mark.parametrize("at", [1e-20, 1e-30])
def test_a_slope_that_rounding_loses_at_the_steps_is_not_known(at):
    """(a + t)²: 2a is nothing beside t² at the steps, though f(a) = a² is smaller still."""
    found, doubt, _, said = judged(lambda t: (at + t) ** 2, 2 * at, STEP, on_kinks=1e-9)
    assert abs(found - 2 * at) <= doubt < 1e-12 and said == ROUNDED


def test_a_line_tells_whether_f_has_changed_the_array_and_puts_it_back():
    x, told = np.array([1.0, 2.0]), []

    def f():
        x[1] *= factor
        return x[0]

    line = along(f, x, 0, changed=told.append)
    for factor in (1, 1 + 1e-15, 7):
        assert line(factor - 0.5) == factor + 0.5
        np.testing.assert_array_equal(x, [1, 2])
    assert told == [False, True, True]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint8])
def test_a_relative_error_is_worked_out_in_float64(dtype):
    few, many = np.array([1, 2, 3], dtype), np.ones(100_000, dtype)  # more than float16 can count
    assert relative_error(few, few[::-1]) == pytest.approx(1 / math.sqrt(7), rel=1e-12)
    assert relative_error(many, 3 * many) == pytest.approx(0.5, rel=1e-12)
