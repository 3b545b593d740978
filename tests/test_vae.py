"""The model as a whole: what it accepts, what it returns, what it refuses."""

import re

import numpy as np
import pytest
from conftest import make_model

from vae_np import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder
from vae_np.distributions import Bernoulli, DiagonalGaussian
from vae_np.inference import per_image
from vae_np.inference.hmc import sample_posterior
from vae_np.layers import Linear


def test_encode_and_decode_return_distributions(rng):
    q = make_model().encode(rng.random((4, 6)))
    assert isinstance(q, DiagonalGaussian)
    assert q.mean.shape == q.log_var.shape == (4, 3)
    p = make_model().decode(rng.standard_normal((2, 4, 3)))
    assert isinstance(p, Bernoulli)
    assert p.logits.shape == (2, 4, 6)


@pytest.mark.parametrize("decoder", ["bernoulli", "fixed", "learned", "per-output"])
def test_reconstructions_and_samples(rng, decoder):
    model, images = make_model(decoder), rng.random((4, 6), dtype=np.float32)
    mean = model.reconstruct_mean(images)
    np.testing.assert_array_equal(mean, model.decode(model.encode(images).mean).mean)
    assert ((mean > 0) & (mean < 1)).all()
    draws = [model.reconstruct_draw(images, np.random.default_rng(s)) for s in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()
    assert decoder != "bernoulli" or set(np.unique(draws)) == {0, 1}
    samples = model.sample_draw(50, rng)
    assert samples.shape == model.sample_mean(50, rng).shape == (50, 6)
    assert (
        set(np.unique(samples)) == {0, 1} if decoder == "bernoulli" else len(np.unique(samples)) > 9
    )
    z = np.random.default_rng(0).standard_normal((50, 3), np.float32)
    prior = model.sample_mean(50, np.random.default_rng(0))
    np.testing.assert_array_equal(prior, model.decode(z).mean)
    assert {mean.dtype, samples.dtype, draws[0].dtype} == {np.dtype(np.float32)}


def test_reconstruct_draw_draws_z_too(rng):
    """Its mean over many draws is E_q[p's mean], not p's mean at q's mean."""
    model = make_model(dtype=np.float64)
    model.encoder.parameters.value *= 3
    model.decoder.parameters.value *= 5
    image = rng.random((1, 6))
    many = np.repeat(image, 40_000, axis=0)
    draws = model.reconstruct_draw(many, rng)
    q = model.encode(many)
    expected = model.decode(q.sample(rng.standard_normal((40_000, 3)))).mean.mean(axis=0)
    np.testing.assert_allclose(draws.mean(axis=0), expected, atol=0.015)
    assert np.abs(expected - model.reconstruct_mean(image)).max() > 0.03


def test_uint8_pixels_are_divided_by_255(rng):
    model = make_model()
    images = rng.integers(0, 256, (4, 6), dtype=np.uint8)
    as_floats = images.astype(np.float32) / 255
    np.testing.assert_array_equal(model.as_pixels(images), as_floats)
    with pytest.raises(ValueError, match="images must be an array of NumPy or CuPy, got list"):
        model.as_pixels(images.tolist())
    for dtype in (bool, int, np.uint16, np.float64):  # the others stay as they are
        np.testing.assert_array_equal(model.as_pixels(np.eye(4, 6, dtype=dtype)), np.eye(4, 6))
    for factor in (2, -1):  # nobody knows the white of other integers
        with pytest.raises(ValueError, match=r"must be uint8 \(0 to 255\) or float, got int64"):
            model.as_pixels(factor * np.eye(4, 6, dtype=int))
    np.testing.assert_array_equal(model.encode(images).mean, model.encode(as_floats).mean)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 5)), r"images must have shape \(N, 6\) with N >= 1, got \(4, 5\)"),
        (np.zeros((0, 6)), r"got \(0, 6\)"),
        (np.zeros(6), r"got \(6,\)"),
        (np.full((4, 6), 1.5), r"must lie in \[0, 1\] for the decoder, got 1.5 to 1.5"),
        (np.full((4, 6), 1.0000001, np.float32), r"got 1.0000001\d* to"),
        (np.full((4, 6), -0.1), r"got -0.1 to -0.1"),
        (np.full((4, 6), np.nan), "must be finite"),
        (np.full((4, 6), np.inf), "must be finite"),
        (np.zeros((4, 6), int), r"must be uint8 \(0 to 255\) or float, got int64"),
        (
            np.ma.masked_invalid(np.full((4, 6), np.nan)),
            "images must be a plain array of numbers, got ",
        ),
        (np.ma.zeros((4, 6), np.uint8), "a plain array of numbers, got MaskedArray of uint8"),
        ([[0.5] * 6], "images must be an array of NumPy or CuPy, got list"),
    ],
)
def test_bad_images(images, message):
    with pytest.raises(ValueError, match=message):
        make_model().encode(images)


