"""The page computes what the package computes, and stands on NumPy and Matplotlib alone."""

import ast
import os
import sys
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import DEMOS, run

from vae_np import VAE, Adam, BernoulliDecoder, GaussianEncoder

with patch.dict(os.environ):  # the page sets NumPy's threads, for itself
    from demos import one_page_vae as page

PATH = DEMOS / "one_page_vae.py"


@pytest.fixture
def networks(rng):
    """φ and θ in float64, at weights where nothing is 0."""
    sizes = (page.N_PIXELS, 2 * page.N_LATENT), (page.N_LATENT, page.N_PIXELS)
    return [
        [w + 0.1 * rng.standard_normal(w.shape) for w in page.network(rng, *size)] for size in sizes
    ]


@pytest.fixture
def digits(rng):
    blobs = rng.random((60, 28, 28)) * np.eye(28)[:, ::-1]
    return blobs.reshape(60, -1)


def package_model(phi, theta):
    """The package's model, with the page's weights."""
    widths = page.N_PIXELS, [page.N_HIDDEN], page.N_LATENT
    encoder = GaussianEncoder(*widths, dtype=np.float64)
    decoder = BernoulliDecoder(*widths[::-1], dtype=np.float64)
    encoder.parameters.value[:], decoder.parameters.value[:] = flat(phi), flat(theta)
    return VAE(encoder, decoder)


def flat(weights):
    return np.concatenate([w.ravel() for w in weights])


def test_elbo_and_gradient_are_those_of_the_package(networks, digits, rng):
    noise = rng.standard_normal((len(digits), page.N_LATENT))
    elbo, dphi, dtheta = page.elbo_and_gradient(*networks, digits, noise)

    model = package_model(*networks)
    value = model.elbo_and_gradient(digits, noise[None])
    np.testing.assert_allclose(elbo, value.value, rtol=1e-12)
    for ours, theirs in ((dphi, model.encoder), (dtheta, model.decoder)):
        np.testing.assert_allclose(flat(ours), theirs.parameters.grad, rtol=1e-9, atol=1e-12)


def test_training_is_that_of_the_package(networks, digits, monkeypatch, capsys):
    model, start = package_model(*networks), [flat(weights) for weights in networks]
    optimizer = Adam(model.parameters, page.LEARNING_RATE)
    monkeypatch.setattr(page, "BATCH_SIZE", 20)
    page.train(*networks, digits, np.random.default_rng(1), epochs=2)

    rng = np.random.default_rng(1)
    for _ in range(2):
        for x in np.split(rng.permutation(digits), 3):
            noise = rng.standard_normal((len(x), page.N_LATENT), dtype=np.float32)
            model.elbo_and_gradient(x, noise[None].astype(np.float64))
            optimizer.step()
    for before, ours, theirs in zip(start, networks, model.parameters, strict=True):
        moved, difference = theirs.value - before, theirs.value - flat(ours)
        # Not less: the page adds Adam's ε to √v before its correction, as Adam's section 2 allows.
        assert np.linalg.norm(difference) < 1e-3 * np.linalg.norm(moved)
    assert "epoch  1: ELBO" in capsys.readouterr().out


def test_slope_shows_a_wrong_derivative(networks, digits, rng, monkeypatch):
    noise = rng.standard_normal((len(digits), page.N_LATENT))
    by_hand, by_differences = page.slopes(*networks, digits, noise, rng)
    assert by_hand == pytest.approx(by_differences, rel=1e-6)

    def without_tanh(weights, x, hidden, dy):
        return right(weights, x, 0 * hidden, dy)

    right = page.backward
    monkeypatch.setattr(page, "backward", without_tanh)
    by_hand, by_differences = page.slopes(*networks, digits, noise, rng)
    assert by_hand != pytest.approx(by_differences, rel=1e-2)


def test_picture_shows_the_digits_in_order(networks, digits, rng):
    figure = page.picture(*networks, digits[:10], rng)
    shown = [axes.images[0].get_array() for axes in figure.axes]
    plt.close(figure)
    assert [image.shape for image in shown] == [(28, 280), (28, 280), (112, 280)]
    np.testing.assert_array_equal(shown[0][:, 28:56], digits[1].reshape(28, 28))
    model = package_model(*networks)
    reconstruction = model.reconstruct_mean(digits[:10])[1].reshape(28, 28)
    np.testing.assert_allclose(shown[1][:, 28:56], reconstruction, rtol=1e-9)


def test_page_needs_numpy_and_matplotlib_alone():
    imports = set()
    for node in ast.walk(ast.parse(PATH.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imports |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imports.add(node.module.split(".")[0])
    assert imports - set(sys.stdlib_module_names) == {"numpy", "matplotlib"}


@pytest.mark.slow
def test_page_learns_digits(tmp_path):
    lines = run(tmp_path, "one_page_vae").stdout.splitlines()
    elbo = float(lines[-2].split("ELBO")[1].split()[0])
    assert -126 < elbo < -115  # of images that it has not seen
    assert (tmp_path / "runs" / "one_page_vae.png").stat().st_size > 10_000
