"""What the experiments say of the recorded numbers is what was recorded, word for word."""

from types import SimpleNamespace

import pytest
from as_recorded import check_letters
from conftest import DEMOS
from drawn_figures import numbers, recorded, with_others

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
from demos.using import features, interpolation, unusual, walks

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
    "use_it": lambda of: "\n\n".join(
        part.describe(of[part.__name__.rpartition(".")[2]])
        for part in (interpolation, walks, unusual, features)
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_of_the_recorded_numbers_is_recorded(name):
    found = recorded(name)
    assert SAID[name](found) == found["findings"]


def test_each_number_that_is_said_is_its_own_where_no_two_are_alike(tmp_path):
    texts = [
        f"{name}\n{describe(with_others(recorded(name)))}\n" for name, describe in SAID.items()
    ]
    check_letters(tmp_path, "said_of_others.txt", "\n".join(texts))


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


def collapsed(of):
    """What is said of six models with 11, 12, ... latents in use, that had others on the way."""
    for k, model in enumerate(of["models"].values()):
        model["latents_in_use"], model["kl"], model["elbo"] = 11 + k, k / 10 + 0.2, -101.5 - k
        model["course"]["latents_in_use"] = [31 + k, 41 + k, 51 + k, 21 + k]
        model["course"]["kl"] = [0.7, 61 + k, 71 + k, 65 + k]


def of_the_best(of):
    for k, one in enumerate(of["weights"]):
        one["active_latents"], one["elbo"] = 11 + k, [-105.5, -102.5, -101.5, -103.5, -104.5][k]


def of_the_rotated(of):
    for k, name in enumerate(("2 latents", "20 latents", "20 latents, rotated")):
        of[name]["images"], of[name]["log_px"] = 30 + k, -90.25 - k
        of[name]["price"] |= {"round": 5 + k, "diagonal": 3 + k / 2, "full": 1 + k / 4}


def of_what_is_needed(of):
    for k, model in enumerate((of["two_latents"], of["twenty_latents"])):
        model["q"]["needed"], model["prior"]["needed"] = 11 + k, None if k else 13


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            "collapse",
            collapsed,
            [
                "to 0.2, the ELBO from -207 to -101.5; 11 of 20 latents are in use. With KL weight "
                "10 there are 12. With the pixels averaged, which is weight 784, there are 13, the "
                "KL is 0.4, and the ELBO -104",
                "rises to 74 first and ends at 0.5 under the full weight, with 14 in use",
                "15 latents are in use, at most 55 were on the way, and the ELBO is -105.5. "
                "Warmed up, 16 are, 46 were when the weight reached 1, and the ELBO is -106.5",
                "from 76 to 0.7.",
            ],
        ),
        (
            "tug_of_war",
            of_the_best,
            [
                "15 of 20 latents are active, 14 at weight 1.",
                "The best ELBO, -101.5, is that of weight 0.1.",
            ],
        ),
        (
            "q_family",
            of_the_rotated,
            [
                "30 test images, 2 latents: σ² I 5.00, diag(σ²) 3.00, Σ 1.00;",
                "31 images, 20 latents: σ² I 6.00, diag(σ²) 3.50, Σ 1.25;",
                "Rotated: σ² I 7.00, diag(σ²) 4.00, Σ 1.50. log p(x) is -91.25 before and -92.25 a",
                "of the 2.50 nats by which diag(σ²) was better than σ² I, 3.00 are left",
            ],
        ),
        (
            "two_estimators",
            lambda of: of.update(share_of_z_scores_within_2=0.75),
            ["of 28 z-scores", "21 are within ±2"],
        ),
        (
            "why_q",
            of_what_is_needed,
            [
                "with 2 latents 11 through q and 13 from the prior, with 20 latents 12 through q "
                "and more than 100,000 from the prior.",
            ],
        ),
    ],
)
def test_numbers_that_happen_to_be_alike_are_each_one_s_own(name, change, said):
    of = recorded(name)
    change(of)
    text = SAID[name](of)
    for part in said:
        assert part in text


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