def test_a_gaussian_decoder_takes_pixels_outside_the_unit_interval():
    make_model("per-output").encode(np.full((4, 6), 1.5))
    with pytest.raises(ValueError, match="must be finite"):
        make_model("per-output").encode(np.full((4, 6), np.inf))
    for value in (-1e39, 1e25, -1e300):
        with pytest.raises(ValueError, match=r"images must be finite as float32, squared, got"):
            make_model("per-output").encode(np.full((4, 6), value))
    make_model("per-output").encode(np.full((4, 6), 1e19))
    make_model("per-output", dtype=np.float64).encode(np.full((4, 6), 1e25))


@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 3), (1, 4, 2), (0, 4, 3)])
def test_bad_noise(rng, shape):
    model, x = make_model(), rng.random((4, 6), dtype=np.float32)
    for method in (model.elbo, model.elbo_and_gradient):
        with pytest.raises(ValueError, match=r"noise must have shape \(L, 4, 3\) with L >= 1, got"):
            method(x, rng.standard_normal(shape, dtype=np.float32))


def test_a_step_wants_the_models_dtype(rng):
    model, x = make_model(), rng.random((4, 6), dtype=np.float32)
    noise = model.draw_noise(rng, 1, 4)
    model.elbo_and_gradient(x, noise)
    for method in (model.elbo, model.elbo_and_gradient):
        with pytest.raises(ValueError, match="x must be float32 as the model is, got uint8"):
            method((255 * x).astype(np.uint8), noise)
        with pytest.raises(ValueError, match="noise must be float32 as the model is, got float64"):
            method(x, noise.astype(np.float64))
        with pytest.raises(ValueError, match=r"x must have shape \(N, 6\)"):
            method(x[:, :5], noise)


@pytest.mark.parametrize("count", [0, -1, 1.5, None])
def test_noise_is_of_a_whole_number_of_draws_and_of_examples(rng, count):
    for name, counts in (("n_draws", (count, 4)), ("n_examples", (2, count))):
        with pytest.raises(ValueError, match=f"{name} must be a whole number >= 1, got {count}"):
            make_model().draw_noise(rng, *counts)


def test_latents_of_another_dtype_and_one_alone_are_decoded(rng):
    model, z = make_model(), rng.standard_normal((4, 3))
    mean = model.decode(z).mean
    assert mean.dtype == np.float32
    np.testing.assert_allclose(model.decode(z[1]).mean, mean[1], rtol=1e-6)
    assert np.isfinite(model.decode(1e6 * z).mean).all()  # however far from the prior


def test_bad_latents(rng):
    with pytest.raises(ValueError, match="z must be an array of NumPy or CuPy, got list"):
        make_model().decode([[0.0] * 3])
    for at in (0, 3):
        z = rng.random((4, 3))
        z[at, 1] = np.nan
        with pytest.raises(ValueError, match="z must be finite"):
            make_model().decode(z)
    with pytest.raises(ValueError, match=r"z must lie in \[-3.4.*e\+38\] .*, got -1e\+39 to 0.0"):
        make_model().decode(np.array([[0, -1e39, 0]]))  # in float32, infinity
    for shape in ((4, 2), (3, 2), (3, 1), (6,), (), (0, 3), (2, 0, 3)):
        said = re.escape(f"z must be points of shape (..., 3), got {shape}")
        with pytest.raises(ValueError, match=said):
            make_model().decode(np.zeros(shape))


def test_an_encoder_that_is_not_finite_shows_no_reconstruction(rng):
    model, images = make_model(), rng.random((4, 6))
    model.encoder.parameters.value[:] = np.nan
    for show in (model.reconstruct_mean, lambda x: model.reconstruct_draw(x, rng)):
        with pytest.raises(ValueError, match="z must be finite, got NaN"):
            show(images)


