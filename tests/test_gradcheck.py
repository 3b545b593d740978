"""The checker itself: right on known derivatives, and able to fail."""

import numpy as np
import pytest

from vae_np.gradcheck import check_gradient, numerical_gradient, relative_error


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
    number = np.array(3.0)
    assert numerical_gradient(lambda: number**2, number) == pytest.approx(6)


def test_relative_error():
    assert relative_error(np.ones(3), np.ones(3)) == 0
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.ones(3), -np.ones(3)) == 1
    assert relative_error(2 * np.ones(3), np.ones(3)) == pytest.approx(1 / 3)
    assert relative_error(np.array([np.nan]), np.ones(1)) == float("inf")
    with pytest.raises(ValueError, match="shapes differ"):
        relative_error(np.ones(3), np.ones(1))


def test_check_catches_a_wrong_gradient(rng):
    x = rng.random(4)
    right = check_gradient("sin", lambda: np.sin(x).sum(), x, np.cos(x))
    wrong = check_gradient("sin", lambda: np.sin(x).sum(), x, np.cos(x) * (1 + 1e-7))
    assert right.passed
    assert right.derivatives == 4
    assert not wrong.passed


def test_float32_is_refused():
    with pytest.raises(ValueError, match="array must be float64"):
        numerical_gradient(lambda: 0.0, np.ones(2, np.float32))


def test_a_constant_has_the_derivative_zero_exactly(rng):
    x = rng.standard_normal(5)
    assert not numerical_gradient(lambda: 0.1 + 1 / 3, x).any()


@pytest.mark.parametrize(
    ("f", "array", "step", "message"),
    [
        (lambda: 1.0, np.empty((0, 2)), 1e-3, "array must be a NumPy array of one number or more"),
        (lambda: 1.0, [1.0], 1e-3, r"array must be a NumPy array .* got \[1.0\]"),
        (lambda: np.ones(3), np.ones(3), 1e-3, r"f must return one number, got shape \(3,\)"),
        (lambda: 1.0, np.ones(3), 0, "step must be a finite number > 0, got 0"),
    ],
)
def test_what_cannot_be_checked_is_refused(f, array, step, message):
    with pytest.raises(ValueError, match=message):
        check_gradient("bad", f, array, array, step=step)
