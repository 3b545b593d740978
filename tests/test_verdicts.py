"""Nothing that a verdict says is untrue: random functions, mistakes planted in their gradients.

None raises, none blesses a wrong gradient or accuses a right one, and what is seen is so.
"""

import math
import os
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_mistakes import FUNCTIONS, MISTAKES, is_so, make, plant

from vae_np.gradcheck import check_gradient, check_layer

MANY = int(os.environ.get("CASES", 10_000))  # some minutes
CASES = {
    "name": st.sampled_from(FUNCTIONS),
    "mistake": st.sampled_from(MISTAKES),
    "shape": st.lists(st.integers(1, 4), max_size=3).map(tuple)
    | st.integers(2, 4).map(lambda n: (n, n)),
    "layer": st.booleans(),
    "zeros": st.booleans(),  # some entries on a kink, or near one
    "magnitude": st.floats(-8, 8),
    "offset": st.sampled_from([0, 0, 1, 1000]),
    "directions": st.sampled_from([0, 0, 0, 5]),
    "seed": st.integers(0, 2**32 - 1),
}


def judge(name, mistake, shape, layer, zeros, magnitude, offset, directions, seed):
    scale = 10**magnitude
    case = make(name, shape, layer, zeros, scale, offset * scale, seed)
    with np.errstate(all="ignore"):
        gradient = plant(case, mistake, seed)
    before = case.x.copy()
    check = check_gradient("t", case.f, case.x, gradient, directions=directions)
    np.testing.assert_array_equal(case.x, before)
    assert str(check).isascii() and repr(check).isascii()

    right = case.nearest(gradient)
    with np.errstate(all="ignore"):
        norms = np.linalg.norm(gradient) + np.linalg.norm(right)
        error = np.linalg.norm(gradient - right) / norms if norms else 0
    if check.verdict == "right":  # along directions, what is wrong shows up to a factor
        bound = 5e-8 if directions else 1.001e-9
        bound = 1e-7 if name == "float32" else bound  # the slopes of what f computes are off, too
        assert error <= bound, "a wrong gradient is blessed"
    elif check.verdict == "WRONG":
        in_float32 = name == "float32" and "right to 5 digits or more" in check.seen
        if np.isfinite(gradient).all() and not in_float32:
            # Where others cannot be told, each is held to twice the tolerance of the mean one.
            gap, size = np.abs(gradient - right).max(), np.linalg.norm(gradient)
            alone = case.rough and gap > 1.9e-9 * size / np.sqrt(gradient.size)
            assert alone or error > (0 if directions else 5e-10), "a right gradient is accused"
        if not directions:
            assert is_so(check.seen, case, gradient), check.seen
    else:
        assert check.verdict == "undecided"
        small = error < 1e-5  # for a function as curved as sin(40 x)
        assert case.rough or offset or small, "smooth functions are judged"


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(**CASES)
def test_what_is_said_is_so(**case):
    judge(**case)


@pytest.mark.slow
@settings(max_examples=MANY, deadline=None, derandomize=True, database=None)
@given(**CASES)
def test_what_is_said_is_so_in_many_cases(**case):
    judge(**case)


# The smallest inputs of which something untrue was said.


def check(right, yours, **options):
    """A linear function, whose derivative is known."""
    right, x = np.array(right, float), np.linspace(1, 2, len(right))
    return check_gradient("linear", lambda: (x * right).sum(), x, np.array(yours, float), **options)


@pytest.mark.parametrize("seed", range(20))
def test_a_relu_without_its_mask(seed):
    x, dy = np.random.default_rng(seed).standard_normal((2, 5, 3))
    said = check_gradient("ReLU dx", lambda: (np.maximum(x, 0) * dy).sum(), x, dy)
    assert said.seen == f"in {(x < 0).sum()} of the 15 entries, yours is not 0, and should be"
    assert said.suggests.startswith("a mask is missing")


@pytest.mark.parametrize(("right", "yours"), [([0, 0, 1], [1, -1, 0]), ([0, 1, 1], [1, 2, 5])])
def test_what_has_no_factor_is_given_none(right, yours):
    seen = "in all 3 entries, yours differs; no common factor or term is seen"
    assert check(right, yours).seen == seen


