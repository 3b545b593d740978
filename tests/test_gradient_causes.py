"""What a failed check says of its cause: mistakes planted by hand in the derivative of x²."""

import numpy as np
import pytest

from vae_np.gradcheck import check_gradient


def squares(rng):
    """x², summed against dy and so with the derivative 2 x dy: (f, x, dy, derivative)."""
    x, dy = rng.uniform(1, 2, (5, 3)), rng.uniform(1, 2, (5, 3))
    return (lambda: (x**2 * dy).sum()), x, dy, 2 * x * dy


@pytest.mark.parametrize(
    ("mistake", "ratio", "cause"),
    [
        (lambda d: -d, -1, "each entry is minus the right one: a sign is wrong"),
        (
            lambda d: 2 * d,
            2,
            "each entry is 2 times the right one: a ½ is missing, or a sum",
        ),
        (lambda d: d / 2, 0.5, "each entry is 1/2 of the right one: a 2 is missing, or a mean"),
        (lambda d: 5 * d, 5, "a sum stands where f has a mean over 5, the length of axis 0"),
        (lambda d: d / 3, 1 / 3, "a mean stands where f has a sum over 3, the length of axis 1"),
        (
            lambda d: d / 15,
            1 / 15,
            "1/15 of the right one: a mean stands where f has a sum",
        ),
        (lambda d: -7 * d, -7, "of the wrong sign and 7 times the right one: a sum stands"),
        (lambda d: 1.3 * d, 1.3, "1.3 times the right one: a constant factor is missing or extra"),
        (lambda d: 0 * d, 0, "each entry is 0 and should not be"),
        (lambda d: d - 0.25, None, "each entry is off by -0.25: a term is missing"),
        (lambda d: d * np.arange(2, 7)[:, None], None, "a factor that depends on axis 0 alone"),
        (lambda d: d + np.arange(1, 4), None, "a term that depends on axis 1 alone"),
        (lambda d: np.sin(d), None, "no common factor or term: a function"),
        (lambda d: d.astype(np.float32), None, "is something rounded, as in float32?"),
        (lambda d: d / 0, None, "not finite: an overflow, a division by 0"),
    ],
)
def test_the_cause_is_read_off_the_pattern(rng, mistake, ratio, cause):
    f, x, _, derivative = squares(rng)
    with np.errstate(divide="ignore"):
        check = check_gradient("Square dx", f, x, mistake(derivative))
    assert not check.passed
    assert cause in check.cause
    if ratio is not None:
        assert check.worst.analytic / check.worst.numeric == pytest.approx(ratio)


def test_some_wrong_entries_are_counted_and_found(rng):
    f, x, _, derivative = squares(rng)
    derivative[2] *= -1
    check = check_gradient("Square dx", f, x, derivative)
    assert "3 of the 15 entries, all at 2 on axis 0, are minus the right one" in check.cause
    derivative[2], derivative[4, 1] = -derivative[2], 0
    check = check_gradient("Square dx", f, x, derivative)
    assert "1 of the 15 entries" in check.cause
    assert check.worst.index == (4, 1)
    assert check.worst.analytic == 0
    assert check.worst.numeric == pytest.approx(2 * x[4, 1] * f.__closure__[0].cell_contents[4, 1])


def test_a_wrong_column_is_no_factor_of_the_rows(rng):
    f, x, _, derivative = squares(rng)
    derivative[:, 1] = np.sin(derivative[:, 1])
    cause = check_gradient("Square dx", f, x, derivative).cause
    assert cause.startswith("no common factor")


def test_a_vector_has_no_rows(rng):
    x = rng.uniform(1, 2, 6)
    cause = check_gradient("Square dx", lambda: (x**2).sum(), x, np.sin(2 * x)).cause
    assert cause.startswith("no common factor")
    x = rng.uniform(1, 2, (1, 3))
    derivative = 2 * x
    derivative[0, 2] = 0
    cause = check_gradient("Square dx", lambda: (x**2).sum(), x, derivative).cause
    assert cause.startswith("1 of the 3 entries, all at 2 on axis 1, are 0")


