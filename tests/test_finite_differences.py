"""How a slope is judged from differences: lines whose slopes are known, kinked, rounded, broken."""

import math

import numpy as np
import pytest

from vae_np.finite_differences import BENDS, KINK, ROUNDED, central, judged, one_sided, rounding

STEP = 2.0**-10
KNOWN = (  # name, line, slope at 0, and the step by which it is judged (None: it is not)
    ("smooth", lambda t: math.sin(1 + t), math.cos(1), STEP),
    ("straight", lambda t: 5 - 3 * t, -3, STEP),
    ("flat", lambda t: 5.0, 0, STEP),
    ("kink 1.5 steps away", lambda t: abs(t - 1.5 * STEP), -1, STEP / 8),
    ("kink behind, far below the step", lambda t: abs(t + 1e-3 * STEP), 1, STEP / 8**4),
    ("infinite 3 steps away", lambda t: math.inf if t > 3 * STEP else t, 1, STEP / 8),
    ("waves of the step's length", lambda t: 1 + math.sin(3000 * t) / 3000, 1, STEP / 8**3),
)


def seen_from(line):
    """The line, and the distances at which it has been looked at."""
    seen = []
    return lambda distance: seen.append(distance) or float(line(distance)), seen


@pytest.mark.parametrize(
    ("line", "slope", "step"), [row[1:] for row in KNOWN], ids=[r[0] for r in KNOWN]
)
def test_a_known_slope_is_found_and_how_far_it_may_be_off(line, slope, step):
    looked_at, seen = seen_from(line)
    for analytic in (slope, slope + 1e-3, -2.0):
        found, doubt, look, _ = judged(looked_at, analytic, STEP, on_kinks=-1)
        assert abs(found - slope) <= doubt < 1e-5
        assert look.step == step or analytic != slope  # what is far off needs no shorter one
        assert (look.left, look.across, look.right) == pytest.approx((slope,) * 3, abs=1e-5)
    assert max(map(abs, seen)) == 4 * STEP


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
@pytest.mark.parametrize("sign", [1, -1])
def test_on_a_kink_what_lies_between_its_sides_is_right(analytic, on_kinks, slope, doubt, sign):
    """Where its entry alone is moved: ``on_kinks`` is how much rounding is then allowed."""
    found, how_far, look, suggests = judged(
        lambda t: sign * leaky(t), sign * analytic, STEP, on_kinks
    )
    assert (found, how_far, suggests) == (sign * slope, doubt, KINK)
    assert (look.left, look.right) == (sign * 0.25, sign)
    # Where rounding moves the sides by more than is allowed:
    _, how_far, *_ = judged(lambda t: 1 + leaky(t), analytic, STEP, min(on_kinks, 1e-12))
    assert how_far == math.inf


@pytest.mark.parametrize(
    ("line", "suggests"),
    [
        (lambda t: 2 * t + (t > 0), BENDS),
        (lambda t: float(np.float32(1 + t)), ROUNDED),
        (lambda t: 1e9 + t, ROUNDED),
    ],
)
def test_what_cannot_be_judged_says_why(line, suggests):
    found, doubt, _, said = judged(line, 5.0, STEP, on_kinks=1e-9)
    assert said == suggests
    assert abs(found - 1) <= doubt


@pytest.mark.parametrize("value", [1.0, -7e5, 3e-9])
def test_rounding_leaves_no_more_than_is_said_and_not_much_less(value):
    rng, worst = np.random.default_rng(0), 0
    for start in value * rng.uniform(0.9, 1.1, 300):
        for slope_of in (central, one_sided):
            slope = slope_of(lambda t, start=start: start * (1 + t) / 3, STEP)
            worst = max(worst, abs(slope - start / 3) / rounding(start / 3, STEP))
    assert 0.02 < worst < 0.5
    assert rounding(value, STEP) == rounding(-value, STEP) == rounding(value / 4, STEP / 4)
