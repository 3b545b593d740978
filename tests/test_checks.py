"""The checks of arguments by themselves: what each lets through, cast, and what it refuses."""

import math
import re
import types

import numpy as np
import pytest
from conftest import make_model

from vae_np import Adam, GaussianDecoder, checks
from vae_np.backend import to_device

NAN, INF = math.nan, math.inf
UNIT, ANY = (0, 1), (-INF, INF)  # what a Bernoulli and a Gaussian decoder model
HALVES = np.full((2, 3), 0.5)
BOUNDS = np.array([[0, 1, 0.5]])


@pytest.mark.parametrize(
    ("check", "more", "right", "wrong"),
    [
        (checks.whole_number, (), [1, 2**70], [0, -1, 1.0, "1", None, NAN]),
        (checks.whole_number, (0,), [0, 1], [-1]),
        (checks.whole_number, (2, 5), [2, 5], [1, 6]),
        (checks.positive_number, (), [1, 1e-300, 0.5], [0, -1, INF, 10**400, NAN, "1", None, 1j]),
        (checks.positive_number, (2,), [2.1], [2, 1]),
        (checks.number_from_0, (), [0, 0.5, 1e300], [-0.1, INF, 10**400, NAN, "1", None, 1j]),
        (checks.number_from_0, (1,), [0, 0.9], [1, 2, -0.1]),
        (checks.true_or_false, (), [True, False], [0, 1, "no", None]),
        (checks.between_0_and_1, (), [0.1, 0.9], [0, 1, -0.5, 1.5, NAN, "0.5", None]),
        (checks.one_of, (("one", "two"),), ["one", "two"], ["three", "", 1, None, ["one"]]),
        (checks.one_of, ({"one": 1},), ["one"], ["three", ["one"]]),
    ],
)
def test_numbers_and_choices(check, more, right, wrong):
    for value in right:
        assert check("name", value, *more) == value
    for value in wrong:
        with pytest.raises(ValueError, match=r"^name must ") as refused:
            check("name", value, *more)
        assert f"got {value!r}" in str(refused.value)


def test_what_is_let_through_is_of_pythons_own_type():
    """A checkpoint's JSON would not hold NumPy's."""
    assert type(checks.whole_number("n", np.int64(3))) is int
    assert type(checks.positive_number("x", np.float32(3))) is float
    assert type(checks.number_from_0("x", np.int64(0))) is float
    assert type(checks.true_or_false("b", np.True_)) is bool


def test_a_refusal_says_where_the_number_must_lie():
    for below, wanted in ((INF, "a finite number >= 0"), (1, ">= 0 and below 1"), (2.5, ".* 2.5")):
        with pytest.raises(ValueError, match=f"name must be {wanted}, got -1"):
            checks.number_from_0("name", -1, below)
    with pytest.raises(ValueError, match="name must be a finite number > 2, got 1"):
        checks.positive_number("name", 1, above=2)
    with pytest.raises(ValueError, match="name must be a whole number from 2 to 5, got 6"):
        checks.whole_number("name", 6, 2, 5)


def test_a_step_that_vanishes_beside_1_is_refused():
    assert checks.step_size_of(1e-8, np.float64) == 1e-8
    with pytest.raises(ValueError, match=r"must be a finite number > 1\.19209e-07, got"):
        checks.step_size_of(1e-8, np.float32)


def test_of_no_image_no_white_is_asked():
    assert checks.of_a_known_white(np.zeros((0, 6), int)).shape == (0, 6)


def test_a_generator_is_no_seed(rng):
    assert checks.generator_of(rng, "cpu") is rng
    for wrong in (0, None, "0", np.random, np.random.RandomState(0)):
        said = f"generator must be of numpy.random.default_rng, got {wrong!r}"
        with pytest.raises(ValueError, match=re.escape(said)):
            checks.generator_of(wrong, "cpu")


def test_an_attributes_default_is_its_classs():
    assert (Adam.beta1, Adam.beta2, Adam.learning_rate) == (0.9, 0.999, None)


