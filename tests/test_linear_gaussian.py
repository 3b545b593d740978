"""Coordinate ascent and maximum likelihood at their edges; the closed forms: test_inference.py."""

import numpy as np
import pytest
from conftest import LATENT, PIXELS, exact

from vae_np import GaussianDecoder
from vae_np.backend import to_device
from vae_np.distributions import DiagonalGaussian
from vae_np.inference import linear_gaussian
from vae_np.inference.linear_gaussian import maximum_likelihood, mean_field


@pytest.fixture
def entangled(linear, rng):
    """Two latents whose explanations nearly cancel: ascent takes many small steps one way."""
    weight = linear.decoder.network.layers[0].weight
    weight[0] = rng.standard_normal(PIXELS)
    weight[1] = -0.97 * weight[0] + 0.1 * rng.standard_normal(PIXELS)
    return linear


@pytest.mark.parametrize("sign", [-1, 1])
def test_ascent_goes_on_while_all_means_fall_or_all_rise(entangled, sign):
    weight, bias = (
        entangled.decoder.network.layers[0].weight,
        entangled.decoder.network.layers[0].bias,
    )
    x = (bias + sign * weight.sum(axis=0) * 20)[None]
    q = mean_field(entangled.decoder, x)
    _, mean, _ = exact(entangled, x)
    assert (sign * mean > 0).all()
    np.testing.assert_allclose(q.mean, mean, atol=1e-7)


def test_ascent_waits_for_the_last_image(entangled, rng):
    """Images at the bias have their means, 0, from the start."""
    bias = entangled.decoder.network.layers[0].bias
    x = np.stack([*[bias] * 1000, bias + rng.standard_normal(PIXELS)])
    q = mean_field(entangled.decoder, x)
    np.testing.assert_allclose(q.mean, exact(entangled, x)[1], atol=1e-7)


def test_ascent_takes_as_many_sweeps_as_it_needs(linear):
    weight = linear.decoder.network.layers[0].weight
    weight[...] = [[15.0, 0, 0, 0, 0], [-15.0, 0.5, 0, 0, 0]]
    x = linear.decoder.network.layers[0].bias + weight[:1]
    with pytest.raises(ValueError, match=r"still moves by .* after 2000 sweeps"):
        mean_field(linear.decoder, x, max_sweeps=2000)
    q = mean_field(linear.decoder, x)
    np.testing.assert_allclose(q.mean, exact(linear, x)[1], atol=1e-6)


def test_the_closed_forms_of_many_latents_do_not_overflow(rng):
    """|Λ| = 10⁴⁰⁰ does: x = z + σ ε has the variance 1 + σ² in every pixel."""
    n, variance = 100, 1e-4
    decoder = GaussianDecoder(n, [], n, noise="fixed", std=variance**0.5, dtype=np.float64)
    decoder.network.layers[0].weight[...], x = np.eye(n), rng.standard_normal((3, n))
    expected = -0.5 * ((x**2).sum(axis=1) / (1 + variance) + n * np.log(2 * np.pi * (1 + variance)))
    np.testing.assert_allclose(linear_gaussian.log_likelihood(decoder, x), expected, rtol=1e-9)
    q = mean_field(decoder, x)  # Λ is diagonal: q is the posterior
    np.testing.assert_allclose(linear_gaussian.kl_to_posterior(q, decoder, x), 0, atol=1e-8)


def test_sweeps_must_be_counted(linear, rng):
    with pytest.raises(ValueError, match="max_sweeps must be a whole number >= 1, got 0"):
        mean_field(linear.decoder, rng.standard_normal((2, PIXELS)), max_sweeps=0)


def test_maximum_likelihood_takes_all_but_one_dimension(rng):
    x = rng.standard_normal((60, PIXELS))
    weight, _, variance = maximum_likelihood(x, PIXELS - 1)
    covariance = np.cov(x, rowvar=False, bias=True)
    least = np.linalg.eigvalsh(covariance)[0]
    assert variance == pytest.approx(least, rel=1e-10)
    np.testing.assert_allclose(weight.T @ weight + variance * np.eye(PIXELS), covariance)
    with pytest.raises(ValueError, match=r"x must have shape \(N, D\) with N >= 1, got \(60,\)"):
        maximum_likelihood(x[:, 0], LATENT)
    for wrong in (0, 1.5):
        with pytest.raises(ValueError, match=f"n_latent must be a whole number >= 1, got {wrong}"):
            maximum_likelihood(x, wrong)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize(
    ("variances", "left_over"),
    [
        ((1, 1e-8, 1.5e-12), True),
        ((1, 1e-8, 0.7e-12), False),  # compared with the largest variance,
        ((1, 1, 0), False),
    ],
)
def test_what_noise_is_enough(scale, variances, left_over):
    """σ² must be more than 1e-12 of the largest variance, on whatever scale the data are."""
    x = scale * np.sqrt(3) * np.diag(np.sqrt(variances))
    x = np.concatenate([x, -x])
    if left_over:
        _, _, variance = maximum_likelihood(x, 2)
        assert variance == pytest.approx(variances[2] * scale**2, rel=1e-3)
    else:
        with pytest.raises(ValueError, match="2 dimensions hold all the data"):
            maximum_likelihood(x, 2)


def test_images_that_are_all_the_same_have_no_likeliest_model():
    with pytest.raises(ValueError, match="1 dimensions hold all the data"):
        maximum_likelihood(np.ones((6, 3)), 1)


def test_closed_forms_of_float32_are_computed_in_float64(rng):
    x, (mean, log_var) = (
        rng.standard_normal((30, PIXELS), np.float32),
        rng.standard_normal((2, 30, LATENT), np.float32),
    )
    single, double = (
        GaussianDecoder(LATENT, [], PIXELS, noise="fixed", std=1, dtype=dtype)  # log σ² = 0
        for dtype in (np.float32, np.float64)
    )
    double.parameters.value = single.parameters.value
    found = [
        [
            *linear_gaussian.posterior(decoder, data),
            linear_gaussian.log_likelihood(decoder, data),
            linear_gaussian.kl_to_posterior(q, decoder, data),
            linear_gaussian.expected_elbo(q, decoder, data),
            mean_field(decoder, data).mean,
            *maximum_likelihood(data, LATENT),
        ]
        for decoder, data, q in (
            (single, x, DiagonalGaussian(mean, log_var)),
            (double, x.astype(float), DiagonalGaussian(mean.astype(float), log_var.astype(float))),
        )
    ]
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_closed_forms_of_what_lies_on_a_gpu_are_numpys(gpu, rng):
    x, (mean, log_var) = rng.standard_normal((30, PIXELS)), rng.standard_normal((2, 30, LATENT))
    found = []
    for device in ("cpu", gpu):
        more = {"dtype": np.float64, "device": device}
        decoder = GaussianDecoder(LATENT, [], PIXELS, noise="learned", std=0.5, **more)
        data = to_device(x, device)
        q = DiagonalGaussian(to_device(mean, device), to_device(log_var, device))
        best = mean_field(decoder, data)
        found.append(
            [
                *linear_gaussian.posterior(decoder, data),
                linear_gaussian.log_likelihood(decoder, data),
                linear_gaussian.kl_to_posterior(q, decoder, data),
                linear_gaussian.expected_elbo(q, decoder, data),
                *(best.mean, best.log_var),
                *maximum_likelihood(data, LATENT)[:2],
            ]
        )
    for ours, theirs in zip(*found, strict=True):
        assert isinstance(theirs, np.ndarray)
        np.testing.assert_allclose(theirs, ours, rtol=1e-12)
