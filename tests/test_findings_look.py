"""A sentence about an experiment's numbers is said only where the run's own numbers bear it out."""

from types import SimpleNamespace

import numpy as np
import pytest
from drawn_figures import drawn, recorded  # noqa: F401

from demos.questions import (
    amortization,
    clouds,
    posterior,
    tug_of_war,
    two_estimators,
    why_mse,
    why_q,
)
from vae_np.distributions import DiagonalGaussian


@pytest.mark.parametrize(
    ("worst", "error", "missed"), [(-2.99, 0.29, True), (-0.5, 0.29, False), (0.36, 0.1, False)]
)
def test_q_misses_a_part_only_where_its_estimate_is_far_below(worst, error, missed):
    of = recorded("why_q")
    exact = of["two_latents"]["q_minus_reference"]
    exact |= {"worst": worst, "standard_error_of_worst": error, "mean": 0.012}
    said = why_q.describe(of["two_latents"], of["twenty_latents"], of["images"])
    assert f"by +0.012 in the mean, the worst image by {worst:+.2f} with a standard" in said
    assert f"a standard error of {error:.2f}" in said
    assert ("where q misses a part of the posterior, its samples cannot tell" in said) == missed


@pytest.mark.parametrize(("growth", "worse"), [(2.1, True), (1.9, False), (-2.1, False)])
def test_unseen_images_are_served_worse_only_by_two_standard_errors(growth, worse):
    of = recorded("amortization")
    test, training = of["test"]["amortization"], of["training"]["amortization"]
    test["standard_error_between_images"], training["standard_error_between_images"] = 0.3, 0.4
    test["mean"] = training["mean"] + 0.5 * growth
    said = amortization.describe(of["test"], of["training"], 100)
    assert f"changes by {0.5 * growth:+.2f} ± 0.50 nats (as images differ): " in said
    assert ("): the encoder serves unseen images worse. " in said) == worse
    assert ("worse is not to be seen. " in said) != worse


@pytest.mark.parametrize(("r_hat", "agree"), [(1.02, True), (1.09, True), (1.11, False)])
def test_chains_are_said_to_disagree_only_where_r_hat_is_above_one(r_hat, agree):
    of = recorded("posterior")
    for row in of["images"]:
        row["hmc_r_hat"], row["hmc_shift"] = 1.0, 0.1
    of["images"][2]["hmc_r_hat"] = r_hat
    said = posterior.describe(of["images"], of["gaps"])
    assert f"{r_hat:.2f} for the worst, rank {of['images'][2]['rank']}: the " in said
    assert said.endswith("the chains agree.") == agree
    assert ("modes that lie far apart they seldom cross" in said) != agree


def test_chains_that_agree_on_a_wrong_place_are_not_called_right():
    of = recorded("posterior")
    for row in of["images"]:
        row["hmc_r_hat"], row["hmc_shift"] = 1.0, 0.1
    of["images"][4]["hmc_shift"] = 15.5
    said = posterior.describe(of["images"], of["gaps"])
    rank = of["images"][4]["rank"]
    assert "0.10 of the posterior's standard deviations for the median image and 15.50" in said
    assert f"for the worst, rank {rank}. R̂ is" in said
    off = (
        f" Those of rank {rank} agree on a mean that is off by 15.5: perhaps q, where they start, "
        "lies too far away."
    )
    assert said.endswith(": the chains agree." + off)
    of["images"][1]["hmc_r_hat"] = 3  # and where others disagree
    assert posterior.describe(of["images"], of["gaps"]).endswith("not the posterior's." + off)
    for shift, told in ((0.99, False), (1.01, True)):
        of["images"][4]["hmc_shift"] = shift
        assert ("agree on a mean" in posterior.describe(of["images"], of["gaps"])) == told


@pytest.mark.parametrize(
    ("elbos", "said"),
    [
        ([4000.0, 5000.4, 4500.0], "by epoch 3 it reaches 5000 nats; with u"),
        ([-46.2], "by epoch 1 it reaches -46 nats; with u"),
        ([], "by epoch 1 it diverges; with u"),
    ],
)
def test_what_holds_no_elbo_is_said_as_far_as_it_came(elbos, said):
    models = recorded("why_mse")["models"]
    assert f"Without u nothing holds its ELBO: {said}" in why_mse.describe(models, elbos, 1e-4)


def test_clouds_beyond_the_panel_are_counted(drawn):  # noqa: F811 - the fixture
    of = recorded("clouds")
    *plane, _ = of["models"]
    for model in plane:
        model["clouds"] = [[[0, 0], [1, 1]]] * len(of["labels"])
    plane[0]["clouds"] = [[[5.1, 0], [1, 1]], [[0, -6], [1, 1]], *plane[1]["clouds"][2:]]
    clouds.draw(of["models"], of["labels"], (28, 28), "clouds.png")
    titles = [axes.get_title() for axes in drawn[0].axes[:3]]
    assert titles == [
        f"KL weight 0; 2 of {len(of['labels'])} lie outside",
        "KL weight 1",
        "KL weight 4",
    ]


def test_halfway_through_one_epoch_is_its_start():
    weights = recorded("tug_of_war")["weights"]
    weights[0]["variance_course"] = [0.5, 0.03]
    assert "(halfway through training it was 0.5)" in tug_of_war.describe(weights)


def test_the_worst_image_may_be_above_the_truth(monkeypatch):
    def estimate(model, images, n_samples=0, seed=0, progress=True, prior_share=0):
        assert progress  # it takes a while
        values, errors = np.array([-0.2, 0.5, 0.1]) * (n_samples > 0), np.array([0.1, 0.2, 0.3])
        return SimpleNamespace(
            value=values,
            mean=values.mean(),
            n_samples=n_samples,
            standard_error=errors,
            mean_standard_error=0.1,
        )

    q = DiagonalGaussian(np.zeros((3, 2)), np.zeros((3, 2)))
    model = SimpleNamespace(encode=lambda images: q)
    monkeypatch.setattr(why_q, "digit_model", lambda *given: model)
    monkeypatch.setattr(why_q, "train", lambda *given: None)
    for way in ("prior_sampled", "importance_sampled", "grid"):
        monkeypatch.setattr(why_q, f"{way}_log_likelihood", estimate)
    data, args = SimpleNamespace(train=None), SimpleNamespace(seed=0)
    found = why_q.measure(2, data, None, args)["q_minus_reference"]
    assert [found["worst"], found["standard_error_of_worst"]] == [0.5, 0.2]
    assert [found["mean"], found["median_size"]] == pytest.approx([0.4 / 3, 0.2])


@pytest.mark.parametrize(("largest", "agree"), [(4.9, True), (25.0, False)])
def test_means_are_said_to_agree_only_where_they_do(largest, agree):
    said = two_estimators.describe(recorded("two_estimators") | {"largest_z_score": largest})
    assert said.startswith("The means agree: of 28" if agree else "The means do not agree, though")


def test_no_correlation_has_no_sign():
    of = recorded("two_estimators")
    of["points"][0]["correlation"] = -0.004
    assert "(at the start 0.00)" in two_estimators.describe(of)


@pytest.mark.parametrize(
    ("off", "samples"),
    [([0.5, -2, 0.9], 100), ([3, 0.5, -0.9], 10), ([0, 0, 1.1], None), ([-0.9, 0.9, 0], 1)],
)
def test_samples_are_needed_until_no_more_of_them_move_the_estimate_far(off, samples):
    points = [{"samples": 10**k, "log_px": -90 + d} for k, d in enumerate(off)]
    assert why_q.needed(points, -90) == samples
