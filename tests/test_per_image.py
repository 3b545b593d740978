"""A q of its own for every image: the steps that fit it; what it finds: test_inference.py."""

import numpy as np
import pytest
from conftest import LATENT, PIXELS, make_model

from vae_np.distributions import DiagonalGaussian
from vae_np.inference import per_image
from vae_np.parameters import ParameterVector


@pytest.mark.parametrize("n_steps", [1, 8])
def test_the_step_size_falls_to_0_over_the_second_half(linear, rng, monkeypatch, n_steps):
    rates = []

    class Recorded(per_image.Adam):
        def step(self):
            rates.append(self.learning_rate)
            super().step()

    monkeypatch.setattr(per_image, "Adam", Recorded)
    x = rng.standard_normal((3, PIXELS))
    per_image.fit(linear.decoder, x, linear.encode(x), rng, n_steps=n_steps, learning_rate=0.4)
    expected = [0.4] if n_steps == 1 else [0.4, 0.4, 0.4, 0.4, 0.4, 0.3, 0.2, 0.1]
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_step_takes_as_many_draws_as_asked(rng, monkeypatch, dtype):
    """And the q that is found has the dtype of the model."""
    model, x, seen = make_model(dtype=dtype), rng.random((4, 6), dtype), []
    forward = model.decoder.forward
    monkeypatch.setattr(model.decoder, "forward", lambda z: seen.append(z.shape) or forward(z))
    q = per_image.fit(model.decoder, x, model.encode(x), rng, n_steps=2, n_draws=7)
    assert seen == [(1, 4, 3), (7, 4, 3), (7, 4, 3)]  # first it looks at the mean
    assert q.mean.dtype == q.log_var.dtype == dtype
    with pytest.raises(ValueError, match="n_draws must be a whole number >= 1, got 0"):
        per_image.fit(model.decoder, x, q, rng, n_draws=0)


def test_what_it_cannot_start_from_is_not_called_divergence(linear, rng):
    x = rng.standard_normal((3, PIXELS))
    q = linear.encode(x)
    said = "^initial must be finite, and its mean or log_var is not everywhere$"
    for lost in (np.nan, np.inf):
        spoilt = q.mean.copy()
        spoilt[1, 0] = lost
        for start in (DiagonalGaussian(spoilt, q.log_var), DiagonalGaussian(q.mean, spoilt)):
            with pytest.raises(ValueError, match=said):
                per_image.fit(linear.decoder, x, start, rng)
    wide = DiagonalGaussian(q.mean, np.full_like(q.log_var, 1000))
    said = "^the ELBO is not finite where the fit starts: check x, initial and the weights$"
    with pytest.raises(ValueError, match=said):
        per_image.fit(linear.decoder, x, wide, rng)
    wide.log_var[1:] = 0  # one image is enough
    with pytest.raises(ValueError, match=said):
        per_image.fit(linear.decoder, x, wide, rng)
    with pytest.raises(ValueError, match="learning_rate must be a finite number > 0, got None"):
        per_image.fit(linear.decoder, x, q, rng, learning_rate=None)
    x[-1] = 1e200  # finite, and so is KL(q ‖ p(z)); log p(x|z) is not
    with pytest.raises(ValueError, match=said):
        per_image.fit(linear.decoder, x, q, rng)
    x[-1] = np.inf
    with pytest.raises(ValueError, match="x must be finite"):
        per_image.fit(linear.decoder, x, q, rng)


@pytest.mark.parametrize("which", [0, -1])
def test_one_number_that_diverged_is_divergence(linear, rng, monkeypatch, which):
    class Spoilt(per_image.Adam):
        def step(self):
            super().step()
            self.vectors[0].value[which] = np.nan

    monkeypatch.setattr(per_image, "Adam", Spoilt)
    x = rng.standard_normal((3, PIXELS))
    with pytest.raises(ValueError, match="the fit diverged"):
        per_image.fit(linear.decoder, x, linear.encode(x), rng, n_steps=1)


def test_it_starts_from_the_q_that_is_given(linear, rng):
    x = rng.standard_normal((3, PIXELS))
    q = DiagonalGaussian(rng.standard_normal((3, LATENT)), rng.standard_normal((3, LATENT)))
    fitted = per_image.fit(linear.decoder, x, q, rng, n_steps=1, learning_rate=1e-12)
    np.testing.assert_allclose(fitted.mean, q.mean, rtol=1e-9)
    np.testing.assert_allclose(fitted.log_var, q.log_var, rtol=1e-9)


def test_one_step_moves_each_number_by_the_learning_rate(linear, rng):
    """As Adam's first step does."""
    x = rng.standard_normal((3, PIXELS))
    q = linear.encode(x)
    fitted = per_image.fit(linear.decoder, x, q, rng, n_steps=1, learning_rate=0.25)
    np.testing.assert_allclose(np.abs(fitted.mean - q.mean), 0.25, rtol=1e-5)
    np.testing.assert_allclose(np.abs(fitted.log_var - q.log_var), 0.25, rtol=1e-5)


def test_each_image_has_draws_of_its_own(linear, rng):
    x = np.repeat(rng.standard_normal((1, PIXELS)), 3, axis=0)
    fitted = per_image.fit(linear.decoder, x, linear.encode(x), rng, n_steps=5)
    assert len(np.unique(fitted.mean[:, 0])) == 3


def test_its_elbo_is_one_for_each_image(linear, rng):
    x, q = rng.standard_normal((3, PIXELS)), linear.encode(rng.standard_normal((3, PIXELS)))
    parameters = ParameterVector({"mean": q.mean, "log_var": q.log_var}, x.dtype)
    noise = rng.standard_normal((4, 3, LATENT))
    found = per_image.elbo_and_gradient(parameters, linear.decoder, x, noise)
    log_px_given_z = linear.decoder.forward(q.sample(noise)).log_prob(x)
    np.testing.assert_allclose(found.reconstruction, log_px_given_z.mean(axis=0))
    np.testing.assert_allclose(found.kl, q.kl_to_standard_normal())
