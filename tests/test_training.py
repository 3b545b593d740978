"""Algorithm 1: what it learns, and that nothing is lost when it stops."""

import signal
import threading
import types

import numpy as np
import pytest
from conftest import interrupt_at, make_model, make_trainer, weights

from vae_np import VAE, Adam, GaussianDecoder, GaussianEncoder, Trainer
from vae_np.evaluation import evaluate_elbo
from vae_np.objectives import ELBO, ScoreFunction, WakeSleep
from vae_np.optimizers import SGD, Adagrad
from vae_np.training.aevb import shuffled
from vae_np.training.monte_carlo_em import MonteCarloEM

STEPS_PER_EPOCH = 4


def test_training_raises_the_elbo(images):
    trainer = make_trainer(images)
    before = evaluate_elbo(trainer.model, images, n_draws=50).value
    assert trainer.fit(60, progress=False)
    after = evaluate_elbo(trainer.model, images, n_draws=50).value
    assert after > before + 1
    assert [row["epoch"] for row in trainer.history] == list(range(1, 61))
    assert trainer.seconds > 0


def test_history_is_the_mean_over_examples(images):
    """The last minibatch is smaller and must weigh less. SGD this slow leaves the weights be."""
    trainer = make_trainer(images, SGD, 1e-30)
    trainer.fit(1, progress=False)
    row, sums = trainer.history[0], trainer.sums
    mean = sums.sum(axis=0) / 38
    images_of_one = trainer.model.as_pixels(images)
    noise = np.zeros((1, 38, 3), np.float32)
    assert row["train_kl"] == pytest.approx(trainer.model.elbo(images_of_one, noise).kl.mean())
    assert row["train_reconstruction"] == pytest.approx(mean[0])
    assert row["train_elbo"] == pytest.approx(mean[0] - mean[1])


def minibatches_of(trainer, monkeypatch):
    """A list that receives each x that the objective is asked about."""
    inner, seen = trainer.objective.value_and_gradient, []

    def seeing(x, noise):
        seen.append(x)
        assert noise.shape == (1, len(x), 3)
        return inner(x, noise)

    monkeypatch.setattr(trainer.objective, "value_and_gradient", seeing)
    return seen


def test_each_epoch_sees_every_image_once(images, monkeypatch):
    trainer = make_trainer(images)
    seen = minibatches_of(trainer, monkeypatch)
    trainer.fit(2, progress=False)
    expected = np.sort(trainer.model.as_pixels(images), axis=0)
    epochs = [np.concatenate(seen[:4]), np.concatenate(seen[4:])]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch, axis=0), expected)
    assert (epochs[0] != epochs[1]).any()


def test_binarize_draws_fresh_binary_images_each_epoch(images, monkeypatch):
    trainer = make_trainer(np.full((10, 6), 128, np.uint8), binarize=True)
    seen = minibatches_of(trainer, monkeypatch)
    trainer.fit(2, progress=False)
    assert set(np.unique(seen)) == {0, 1}
    assert (seen[0] != seen[1]).any()


def test_fewer_examples_than_a_minibatch(images):
    trainer = make_trainer(images[:3])
    assert trainer.fit(2, progress=False)
    assert trainer.steps_per_epoch == 1