@pytest.mark.parametrize("tiny", [1e-150, 1e-200, 1e-300])
def test_no_ratio_is_too_large_or_small(tiny):
    for right, yours in (([tiny, tiny], [1, 1]), ([1, 1], [tiny, tiny]), ([1, tiny], [tiny, 1])):
        assert check(right, yours).verdict == "WRONG"


@pytest.mark.parametrize("slope", [-1, 0, 0.3, 1])
def test_one_input_on_a_kink_leaves_all_directions_undecided(slope):
    x = np.array([0, 0.5, -0.7, 1.2, -0.3])
    yours = np.where(x == 0, slope, np.sign(x))

    def f():
        return np.abs(x).sum()

    assert check_gradient("abs", f, x, yours).verdict == "right"
    along = check_gradient("abs", f, x, yours, directions=5)
    assert along.verdict == ("right" if slope == 0 else "undecided")  # 0 is the mean of both sides
    yours[1] += 0.5
    along = check_gradient("abs", f, x, yours, directions=5)
    assert along.verdict == "undecided"
    assert along.suggests.startswith("a kink lies on this line")
    assert "the slope to the left is" in along.seen


def test_two_kinks_that_nearly_cancel_along_a_direction_accuse_nobody():
    judge("relu", "none", (2, 4), False, True, 0.0, 1000, 5, seed=510510)


def test_two_errors_that_cancel_in_one_direction_do_not_in_all():
    x, w = np.random.default_rng(0).standard_normal((2, 20))
    for i, j in combinations(range(20), 2):
        yours = w.copy()
        yours[[i, j]] = w[[j, i]]
        said = check_gradient("linear", lambda: (x * w).sum(), x, yours, directions=5)
        assert said.verdict == "WRONG"


def test_an_f_that_changes_its_input_is_noticed_and_the_input_restored():
    x = np.array([-1, 0.5, 2.0])

    def f():
        x[x < 0] = 0
        return (x**2).sum()

    for directions in (0, 3):
        said = check_gradient("in place", f, x, 2 * np.maximum(x, 0), directions=directions)
        assert said.verdict == "undecided"
        assert said.seen.startswith("f changes its input")
        assert "x[x < 0] = 0 or x *= 2 works in place" in said.suggests
        np.testing.assert_array_equal(x, [-1, 0.5, 2.0])


def test_a_layer_that_changes_its_input_is_noticed(rng):
    class Clipping:
        def forward(self, x):
            x[x < 0] = 0
            self.x = x
            return x.copy()

        def backward(self, dy):
            return dy * (self.x > 0)

    (said,) = check_layer(Clipping(), rng.standard_normal((4, 3)))
    assert said.seen.startswith("f changes its input")


def test_a_number_that_is_none_is_no_change_of_the_input():
    x = np.array([math.nan, 1.0])
    assert check_gradient("beside NaN", lambda: 3 * x[1], x, np.array([0.0, 3.0])).passed


@pytest.mark.parametrize("tolerance", [math.inf, math.nan, 0, 1, -1e-9])
def test_a_tolerance_that_would_bless_all_or_nothing_is_refused(tolerance):
    with pytest.raises(ValueError, match="tolerance must lie strictly between 0 and 1"):
        check([1, 2], [3, -7], tolerance=tolerance)


@pytest.mark.parametrize("large", [1e10, 1e17, -1e300, math.inf])
def test_a_step_that_vanishes_beside_x_is_said(large):
    x = np.array([large, *np.ones(99)])  # one of many
    said = check_gradient("large", lambda: 3 * x[1], x, 3.0 * (np.arange(100) == 1))
    assert said.verdict == "undecided"
    assert "vanishes beside numbers as large as" in said.seen
    assert said.suggests == "these should be smaller, or the step larger"
    assert said.relative_error == math.inf and said.worst is None


def test_large_numbers_are_moved_by_what_is_meant():
    for size in (1e4, 1e7, 1e9):
        x = np.array([size])
        assert check_gradient(
            "sin", lambda x=x: np.sin(x - x.round()).sum(), x, np.cos(0 * x)
        ).passed