def test_entries_too_small_to_have_a_ratio_do_not_hide_the_pattern(rng):
    x, weight = rng.uniform(1, 2, 4), np.array([1, 1, 1, 1e-8])
    f, derivative = lambda: 1e3 + (x**2 * weight).sum(), 2 * x * weight
    cause = check_gradient("Square dx", f, x, -derivative, tolerance=1e-10).cause
    assert "are minus the right one" in cause or "each entry is minus" in cause


def test_an_entry_that_should_be_0(rng):
    x, weight = rng.uniform(1, 2, 4), np.array([1, 0, 1, 1])
    derivative = 2 * x * weight
    derivative[1] = 0.25
    cause = check_gradient("Square dx", lambda: (x**2 * weight).sum(), x, derivative).cause
    assert cause.startswith("1 of the 4 entries, all at 1 on axis 0, are off by 0.25")


def test_what_is_0_but_for_rounding_has_no_ratio(rng):
    x, weight = rng.uniform(1, 2, 4), np.array([1, 1e-13, 1, 1])
    derivative = 2 * x * weight
    derivative[1] = 0.25
    cause = check_gradient("Square dx", lambda: (x**2 * weight).sum(), x, derivative).cause
    assert cause.startswith("1 of the 4 entries, all at 1 on axis 0, are off by 0.25")


def test_small_errors_of_all_sizes_are_no_common_factor(rng):
    f, x, _, derivative = squares(rng)
    derivative *= 1 + 2e-4 * rng.random(x.shape)
    assert "no common factor" in check_gradient("Square dx", f, x, derivative).cause


def test_a_transpose_is_recognized(rng):
    x, a, b = *rng.random((1, 3, 3)), rng.random(3), rng.random(3)
    check = check_gradient("W", lambda: a @ x @ b, x, np.outer(b, a))
    assert check.cause == "its axes are exchanged: the transpose is right"


def test_an_array_that_f_does_not_read(rng):
    x = rng.random(4)
    copy = x.copy()
    check = check_gradient("x", lambda: (copy**2).sum(), x, 2 * x)
    assert "f does not change with this array: does it read a copy" in check.cause
    assert "ratio inf" in str(check)


def test_fresh_noise_is_recognized(rng):
    f, x, _, derivative = squares(rng)
    check = check_gradient("Square dx", lambda: f() + rng.random(), x, derivative)
    assert not check.passed
    assert "f draws fresh noise" in check.cause
    assert "Draw the noise once, outside f" in str(check)


def test_rounding_is_not_blamed_on_the_formula(rng):
    f, x, _, derivative = squares(rng)
    check = check_gradient("Square dx", lambda: 1e9 + f(), x, derivative)
    assert not check.passed
    assert check.cause.startswith("rounding: f is too large to see changes below 4.4e-03")


def test_what_is_printed(rng):
    x = np.array([[1.0, 2.0]])
    right = check_gradient("Square dx", lambda: (x**2).sum(), x, 2 * x)
    assert str(right).startswith("Square dx: right (2 derivatives, relative error ")
    assert "\n" not in str(right)
    wrong = str(check_gradient("Square dx", lambda: (x**2).sum(), x, -2 * x)).splitlines()
    assert wrong == [
        "Square dx: WRONG (2 derivatives, relative error 1.0e+00, wanted below 1e-09)",
        "  worst entry [0, 1]: yours -4, by differences 4, ratio -1",
        "  likely cause: each entry is minus the right one: a sign is wrong",
    ]


@pytest.mark.parametrize("scale", [1e-200, 1e-6, 1e200])
def test_a_wrong_entry_is_found_at_any_scale(scale):
    x, weight = np.ones(5), scale * np.array([1e6, 1e6, 1, 1e6, 1e6])
    derivative = 2 * x * weight
    derivative[2] *= 2
    check = check_gradient("mixed", lambda: (x**2 * weight).sum(), x, derivative)
    assert not check.passed
    assert "1 of the 5 entries, all at 2 on axis 0, are 2 times the right one" in check.cause