@pytest.mark.parametrize("optimizer", [SGD, Adagrad, Adam])
@pytest.mark.parametrize("stop_at", [1, 2, 3, 4, 5, 7, 8])
def test_interrupted_and_resumed_equals_uninterrupted(
    images, tmp_path, monkeypatch, optimizer, stop_at
):
    settings = {"optimizer": optimizer, "n_draws": 2, "binarize": True, "weight_prior": True}
    whole = make_trainer(images, **settings)
    assert whole.fit(3, progress=False)

    first = make_trainer(images, **settings)
    interrupt_at(first, stop_at, monkeypatch)
    assert not first.fit(3, progress=False)
    assert first.epoch * STEPS_PER_EPOCH + first.step == stop_at
    first.save(tmp_path / "checkpoint.npz")

    second = make_trainer(images, **settings)
    second.load(tmp_path / "checkpoint.npz")
    assert second.fit(3, progress=False)
    np.testing.assert_array_equal(weights(second), weights(whole))
    for ours, theirs in zip(second.history, whole.history, strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def test_training_outside_the_main_thread(images):
    trainer = make_trainer(images)
    thread = threading.Thread(target=trainer.fit, args=(1,), kwargs={"progress": False})
    thread.start()
    thread.join()
    assert trainer.epoch == 1


def test_what_evaluate_returns_can_be_saved(images, tmp_path):
    trainer = make_trainer(images)
    trainer.fit(1, lambda: {"test_elbo": np.float32(0.5)}, progress=False)
    trainer.save(tmp_path / "c.npz")
    again = make_trainer(images)
    again.load(tmp_path / "c.npz")
    assert again.history[0]["test_elbo"] == 0.5


@pytest.mark.parametrize("objective", [ELBO, WakeSleep, ScoreFunction])
def test_weight_prior_pulls_the_decoder_alone(images, objective):
    more = {"objective": objective, "n_draws": 2}
    plain, prior = (make_trainer(images, SGD, 0.1, weight_prior=w, **more) for w in (False, True))
    start = weights(plain)
    for trainer in (plain, prior):
        order, generator = shuffled(38, seed=0, epoch=0, device="cpu")
        trainer._train_step(generator, 0, order[:10])
    pull = weights(prior) - weights(plain)
    n_phi = plain.model.encoder.parameters.value.size
    np.testing.assert_array_equal(pull[:n_phi], 0)
    np.testing.assert_allclose(pull[n_phi:], -0.1 / 38 * start[n_phi:], atol=1e-7)


def test_optimizer_of_another_model_is_refused(images):
    with pytest.raises(ValueError, match="optimizer must be made from this model's parameters"):
        Trainer(make_model(), Adam(make_model().parameters), images)
    other = make_model()
    with pytest.raises(ValueError, match="objective must be made from this model, got another's"):
        Trainer(make_model(), Adam(other.parameters), images, ELBO(other))


def test_seconds_add_up_over_epochs_and_resumes(images, tmp_path):
    trainer = make_trainer(images)
    trainer.fit(3, progress=False)
    seconds = [row["seconds"] for row in trainer.history]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0
    trainer.save(tmp_path / "c.npz")
    again = make_trainer(images)
    again.load(tmp_path / "c.npz")
    again.fit(4, progress=False)
    assert again.seconds > trainer.seconds


def test_ignored_interrupts_stay_ignored(images, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        trainer = make_trainer(images)
        interrupt_at(trainer, 1, monkeypatch)
        assert trainer.fit(1, progress=False)
    finally:
        signal.signal(signal.SIGINT, before)


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
    with pytest.raises(ValueError, match="need a Bernoulli decoder"):
        make_trainer(images, decoder="fixed", binarize=True)


@pytest.mark.parametrize(
    "result",
    [
        None,
        3.0,
        *({"a": value} for value in (None, "b", [1, 2])),
        *({name: 1.0} for name in ("epoch", "train_kl", "seconds")),
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
    with pytest.raises(ValueError, match="after_epoch must be a function, got 3"):
        trainer.fit(1, after_epoch=3, progress=False)


def test_the_batch_size_is_for_good(images):
    with pytest.raises(AttributeError):
        make_trainer(images).batch_size = 5


def test_optimizers_want_a_list_of_vectors_and_trainers_an_optimizer(images):
    with pytest.raises(ValueError, match="vectors must be ParameterVectors"):
        Adam(make_model())
    with pytest.raises(ValueError, match="optimizer must be made from this model's parameters"):
        Trainer(make_model(), Adam, images)


@pytest.mark.parametrize("part", ["settings", "draw_noise"])
def test_an_own_objective_without_what_a_save_needs_is_refused_at_once(images, part):
    def own(model):
        known = ELBO(model)
        names = {"model", "vectors", "settings", "draw_noise", "value_and_gradient"} - {part}
        return types.SimpleNamespace(**{name: getattr(known, name) for name in names})

    with pytest.raises(ValueError, match=f"objective must have `{part}`, which namespace"):
        make_trainer(images, objective=own)


def test_settings_of_an_own_objective_that_cannot_be_saved_are_refused_at_once(images):
    class Own(ELBO):
        def settings(self):
            return {"objective": "own", "weights": np.ones(2)}

    with pytest.raises(ValueError, match=r"settings\(\) of the objective must be .*'weights'"):
        make_trainer(images, objective=Own)


def test_an_own_optimizer_without_state_is_refused_at_once(images):
    class Own:
        def __init__(self, vectors, learning_rate):
            self.vectors, self.learning_rate, self.steps = vectors, learning_rate, 0

        def settings(self):
            return {"optimizer": "own"}

    with pytest.raises(ValueError, match=r"optimizer must have `state`, which <.*Own object"):
        make_trainer(images, optimizer=Own)


@pytest.mark.parametrize("make", ["trainer", "em"])
def test_images_beyond_a_squashed_mean_are_said_where_training_begins(make, rng):
    model, x = make_model("fixed"), rng.normal(0, 1.3, (20, 6)).astype(np.float32)

    def begin(x, model=model):
        if make == "em":
            return MonteCarloEM(model.decoder, Adam([model.decoder.parameters]), x)
        return Trainer(model, Adam(model.parameters), x)

    with pytest.warns(UserWarning, match="images from -[0-9.]+ to [0-9.]+ lie outside 0 to 1.*sq"):
        begin(x)
    begin((x - x.min()) / (x.max() - x.min()))  # in silence: a warning would be an error
    decoder = GaussianDecoder(3, (5,), 6, noise="fixed")
    begin(x, VAE(GaussianEncoder(6, (5,), 3), decoder))
