"""Where `check_gradient` draws its lines: how far it moves, what it tolerates, whom it blames."""

import numpy as np
import pytest

from vae_np.backend import to_device, to_numpy
from vae_np.gradcheck import check_gradient


@pytest.mark.parametrize(
    ("shape", "directions", "step"),
    [
        ((64, 5), 3, 2**-13),  # 1e-3 / 8
        ((5, 64), 3, 2**-12),
        ((4, 4, 2), 3, 2**-12),  # 1e-3 / 4
        ((64,), 3, 2**-10),
        ((64, 5), 0, 2**-10),
    ],
)
def test_all_numbers_at_once_are_moved_by_less(rng, shape, directions, step):
    """A sum over a column moves by about what one number does alone."""
    start = rng.standard_normal(shape)
    x, moves = start.copy(), []

    def f():
        moves.append(x - start)
        return x.sum()

    assert check_gradient("sum", f, x, np.ones(shape), directions=directions).passed
    assert 1.8 * step < np.abs(moves).max() < 2.001 * step
    if directions:
        v = moves[np.abs(moves).max(axis=tuple(range(1, x.ndim + 1))).argmax()]
        assert (v > 0).any() and (v < 0).any() and np.abs(v).min() > 0.999 * step


def test_a_step_may_be_as_small_as_a_number():
    x = np.zeros(2)
    for slope in (1, 2):  # a shorter step than the smallest would be 0
        said = check_gradient("sum", x.sum, x, slope * np.ones(2), step=5e-324)
        assert said.passed == (slope == 1)


@pytest.mark.parametrize("tolerance", [1e-9, 1e-3])
@pytest.mark.parametrize("scale", [1, -1e200, 1e-200])
def test_the_tolerance_is_that_of_the_gradient_as_a_whole(tolerance, scale):
    right = scale * np.array([1, *[0.01] * 24])
    x, size = np.linspace(1, 2, 25), np.sqrt(np.mean((right / scale) ** 2)) * abs(scale)
    for part, verdict in ((0.9, "right"), (1.1, "WRONG")):
        wrong = right + 2 * tolerance * part * size  # by the same for each: a relative error of it
        said = check_gradient("linear", lambda: x @ right, x, wrong, tolerance=tolerance)
        assert said.verdict == verdict
        assert said.relative_error == pytest.approx(part * tolerance, rel=0.05)
    assert said.worst.analytic - said.worst.numeric == pytest.approx(
        2.2 * tolerance * size, rel=0.1
    )


def test_one_entry_a_little_off_is_within_the_tolerance_of_the_whole():
    x, right = np.linspace(1, 2, 100), np.ones(100)
    for off, verdict in ((1.6e-8, "right"), (2.4e-8, "WRONG")):  # its share of the norms is 1/20
        yours = right + off * (np.arange(100) == 7)
        assert check_gradient("linear", lambda: x @ right, x, yours).verdict == verdict


@pytest.mark.parametrize(("off", "wrong"), [(1.8e-9, "1 of the 4"), (2.2e-9, "2 of the 4")])
def test_an_entry_within_twice_the_tolerance_of_a_mean_one_is_not_called_wrong(off, wrong):
    x, size = np.linspace(1, 2, 4), np.sqrt(np.mean([4, 1, 1, 1]))
    yours = np.array([2, 1 + off * size, 1, 1])
    said = check_gradient("sum", x.sum, x, yours)
    assert said.verdict == "WRONG" and said.seen.startswith(f"in {wrong} entries")


@pytest.mark.parametrize("off", [0.18, 0.22, 0.23, 0.25, 0.3])
def test_a_verdict_is_right_below_a_wide_tolerance_too_and_wrong_above(off):
    x = np.linspace(1, 2, 4)
    said = check_gradient("sum", x.sum, x, np.full(4, 1 + off), tolerance=0.1)
    assert np.isclose(said.relative_error, off / (2 + off))
    assert said.verdict == ("right" if off / (2 + off) < 0.1 else "WRONG")


def test_slopes_that_fall_are_judged_on_a_kink_too():
    x = np.array([0, -1, -2.0])
    said = check_gradient("abs", lambda: np.abs(x).sum(), x, np.array([-0.3, -1, -1]))
    assert said.passed and said.shortened == ((0,),)


