"""What an evaluation says besides its value, and how much it decodes at a time."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import LATENT, PIXELS, exact, make_model

from vae_np import VAE, evaluation
from vae_np.backend import Stream, random_generator
from vae_np.evaluation import (
    evaluate_elbo,
    grid_log_likelihood,
    importance_sampled_log_likelihood,
    prior_sampled_log_likelihood,
    reciprocal_log_likelihood,
)
from vae_np.vae import Bound


@pytest.mark.parametrize(
    ("evaluate", "options", "sizes"),
    [
        (evaluate_elbo, {"n_draws": 2, "batch_size": 6}, [(2, 3), (2, 3), (2, 1)]),
        (evaluate_elbo, {"n_draws": 4, "batch_size": 6}, [(4, 1)] * 7),  # 6 pairs at most
        (evaluate_elbo, {"n_draws": 9, "batch_size": 6}, [(9, 1)] * 7),
        (evaluate_elbo, {"n_draws": 100, "batch_size": 700}, [(100, 7)]),
        (evaluate_elbo, {"n_draws": 100}, [(100, 5), (100, 2)]),
        (
            importance_sampled_log_likelihood,
            {"n_samples": 3, "batch_size": 4},
            [(1, 4)] * 3 + [(1, 3)] * 3,
        ),
        (
            importance_sampled_log_likelihood,
            {"n_samples": 5, "batch_size": 14},
            [(2, 7), (2, 7), (1, 7)],
        ),
        (importance_sampled_log_likelihood, {"n_samples": 100}, [(71, 7), (29, 7)]),
    ],
)
def test_so_many_draws_of_so_many_images_are_decoded_at_a_time(
    linear, rng, monkeypatch, evaluate, options, sizes
):
    seen, forward = [], linear.decoder.forward
    monkeypatch.setattr(linear.decoder, "forward", lambda z: seen.append(z.shape[:2]) or forward(z))
    evaluate(linear, rng.standard_normal((7, PIXELS)), **options)
    assert seen == sizes


def test_a_gpu_decodes_100_times_as_many_at_a_time(gpu, rng, monkeypatch):
    model, seen = make_model(device=gpu), []
    forward = model.decoder.forward
    monkeypatch.setattr(model.decoder, "forward", lambda z: seen.append(z.shape[:2]) or forward(z))
    evaluate_elbo(model, rng.random((7, 6)), n_draws=10_000)
    importance_sampled_log_likelihood(model, rng.random((5, 6)), 10_001)
    assert seen == [(10_000, 5), (10_000, 2), (10_000, 5), (1, 5)]


@pytest.mark.parametrize(
    ("evaluate", "options"),
    [(grid_log_likelihood, {"spacing": 3}), (reciprocal_log_likelihood, {"n_samples": 20})],
)
def test_so_many_images_are_evaluated_at_a_time(linear, rng, monkeypatch, evaluate, options):
    seen, as_pixels = [], VAE.as_pixels
    monkeypatch.setattr(VAE, "as_pixels", lambda vae, x: seen.append(len(x)) or as_pixels(vae, x))
    evaluate(linear, rng.standard_normal((7, PIXELS)), batch_size=3, **options)
    assert seen == [3, 3, 1]


@pytest.mark.parametrize(
    ("evaluate", "options"),
    [
        (importance_sampled_log_likelihood, {"n_samples": 300, "batch_size": 3}),
        (grid_log_likelihood, {"batch_size": 3}),
        (reciprocal_log_likelihood, {"n_samples": 300, "batch_size": 3}),
    ],
)
def test_values_are_in_the_order_of_the_images(linear, rng, evaluate, options):
    x = rng.permutation(np.arange(2.0, 9.0))[:, None] / 3 + np.zeros(PIXELS)
    expected, _, _ = exact(linear, x)
    assert np.diff(np.sort(expected)).min() > 2  # nats
    np.testing.assert_allclose(evaluate(linear, x, **options).value, expected, atol=1)


@pytest.mark.parametrize(
    ("evaluate", "options", "n_samples"),
    [
        (importance_sampled_log_likelihood, {"n_samples": 6}, 6),
        (prior_sampled_log_likelihood, {"n_samples": 6}, 6),
        (grid_log_likelihood, {"spacing": 1, "limit": 2}, 25),
        (reciprocal_log_likelihood, {"n_samples": 25}, 30),
        (reciprocal_log_likelihood, {"n_samples": 25, "n_chains": 4}, 28),
    ],
)
def test_the_number_of_samples_is_that_which_each_value_is_made_from(
    linear, rng, evaluate, options, n_samples
):
    estimate = evaluate(linear, rng.standard_normal((3, PIXELS)), **options)
    assert estimate.n_samples == n_samples
    assert estimate.value.shape == estimate.standard_error.shape == (3,)
    assert estimate.mean == pytest.approx(estimate.value.mean())


def test_progress_is_counted_in_samples_and_in_images(linear, rng, monkeypatch):
    bars, x = [], rng.standard_normal((3, PIXELS))

    class Bar:
        def __init__(self, progress, **options):
            bars.append(self)
            self.asked, self.total, self.unit = progress, options["total"], options["unit"]
            assert not options["leave"] and options["unit_scale"]  # 12.0k, and then nothing
            self.counts = []
            self.update = self.counts.append

        def __enter__(self):
            return self

        def __exit__(self, *error):
            """Close nothing."""

    monkeypatch.setattr(evaluation, "progress_bar", Bar)
    for asked in (True, False):
        importance_sampled_log_likelihood(linear, x, 4, batch_size=2, progress=asked)
    reciprocal_log_likelihood(linear, x, 20, batch_size=2, progress=True)
    done = []
    reciprocal_log_likelihood(linear, x, 20, batch_size=2, progress=done.append)
    assert done == [2, 1]
    assert [(bar.asked, bar.total, bar.unit, bar.counts) for bar in bars] == [
        (True, 12, "sample", [2, 2, 2, 2, 2, 2]),
        (False, 12, "sample", [2, 2, 2, 2, 2, 2]),
        (True, 3, "image", [2, 1]),
    ]


def test_binary_images_are_as_white_as_the_grey_ones_are(monkeypatch):
    model, seen = make_model(), []
    forward = model.encoder.forward
    monkeypatch.setattr(model.encoder, "forward", lambda x: seen.append(x) or forward(x))
    grey = np.tile(np.linspace(0, 1, 6), (4000, 1))
    evaluate_elbo(model, grey, binary=True)
    np.testing.assert_allclose(np.concatenate(seen).mean(axis=0), grey[0], atol=0.04)
    seen.clear()
    evaluate_elbo(model, grey[:3])  # and grey ones stay as they are
    np.testing.assert_allclose(seen[0], grey[:3], rtol=1e-6)


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (-0.5, r"must lie in \[0, 1\], got -0.5"),
        (0.1, "0.1 of 4 samples"),
        (0.9, "0.9 of 4 samples"),
    ],
)
def test_a_share_that_leaves_none_is_refused(linear, rng, share, message):
    x = rng.standard_normal((2, PIXELS))
    with pytest.raises(ValueError, match=f"prior_share {message}"):
        importance_sampled_log_likelihood(linear, x, 4, prior_share=share)
    for good in (0, 0.3, 0.8, 1, np.float32(0.5)):
        importance_sampled_log_likelihood(linear, x, 4, prior_share=good)
    with pytest.raises(TypeError, match="prior_share"):
        prior_sampled_log_likelihood(linear, x, 4, prior_share=0.5)


@pytest.mark.parametrize("batch_size", [2, 8, 6, 100])
def test_the_share_comes_from_the_prior_in_whatever_batches(linear, rng, monkeypatch, batch_size):
    heads, seen, forward = linear.encoder.network.layers[0].bias, [], linear.decoder.forward
    heads[:LATENT] += 1000  # no draw of q is one of the prior's
    monkeypatch.setattr(linear.decoder, "forward", lambda z: seen.append(z) or forward(z))
    x = rng.standard_normal((2, PIXELS))
    importance_sampled_log_likelihood(linear, x, 10, prior_share=0.3, batch_size=batch_size)
    assert (np.abs(np.concatenate(seen)) < 10).all(axis=-1).sum(axis=0).tolist() == [3, 3]


def test_another_objective_is_averaged_over_all_images(linear, rng):
    x = rng.standard_normal((7, PIXELS))
    objective = SimpleNamespace(
        model=linear,
        draw_noise=lambda generator, n_draws, n_examples: n_draws,
        value=lambda pixels, noise: Bound(noise * pixels[:, 0], pixels[:, 1]),
    )
    for batch_size in (2, 6, 500):
        mean = evaluate_elbo(linear, x, n_draws=2, batch_size=batch_size, objective=objective)
        assert (mean.reconstruction, mean.kl) == pytest.approx((2 * x[:, 0].mean(), x[:, 1].mean()))
    objective.model = make_model()
    for wrong in (objective, False, "", []):
        with pytest.raises(ValueError, match="objective must be an object made from this model"):
            evaluate_elbo(linear, x, objective=wrong)


DRAWN = [
    (evaluate_elbo, {"n_draws": 2}, [Stream.ELBO_NOISE]),
    (importance_sampled_log_likelihood, {"n_samples": 3}, [Stream.IMPORTANCE_NOISE]),
    (prior_sampled_log_likelihood, {"n_samples": 3}, [Stream.IMPORTANCE_NOISE]),
    (grid_log_likelihood, {"spacing": 1}, []),
    (reciprocal_log_likelihood, {"n_samples": 20}, [Stream.POSTERIOR]),
]


@pytest.mark.parametrize(("evaluate", "options", "streams"), DRAWN)
def test_the_seed_makes_one_generator_for_each_use(rng, monkeypatch, evaluate, options, streams):
    """For all batches: made anew, it would give each the same noise."""
    model, made = make_model(latent=2), []

    def generator(seed, device):
        made.append(seed)
        return random_generator(seed, device)

    monkeypatch.setattr(evaluation, "random_generator", generator)
    found = evaluate(model, rng.random((5, 6)), binary=True, seed=7, batch_size=2, **options)
    assert sorted(made) == sorted([7, stream] for stream in (Stream.BINARIZE_TEST, *streams))
    assert np.asarray(found.value).dtype == np.float64  # of a model in float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("evaluate", "options", "streams"), DRAWN)
def test_binary_images_are_those_of_the_seed_in_whatever_batches(
    rng, evaluate, options, streams, dtype
):
    model, grey = make_model(latent=2, dtype=dtype), rng.random((5, 6), dtype)
    uniform = random_generator([7, Stream.BINARIZE_TEST]).random(grey.shape, dtype)
    both = [
        evaluate(model, images, binary=binary, seed=7, batch_size=2, **options)
        for images, binary in ((grey, True), ((uniform < grey).astype(dtype), False))
    ]
    np.testing.assert_array_equal(*(found.value for found in both))


def test_the_first_image_whose_log_px_is_not_finite_is_named(rng):
    """A pixel that is surely white: images where it is black cannot be, and they alone."""
    model, x = make_model(latent=2), (rng.random((5, 6)) < 0.5).astype(np.float32)
    model.decoder.network.layers[-1].bias[0] = np.inf
    for first, white in ((2, [1, 1, 0, 1, 0]), (0, [0, 1, 1, 1, 1]), (4, [1, 1, 1, 1, 0])):
        x[:, 0] = white
        said = rf"log p\(x\) of image {first} is -inf: are the weights finite\?"
        for batch_size in (1, 2, 100):
            with pytest.raises(ValueError, match=said):
                importance_sampled_log_likelihood(model, x, 3, batch_size=batch_size)
    importance_sampled_log_likelihood(model, x[:4], 3)


@pytest.mark.parametrize(("evaluate", "options", "streams"), DRAWN)
def test_no_image_at_a_time_is_refused(linear, rng, evaluate, options, streams):
    for batch_size in (0, -1, 1.5):
        with pytest.raises(ValueError, match="batch_size must be a whole number >= 1, got"):
            evaluate(linear, rng.standard_normal((2, PIXELS)), batch_size=batch_size, **options)


def test_a_mean_and_its_error_are_pythons_own_numbers(linear, rng):
    x = rng.random((3, PIXELS))
    log_px, elbo = importance_sampled_log_likelihood(linear, x, 10), evaluate_elbo(linear, x)
    for number in (log_px.mean, log_px.mean_standard_error, *vars(elbo).values(), elbo.value):
        assert type(number) is float


@pytest.mark.parametrize(("evaluate", "options", "streams"), DRAWN)
def test_binary_is_no_word(rng, evaluate, options, streams):
    with pytest.raises(ValueError, match="binary must be True or False, got 'no'"):
        evaluate(make_model(latent=2), rng.random((2, 6)), binary="no", **options)