@pytest.mark.parametrize("saved", [np.float32, np.float64])
@pytest.mark.parametrize("own", [np.float32, np.float64])
def test_weights_are_loaded_in_the_models_own_dtype(saved, own, tmp_path):
    theirs, ours = make_model(dtype=saved), make_model(dtype=own)
    for vector in theirs.parameters:
        vector.value += 0.1
        vector.value[-2:] = -1e6, 1e6  # however large
    theirs.save(tmp_path / "weights.npz")
    ours.load(tmp_path / "weights.npz")
    for vector, other in zip(ours.parameters, theirs.parameters, strict=True):
        np.testing.assert_array_equal(vector.value, other.value.astype(own))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VAE(GaussianEncoder(6, [5], 3), BernoulliDecoder(2, [5], 6)), "n_latent differs"),
        (lambda: VAE(GaussianEncoder(6, [5], 3), BernoulliDecoder(3, [5], 7)), "n_pixels differs"),
        (
            lambda: VAE(GaussianEncoder(6, [5], 3), BernoulliDecoder(3, [5], 6, dtype=np.float64)),
            "must share dtype",
        ),
        (lambda: VAE(make_model().decoder, make_model().decoder), "encoder must be an encoder"),
        (lambda: make_model(dtype=np.float16), "dtype must be float32 or float64, got float16"),
        (lambda: GaussianEncoder(6, [5], 3, seed=-1), "seed must be a whole number >= 0"),
        (lambda: GaussianEncoder(6, [5], 3, seed="a"), "seed must be a whole number >= 0"),
        (lambda: GaussianEncoder(6, [5], 3, seed=None), "seed must be .* or several, got None"),
        (
            lambda: GaussianEncoder(6, [5], 3, seed=np.random.default_rng(0)),
            r"seed must be .* or several, got Generator\(PCG64\)",
        ),
        (
            lambda: GaussianEncoder(6, [5], 3, dtype=np.dtype(int)),
            "dtype must be float32 or float64, got int64",
        ),
        (lambda: make_model(dtype="foo"), "dtype must be float32 or float64, got foo"),
        (lambda: make_model(dtype=None), "dtype must be float32 or float64, got None"),
        (
            lambda: Linear(3, 2, input_gradient="no"),
            "input_gradient must be True or False, got 'no'",
        ),
        (
            lambda: VAE(make_model().encoder, make_model().encoder),
            r"decoder must be a decoder p\(x\|z\), got GaussianEncoder",
        ),
        (
            lambda: VAE(make_model().encoder, BernoulliDecoder),
            r"decoder must be a decoder p\(x\|z\), got <class",
        ),
        (
            lambda: VAE(make_model().encoder, "theta"),
            r"decoder must be a decoder p\(x\|z\), got 'theta'$",
        ),
        (lambda: make_model(activation="gelu"), "activation must be one of tanh, relu, softplus"),
        (lambda: make_model(activation=None), "one of tanh, relu, softplus, got None"),
        (lambda: make_model(latent=0), "n_latent must be a whole number >= 1, got 0"),
        (lambda: make_model(pixels=1.5), "n_pixels must be a whole number >= 1, got 1.5"),
        (lambda: GaussianEncoder(1.5, [5], 3), "n_pixels must be a whole number >= 1, got 1.5"),
        (
            lambda: make_model(hidden=(2.5,)),
            "each hidden width must be a whole number >= 1, got 2.5",
        ),
        (
            lambda: make_model(hidden=(5, 2.5)),
            "each hidden width must be a whole number >= 1, got 2.5",
        ),
        (
            lambda: GaussianDecoder(3, [5], 6, noise="loud"),
            "noise must be one of fixed, learned, per-output, got 'loud'",
        ),
        (lambda: GaussianDecoder(3, [5], 6, noise="fixed", std=0.0), "std must be"),
        (lambda: GaussianDecoder(3, [5], 6, squash=1), "squash must be True or False, got 1"),
        (lambda: GaussianDecoder(3, [5], 6, noise="per-output", std=0.2), "std is for noise"),
        (lambda: GaussianDecoder(3, [5], 6, noise="per-output", std=0), "std is for noise"),
        (lambda: GaussianEncoder(6, 5, 3), r"hidden must be a list of widths .*, got 5"),
        (lambda: GaussianEncoder(6, "50", 3), r"hidden must be a list of widths .*, got '50'"),
        (
            lambda: GaussianEncoder(6, [[5]], 3),
            r"each hidden width must be a whole number >= 1, got \[5\]",
        ),
        (
            lambda: GaussianEncoder(6, [5, [4, 3]], 3),
            r"each hidden width must be a whole number >= 1, got \[4, 3\]",
        ),
        (
            lambda: make_model().decoder.start_at(np.full(6, 128)),
            r"mean_image must lie in \[0, 1\] for the decoder, got 128.0 to 128.0",
        ),
        (lambda: make_model().decoder.start_at(np.zeros(5)), r"must have shape \(6,\).*\(5,\)"),
    ],
)
def test_bad_models(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_numpy_scalars_as_settings_promote_nothing(rng):
    model = make_model()
    q, p = [], []
    decoder_backward = model.decoder.backward
    model.encoder.backward = lambda *d: q.extend(d)
    model.decoder.backward = lambda *d: (p.extend(d), decoder_backward(*d))[1]
    model.elbo_and_gradient(
        rng.random((4, 6), dtype=np.float32),
        rng.standard_normal((1, 4, 3), dtype=np.float32),
        kl_weight=np.float64(0.5),
    )
    assert {d.dtype for d in (*q, *p)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("generator", [0, None, np.random, np.random.RandomState(0)])
def test_a_seed_is_no_generator(rng, generator):
    model, x = make_model(), rng.random((4, 6)).astype(np.float32)
    for draw in (
        lambda: model.draw_noise(generator, 1, 4),
        lambda: model.sample_mean(3, generator),
        lambda: model.sample_draw(3, generator),
        lambda: model.reconstruct_draw(x, generator),
        lambda: model.decode(np.zeros((2, 3))).draw(generator),
        lambda: sample_posterior(model.decoder, x, 2, generator, np.zeros((1, 4, 3))),
        lambda: per_image.fit(model.decoder, x, model.encode(x), generator),
    ):
        with pytest.raises(ValueError, match=r"generator must be of numpy\.random"):
            draw()


@pytest.mark.parametrize("count", [0, 2.5])
def test_bad_counts(rng, count):
    with pytest.raises(ValueError, match=f"count must be a whole number >= 1, got {count}"):
        make_model().sample_mean(count, rng)
