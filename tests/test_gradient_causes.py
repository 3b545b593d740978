"""What a failed check says of its cause: mistakes planted by hand in the derivative of x²."""

import numpy as np
import pytest

from vae_np.gradcheck import check_gradient


def squares(rng):
    """x², summed against dy and so with the derivative 2 x dy: (f, x, dy, derivative)."""
    x, dy = rng.uniform(1, 2, (5, 3)), rng.uniform(1, 2, (5, 3))
    return (lambda: (x**2 * dy).sum()), x, dy, 2 * x * dy


@pytest.mark.parametrize(
    ("mistake", "ratio", "seen", "suggests"),
    [
        (lambda d: -d, -1, "minus the right one", "a sign is wrong"),
        (lambda d: 2 * d, 2, "2 times the right one", "a 1/2 is missing, or a sum"),
        (lambda d: d / 2, 0.5, "1/2 of the right one", "a 2 is missing, or a mean"),
        (lambda d: 5 * d, 5, "5 times the", "a mean over 5, the length of axis 0"),
        (lambda d: d / 3, 1 / 3, "1/3 of the", "f has a sum over 3, the length of axis 1"),
        (lambda d: d / 15, 1 / 15, "1/15 of the", "a mean stands where f has a sum over 15"),
        (lambda d: -7 * d, -7, "of the wrong sign and 7 times the", "a sign is wrong, and a sum"),
        (
            lambda d: 1.3 * d,
            1.3,
            "1.3 times the right one",
            "a constant factor is missing or extra",
        ),
        (lambda d: 0 * d, 0, "0, and should not be", "cut off by a mask"),
        (lambda d: d - 0.25, None, "off by -0.25", "a term is missing or extra"),
    ],
)
def test_the_cause_is_read_off_the_pattern(rng, mistake, ratio, seen, suggests):
    f, x, _, derivative = squares(rng)
    check = check_gradient("Square dx", f, x, mistake(derivative))
    assert check.verdict == "WRONG"
    assert check.seen.startswith(f"in all 15 entries, yours is {seen}")
    assert suggests in check.suggests
    if ratio is not None:
        assert check.worst.analytic / check.worst.numeric == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("mistake", "seen", "suggests"),
    [
        (
            lambda d: d * np.arange(2, 7)[:, None],
            "yours / right depends on axis 0 alone",
            "a factor that depends on axis 0 alone is missing or extra",
        ),
        (
            lambda d: d + np.arange(1, 4),
            "yours - right depends on axis 1 alone",
            "a term that depends on axis 1 alone is missing or extra",
        ),
        (
            np.sin,
            "in all 15 entries, yours differs; no common factor or term is seen",
            "a function or the upstream derivative",
        ),
        (lambda d: d / 0, "15 of the 15 are not finite", "an overflow, a division by 0"),
        (np.flip, "yours has the right numbers, in another order", "an axis is reversed"),
        (
            lambda d: d.T.copy().reshape(5, 3),
            "yours has the right numbers, in another order",
            "reshaped in another order",
        ),
    ],
)
def test_a_pattern_of_all_of_the_array(rng, mistake, seen, suggests):
    f, x, _, derivative = squares(rng)
    with np.errstate(divide="ignore"):
        check = check_gradient("Square dx", f, x, mistake(derivative))
    assert (check.verdict, check.seen) == ("WRONG", seen)
    assert suggests in check.suggests


def test_a_gradient_that_is_rounded(rng):
    f, x, _, derivative = squares(rng)
    at = x[0, 0]
    for jump in (0, 1):  # at an entry that cannot be compared then
        yours = derivative.astype(np.float32)
        check = check_gradient("Square dx", lambda j=jump: f() + j * (x[0, 0] > at), x, yours)
        assert check.verdict == "WRONG"
        assert check.seen.endswith(
            " of the 15 entries, yours is right to 5 digits or more, not all"
        )
        assert check.suggests == "it or f is rounded, as in float32"


@pytest.mark.parametrize(
    "mistake",
    [
        lambda d: 0 * d,
        lambda d: d.astype(np.float32).astype(float),
        lambda d: 2 * d,
        lambda d: -d,
        lambda d: d + 1,
        lambda d: d * np.arange(2, 7)[:, None],
        lambda d: d + np.arange(1, 4),
    ],
)
def test_a_pattern_that_one_entry_breaks_is_not_said(rng, mistake):
    f, x, _, derivative = squares(rng)
    yours = mistake(derivative)
    yours[2, 1] = derivative[2, 1] + 3
    check = check_gradient("Square dx", f, x, yours)
    assert check.seen.endswith("yours differs; no common factor or term is seen")


def test_some_wrong_entries_are_counted_and_found(rng):
    f, x, _, derivative = squares(rng)
    derivative[2] *= -1
    check = check_gradient("Square dx", f, x, derivative)
    assert check.seen == "in 3 of the 15 entries, all at 2 on axis 0, yours is minus the right one"
    derivative[2], derivative[4, 1] = -derivative[2], 0
    check = check_gradient("Square dx", f, x, derivative)
    assert check.seen.startswith("in 1 of the 15 entries, all at 4 on axis 0, yours is 0, and")
    assert check.worst.index == (4, 1)
    assert check.worst.analytic == 0
    assert check.worst.numeric == pytest.approx(2 * x[4, 1] * f.__closure__[0].cell_contents[4, 1])


