"""The checker itself: right on known derivatives, and able to fail. No layer is involved."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from vae_np.finite_differences import numerical_gradient, relative_error
from vae_np.gradcheck import check_gradient

FOREIGN = SimpleNamespace(dtype=np.dtype(float), size=3, flags=None)  # another package's array


def test_numerical_gradient_of_a_known_function(rng):
    x = rng.random((3, 4))
    before = x.copy()
    gradient = numerical_gradient(lambda: np.sin(x).sum(), x)
    np.testing.assert_allclose(gradient, np.cos(x), rtol=1e-10)
    np.testing.assert_array_equal(x, before)


def test_exact_for_polynomials_of_degree_four(rng):
    x = rng.random(5)
    gradient = numerical_gradient(lambda: (x**4).sum(), x, step=0.5)
    np.testing.assert_allclose(gradient, 4 * x**3, rtol=1e-12, atol=1e-15)


def test_writes_through_views_and_shape_zero_arrays():
    whole = np.arange(6.0)
    np.testing.assert_allclose(numerical_gradient(lambda: (whole**2).sum(), whole[2:4]), [4, 6])
    one = whole[3:4]
    assert numerical_gradient(lambda: 2 * one, one) == pytest.approx(
        [2]
    )  # f may return an array of one
    number = np.array(3.0)
    assert numerical_gradient(lambda: number**2, number) == pytest.approx(6)
    assert check_gradient("number", lambda: number**2, number, np.array(6.0)).passed
    assert not check_gradient("number", lambda: number**2, number, np.array(-6.0)).passed


def test_the_array_is_put_back_when_f_raises():
    x = np.array([0.001, 2.0])

    def f():
        x[1] += 1  # what is not moved
        if x[0] < 0:
            raise ZeroDivisionError
        return x.sum()

    with pytest.raises(ZeroDivisionError):
        numerical_gradient(f, x)
    np.testing.assert_array_equal(x, [0.001, 2.0])


def test_relative_error():
    assert relative_error(np.ones(3), np.ones(3)) == 0
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.ones(3), -np.ones(3)) == 1
    assert relative_error(2 * np.ones(3), np.ones(3)) == pytest.approx(1 / 3)
    for not_finite in (np.nan, np.inf):
        assert relative_error(np.array([not_finite]), np.ones(1)) == float("inf")
    assert relative_error([], []) == 0
    for shape in ((), (1,), (3, 1)):  # of as many numbers too
        with pytest.raises(ValueError, match=r"shapes differ: analytic \(3,\), numeric"):
            relative_error(np.ones(3), np.ones(shape))
        with pytest.raises(ValueError, match=r"shapes differ: .* numeric \(3,\)"):
            relative_error(np.ones(shape), np.ones(3))


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1, 1e200, 1e308])
def test_relative_error_does_not_depend_on_the_scale(scale):
    # Squares of these would be 0 or infinite.
    assert relative_error([scale], [1.5 * scale]) == pytest.approx(0.2, rel=1e-3)
    assert relative_error([scale, scale], [scale, -scale]) == pytest.approx(math.sqrt(0.5))


def test_a_wrong_tiny_gradient_is_caught(rng):
    x = rng.random(4)
    assert check_gradient("tiny", lambda: 1e-200 * (x**2).sum(), x, 2e-200 * x).passed
    wrong = check_gradient("tiny", lambda: 1e-200 * (x**2).sum(), x, 6e-200 * x)
    assert wrong.relative_error == pytest.approx(0.5)


def test_check_catches_a_wrong_gradient(rng):
    x = rng.random(4)
    right = check_gradient("sin", lambda: np.sin(x).sum(), x, np.cos(x))
    wrong = check_gradient("sin", lambda: np.sin(x).sum(), x, np.cos(x) * (1 + 1e-8))
    assert right.passed
    assert right.derivatives == 4
    assert right.seen == right.suggests == ""
    assert not wrong.passed


def test_f_may_write_to_the_gradient_that_is_checked(rng):
    x, buffer = rng.random(4), np.zeros(4)

    def f():
        buffer[:] = 0
        return (x**2).sum()

    buffer[:] = 2 * x
    assert check_gradient("Square dx", f, x, buffer).passed


def test_a_constant_has_the_derivative_zero_exactly(rng):
    x = rng.standard_normal(5)
    assert not numerical_gradient(lambda: 0.1 + 1 / 3, x).any()


@pytest.mark.parametrize(
    ("f", "array", "step", "message"),
    [
        (lambda: 1.0, np.empty((0, 2)), 1e-3, r"array must .* not empty, got float64 \(0, 2\)"),
        (lambda: 1.0, np.broadcast_to(1.0, 3), 1e-3, r"array must .* writeable .* got float64"),
        (lambda: None, np.ones(3), 1e-3, r"f must return one real number .* got object \(\)"),
        (lambda: True, np.ones(3), 1e-3, r"f must return one real number .* got bool \(\)"),
        (lambda: 1j, np.ones(3), 1e-3, r"f must return one real number .* got complex128 \(\)"),
        (lambda: 1.0, [1.0], 1e-3, r"array must be writeable .* got list \(1,\)"),
        (lambda: 1.0, np.ones(3, np.float32), 1e-3, r"array must .* got float32 \(3,\)"),
        (lambda: 1.0, FOREIGN, 1e-3, r"array must be .* of NumPy or CuPy, .* got float64 \(\)"),
        (lambda: np.ones(3), np.ones(3), 1e-3, r"f must return one real .* got float64 \(3,\)"),
        (lambda: np.ones(0), np.ones(3), 1e-3, r"f must return one real .* got float64 \(0,\)"),
        (lambda: np.float32(1), np.ones(3), 1e-3, r"f must return .* of float64, got float32 \(\)"),
        (lambda: np.float16(1), np.ones(3), 1e-3, r"f must return .* of float64, got float16 \(\)"),
        (lambda: 1.0, np.ones(3), 0, "step must be a finite number > 0, got 0"),
    ],
)
def test_what_cannot_be_checked_is_refused(f, array, step, message):
    with pytest.raises(ValueError, match=message):
        check_gradient("bad", f, array, array, step=step)
    with pytest.raises(ValueError, match=message):
        numerical_gradient(f, array, step)


def test_a_gradient_of_another_shape_or_kind_is_refused(rng):
    x = rng.random((2, 3))
    for shape, got in (((3, 2), r"\(3, 2\)"), ((), r"\(\)")):
        with pytest.raises(ValueError, match=rf"its array's \(2, 3\), got float64 {got}"):
            check_gradient("bad", x.sum, x, np.ones(shape))
    with pytest.raises(ValueError, match=r"a gradient must be .* got None: no return\?"):
        check_gradient("bad", x.sum, x, None)
    for directions in (-1, 1.5):
        with pytest.raises(ValueError, match="directions must be a whole number >= 0"):
            check_gradient("bad", x.sum, x, np.ones((2, 3)), directions=directions)


# A kink: LeakyReLU has the slope 1 above 0 and 0.01 below, and none at 0.


def leaky_relu(rng):
    x, dy = rng.standard_normal((2, 50, 20))
    return x, dy, lambda: (np.where(x > 0, x, 0.01 * x) * dy).sum()


@pytest.mark.parametrize("seed", range(12))
def test_a_right_leaky_relu_passes_and_names_its_kinks(seed):
    x, dy, f = leaky_relu(np.random.default_rng(seed))
    right = check_gradient("LeakyReLU dx", f, x, np.where(x > 0, 1, 0.01) * dy)
    assert right.passed
    # 1 of 500 inputs lies so near to 0 that the differences, of a step of 2^-10, reach across it
    reached = {tuple(index) for index in np.argwhere(np.abs(x) < 2 * 2**-10).tolist()}
    assert set(right.shortened) == reached
    assert ("by a shorter step" in str(right)) == bool(reached)


@pytest.mark.parametrize("seed", range(4))
def test_a_kink_hides_no_error(seed):
    x, dy, f = leaky_relu(np.random.default_rng(seed))
    x[3, 4] = 0  # where the ratio is another one, and no part of the pattern
    slope = np.where(x > 0, 1, np.where(x < 0, -0.01, -0.5))
    below = check_gradient("LeakyReLU dx", f, x, slope * dy)
    assert "is minus the right one" in below.seen
    derivative = np.where(x > 0, 1, 0.01) * dy
    nearest = np.unravel_index(np.abs(x).argmin(), x.shape)
    derivative[nearest] *= -1
    assert not check_gradient("LeakyReLU dx", f, x, derivative).passed


@pytest.mark.parametrize("slope", [1, 0.01, 0.5])
def test_on_the_kink_any_slope_between_the_sides_is_right(rng, slope):
    x, dy, f = leaky_relu(rng)
    x[3, 4] = 0
    derivative = np.where(x > 0, 1, np.where(x < 0, 0.01, slope)) * dy
    check = check_gradient("LeakyReLU dx", f, x, derivative)
    assert check.passed
    assert (3, 4) in check.shortened


@pytest.mark.parametrize("slope", [2, -1])
def test_a_check_that_fails_on_a_kink_alone_says_so(rng, slope):
    x, dy, f = leaky_relu(rng)
    x[3, 4] = 0
    derivative = np.where(x > 0, 1, np.where(x < 0, 0.01, slope)) * dy
    check = check_gradient("LeakyReLU dx", f, x, derivative)
    assert check.verdict == "undecided"
    assert check.worst.index == (3, 4)
    assert check.suggests.startswith("a kink lies on this line")


@pytest.mark.parametrize("seed", range(3))
def test_a_right_relu_network_passes_though_many_examples_lie_near_kinks(seed):
    rng = np.random.default_rng(seed)
    x, w, dy = rng.standard_normal((1000, 4)), rng.standard_normal((4, 5)), rng.random((1000, 5))

    def f():
        return (np.maximum(x @ w, 0) * dy).mean()

    derivative = x.T @ ((x @ w > 0) * dy) / dy.size
    right = check_gradient("dW", f, w, derivative)
    assert right.passed
    assert len(right.shortened) >= 3  # a weight moves all examples at once
    wrong = check_gradient("dW", f, w, -derivative)
    assert wrong.seen == "in all 20 entries, yours is minus the right one"
    derivative[2, 3] *= 1 + 1e-4
    assert not check_gradient("dW", f, w, derivative).passed


def test_near_a_kink_the_rounding_of_the_shorter_step_accuses_nobody(rng):
    x = rng.uniform(5e-5, 2e-4, 100)  # clear of 0 by a tenth or a hundredth of the step alone
    derivative = rng.uniform(0.01, 0.02, 100)

    def f():
        return 100 + (np.abs(x) * derivative).sum()

    assert check_gradient("abs", f, x, derivative).verdict == "undecided"
    for factor in (-1, 2, 1.01):
        assert check_gradient("abs", f, x, factor * derivative).verdict == "WRONG"


def test_a_jump_is_no_kink_that_any_slope_fits():
    x = np.array([0.0, 1.0])
    check = check_gradient("step", lambda: ((x > 0) + x).sum(), x, np.array([3.0, 1.0]))
    assert check.verdict == "undecided"
    assert "f bends or jumps within it" in check.suggests


def test_a_step_too_long_for_the_curvature_is_shortened():
    x = np.array([0.3])
    assert check_gradient("sin 50x", lambda: np.sin(50 * x).sum(), x, 50 * np.cos(50 * x)).passed


# Random directions


def large(rng):
    x, dy = rng.standard_normal((2, 300, 100))
    return x, lambda: (np.tanh(x) * dy).sum(), (1 - np.tanh(x) ** 2) * dy


def test_directions_check_a_large_gradient_in_a_handful_of_evaluations(rng):
    x, f, derivative = large(rng)
    before, calls = x.copy(), []

    def counted():
        calls.append(1)
        return f()

    check = check_gradient("tanh", counted, x, derivative, directions=5)
    assert check.passed
    assert (check.derivatives, check.directions) == (30_000, 5)
    assert len(calls) <= 25
    np.testing.assert_array_equal(x, before)
    assert "30,000 derivatives along 5 random directions" in str(check)


def test_directions_catch_one_wrong_number_among_many(rng):
    x, f, derivative = large(rng)
    for index in ((17, 3), (0, 0), (299, 99)):  # each sign of each direction counts it
        wrong = derivative.copy()
        wrong[index] *= 1 + 1e-4
        for directions in (1, 5):
            check = check_gradient("tanh", f, x, wrong, directions=directions)
            assert not check.passed
            assert "no common factor" in check.seen or directions == 1


@pytest.mark.parametrize(
    ("factor", "seen", "suggests"),
    [(-1, "minus the right one", "a sign is"), (5, "5 times the right one", "a sum stands where")],
)
def test_directions_see_a_common_factor(rng, factor, seen, suggests):
    x, f, derivative = large(rng)
    check = check_gradient("tanh", f, x, factor * derivative, directions=5)
    assert check.seen == f"in all 5 directions, yours is {seen}"
    assert suggests in check.suggests
    assert "axis" not in check.suggests  # a direction has none


def test_the_array_is_put_back_when_f_raises_along_a_direction():
    x = np.array([0.001, 2.0])

    def f():
        if x[0] < 0.001:
            raise ZeroDivisionError
        return x.sum()

    with pytest.raises(ZeroDivisionError):
        check_gradient("bad", f, x, np.ones(2), directions=3)
    np.testing.assert_array_equal(x, [0.001, 2.0])
