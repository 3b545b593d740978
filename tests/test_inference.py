"""The other ways to infer z, on the linear-Gaussian model, where the answers are known."""

import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import LATENT, PIXELS, exact, exact_noise, kl_between_gaussians, make_model

from vae_np import BernoulliDecoder, GaussianDecoder
from vae_np.distributions import DiagonalGaussian
from vae_np.inference import linear_gaussian, per_image
from vae_np.inference.grid import grid_log_joint, latent_grid
from vae_np.inference.hmc import leapfrog, log_joint_and_gradient, sample_posterior
from vae_np.layers import Linear, Sequential

# Closed forms, against other ways to the same numbers


def test_linear_gaussian_closed_forms(linear, rng):
    x = rng.standard_normal((7, PIXELS))
    log_px, posterior_mean, covariance = exact(linear, x)  # through D × D matrices, not Z × Z
    np.testing.assert_allclose(linear_gaussian.log_likelihood(linear.decoder, x), log_px)
    mean, precision = linear_gaussian.posterior(linear.decoder, x)
    np.testing.assert_allclose(mean, posterior_mean)
    np.testing.assert_allclose(np.linalg.inv(precision), covariance)
    q = linear.encode(x)
    np.testing.assert_allclose(
        linear_gaussian.kl_to_posterior(q, linear.decoder, x),
        kl_between_gaussians(q.mean, np.exp(q.log_var), posterior_mean, covariance),
    )
    np.testing.assert_allclose(
        linear_gaussian.expected_elbo(q, linear.decoder, x), linear.elbo(x, exact_noise(7)).value
    )


def test_one_log_var_for_all_latents_is_as_many_equal_ones(linear, rng):
    x, mean = rng.standard_normal((4, PIXELS)), rng.standard_normal((4, LATENT))
    one, many = (DiagonalGaussian(mean, np.full(s, -0.7)) for s in ((), mean.shape))
    for function in (linear_gaussian.kl_to_posterior, linear_gaussian.expected_elbo):
        np.testing.assert_allclose(
            function(one, linear.decoder, x), function(many, linear.decoder, x)
        )


def test_q_must_be_over_the_images(linear, rng):
    for shape in ((1, LATENT), (4, 1), (LATENT, 4)):
        q = DiagonalGaussian(rng.standard_normal(shape), np.array(0.0))
        said = re.escape(f"q must be over (N, Z) = (4, 2), got {shape}")
        for function in (linear_gaussian.kl_to_posterior, linear_gaussian.expected_elbo):
            with pytest.raises(ValueError, match=said):
                function(q, linear.decoder, rng.standard_normal((4, PIXELS)))


def test_mean_field_closed_form_is_the_best_factorized_q(linear, rng):
    x = rng.standard_normal((7, PIXELS))
    q = linear_gaussian.mean_field(linear.decoder, x)
    _, posterior_mean, covariance = exact(linear, x)
    np.testing.assert_allclose(q.mean, posterior_mean, atol=1e-8)
    best = linear_gaussian.kl_to_posterior(q, linear.decoder, x)
    assert (best > 1e-4).all()  # the posterior's axes are not the latents'
    assert (np.exp(q.log_var) < np.diag(covariance)).all()
    for change in (0.001, -0.001):
        for j in range(LATENT):
            moved = [q.mean.copy(), q.log_var.copy()]
            for which in (0, 1):
                moved[which][:, j] += change
                worse = linear_gaussian.kl_to_posterior(DiagonalGaussian(*moved), linear.decoder, x)
                assert (worse > best).all()
                moved[which][:, j] -= change


def test_coordinate_ascent_that_does_not_settle_says_so(linear, rng):
    with pytest.raises(ValueError, match=r"coordinate ascent still moves by .* after 1 sweeps"):
        linear_gaussian.mean_field(linear.decoder, rng.standard_normal((2, PIXELS)), max_sweeps=1)