def test_a_wrong_column_is_no_factor_of_the_rows(rng):
    f, x, _, derivative = squares(rng)
    derivative[:, 1] = np.sin(derivative[:, 1])
    seen = check_gradient("Square dx", f, x, derivative).seen
    assert seen == (
        "in 5 of the 15 entries, all at 1 on axis 1, yours differs; "
        "no common factor or term is seen"
    )


def test_a_vector_has_no_rows(rng):
    x = rng.uniform(1, 2, 6)
    seen = check_gradient("Square dx", lambda: (x**2).sum(), x, np.sin(2 * x)).seen
    assert seen == "in all 6 entries, yours differs; no common factor or term is seen"
    x = rng.uniform(1, 2, (1, 3))
    derivative = 2 * x
    derivative[0, 2] = 0
    seen = check_gradient("Square dx", lambda: (x**2).sum(), x, derivative).seen
    assert seen == "in 1 of the 3 entries, all at 2 on axis 1, yours is 0, and should not be"


def test_entries_too_small_to_have_a_ratio_do_not_hide_the_pattern(rng):
    x, weight = rng.uniform(1, 2, 4), np.array([1, 1, 1, 1e-8])
    f, derivative = lambda: 1e3 + (x**2 * weight).sum(), 2 * x * weight
    seen = check_gradient("Square dx", f, x, -derivative, tolerance=1e-10).seen
    assert "yours is minus the right one" in seen


def test_an_entry_that_should_be_0(rng):
    x, weight = rng.uniform(1, 2, 4), np.array([1, 0, 1, 1])
    derivative = 2 * x * weight
    derivative[1] = 0.25
    check = check_gradient("Square dx", lambda: (x**2 * weight).sum(), x, derivative)
    assert check.seen == "in 1 of the 4 entries, all at 1 on axis 0, yours is not 0, and should be"
    assert check.suggests.startswith("a mask is missing")


def test_what_is_0_but_for_rounding_has_no_ratio(rng):
    x, weight = rng.uniform(1, 2, 4), np.array([1, 1e-13, 1, 1])
    derivative = 2 * x * weight
    derivative[1] = 0.25
    check = check_gradient("Square dx", lambda: (x**2 * weight).sum(), x, derivative)
    assert check.seen == "in 1 of the 4 entries, all at 1 on axis 0, yours is not 0, and should be"
    assert check.suggests.startswith("a mask is missing")


def test_small_errors_of_all_sizes_are_no_common_factor(rng):
    f, x, _, derivative = squares(rng)
    derivative *= 1 + 2e-4 * rng.random(x.shape)
    assert "no common factor" in check_gradient("Square dx", f, x, derivative).seen


def test_a_transpose_is_recognized(rng):
    x, a, b = *rng.random((1, 3, 3)), rng.random(3), rng.random(3)
    check = check_gradient("W", lambda: a @ x @ b, x, np.outer(b, a))
    assert check.seen == "yours is the transpose of the right one"
    assert check.suggests == "its axes are exchanged"


def test_an_array_that_f_does_not_read(rng):
    x = rng.random(4)
    copy = x.copy()
    check = check_gradient("x", lambda: (copy**2).sum(), x, 2 * x)
    assert check.seen == "by differences, all are 0"
    assert "reads a copy" in check.suggests
    assert "ratio" not in str(check)  # to 0 there is none


def test_fresh_noise_is_recognized(rng):
    f, x, _, derivative = squares(rng)
    check = check_gradient("Square dx", lambda: f() + rng.random(), x, derivative)
    assert check.verdict == "undecided"
    assert "f draws fresh noise" in check.suggests
    assert "Draw the noise once, outside f" in str(check)
    little = check_gradient("Square dx", lambda: f() + 1e-12 * rng.random(), x, derivative)
    one, other = little.seen.removeprefix("f, called twice, gave ").split(" and ")
    assert 0 < abs(float(one) - float(other)) < 2e-12


def test_rounding_is_not_blamed_on_the_formula(rng):
    f, x, _, derivative = squares(rng)
    check = check_gradient("Square dx", lambda: 1e9 + f(), x, derivative)
    assert check.verdict == "undecided"
    assert "f is too large" in check.suggests


def test_what_is_printed(rng):
    x = np.array([[1.0, 2.0]])
    right = check_gradient("Square dx", lambda: (x**2).sum(), x, 2 * x)
    assert str(right).startswith("Square dx: right (2 derivatives, relative error ")
    assert "\n" not in str(right)
    wrong = str(check_gradient("Square dx", lambda: (x**2).sum(), x, -2 * x)).splitlines()
    assert wrong == [
        "Square dx: WRONG (2 derivatives, relative error 1.0e+00, wanted below 1e-09)",
        "  worst entry [0, 1]: yours -4, by differences 4, ratio -1",
        "  seen: in all 2 entries, yours is minus the right one",
        "  perhaps: a sign is wrong",
    ]


@pytest.mark.parametrize("scale", [1e-200, 1e-6, 1e200])
def test_a_wrong_entry_is_found_at_any_scale(scale):
    x, weight = np.ones(5), scale * np.array([1e6, 1e6, 1, 1e6, 1e6])
    derivative = 2 * x * weight
    derivative[2] *= 2
    check = check_gradient("mixed", lambda: (x**2 * weight).sum(), x, derivative)
    assert not check.passed
    assert "1 of the 5 entries, all at 2 on axis 0, yours is 2 times the right one" in check.seen
