"""The grid of latents: its points, its sums, and the error that it claims."""

import itertools
import math

import numpy as np
import pytest
from conftest import make_model

from vae_np import VAE, GaussianDecoder, GaussianEncoder
from vae_np.distributions import LOG_2PI
from vae_np.inference import grid
from vae_np.inference.grid import latent_grid, log_integral


@pytest.mark.parametrize("n_latent", [1, 2])
def test_the_points_and_those_that_a_coarser_grid_shares(n_latent):
    points, every_second = grid.latent_grid(n_latent, 0.5, 1.6)  # to the next even multiple
    steps = range(-4, 5)
    expected = list(itertools.product(steps, repeat=n_latent))
    np.testing.assert_array_equal(points, 0.5 * np.array(expected))
    shared = [all(step in (-4, -2, 0, 2, 4) for step in point) for point in expected]
    np.testing.assert_array_equal(every_second, shared)
    assert len(grid.latent_grid(n_latent, 1.5, 1.5)[0]) == 5**n_latent


@pytest.mark.parametrize("n_latent", [1, 2])
def test_the_integral_and_its_error(n_latent, rng):
    """Against sums written out, for Gaussians here and there, whose scale is far from 1."""
    h = 0.5
    points, every_second = grid.latent_grid(n_latent, h, 1)
    middle, precision = rng.uniform(-0.7, 0.7, (60, n_latent)), rng.uniform(1, 8, 60)
    joint = -0.5 * precision * ((points[:, None] - middle) ** 2).sum(axis=-1) - 1000
    value, error = grid.log_integral(joint, points, every_second, h)
    signs = set()
    for i in range(60):
        density = np.exp(joint[:, i] + 1000)
        fine = h**n_latent * density.sum()
        coarse = (2 * h) ** n_latent * density[every_second].sum()
        edge = [max(map(abs, point)) == points.max() for point in points.tolist()]
        beyond = h ** (n_latent - 1) * density[edge].sum() / fine  # a length of 1 past the edge
        assert value[i] == pytest.approx(math.log(fine) - 1000, rel=1e-12)
        expected = abs(math.log(fine / coarse)) + math.log(1 + beyond)
        assert error[i] == pytest.approx(expected, rel=1e-8)
        signs.add(fine > coarse)
    assert signs == {True, False}


