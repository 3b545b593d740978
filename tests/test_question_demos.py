"""The mathematics that the demos of questions bring with them, against independent computations."""

from types import SimpleNamespace

import numpy as np
import pytest
import stand_in_cupy
from conftest import normal_log_density

from demos.common.models import kl_of_each_latent
from demos.questions import clouds, collapse, conditional, q_family, signal_to_noise
from vae_np import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder, backend
from vae_np.distributions import DiagonalGaussian
from vae_np.gradcheck import check_gradient
from vae_np.parameters import ParameterVector

ARGS = SimpleNamespace(seed=0, device="cpu")


# collapse.py


def test_the_kl_of_each_latent_is_that_of_its_own_gaussian():
    mean, std = np.array([[0.3, -1.2], [0, 2]]), np.array([[0.5, 0.1], [1, 1]])
    model = SimpleNamespace(encode=lambda images: DiagonalGaussian(mean, 2 * np.log(std)))
    z = np.linspace(-12, 12, 40_001)
    log_q = -0.5 * ((z - mean[..., None]) / std[..., None]) ** 2 - np.log(std[..., None])
    log_ratio = log_q + 0.5 * z**2  # to the prior: the 2π cancel
    integral = (np.exp(log_q) * log_ratio).sum(axis=-1) * (z[1] - z[0]) / np.sqrt(2 * np.pi)
    kls = kl_of_each_latent(model, None)
    np.testing.assert_allclose(kls, integral.mean(axis=0), rtol=1e-9)


def test_a_warm_up_rises_to_the_full_weight_in_half_of_the_epochs():
    weights = [collapse.weight_at(epoch, 784, True, 4) for epoch in range(5)]
    assert weights == [0, 392, 784, 784, 784]
    assert [collapse.weight_at(epoch, 784, False, 4) for epoch in range(5)] == [784] * 5
    assert [collapse.weight_at(epoch, 1, True, 1) for epoch in range(2)] == [0, 1]


# clouds.py


def test_the_mixture_is_the_mean_of_the_clouds_densities(rng):
    mean, std = rng.standard_normal((5, 2)), rng.uniform(0.2, 2, (5, 2))
    z = rng.standard_normal((101, 2))  # several blocks, and a part of one
    densities = [
        np.exp(normal_log_density(z, m, np.diag(s**2))) for m, s in zip(mean, std, strict=True)
    ]
    log_mixture = clouds.log_mixture(DiagonalGaussian(mean, 2 * np.log(std)), z)
    np.testing.assert_allclose(log_mixture, np.log(np.mean(densities, axis=0)), rtol=1e-9)


def test_the_kl_is_what_z_says_about_the_image_and_what_the_mixture_is_from_the_prior(rng):
    noise = rng.standard_normal((4000, 1))
    x = rng.normal(0, np.sqrt(2), (4000, 1))
    one_pixel = DiagonalGaussian(x / 2, np.log(np.full_like(x, 0.5)))  # the mixture is the prior
    parts = clouds.parts_of_the_kl(one_pixel, noise)
    assert parts["information"] == pytest.approx(0.5 * np.log(2), abs=0.05)
    assert parts["mixture_to_prior"] == pytest.approx(0, abs=0.05)

    alike = DiagonalGaussian(np.full((4, 1), 3.0), np.zeros((4, 1)))  # all KL, no information
    parts = clouds.parts_of_the_kl(alike, noise[:4])
    assert parts["information"] == pytest.approx(0, abs=1e-12)
    assert parts["mixture_to_prior"] == pytest.approx(4.5)

    apart = DiagonalGaussian(100.0 * np.arange(8)[:, None], np.zeros((8, 1)))
    parts = clouds.parts_of_the_kl(apart, noise[:8])
    assert parts["information"] == pytest.approx(np.log(8))
    assert parts["kl_of_training_images"] == pytest.approx(
        0.5 * 100**2 * np.mean(np.arange(8) ** 2)
    )


def test_pixels_are_kept_as_two_digits_each():
    image = np.array([0, 0.5, 1], np.float32)
    assert list(bytes.fromhex(clouds.pixels(image))) == [0, 128, 255]


# q_family.py


def test_the_gradient_of_a_full_covariance_is_right(rng):
    decoder = BernoulliDecoder(3, [5], 6, dtype=np.float64)
    x, noise = rng.random((4, 6)), rng.standard_normal((2, 4, 3))
    start = {"mean": rng.standard_normal((4, 3)), "T": 0.5 * rng.standard_normal((4, 3, 3))}
    vector = ParameterVector(start, np.float64)

    def loss():
        return -q_family.elbo_and_gradient(vector, decoder, x, noise).sum()

    loss()
    values, gradients = vector.views(vector.value), vector.views(vector.grad.copy())
    for name, gradient in gradients.items():
        check = check_gradient(name, loss, values[name], gradient)
        assert check.passed, check
    assert (gradients["T"][:, ~np.tri(3, dtype=bool)] == 0).all()  # L is a lower triangle


