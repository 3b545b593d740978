"""What a Trainer refuses or warns of, before it trains."""

import re
import types

import numpy as np
import pytest
from conftest import make_model, make_trainer

from vae_np import VAE, Adam, BernoulliDecoder, GaussianDecoder, GaussianEncoder, Trainer
from vae_np.evaluation import evaluate_elbo
from vae_np.objectives import ELBO
from vae_np.training.monte_carlo_em import MonteCarloEM


def test_optimizer_of_another_model_is_refused(images):
    other = make_model()
    for optimizer in (Adam(other.parameters), Adam, "adam", None):
        with pytest.raises(ValueError, match="optimizer must be made from this model's parameters"):
            Trainer(make_model(), optimizer, images)
    with pytest.raises(ValueError, match="objective must be an object made from this model"):
        Trainer(make_model(), Adam(other.parameters), images, ELBO(other))
    for wrong in (ELBO, "elbo", 0):
        with pytest.raises(ValueError, match="objective must be an object made from this model"):
            Trainer(other, Adam(other.parameters), images, wrong)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number >= 1, got 0"),
        ({"n_draws": 1.5}, "n_draws must be a whole number >= 1, got 1.5"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
        ({"seed": 1.9}, "seed must be a whole number >= 0, got 1.9"),
    ],
)
def test_bad_settings(images, settings, message):
    model = make_model()
    with pytest.raises(ValueError, match=message):
        Trainer(model, Adam(model.parameters), images, **settings)


@pytest.mark.parametrize("epochs", [-1, 1.5, float("nan")])
def test_epochs_must_be_whole(images, epochs):
    with pytest.raises(ValueError, match=f"epochs must be a whole number >= 0, got {epochs}"):
        make_trainer(images).fit(epochs, progress=False)


def test_binarize_needs_a_bernoulli_decoder(images):
    with pytest.raises(ValueError, match=r"^binarize makes binary images, which need a Bern"):
        make_trainer(images, decoder="fixed", binarize=True)


def test_binary_images_may_be_of_a_bernoulli_decoder_of_ones_own(images):
    class Own(BernoulliDecoder):
        """As the package's."""

    model = VAE(GaussianEncoder(6, [5], 3), Own(3, [5], 6))
    assert Trainer(model, Adam(model.parameters), images, binarize=True).binarize
    evaluate_elbo(model, images, binary=True)


@pytest.mark.parametrize(
    "result",
    [
        None,
        3.0,
        *({"a": value} for value in (None, "b", [1, 2], 10**400)),
        *({name: 1.0} for name in ("epoch", "train_kl", "seconds")),
        {"a": 1.0, 2: 1.0},
    ],
)
def test_evaluate_must_return_numbers_of_its_own(images, result):
    trainer = make_trainer(images)
    with pytest.raises(ValueError, match="evaluate must return a dict of numbers, under names"):
        trainer.fit(1, lambda: result, progress=False)


def test_what_is_called_must_be_a_function(images):
    trainer = make_trainer(images)
    with pytest.raises(ValueError, match=r"evaluate must be a function, got \{'a': 1\}"):
        trainer.fit(1, {"a": 1}, progress=False)
    for wrong in (3, 0, False, {}):
        with pytest.raises(ValueError, match=f"after_epoch must be a function, got {wrong}"):
            trainer.fit(1, after_epoch=wrong, progress=False)


def test_an_optimizer_of_one_network_or_of_another_order_is_refused(images):
    model = make_model()
    for vectors in (model.parameters[:1], model.parameters[1:], model.parameters[::-1]):
        with pytest.raises(ValueError, match="optimizer must be made from this model's parameters"):
            Trainer(model, Adam(vectors), images)


def test_the_batch_size_is_for_good(images):
    with pytest.raises(AttributeError):
        make_trainer(images).batch_size = 5


def test_optimizers_want_a_list_of_vectors_and_trainers_an_optimizer(images):
    with pytest.raises(ValueError, match="vectors must be a list such as a VAE's parameters"):
        Adam(make_model())
    for wrong in (["phi", make_model().parameters[0]], "phi", make_model().parameters[0]):
        with pytest.raises(ValueError, match="vectors must be a list such as a VAE's parameters"):
            Adam(wrong)
    with pytest.raises(ValueError, match="optimizer must be made from this model's parameters"):
        Trainer(make_model(), Adam, images)


@pytest.mark.parametrize("part", ["vectors", "settings", "draw_noise", "value_and_gradient"])
def test_an_own_objective_without_what_a_save_needs_is_refused_at_once(images, part):
    model = make_model()
    known = ELBO(model)
    names = {"model", "vectors", "settings", "draw_noise", "value_and_gradient"} - {part}
    own = types.SimpleNamespace(**{name: getattr(known, name) for name in names})
    with pytest.raises(ValueError, match=f"objective must have `{part}`, which namesp.* has not$"):
        Trainer(model, Adam(model.parameters), images, own)


@pytest.mark.parametrize(("part", "known"), [("objective", ELBO), ("optimizer", Adam)])
def test_settings_of_an_own_part_that_cannot_be_saved_are_refused_at_once(images, part, known):
    class Own(known):
        def settings(self):
            return {part: "own", "weights": np.ones(2)}

    with pytest.raises(ValueError, match=rf"settings\(\) of the {part} must be .*'weights'"):
        make_trainer(images, **{part: Own})


@pytest.mark.parametrize("part", ["settings", "learning_rate", "state", "steps", "step"])
def test_an_own_optimizer_without_what_a_save_needs_is_refused_at_once(images, part):
    def own(vectors, learning_rate):
        known = Adam(vectors, learning_rate)
        names = {"vectors", "settings", "learning_rate", "state", "steps", "step"} - {part}
        return types.SimpleNamespace(**{name: getattr(known, name) for name in names})

    with pytest.raises(ValueError, match=f"optimizer must have `{part}`, which namespace"):
        make_trainer(images, optimizer=own)


@pytest.mark.parametrize("make", ["trainer", "em"])
def test_images_beyond_a_squashed_mean_are_said_where_training_begins(make, rng):
    model, x = make_model("fixed"), rng.normal(0, 1.3, (20, 6)).astype(np.float32)

    def begin(x, model=model):
        if make == "em":
            return MonteCarloEM(model.decoder, Adam([model.decoder.parameters]), x)
        return Trainer(model, Adam(model.parameters), x)

    last = np.concatenate([np.full((500, 6), 0.5, np.float32), x])
    for wrong in (x.clip(0, 1.5), x.clip(max=1), last):
        low, high = re.escape(f"{wrong.min():g}"), re.escape(f"{wrong.max():g}")
        stays = "where the decoder's mean stays: scale them, or make it with squash=False"
        message = f"images from {low} to {high} lie outside 0 to 1, {stays}"
        with pytest.warns(UserWarning, match=message) as warned:
            begin(wrong)
        assert warned[0].filename == __file__  # the line that gave them
    begin((x - x.min()) / (x.max() - x.min()))  # in silence: a warning would be an error
    if make == "trainer":
        begin(rng.integers(0, 256, (20, 6)).astype(np.uint8))
    decoder = GaussianDecoder(3, (5,), 6, noise="fixed")
    begin(x, VAE(GaussianEncoder(6, (5,), 3), decoder))