def test_few_pairs_are_decoded_at_a_time(rng, monkeypatch):
    model, sizes = make_model(latent=1), []
    log_joint = grid.log_joint

    def seen(decoder, x, z):
        sizes.append(len(z))
        return log_joint(decoder, x, z)

    monkeypatch.setattr(grid, "log_joint", seen)
    for n_images, expected in ((3, [666, 34]), (700, [2, 2, 1]), (2500, [1, 1])):
        sizes.clear()
        points = np.linspace(-1, 1, sum(expected))[:, None]
        x = rng.random((n_images, 6), dtype=np.float32)
        assert grid.grid_log_joint(model, x, points).shape == (len(points), n_images)
        assert sizes == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_p_has_the_dtype_of_the_model(rng, dtype):
    model, points = make_model(latent=1, dtype=dtype), np.linspace(-1, 1, 700)[:, None]
    x = rng.random((4, 6), dtype)
    joint = grid.grid_log_joint(model, x, points)
    assert joint.dtype == dtype
    expected = grid.log_joint(model.decoder, x, points.astype(dtype)[:, None, :])
    np.testing.assert_allclose(joint, expected, rtol=1e-6 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize(("n_latent", "narrow"), [(1, 0), (2, 0), (2, 1)])
@pytest.mark.parametrize("offset", [0, 0.25, 0.5])
def test_a_posterior_narrower_than_the_step_has_no_error_bar(n_latent, narrow, offset):
    """A known Gaussian, its mean between two points: its integral's log is 0 for every width."""
    spacing = 0.1
    points, every_second = latent_grid(n_latent, spacing, 2)
    for steps in (0.05, 0.2, 0.4, 0.5, 1.0, 2.0):  # σ of the narrow latent, in steps
        std = np.full(n_latent, 3 * spacing)
        std[narrow] = steps * spacing
        z = (points - offset * spacing) / std
        log_density = -0.5 * (z**2).sum(axis=1) - np.log(std).sum() - 0.5 * n_latent * LOG_2PI
        value, error = log_integral(log_density[:, None], points, every_second, spacing)
        if steps < 0.55:
            assert error[0] == np.inf
        else:
            assert abs(value[0]) <= error[0] + 1e-6 < 0.2


def test_one_narrow_posterior_leaves_the_others_their_error_bars():
    points, every_second = latent_grid(1, 0.1, 2)
    std = np.array([0.3, 0.02, 0.2])
    joint = -0.5 * (points / std) ** 2 - np.log(std) - 0.5 * LOG_2PI
    _, error = log_integral(joint, points, every_second, 0.1)
    np.testing.assert_array_equal(np.isinf(error), [False, True, False])


@pytest.mark.parametrize("middle", list(itertools.product([-1, 0, 1], repeat=2)))
def test_a_posterior_that_is_highest_at_the_edge_has_no_error_bar(middle):
    points, every_second = latent_grid(2, 0.5, 1)
    for std, bends in (([0.6, 0.6], False), ([0.6, 0.2], True), ([0.2, 0.6], True)):
        joint = -0.5 * (((points - middle) / std) ** 2).sum(axis=1)
        _, error = log_integral(joint[:, None], points, every_second, 0.5)
        assert np.isinf(error[0]) == (bends or any(middle))


@pytest.mark.parametrize("x", [0.4, 0.8, 2.0])
def test_a_posterior_beyond_the_edge_has_no_error_bar(x):
    """p(x|z) = N(0.05 z, 0.05²): the posterior's mean is 10 x, and p(x) = N(0, 2 · 0.05²)."""
    points, every_second = latent_grid(1, 0.05, 6)
    z, std = points[:, 0], 0.05
    joint = -0.5 * (z**2 + (x / std - z) ** 2) - LOG_2PI - np.log(std)
    exact = -0.25 * (x / std) ** 2 - 0.5 * (LOG_2PI + np.log(2)) - np.log(std)
    value, error = log_integral(joint[:, None], points, every_second, 0.05)
    assert np.isinf(error[0]) == (x > 0.6)
    assert abs(value[0] - exact) <= error[0] + 1e-6


@pytest.mark.parametrize("wrong", [0, -1, math.nan, math.inf])
def test_a_step_and_a_reach_are_above_0(wrong):
    for name, sizes in (("spacing", (wrong, 6)), ("limit", (0.1, wrong))):
        with pytest.raises(ValueError, match=f"{name} must be a finite number > 0, got {wrong}"):
            latent_grid(2, *sizes)


def test_more_points_than_can_be_kept_are_refused():
    assert len(latent_grid(1, 1e-4, 6)[0]) == 120_001  # of one latent they can
    for n_latent, spacing in ((1, 1e-20), (1, 1e-7), (2, 1e-3)):
        with pytest.raises(ValueError) as raised:
            latent_grid(n_latent, spacing, 6)
        assert str(raised.value) == (
            f"spacing {spacing:g} makes more than 100,000,000 points up to 6: take a larger one"
        )


@pytest.mark.parametrize("n_latent", [0, 3])
def test_a_grid_is_of_one_or_two_latents(n_latent):
    with pytest.raises(ValueError, match=f"needs a model of 1 or 2 latents, got {n_latent}"):
        latent_grid(n_latent, 1, 2)


@pytest.mark.filterwarnings("error")
def test_far_out_a_density_of_0_is_no_warning():
    """σ of 0 and of infinity, where a large weight meets a z that no image has."""
    model = VAE(GaussianEncoder(3, [4], 2), GaussianDecoder(2, [4], 3))
    model.decoder.network.layers[-1].weight[:, 3:] *= 1000
    x = np.full((2, 3), 0.5, np.float32)
    assert not np.isfinite(grid.grid_log_joint(model, x, latent_grid(2, 2, 12)[0])).all()