@pytest.mark.parametrize(
    ("images", "support", "dtype", "message"),
    [
        (HALVES[0], UNIT, "float32", r"shape \(N, 3\) with N >= 1, got \(3,\)"),
        (HALVES[:, :2], UNIT, "float32", r"shape \(N, 3\) with N >= 1, got \(2, 2\)"),
        (HALVES[:0], UNIT, "float32", r"shape \(N, 3\) with N >= 1, got \(0, 3\)"),
        (
            HALVES[..., None],
            UNIT,
            "float32",
            r"got \(2, 3, 1\): images.reshape\(-1, 3\) makes it so$",
        ),
        (HALVES[None], UNIT, "float32", r"shape \(N, 3\) with N >= 1, got \(1, 2, 3\)$"),
        (HALVES * 1j, UNIT, "float32", "a plain array of numbers, got ndarray of complex128$"),
        (HALVES.tolist(), UNIT, "float32", "array of NumPy or CuPy, got list$"),
        (HALVES.astype(int), UNIT, "float32", r"uint8 \(0 to 255\) or float, got int64"),
        (HALVES.astype(np.uint16), UNIT, "float32", r"uint8 \(0 to 255\) or float, got uint16"),
        (HALVES > 0, UNIT, "float32", r"uint8 \(0 to 255\) or float, got bool"),
        (HALVES * NAN, UNIT, "float32", "finite, got NaN or infinity"),
        (BOUNDS + INF, ANY, "float32", "finite, got NaN or infinity"),
        (BOUNDS - 0.1, UNIT, "float32", r"\[0, 1\] for the decoder, got -0.1 to 0.9"),
        (BOUNDS + 0.1, UNIT, "float32", r"\[0, 1\] for the decoder, got 0.1 to 1.1"),
        (BOUNDS * 9, (-1, 8), "float32", r"\[-1, 8\] for the decoder, got 0.0 to 9.0"),
        (BOUNDS * 2e19, ANY, "float32", "finite as float32, squared, got 0 to 2e.19$"),
        (BOUNDS * -2e19, ANY, "float32", "finite as float32, squared, got -2e.19 to"),
        (BOUNDS * 2e154, ANY, "float64", "finite as float64, squared, got"),
    ],
)
def test_images_that_no_model_can_take(images, support, dtype, message):
    with pytest.raises(ValueError, match=f"^images must .*{message}"):
        checks.images_of(images, 3, support, np.dtype(dtype))


@pytest.mark.parametrize(
    ("images", "support", "dtype"),
    [
        (BOUNDS, UNIT, "float32"),
        (BOUNDS.astype(np.float16), UNIT, "float32"),
        (BOUNDS * 1.8e19, ANY, "float32"),
        (BOUNDS * -1.8e19, ANY, "float32"),
        (BOUNDS * 2e19, ANY, "float64"),
        (np.array([[0, 2, 255]], np.uint8), UNIT, "float32"),
        (np.array([[0, 1, 1]], np.uint8), UNIT, "float32"),  # one image may be so dark
        (np.zeros((2, 3), np.uint8), UNIT, "float32"),
    ],
)
def test_images_that_a_model_can_take(images, support, dtype):
    assert checks.images_of(images, 3, support, np.dtype(dtype)) is images


def test_images_of_0_and_1_are_of_floats():
    checks.not_black_and_white(np.eye(2, 3))
    with pytest.raises(ValueError, match="images of uint8 run to 255, got none above 1"):
        checks.not_black_and_white(np.eye(2, 3, dtype=np.uint8))


@pytest.mark.parametrize("at", [0, 1000, -1])
def test_each_of_many_images_is_looked_at(at):
    many, dark = np.full((2000, 3), 0.5), np.tile(np.eye(1, 3, dtype=np.uint8), (2000, 1))
    for wrong, message in ((NAN, "must be finite"), (1.5, "0.5 to 1.5$"), (-1, "-1.0 to 0.5$")):
        many[at, 1] = wrong
        with pytest.raises(ValueError, match=message):
            checks.images_of(many, 3, UNIT, np.dtype("float32"))
    dark[at, 1] = 2
    assert checks.not_black_and_white(dark) is dark


def test_the_least_and_the_largest_value_are_told():
    assert checks.values_in("x", BOUNDS - 3, ANY) == (-3, -2)


def test_what_a_mean_image_is():
    mean = BOUNDS[0]
    assert checks.mean_of_images(mean, 3, UNIT) is mean
    for wrong in (mean[:2], BOUNDS, mean[0], [0, 1, 0.5]):
        said = f"mean_image must have shape (3,), got {getattr(wrong, 'shape', 'list')}"
        with pytest.raises(ValueError, match=re.escape(said)):
            checks.mean_of_images(wrong, 3, UNIT)
    with pytest.raises(ValueError, match=r"mean_image must lie in \[0, 1\]"):
        checks.mean_of_images(2 * mean, 3, UNIT)


