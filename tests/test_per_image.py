"""A q of its own for every image: the steps that fit it; what it finds: test_inference.py."""

import numpy as np
import pytest
from conftest import PIXELS

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