def test_the_worst_entry_is_blamed_and_the_others_that_are_wrong_are_counted():
    x, right = np.linspace(1, 2, 6), np.array([1, 2, 3, 4, 5, 6.0])
    wrong = right + np.array([0, 1e-3, 0, -0.5, 0.2, 0])
    said = check_gradient("linear", lambda: x @ right, x, wrong)
    assert said.seen.startswith("in 3 of the 6 entries, yours differs")
    assert said.worst.index == (3,)
    assert said.worst[1:] == pytest.approx((3.5, 4))


def test_what_lies_on_a_kink_says_both_slopes_of_the_worst():
    x, weight = np.array([0, -1, 2, 0.0]), np.array([1, 1, 1, 2])
    f, yours = lambda: np.abs(x) @ weight, np.array([1.5, -1, 1, 3])
    said = check_gradient("abs", f, x, yours)
    assert said.verdict == "undecided" and said.relative_error == np.inf
    assert said.seen == (
        "2 of the 4 cannot be told: at this one, the slope to the left is -2, to the right 2, "
        f"by a step of {2**-13:.2g}"
    )
    assert said.worst == ((3,), 3, pytest.approx(0, abs=1e-9))
    assert "\n  worst entry [3]: yours 3, by differences 0" in str(said)


def test_a_direction_that_cannot_tell_is_left_out_if_others_can():
    """The kink is so near that only those reach it by no step that move both numbers alike."""
    x = np.array([0.5, -0.5, 0.0])
    right = np.array([-1, -1, 1.0])

    def f():
        return np.abs(x[0] + x[1] - 1e-9) + x[2]

    said = check_gradient("kink", f, x, right, directions=5)
    assert said.passed and said.directions == 4 and len(said.shortened) == 4
    assert "along 4 random directions" in str(said) and said.relative_error < 1e-9
    said = check_gradient("kink", f, x, right + np.array([0, 0, 2]), directions=5)
    assert said.verdict == "undecided" and said.directions == 5
    assert said.seen.startswith("5 of the 5 cannot be told")


def test_no_direction_is_left_out_where_all_of_them_together_are_right():
    """f is so large that one, which differs by 2.1e-6, cannot be told."""
    x, right = np.linspace(1, 2, 4), np.array([1, -1, 1, -1.0])
    yours = right + np.array([2.2e-6, 0, 0, 0])
    said = check_gradient("f", lambda: 1e7 + x @ right, x, yours, tolerance=1e-6, directions=5)
    assert said.passed and said.directions == 5


def test_entry_by_entry_a_kink_or_a_jump_hides_nothing_of_the_others():
    x = np.array([0, 0, -1, 2.0])
    yours = np.array([1.5, 5, -1, 3])
    said = check_gradient("abs", lambda: np.abs(x[[0, 2, 3]]).sum() + (x[1] > 0), x, yours)
    assert said.verdict == "WRONG" and said.worst.index == (3,)
    assert said.seen == "in 1 of the 4 entries, all at 3 on axis 0, yours is 3 times the right one"


@pytest.mark.parametrize("dtype", [bool, complex, object])
def test_a_gradient_of_other_than_real_numbers_is_refused(dtype):
    x = np.ones(3)
    with pytest.raises(ValueError, match=r"must be real numbers of its array's \(3,\), got "):
        check_gradient("sum", x.sum, x, np.ones(3, dtype))


@pytest.mark.parametrize("directions", [0, 3])
def test_a_gradient_of_0_can_be_right(directions):
    x = np.ones(3)
    with np.errstate(all="raise"):
        for value, yours in ((5.0, np.zeros(3)), (5, np.zeros(3, int))):
            said = check_gradient("flat", lambda v=value: v, x, yours, directions=directions)
            assert said.passed and said.relative_error == 0 and not said.shortened
        assert not check_gradient("sum", x.sum, x, np.zeros(3), directions=directions).passed


def test_what_rounding_hides_of_a_wrong_entry_does_not_hide_another():
    """The first slope is uncertain by 1e-5, and wrong by 1; the second is certain."""
    x = np.array([0.3, 0.7])

    def f():
        return x[0] + 1e-9 * np.sin(3e9 * x[0]) + x[1] ** 2

    said = check_gradient("f", f, x, np.array([2, 1.4 + 1e-6]))
    assert said.verdict == "WRONG" and "in all 2 entries" in said.seen


def test_what_rounding_may_hide_is_the_most_that_it_hides_of_any():
    """Of the first slope 1e-5, of the second 1e-7, and so of the third, which is off by 1e-6."""
    x = np.array([0.3, 0.5, 0.7])

    def f():
        blurred = 1e-9 * np.sin(3e9 * x[0]) + 1e-11 * np.sin(3e9 * x[1])
        return x[0] + x[1] + x[2] ** 2 + blurred

    said = check_gradient("f", f, x, np.array([1, 1, 1.4 + 1e-6]))
    assert said.verdict == "undecided" and said.seen.startswith("3 of the 3 cannot be told")


