import importlib.util

import numpy as np
import pytest
import stand_in_cupy

from vae_np import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder
from vae_np.backend import device_module


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=["stand-in", pytest.param("cupy", marks=pytest.mark.gpu)])
def gpu(request, monkeypatch):
    """The device "gpu": a stand-in without one, and real CuPy under ``-m gpu``."""
    if request.param == "stand-in":
        stand_in_cupy.install(monkeypatch)
    else:
        if importlib.util.find_spec("cupy") is None:
            pytest.skip("CuPy is not installed")
        try:
            device_module("gpu")
        except ValueError as error:
            pytest.skip(str(error))
    return "gpu"


def make_model(
    decoder="bernoulli", pixels=6, hidden=(5,), latent=3, activation="tanh", kl_weight=1.0, **more
):
    """A small model for tests; ``more`` is dtype and device."""
    common = {"activation": activation, **more}
    encoder = GaussianEncoder(pixels, hidden, latent, seed=1, **common)
    if decoder == "bernoulli":
        p = BernoulliDecoder(latent, hidden, pixels, seed=2, **common)
    else:
        p = GaussianDecoder(latent, hidden, pixels, noise=decoder, squash=True, seed=2, **common)
    return VAE(encoder, p, kl_weight)