def test_the_elbo_of_a_full_covariance_is_that_of_its_density(rng):
    decoder = BernoulliDecoder(3, [5], 6, dtype=np.float64)
    x, noise = rng.random((1, 6)), rng.standard_normal((200_000, 1, 3))
    start = {"mean": rng.standard_normal((1, 3)), "T": 0.5 * rng.standard_normal((1, 3, 3))}
    vector = ParameterVector(start, np.float64)
    elbo = q_family.elbo_and_gradient(vector, decoder, x, noise)

    mean, L = start["mean"][0], q_family.lower_triangle(start["T"])[0]
    z = mean + noise[:, 0] @ L.T
    log_p = decoder.forward(z).log_prob(x) + normal_log_density(z, 0, np.eye(3))
    log_ratio = log_p - normal_log_density(z, mean, L @ L.T)
    assert elbo[0] == pytest.approx(log_ratio.mean(), abs=5 * log_ratio.std() / np.sqrt(len(z)))


@pytest.fixture
def gaussian_posterior():
    """x = z W + b + σ ε in float32, one x, its log p(x), and the posterior's mean, covariance."""
    generator = np.random.default_rng(3)
    decoder = GaussianDecoder(2, [], 5, noise="fixed", std=0.6)
    weight, bias = decoder.network.layers[0].weight, decoder.network.layers[0].bias
    weight[:] = np.array([[1.0, 0.2, -0.5, 0.3, 0.1], [0.4, -0.3, -0.2, 0.1, 0.2]])
    x = generator.standard_normal((3, 5)).astype(np.float32)
    log_px = normal_log_density(x, bias, weight.T @ weight + 0.36 * np.eye(5))
    covariance = np.linalg.inv(np.eye(2) + weight @ weight.T / 0.36)
    return decoder, x, log_px, (x - bias) @ weight.T @ covariance / 0.36, covariance


def test_the_best_of_each_family_for_a_gaussian_posterior(gaussian_posterior):
    """A round q takes the mean of the precisions, a diagonal one each; a full one costs nothing."""
    decoder, x, log_px, mean, covariance = gaussian_posterior
    qs = q_family.fit_families(decoder, x, np.zeros_like(mean), ARGS)
    prices = q_family.prices(decoder, x, qs, ARGS, log_px)["price"]
    precision = np.linalg.inv(covariance)
    log_det = np.linalg.slogdet(precision)[1]
    diagonal = np.diag(precision)
    assert prices["round"] == pytest.approx(np.log(diagonal.mean()) - 0.5 * log_det, abs=0.02)
    assert prices["diagonal"] == pytest.approx(0.5 * (np.log(diagonal).sum() - log_det), abs=0.02)
    assert prices["round"] - 0.05 > prices["diagonal"] > 0.05
    assert prices["full"] == pytest.approx(0, abs=0.005)
    np.testing.assert_allclose(qs["full"][0], mean, atol=0.05)
    L = qs["full"][1]
    np.testing.assert_allclose(L @ L.transpose(0, 2, 1), [covariance] * 3, atol=0.02)
    estimated = q_family.prices(decoder, x, qs, ARGS)["log_px"]
    assert estimated == pytest.approx(log_px.mean(), abs=0.01)


def test_the_kl_on_the_grid_is_that_of_two_gaussians(gaussian_posterior):
    _, _, _, mean, covariance = gaussian_posterior
    points, _ = q_family.latent_grid(2, q_family.SPACING, q_family.LIMIT)
    log_posterior = np.stack([normal_log_density(points, m, covariance) for m in mean], axis=1)
    L = np.array([[[0.4, 0], [-0.2, 0.3]]] * 3)
    shift = np.array([0.1, -0.2])
    kls = q_family.kl_on_grid(mean + shift, L, points, log_posterior)
    precision, own = np.linalg.inv(covariance), L[0] @ L[0].T
    expected = np.trace(precision @ own) + shift @ precision @ shift - 2
    expected -= np.linalg.slogdet(precision @ own)[1]
    np.testing.assert_allclose(kls, 0.5 * expected, rtol=1e-6)


# signal_to_noise.py