def test_maximum_likelihood_is_a_maximum(rng):
    x = rng.standard_normal((60, LATENT)) @ rng.standard_normal((LATENT, PIXELS))
    x += 0.4 * rng.standard_normal(x.shape)
    weight, bias, variance = linear_gaussian.maximum_likelihood(x, LATENT)
    decoder = GaussianDecoder(LATENT, [], PIXELS, noise="learned", std=1.0, dtype=np.float64)
    layer = decoder.network.layers[0]
    layer.weight[:], layer.bias[:], decoder.log_var[...] = weight, bias, np.log(variance)
    best = linear_gaussian.log_likelihood(decoder, x).mean()
    for value in (layer.weight, layer.bias, decoder.log_var):
        for _ in range(5):
            kept, change = value.copy(), 0.03 * rng.standard_normal(value.shape)
            for sign in (1, -1):
                value[...] = kept + sign * change
                assert linear_gaussian.log_likelihood(decoder, x).mean() < best
            value[...] = kept
    with pytest.raises(
        ValueError, match="5 latents need at least 7 examples of 6 numbers, so that"
    ):
        linear_gaussian.maximum_likelihood(x, 5)
    with pytest.raises(
        ValueError, match=r"2 latents need at least 4 examples of 3 .*, got x of shape \(3, "
    ):
        linear_gaussian.maximum_likelihood(x[:3], 2)
    assert linear_gaussian.maximum_likelihood(x[:4], 2)[2] > 0  # four are enough
    flat = rng.standard_normal((60, 2)) @ rng.standard_normal((2, PIXELS))
    for n_latent in (2, 3):
        with pytest.raises(ValueError, match=f"{n_latent} dimensions hold all the data"):
            linear_gaussian.maximum_likelihood(flat, n_latent)


def test_maximum_likelihood_of_equal_eigenvalues_has_no_signal():
    for n_pixels, n_latent in ((5, 2), (9, 2), (9, 3), (10, 7)):
        x = np.concatenate([np.eye(n_pixels), -np.eye(n_pixels)])
        weight, _, variance = linear_gaussian.maximum_likelihood(x, n_latent)
        np.testing.assert_allclose(weight, 0, atol=1e-7)
        assert variance == pytest.approx(1 / n_pixels)


@pytest.mark.parametrize(
    "decoder",
    [
        GaussianDecoder(2, [3], 6, noise="fixed"),
        GaussianDecoder(
            2, n_pixels=6, noise="fixed", network=Sequential([Linear(2, 3), Linear(3, 6)])
        ),
        GaussianDecoder(2, [], 6, noise="per-output"),
        GaussianDecoder(2, [], 6, noise="fixed", squash=True),
        BernoulliDecoder(2, [], 6),
        SimpleNamespace(  # with a likelihood of one's own
            network=Sequential([Linear(2, 6)]), noise="fixed", squashing=None, log_var=np.zeros(())
        ),
    ],
)
def test_closed_forms_want_a_linear_gaussian_decoder(decoder):
    with pytest.raises(ValueError, match="decoder must be linear-Gaussian"):
        linear_gaussian.posterior(decoder, np.zeros((2, 6)))


class Curved(Linear):
    def forward(self, x):
        self.y = np.tanh(super().forward(x))
        return self.y

    def backward(self, dy):
        return super().backward(dy * (1 - self.y**2))


def test_closed_forms_want_a_linear_layer_and_no_kind_of_it():
    network = Sequential([Curved(2, 6)])
    decoder = GaussianDecoder(2, n_pixels=6, noise="fixed", network=network)
    with pytest.raises(ValueError, match="decoder must be linear-Gaussian"):
        linear_gaussian.log_likelihood(decoder, np.zeros((2, 6), np.float32))


