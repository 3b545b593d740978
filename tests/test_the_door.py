"""What the mathematics would take without a word is refused where a user calls in.

uint8 pixels are 0 to 255, (N, 1) would broadcast, another dtype rounds 1/N to 0: the door is the
model's methods, the objectives', Trainer, evaluation, and what infers z. Behind it (a network's
``forward``, the distributions, the layers) arrays are taken as they come.
"""

import io

import numpy as np
import pytest
from conftest import LATENT, PIXELS, make_model

from vae_np import VAE, Adam, BernoulliDecoder, Trainer, evaluation, figures
from vae_np.distributions import DiagonalGaussian
from vae_np.inference import grid, hmc, linear_gaussian, per_image
from vae_np.inference.appendix_d import appendix_d
from vae_np.objectives import (
    ELBO,
    SGVB_A,
    DoublyReparameterized,
    FullBayes,
    ImportanceWeighted,
    ScoreFunction,
    WakeSleep,
)
from vae_np.progress import progress_bar
from vae_np.training import aevb
from vae_np.training.monte_carlo_em import MonteCarloEM

OBJECTIVES = (
    ELBO,
    SGVB_A,
    ImportanceWeighted,
    DoublyReparameterized,
    ScoreFunction,
    WakeSleep,
    lambda model: FullBayes(model, 38),
)
GREY = np.linspace(0.1, 0.9, 24).reshape(4, 6)
WRONG_PIXELS = {
    "uint8": np.full((4, 6), 200, np.uint8),
    "one column": GREY[:, :1],
    "one row": GREY[0],
    "another dtype": GREY.astype(np.float16),
    "whole numbers": np.ones((4, 6), int),
    "true or false": np.ones((4, 6), bool),
    "no array": GREY.tolist(),
    "no rows": GREY[:0],
    "an axis too many": GREY[None],
}