@pytest.mark.parametrize("seed", range(5))
def test_a_right_gradient_through_float32_is_not_accused(seed):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((4, 5)), rng.standard_normal((5, 3)).astype(np.float32)

    def f():
        return float(np.tanh(x.astype(np.float32) @ w).sum())

    right = (1 - np.tanh(x @ w) ** 2) @ w.T
    said = check_gradient("float32", f, x, right)
    assert said.verdict == "undecided"
    assert "rounded, as in float32" in said.suggests
    assert not check_gradient("float32", f, x, -right).passed


def test_a_flat_stair_of_float32_is_no_mask():
    """Where tanh saturates, a shorter step stays on one stair, and its slope is 0."""
    for start in np.linspace(4.5, 6, 30):
        x = np.array([start])
        f = lambda x=x: float(np.tanh(x.astype(np.float32))[0])  # noqa: E731
        assert check_gradient("tanh", f, x, 1 - np.tanh(x) ** 2).verdict == "undecided"
    rng = np.random.default_rng(0)
    for _ in range(20):  # so far out that f may not move at all
        x, dy = rng.uniform(3, 12, (4, 5)), rng.standard_normal((4, 5)).astype(np.float32)
        f = lambda x=x, dy=dy: float((np.tanh(x.astype(np.float32)) * dy).sum())  # noqa: E731
        said = check_gradient("tanh", f, x, (1 - np.tanh(x) ** 2) * dy)
        assert said.verdict == "undecided" and "as in float32" in said.suggests
        assert check_gradient("tanh", f, x, dy).verdict == "WRONG"
    x = np.array([1e-4, -1e-4, 0.3])  # near a kink it is flat on one side, and stays judged
    f = lambda: np.maximum(x, 0).sum()  # noqa: E731
    assert check_gradient("relu", f, x, np.array([1.0, 0, 1])).verdict == "right"
    assert check_gradient("relu", f, x, np.array([1.0, 1, 1])).verdict == "WRONG"


def test_a_gradient_in_float32_is_compared_in_float64():
    x = np.array(0.0)
    for yours in (np.float32(0.1), np.float32(0)):
        said = check_gradient("relu", lambda: 0.1 * np.maximum(x, 0), x, np.array(yours))
        assert said.passed == (yours == 0), "0.1 in float32 lies above the slope to the right"


def test_the_stairs_of_float32_are_not_taken_for_flat():
    judge("float32", "none", (3, 3), True, True, 0.0, 1, 0, seed=3_899_468_182)


def test_a_ratio_that_float32_blurs_is_not_named():
    judge("float32", "sign", (2,), True, True, 0.0, 0, 0, seed=0)
    judge("leaky", "transposed", (2, 2), False, True, 0.0, 1000, 0, seed=5819)


@pytest.mark.parametrize("directions", [0, 3])
def test_a_short_scale_is_no_kink(directions):
    x = np.array([0, 0.5, -0.7, 1.2])
    for waves in (300, 3000):
        right = waves * np.cos(waves * x)
        f = lambda waves=waves: np.sin(waves * x).sum()  # noqa: E731
        said = check_gradient("sin", f, x, right, directions=directions)
        assert said.verdict == "right" and len(said.shortened) == (directions or 4)
        assert check_gradient("sin", f, x, -right, directions=directions).verdict == "WRONG"
    for waves in (1e9, 1e11):
        f = lambda waves=waves: np.sin(waves * x).sum()  # noqa: E731
        said = check_gradient("sin", f, x, waves * np.cos(waves * x), directions=directions)
        assert said.verdict == "undecided"
        assert said.suggests.startswith("the step is too long")


@pytest.mark.parametrize(
    ("f", "point"), [(np.sqrt, 0), (np.log1p, -1 + 1e-13), (lambda x: -np.sqrt(2 - x), 2)]
)
def test_a_point_beside_which_f_is_not_finite_is_called_so(f, point):
    """To the left of it, or to the right."""
    x = np.array([point, 1.0])
    with np.errstate(all="ignore"):
        said = check_gradient("f", lambda: float(f(x).sum()), x, np.array([0.0, 0.5]))
    assert said.verdict == "undecided"
    assert said.suggests.startswith("f is not finite within this step")
