"""A q of its own for every image: the steps that fit it; what it finds: test_inference.py."""

import numpy as np
import pytest
from conftest import PIXELS

from vae_np.distributions import DiagonalGaussian
from vae_np.inference import per_image


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


def test_what_it_cannot_start_from_is_not_called_divergence(linear, rng):
    x = rng.standard_normal((3, PIXELS))
    q = linear.encode(x)
    lost = DiagonalGaussian(q.mean, np.full_like(q.log_var, np.nan))
    said = "^initial must be finite, and its mean or log_var is not everywhere$"
    with pytest.raises(ValueError, match=said):
        per_image.fit(linear.decoder, x, lost, rng)
    wide = DiagonalGaussian(q.mean, np.full_like(q.log_var, 1000))
    said = "^the ELBO is not finite where the fit starts: check x, initial and the weights$"
    with pytest.raises(ValueError, match=said):
        per_image.fit(linear.decoder, x, wide, rng)
    wide.log_var[1:] = 0  # one image is enough
    with pytest.raises(ValueError, match=said):
        per_image.fit(linear.decoder, x, wide, rng)
    with pytest.raises(ValueError, match="learning_rate must be a finite number > 0, got None"):
        per_image.fit(linear.decoder, x, q, rng, learning_rate=None)