@pytest.mark.parametrize("wrong", WRONG_PIXELS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_objective_refuses_pixels_that_would_pass_for_others(objective, wrong, rng):
    objective = objective(make_model(dtype=np.float64))
    noise = objective.draw_noise(rng, 2, 4)
    for vector in objective.vectors.values():
        vector.grad[:] = 7
    for method in (objective.value, objective.value_and_gradient):
        with pytest.raises(ValueError, match=r"^(x|noise) must (be|have) "):
            method(WRONG_PIXELS[wrong], noise)
        assert method(GREY, noise).value.shape == (4,)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_objective_refuses_noise_that_would_broadcast(objective, rng):
    objective = objective(make_model(dtype=np.float64))
    right = objective.draw_noise(rng, 2, 4)
    parts = right if isinstance(right, tuple) else (right,)
    for i, part in enumerate(parts):
        for wrong in (part[..., :1], part[:1] if i else part[0], part.tolist()):
            noise = (*parts[:i], wrong, *parts[i + 1 :])
            for method in (objective.value, objective.value_and_gradient):
                with pytest.raises(ValueError, match=r"^noise must have "):
                    method(GREY, noise if isinstance(right, tuple) else wrong)


@pytest.mark.parametrize("wrong", sorted(set(WRONG_PIXELS) - {"uint8", "another dtype"}))
def test_the_models_methods_trainer_and_evaluation_refuse_them_too(wrong, rng):
    """Here uint8 is right, which becomes [0, 1], and so is another dtype of floats."""
    model, x = make_model(latent=2, dtype=np.float64), WRONG_PIXELS[wrong]
    for call in (
        lambda: model.encode(x),
        lambda: model.reconstruct_mean(x),
        lambda: model.reconstruct_draw(x, rng),
        lambda: Trainer(model, Adam(model.parameters), x),
        lambda: evaluation.evaluate_elbo(model, x),
        lambda: evaluation.importance_sampled_log_likelihood(model, x, 5),
        lambda: evaluation.prior_sampled_log_likelihood(model, x, 5),
        lambda: evaluation.grid_log_likelihood(model, x, spacing=1),
        lambda: evaluation.reciprocal_log_likelihood(model, x, 20),
    ):
        with pytest.raises(ValueError, match=r"^images must (be|have) "):
            call()


@pytest.mark.parametrize("wrong", WRONG_PIXELS)
def test_inference_refuses_them(wrong, rng):
    model, x = make_model(latent=2, dtype=np.float64), WRONG_PIXELS[wrong]
    start = rng.standard_normal((3, 4, 2))
    q = model.encode(GREY)
    calls = [
        lambda: hmc.log_joint(model.decoder, x, start),
        lambda: hmc.sample_posterior(model.decoder, x, 2, rng, start),
        lambda: appendix_d(model.decoder, x, start, 20, rng),
        lambda: per_image.fit(model.decoder, x, q, rng),
        lambda: grid.grid_log_joint(model, x, start[0]),
        lambda: MonteCarloEM(model.decoder, Adam([model.decoder.parameters]), x),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"^x must (be|have) "):
            call()


@pytest.mark.parametrize("x", [np.ones((4, 1)), np.ones((4, PIXELS), np.uint8), np.ones(PIXELS)])
def test_closed_forms_refuse_them(x, linear, rng):
    q = DiagonalGaussian(*rng.standard_normal((2, 4, LATENT)))
    for call in (
        lambda: linear_gaussian.posterior(linear.decoder, x),
        lambda: linear_gaussian.log_likelihood(linear.decoder, x),
        lambda: linear_gaussian.mean_field(linear.decoder, x),
        lambda: linear_gaussian.kl_to_posterior(q, linear.decoder, x),
        lambda: linear_gaussian.expected_elbo(q, linear.decoder, x),
    ):
        with pytest.raises(ValueError, match=r"^x must (be|have) "):
            call()


@pytest.mark.parametrize("kl_weight", [-1, float("nan"), "1"])
def test_the_weight_of_the_kl_is_a_number_from_0(kl_weight, rng):
    model = make_model(dtype=np.float64)
    with pytest.raises(ValueError, match="kl_weight must be a finite number >= 0, got"):
        model.elbo_and_gradient(GREY, model.draw_noise(rng, 2, 4), kl_weight)


def test_black_and_white_images_in_uint8_are_refused_at_every_door(rng, tmp_path):
    """They would be taken as nearly black: 0 and 1 of 255."""
    model, x, out = make_model(latent=2), np.eye(4, 6, dtype=np.uint8), tmp_path / "x.png"
    for call in (
        lambda: model.encode(x),
        lambda: model.reconstruct_mean(x),
        lambda: model.reconstruct_draw(x, rng),
        lambda: Trainer(model, Adam(model.parameters), x),
        lambda: next(aevb.train(ELBO(model), Adam(model.parameters), x, epochs=1)),
        lambda: evaluation.evaluate_elbo(model, x),
        lambda: evaluation.importance_sampled_log_likelihood(model, x, 5),
        lambda: evaluation.grid_log_likelihood(model, x, spacing=1),
        lambda: evaluation.reciprocal_log_likelihood(model, x, 20),
        lambda: figures.image_grid(x, (2, 3), out, "x"),
        lambda: figures.reconstructions(x, {"again": x}, (2, 3), out),
    ):
        with pytest.raises(ValueError, match="images of uint8 run to 255, got none above 1"):
            call()
    assert model.encode(x[:1]).mean.shape == (1, 2)  # one image may be so dark


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of np.matrix
@pytest.mark.parametrize("kind", [np.ma.masked_array, np.matrix])
def test_an_array_that_is_more_than_its_numbers_is_refused_at_every_door(kind, linear):
    """A mask would be dropped; and * of matrices is the matrix product."""
    model, x, z = make_model(dtype=np.float64), kind(GREY), kind(np.ones((2, 3)))
    lacking = kind(np.ones((4, PIXELS)))
    calls = [
        lambda: model.encode(x),
        lambda: model.decode(z),
        lambda: Trainer(model, Adam(model.parameters), x),
        lambda: hmc.log_joint(model.decoder, x, np.ones((4, 3))),
        lambda: linear_gaussian.posterior(linear.decoder, lacking),
        lambda: linear_gaussian.maximum_likelihood(lacking, 1),
    ]
    if kind is np.ma.masked_array:  # a matrix is never of one dimension
        calls.append(lambda: model.decoder.start_at(np.ma.masked_less(np.full(6, 0.5), 0.2)))
    for call in calls:
        with pytest.raises(ValueError, match=r"^\w+ must be a plain array of numbers, got [Mm]a"):
            call()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_is_no_model_is_refused(objective):
    model = make_model()
    for wrong in (None, GREY, VAE, model.decoder):
        with pytest.raises(ValueError, match="model must be a VAE, got "):
            objective(wrong)


def test_parts_in_each_others_place_are_refused(rng):
    model, start = make_model(latent=2, dtype=np.float64), rng.random((3, 4, 2))
    for call, message in (
        (lambda: evaluation.evaluate_elbo(GREY, model), "model must be a VAE, got ndarray"),
        (lambda: Trainer(Adam(model.parameters), model, GREY), "model must be a VAE, got Adam"),
        (
            lambda: evaluation.evaluate_elbo(model, GREY, objective=ELBO(make_model())),
            "objective must be an object made from this model",
        ),
        (lambda: VAE(model.encoder, BernoulliDecoder), "decoder must be a decoder"),
        (lambda: hmc.sample_posterior(model, GREY, 2, rng, start), "decoder must be a decoder"),
        (lambda: per_image.fit(model, GREY, model.encode(GREY), rng), "decoder must be a decoder"),
        (lambda: Adam([model.encoder, model.decoder]), "vectors must be a list such as a VAE's"),
        (lambda: model.decoder.start_at([0.5] * 6), r"mean_image must have shape \(6,\), got list"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_starts_of_another_shape_are_refused(rng):
    model = make_model(latent=2, dtype=np.float64)
    for wrong in (None, np.ones(()), *map(np.ones, ((4, 2), (3, 1, 2), (0, 4, 2)))):
        with pytest.raises(ValueError, match=r"^initial must have shape \(C, 4, 2\), got "):
            hmc.sample_posterior(model.decoder, GREY, 2, rng, wrong)
    q = model.encode(GREY)
    shared = DiagonalGaussian(q.mean, np.array(0.0))
    half = DiagonalGaussian(q.mean[:1], q.log_var)
    for wrong in (None, q.mean, shared, half, model.encode(GREY[:1])):
        with pytest.raises(ValueError, match=r"^initial must (be a Diag|have a mean and log_var)"):
            per_image.fit(model.decoder, GREY, wrong, rng)


@pytest.mark.parametrize("wrong", ["no", 0, None])
def test_a_progress_bar_is_shown_or_not(wrong):
    with pytest.raises(ValueError, match="progress must be True or False, got"):
        progress_bar(wrong, total=1)


@pytest.mark.parametrize(
    ("on_a_terminal", "progress", "shown"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_a_progress_bar_is_shown_on_a_terminal_alone(on_a_terminal, progress, shown):
    screen = io.StringIO()
    screen.isatty = lambda: on_a_terminal
    with progress_bar(progress, total=1, file=screen) as bar:
        bar.update()
        assert not shown or bar.dynamic_ncols  # it follows the window's width
    assert bool(screen.getvalue()) == shown
