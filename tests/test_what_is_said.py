"""What the experiments say of the recorded numbers is what was recorded, word for word."""

from types import SimpleNamespace

import pytest
from conftest import DEMOS
from drawn_figures import numbers, recorded

from demos.__main__ import scripts
from demos.paper import best_model_picture, figure_2_picture, figure_3_picture, full_bayes
from demos.questions import (
    amortization,
    clouds,
    collapse,
    conditional,
    convolution,
    more_samples,
    posterior,
    q_family,
    signal_to_noise,
    the_gap,
    tug_of_war,
    two_estimators,
    why_mse,
    why_q,
    why_reparameterize,
)

RESULTS = DEMOS / "results"


def best_model(of):
    return best_model_picture.describe(of["models"], SimpleNamespace(**of["options"]))


SAID = {
    "amortization": lambda of: amortization.describe(
        of["test"], of["training"], len(of["test"]["amortization"]["of_each_image"])
    ),
    "clouds": lambda of: clouds.describe(*of["models"], of["training_images"]),
    "collapse": lambda of: collapse.describe(*of["models"].values()),
    "conditional": lambda of: conditional.describe(
        of["plain"], of["conditional"], of["right_by_largest_elbo"]
    ),
    "convolution": lambda of: convolution.describe(of["encoders"], of["largest_error"]),
    "more_samples": lambda of: more_samples.describe(of["runs"]),
    "posterior": lambda of: posterior.describe(of["images"], of["gaps"]),
    "q_family": lambda of: q_family.describe(
        *(of[name] for name in ("2 latents", "20 latents", "20 latents, rotated"))
    ),
    "signal_to_noise": lambda of: signal_to_noise.describe(of["gradients"], of["runs"]),
    "the_gap": the_gap.describe,
    "tug_of_war": lambda of: tug_of_war.describe(of["weights"]),
    "two_estimators": two_estimators.describe,
    "why_mse": lambda of: why_mse.describe(
        of["models"],
        of["training_elbos"]["x = value/255"],
        of["largest_difference_between_reconstructions_of_the_bug"],
    ),
    "why_q": lambda of: why_q.describe(of["two_latents"], of["twenty_latents"], of["images"]),
    "why_reparameterize": why_reparameterize.describe,
    "small/full_bayes": lambda of: full_bayes.describe(of["runs"]),
    "figure_3": lambda of: figure_3_picture.describe(of["curves"]),
    "figure_2/summary": lambda of: figure_2_picture.describe(
        figure_2_picture.recorded(RESULTS / "figure_2"), of["without_latents"]
    ),
    "small/best_model": best_model,
    "best_model_elbo_5": best_model,
    "best_model_importance_weighted_1": best_model,
    "best_model_importance_weighted": best_model,
    "best_model_doubly_reparameterized": best_model,
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_of_the_recorded_numbers_is_recorded(name):
    found = recorded(name)
    assert SAID[name](found) == found["findings"]


def test_the_best_model_s_numbers_are_compared_with_reported_ones_where_there_are_any():
    of = recorded("small/best_model")
    of["models"][0]["epochs"], of["options"]["draws"] = 1, 2
    said = best_model(of)
    assert "elbo of 2 draws: " in said and " after 1 epoch, " in said
    assert "minutes of a core)" in said and "Reported" not in said
    of["options"]["device"] = "gpu"
    assert best_model(of) == said.replace(" of a core", "")


def test_each_share_of_draws_in_a_hole_is_its_own_model_s():
    models, shares = recorded("clouds")["models"], (0.12, 0.034, 0.056, 0.78)
    for model, share in zip(models, shares, strict=True):
        model["draws_in_a_hole"], model["test_codes_in_a_hole"] = share, share / 2
    said = clouds.describe(*models, 4000).partition("Of the prior's draws ")[2]
    said = said.replace("%", "").replace(",", "")
    assert numbers(said) == [12, 2, 0, 3.4, 1, 5.6, 4, 20, 78, 39, 20, 4000]


def test_curves_of_other_images_are_not_said_to_be_of_the_same():
    """A run that was begun with fewer --samples has fewer images."""
    curves = recorded("figure_3")["curves"]
    for curve in curves[:2]:
        curve["images"] = 10
    said = figure_3_picture.describe(curves)
    assert "of 10 or 100 training and 10 or 100 test images" in said
    assert "They are of different images, whose choice moves" in said
    for curve in curves:
        curve["images"] = 1  # of which no spread is known
    assert figure_3_picture.describe(curves).endswith(" from q(z|x). All are of the same images.")


def test_every_question_is_among_them():
    questions = {path.stem for path, _ in scripts() if path.parent.name == "questions"}
    assert len(questions) >= 15 and questions <= SAID.keys()