def test_closed_forms_refuse_data_that_do_not_fit(linear, rng):
    for x, message in (
        (np.ones((3, 1)), r"x must have shape \(N, 5\) with N >= 1, got \(3, 1\)"),
        (np.ones((0, PIXELS)), r"x must have shape \(N, 5\) with N >= 1, got \(0, 5\)"),
        (np.full((3, PIXELS), np.nan), "x must be finite"),
        (np.diag([1, 1, 1, 1, np.inf]), "x must be finite"),
        (np.ones((3, PIXELS)).tolist(), "x must be an array of NumPy or CuPy, got list"),
        (np.ones((3, PIXELS), bool), "x must be of floats, got bool; VAE.as_pixels"),
        (np.full((3, PIXELS), 255, np.uint8), "x must be of floats, got uint8; VAE.as_pixels"),
    ):
        q = DiagonalGaussian(*np.zeros((2, len(x), LATENT)))
        for function in (
            linear_gaussian.posterior,
            linear_gaussian.log_likelihood,
            linear_gaussian.mean_field,
            partial(linear_gaussian.kl_to_posterior, q),
            partial(linear_gaussian.expected_elbo, q),
        ):
            with pytest.raises(ValueError, match=message):
                function(linear.decoder, x)


# Hamiltonian Monte Carlo


def test_hmc_refuses_pixels_that_the_decoder_does_not_model(rng):
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\] for the decoder, got .* to 255"):
        sample_posterior(
            make_model().decoder,
            np.linspace(0, 255, 12, dtype=np.float32).reshape(2, 6),
            n_draws=2,
            generator=rng,
            initial=np.zeros((1, 2, 3)),
        )


def test_hmc_recovers_the_posteriors_mean_and_covariance(linear, rng):
    x, n_chains = rng.standard_normal((3, PIXELS)), 300
    initial = rng.standard_normal((n_chains, 3, LATENT))
    result = sample_posterior(linear.decoder, x, 40, rng, initial)
    assert result.z.shape == (40, n_chains, 3, LATENT)
    np.testing.assert_allclose(result.acceptance.mean(), 0.9, atol=0.05)
    _, mean, covariance = exact(linear, x)
    centred = result.z - mean
    products = centred[..., :, None] * centred[..., None, :]
    for values, expected in ((result.z, mean), (products, covariance)):
        by_chain = values.mean(axis=0)  # chains are independent, draws of a chain are not
        standard_error = by_chain.std(axis=0) / np.sqrt(n_chains)
        assert (np.abs(by_chain.mean(axis=0) - expected) < 4 * standard_error).all()
        assert (standard_error < 0.02).all()


def test_hmc_agrees_with_the_grid_where_there_is_no_closed_form(rng):
    model = make_model(latent=2, dtype=np.float64)
    model.decoder.parameters.value[:] *= 3
    x = rng.random((4, 6))
    points, _ = latent_grid(2, 0.1, 5)
    joint = grid_log_joint(model, x, points)
    shares = np.exp(joint - joint.max(axis=0))
    mean = shares.T @ points / shares.sum(axis=0)[:, None]
    draws = sample_posterior(model.decoder, x, 40, rng, rng.standard_normal((200, 4, 2))).z
    by_chain = draws.mean(axis=0)
    standard_error = by_chain.std(axis=0) / np.sqrt(200)
    assert (np.abs(by_chain.mean(axis=0) - mean) < 4 * standard_error).all()


def test_leapfrog_runs_backwards_and_nearly_keeps_the_energy(linear, rng):
    x, z, momentum = (rng.standard_normal((3, n)) for n in (PIXELS, LATENT, LATENT))

    def target(z):
        return log_joint_and_gradient(linear.decoder, x, z)

    def energy_error(step_size):
        log_density, gradient = target(z)
        moved, r, after, _ = leapfrog(
            target, z, momentum, gradient, step_size, round(1 / step_size)
        )
        before = log_density - 0.5 * (momentum**2).sum(axis=1)
        return np.abs(after - 0.5 * (r**2).sum(axis=1) - before).max(), moved, r

    error, moved, r = energy_error(0.05)
    assert error < 0.05
    assert energy_error(0.025)[0] == pytest.approx(error / 4, rel=0.3)  # second order
    back, _, _, _ = leapfrog(target, moved, -r, target(moved)[1], 0.05, 20)
    np.testing.assert_allclose(back, z, atol=1e-10)