def test_q_stands_beside_the_posterior_by_what_is_said():
    model, x = signal_to_noise.known_model(ARGS)
    layer, variance = model.decoder.network.layers[0], np.exp(model.decoder.log_var)
    weight, bias = layer.weight, layer.bias
    covariance = np.linalg.inv(np.eye(len(weight)) + weight @ weight.T / variance)
    q, std = model.encode(x), np.sqrt(np.diag(covariance))
    off = (q.mean - (x - bias) @ weight.T @ covariance / variance) / std
    np.testing.assert_allclose(off, signal_to_noise.OFF, rtol=1e-9)
    variances = np.broadcast_to(signal_to_noise.WIDER * std**2, off.shape)
    np.testing.assert_allclose(np.exp(q.log_var), variances, rtol=1e-9)
    np.testing.assert_allclose(covariance, np.diag(std**2), atol=1e-12)  # a diagonal q would do


def test_noise_adds_nothing_to_the_signal_on_average(rng):
    """Ten draws of N((3, 4), I): the mean's squared length is 25, and that of their mean 25.2."""
    samples = np.array([3.0, 4.0]) + rng.standard_normal((10_000, 10, 2))
    squares = np.array([signal_to_noise.squared_mean(each) for each in samples])
    assert squares.mean() == pytest.approx(25, abs=4 * squares.std() / np.sqrt(len(squares)))
    assert squares.std() / np.sqrt(len(squares)) < 0.04
    assert signal_to_noise.squared_mean(np.array([[1.0], [-1.1]])) == 0  # no root of less than 0


# conditional.py


def conditional_networks(n_labels):
    settings = {"dtype": np.float64, "activation": "softplus"}
    encoder = GaussianEncoder(6 + n_labels, [5], 3, **settings)
    return encoder, BernoulliDecoder(3 + n_labels, [5, 4], 6, **settings)


def test_the_gradient_with_labels_is_right(rng):
    networks = conditional_networks(n_labels=2)
    x, y, noise = rng.random((4, 6)), np.eye(2)[[0, 1, 1, 0]], rng.standard_normal((4, 3))

    def loss():
        q, p = conditional.forward(*networks, x, y, noise)
        return -(p.log_prob(x) - q.kl_to_standard_normal()).mean()

    conditional.fill_gradient(*networks, x, y, noise)
    for network in networks:
        vector = network.parameters
        check = check_gradient(type(network).__name__, loss, vector.value, vector.grad)
        assert check.passed, check
    q, p = conditional.forward(*networks, x, y, noise)  # the label reaches both networks
    expected_q = networks[0].forward(np.hstack([x, y]))
    np.testing.assert_array_equal(q.mean, expected_q.mean)
    expected_p = networks[1].forward(np.hstack([q.mean + np.exp(0.5 * q.log_var) * noise, y]))
    np.testing.assert_allclose(p.logits, expected_p.logits, rtol=1e-12)


def test_without_labels_it_is_the_vae(rng):
    networks = conditional_networks(n_labels=0)
    x, noise = rng.random((4, 6)), rng.standard_normal((4, 3))
    conditional.fill_gradient(*networks, x, np.empty((4, 0)), noise)
    ours = [network.parameters.grad.copy() for network in networks]
    VAE(*networks).elbo_and_gradient(x, noise[None])
    for network, gradient in zip(networks, ours, strict=True):
        np.testing.assert_allclose(gradient, network.parameters.grad, rtol=1e-12, atol=1e-15)


def test_the_elbo_with_labels_is_the_mean_over_all_draws(monkeypatch):
    q, values = DiagonalGaussian(np.ones((2, 5)), np.zeros((2, 5))), iter(range(conditional.DRAWS))

    def forward(encoder, decoder, x, y, noise):
        value = next(values)
        return q, SimpleNamespace(log_prob=lambda x: np.full(len(x), value))

    monkeypatch.setattr(conditional, "forward", forward)
    elbo, kl = conditional.elbo_and_kl((None, None), np.zeros((2, 6)), None, ARGS)
    assert conditional.DRAWS == 10 and elbo.tolist() == [4.5 - 2.5] * 2
    assert kl.tolist() == [2.5, 2.5]


def test_the_known_model_is_the_same_on_a_gpu(monkeypatch):
    here, x = signal_to_noise.known_model(ARGS)
    stand_in_cupy.install(monkeypatch)
    there, x_there = signal_to_noise.known_model(SimpleNamespace(seed=0, device="gpu"))
    assert backend.device_of(x_there) == "gpu"
    np.testing.assert_array_equal(backend.to_numpy(x_there), x)
    for one, other in zip(here.parameters, there.parameters, strict=True):
        assert backend.device_of(other.value) == "gpu"
        np.testing.assert_array_equal(backend.to_numpy(other.value), one.value)