def test_pixels_are_of_the_decoders_dtype_and_support():
    decoder = GaussianDecoder(2, [4], 3, noise="fixed")
    x = BOUNDS.astype(np.float32)
    assert checks.pixels_in_support(x, decoder) is x
    with pytest.raises(ValueError, match="x must be float32 on cpu as the decoder is, got float64"):
        checks.pixels_of(BOUNDS, decoder)
    with pytest.raises(ValueError, match="x must be finite"):
        checks.pixels_in_support(x + np.float32(NAN), decoder)


def test_pixels_lie_on_the_decoders_device(gpu):
    decoder = GaussianDecoder(2, [4], 3, noise="fixed", device=gpu)
    with pytest.raises(ValueError, match="float32 on gpu as the decoder is, got float32 on cpu"):
        checks.pixels_of(BOUNDS.astype(np.float32), decoder)
    ours, theirs = GaussianDecoder(2, [4], 3, noise="fixed"), BOUNDS.astype(np.float32)
    with pytest.raises(ValueError, match="float32 on cpu as the decoder is, got float32 on gpu"):
        checks.pixels_of(to_device(theirs, gpu), ours)


def test_a_minibatch_and_its_noise(rng):
    model, x = make_model(), rng.random((4, 6), np.float32)
    for n_draws in (1, 2):
        noise = rng.random((n_draws, 4, 3), np.float32)
        assert checks.minibatch(x, noise, model) == (x, noise)
    for wrong in (
        noise[:0],
        noise[0],
        noise[None],
        noise[:, :1],
        noise[..., :1],
        noise[0, 0, 0],
        3,
    ):
        with pytest.raises(
            ValueError, match=r"noise must have shape \(L, 4, 3\) with L >= 1, got "
        ):
            checks.minibatch(x, wrong, model)


def test_the_parts_of_an_objectives_noise():
    parts = (np.ones(1), np.ones((2, 3)), np.ones(4))
    assert checks.parts_of_noise(parts, (2, 3), (4,)) is parts
    for wrong, message in (
        (parts[0], "the 3 arrays that draw_noise returns, got ndarray"),
        (list(parts), "the 3 arrays that draw_noise returns, got list"),
        (parts[:2], "the 3 arrays that draw_noise returns, got a tuple of 2"),
        (2 * parts, "the 3 arrays that draw_noise returns, got a tuple of 6"),
        ((*parts[:2], np.ones(5)), r"a part of shape \(4,\), got \(5,\)"),
        ((*parts[:2], [1] * 4), r"a part of shape \(4,\), got list"),
        ((*parts[:2], np.float64(1)), r"a part of shape \(4,\), got \(\)"),
    ):
        with pytest.raises(ValueError, match=f"noise must (be|have) {message}"):
            checks.parts_of_noise(wrong, (2, 3), (4,))


def test_a_model_has_two_networks_each_in_its_place():
    model = make_model()
    assert checks.model_of(model) is model
    for half in ({"encoder": model.encoder}, {"decoder": model.decoder}):
        with pytest.raises(ValueError, match="model must be a VAE, got SimpleNamespace"):
            checks.model_of(types.SimpleNamespace(**half))
    for wrong in (model, model.decoder, type(model.encoder), None):
        with pytest.raises(ValueError, match="encoder must be an encoder q"):
            checks.networks_of_a_model(wrong, model.decoder)


def test_two_networks_that_fit_each_other(gpu):
    encoder, fits = make_model().encoder, make_model().decoder
    assert checks.networks_of_a_model(encoder, fits) == (encoder, fits)
    for decoder, message in (
        (make_model(latent=2).decoder, "n_latent differs: encoder 3, decoder 2"),
        (make_model(pixels=7).decoder, "n_pixels differs: encoder 6, decoder 7"),
        (make_model(dtype=np.float64).decoder, "encoder float32 on cpu, decoder float64 on cpu"),
        (make_model(device=gpu).decoder, "encoder float32 on cpu, decoder float32 on gpu"),
    ):
        with pytest.raises(ValueError, match=message):
            checks.networks_of_a_model(encoder, decoder)
    with pytest.raises(ValueError, match="encoder float32 on gpu, decoder float32 on cpu"):
        checks.networks_of_a_model(make_model(device=gpu).encoder, fits)