@pytest.mark.parametrize("seed", range(3))
def test_what_is_flat_but_for_rounding_is_called_flat(seed):
    """Where yours is 0 too, no doubt is cast on what rounding leaves."""
    x = np.random.default_rng(seed).random(3)
    said = check_gradient("1", lambda: ((1 + x) ** 2 - x * (x + 2)).sum(), x, np.eye(3)[0])
    assert said.verdict == "WRONG" and said.seen.startswith("by differences, all are 0")


def test_beside_the_end_of_its_domain_f_is_judged_by_shorter_steps():
    x = np.array([1.5, 3.5, 1024]) * 2**-10  # in steps: of the first two, some lead out of it
    with np.errstate(invalid="ignore"):
        said = check_gradient("log", lambda: np.log(x).sum(), x, 1 / x)
        assert said.passed and said.shortened == ((0,), (1,))
        assert check_gradient("log", lambda: np.log(x).sum(), x, 2 / x).verdict == "WRONG"


def test_where_several_cannot_be_told_the_worst_is_one_without_a_slope():
    x = np.zeros(2)
    with np.errstate(invalid="ignore"):
        said = check_gradient("f", lambda: np.sqrt(-(x[0] ** 2)) + (x[1] > 0), x, np.array([1, 5]))
    assert said.verdict == "undecided" and said.worst.index == (0,)
    assert "the slope to the left is nan, to the right nan" in said.seen


def test_what_scatters_is_undecided_though_the_shortest_step_agrees():
    x = np.zeros(1)
    said = check_gradient("f", lambda: (x + 1e-9 * np.sin(1e5 * x)).sum(), x, np.array([1 + 1e-4]))
    assert said.verdict == "undecided"


@pytest.mark.parametrize("directions", [0, 3])
def test_a_gradient_is_checked_on_a_gpu(gpu, directions):
    x = to_device(np.array([0.3, -0.7]), gpu)
    for factor, verdict in ((2, "right"), (3, "WRONG")):
        yours = factor * to_numpy(x)
        said = check_gradient("f", lambda: (x * x).sum(), x, yours, directions=directions)
        assert said.verdict == verdict
    np.testing.assert_array_equal(to_numpy(x), [0.3, -0.7])


@pytest.mark.parametrize("call", [1, 2])
def test_what_one_of_two_calls_does_is_seen(call):
    def f_at(call, does):
        calls.append(1)
        return does() if len(calls) == call else x.sum()

    def double():
        x[:] *= 2
        return x.sum()

    x = np.arange(1.0, 4)

    def nudge():
        x[:] *= 1 + 1e-12
        return x.sum()

    for does, seen in (
        (double, "f changes its input (it was put back)"),
        (nudge, "f changes its input (it was put back)"),
        (lambda: np.inf, "f is not finite: it gave inf"),
        (lambda: np.nan, "f is not finite: it gave nan"),
    ):
        calls = []
        check = check_gradient("x", lambda does=does: f_at(call, does), x, np.ones(3))
        assert (check.verdict, check.seen) == ("undecided", seen)
        assert (x == [1, 2, 3]).all()


def test_what_is_found_are_pythons_own_numbers():
    x = np.ones(3)
    check = check_gradient("x", lambda: (x**3).sum(), x, np.zeros(3))
    numbers = (check.worst.analytic, check.worst.numeric, check.relative_error)
    assert [type(number) for number in numbers] == [float] * 3


def test_the_directions_are_the_same_each_time():
    x = np.linspace(1, 2, 6)
    one, other = (check_gradient("x", x.sum, x, 1 / x, directions=5) for _ in range(2))
    assert one.verdict == "WRONG" and one == other


@pytest.mark.parametrize("directions", [0, 3])
def test_a_gradient_that_is_not_finite_is_infinitely_wrong(directions):
    x = np.ones(3)
    said = check_gradient("x", x.sum, x, np.array([1, np.nan, np.inf]), directions=directions)
    assert (said.verdict, said.relative_error, said.worst) == ("WRONG", np.inf, None)
    assert said.seen == "2 of the 3 are not finite"


def test_a_verdict_cannot_be_changed():
    x = np.ones(3)
    check = check_gradient("x", x.sum, x, np.zeros(3))
    with pytest.raises(AttributeError):
        check.verdict = "right"
    assert not check.passed