def test_hmc_survives_a_far_too_long_step(linear, rng):
    x = rng.standard_normal((3, PIXELS))
    initial = np.zeros((1, 3, LATENT))
    result = sample_posterior(linear.decoder, x, 50, rng, initial, step_size=1e30, n_warmup=600)
    assert np.isfinite(result.z).all()
    assert (result.acceptance > 0.5).all()


def test_hmc_refuses_bad_arguments(linear, rng):
    x, start = rng.standard_normal((3, PIXELS)), np.zeros((1, 3, LATENT))
    for options, message in (
        ({"n_draws": 0}, "n_draws must be a whole number >= 1, got 0"),
        ({"n_leapfrog": 0}, "n_leapfrog must be a whole number"),
        ({"n_warmup": -1}, "n_warmup must be a whole number >= 0, got -1"),
        ({"target_acceptance": 1}, "target_acceptance must lie strictly between 0 and 1, got 1"),
        ({"step_size": 0}, "step_size must be a finite number > 2.22045e-16, got 0"),
        ({"initial": start[0]}, r"initial must have shape \(C, 3, 2\), got \(3, 2\)"),
        ({"initial": start[:0]}, r"initial must have shape \(C, 3, 2\), got \(0, 3, 2\)"),
        ({"initial": start[:, :2]}, r"initial must have shape \(C, 3, 2\), got \(1, 2, 2\)"),
        ({"initial": start[..., :1]}, r"initial must have shape \(C, 3, 2\), got \(1, 3, 1\)"),
        ({"x": x * np.inf}, "x must be finite"),
        ({"x": x[:, :1]}, r"x must have shape \(N, 5\) with N >= 1, got \(3, 1\)"),
        ({"x": x[0]}, r"x must have shape \(N, 5\) with N >= 1, got \(5,\)"),
        ({"x": x.astype(np.float32)}, "x must be float64 on cpu as the decoder is, got float32"),
    ):
        arguments = {"x": x, "n_draws": 5, "generator": rng, "initial": start, **options}
        with pytest.raises(ValueError, match=message):
            sample_posterior(linear.decoder, **arguments)


# A q of its own for every image


def test_fitted_q_is_the_closed_form(linear, rng):
    x = rng.standard_normal((7, PIXELS))
    encoded, best = linear.encode(x), linear_gaussian.mean_field(linear.decoder, x)
    fitted = per_image.fit(linear.decoder, x, encoded, rng, n_steps=1500)
    assert np.abs(encoded.mean - best.mean).max() > 0.3
    np.testing.assert_allclose(fitted.mean, best.mean, atol=0.02)
    np.testing.assert_allclose(fitted.log_var, best.log_var, atol=0.03)
    gap = linear_gaussian.expected_elbo(best, linear.decoder, x)
    gap -= linear_gaussian.expected_elbo(fitted, linear.decoder, x)
    assert (0 <= gap).all() and (gap < 1e-3).all()


def test_mean_field_refuses_bad_arguments(linear, rng):
    x = rng.standard_normal((7, PIXELS))
    q = linear.encode(x)
    with pytest.raises(ValueError, match=r"initial must have a mean and log_var of shape \(3, 2\)"):
        per_image.fit(linear.decoder, x[:3], q, rng)
    with pytest.raises(ValueError, match=r"of shape \(7, 2\), got \(7, 2\) and \(\)"):
        per_image.fit(linear.decoder, x, DiagonalGaussian(q.mean, np.array(0.0)), rng)
    with pytest.raises(ValueError, match="n_steps must be a whole number >= 1, got 0"):
        per_image.fit(linear.decoder, x, q, rng, n_steps=0)
    with pytest.raises(ValueError, match="x must be finite"):
        per_image.fit(linear.decoder, np.full_like(x, np.nan), q, rng, n_steps=2)
    with pytest.raises(
        ValueError, match=r"the fit diverged; a learning_rate below 1e\+300 may help"
    ):
        per_image.fit(linear.decoder, x, q, rng, n_steps=5, learning_rate=1e300)
