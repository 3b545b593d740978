"""Algorithm 1: what it learns, and that nothing is lost when it stops."""

import itertools
import signal
import threading
import types
from contextlib import nullcontext

import numpy as np
import pytest
from conftest import interrupt_at, make_model, make_trainer, weights

import vae_np.training.trainer
from vae_np import Adam, Trainer
from vae_np.backend import say_once, to_numpy
from vae_np.checkpoints import read_checkpoint
from vae_np.evaluation import evaluate_elbo
from vae_np.objectives import ELBO, ScoreFunction, WakeSleep
from vae_np.optimizers import SGD, Adagrad
from vae_np.training.aevb import shuffled

STEPS_PER_EPOCH = 4


def test_training_raises_the_elbo(images):
    trainer = make_trainer(images)
    before = evaluate_elbo(trainer.model, images, n_draws=50).value
    rows = []
    assert trainer.fit(60, after_epoch=rows.append, progress=False)
    after = evaluate_elbo(trainer.model, images, n_draws=50).value
    assert after > before + 1
    assert [row["epoch"] for row in trainer.history] == list(range(1, 61))
    assert rows == trainer.history
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


def test_the_history_of_a_model_in_float64_is_not_rounded(images):
    model = make_model(dtype=np.float64)
    trainer = Trainer(model, SGD(model.parameters, 1e-30), images)  # one minibatch
    trainer.fit(1, progress=False)
    order, generator = shuffled(38, seed=0, epoch=0, device="cpu")
    noise = trainer.objective.draw_noise(generator, 1, 38)
    elbo = model.elbo(model.as_pixels(images[order]), noise).value.mean()
    assert trainer.history[0]["train_elbo"] == pytest.approx(elbo, rel=1e-12)


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


def test_a_binarized_step_draws_its_noise_and_then_a_uniform_number_for_each_pixel(images):
    trainer, seen = make_trainer(images, binarize=True, seed=3), []
    inner = trainer.objective.value_and_gradient
    trainer.objective.value_and_gradient = lambda *both: seen.append(both) or inner(*both)
    trainer.fit(1, progress=False)
    order, generator = shuffled(38, seed=3, epoch=0, device="cpu")
    for i, (x, noise) in enumerate(seen):
        grey = trainer.model.as_pixels(images[order[10 * i : 10 * i + 10]])
        expected = generator.standard_normal((1, len(grey), 3), dtype=np.float32)
        np.testing.assert_array_equal(noise, expected)
        np.testing.assert_array_equal(x, generator.random(grey.shape, dtype=np.float32) < grey)


class Bar(nullcontext):
    """A progress bar that is drawn anew at every second step."""

    def __init__(self, *args, **options):
        super().__init__()
        self.steps, self.texts = 0, []

    def update(self):
        self.steps += 1
        return self.steps % 2 == 0

    def set_postfix_str(self, text, refresh):
        self.texts.append(text)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_the_progress_bar_shows_the_epochs_elbo_so_far(images, monkeypatch, device, gpu):
    """But not on a GPU, which would have to wait for each look."""
    bar, model = Bar(), make_model(device=device)
    monkeypatch.setattr(vae_np.training.trainer, "progress_bar", lambda *_, **__: bar)
    trainer, expected = Trainer(model, SGD(model.parameters, 1e-30), images, batch_size=10), []
    for epoch in (1, 2):
        trainer.fit(epoch)
        of_step = to_numpy(trainer.sums) @ [1, -1]  # ELBO = reconstruction − KL
        expected += [of_step[:2].sum() / 20, of_step.sum() / 38]
    assert bar.steps == 8
    assert bar.texts == ([f"ELBO {elbo:.2f} nats" for elbo in expected] if device == "cpu" else [])


def test_the_progress_bar_begins_where_the_run_is(images, monkeypatch):
    made, trainer = [], make_trainer(images)

    def progress_bar(progress, initial, total, unit):
        made.append((initial, total))
        return Bar()

    monkeypatch.setattr(vae_np.training.trainer, "progress_bar", progress_bar)
    trainer.fit(2)
    interrupt_at(trainer, 2, monkeypatch)
    assert not trainer.fit(3)
    trainer.fit(3)
    assert made == [(0, 8), (8, 12), (10, 12)]


def test_on_a_cpu_nothing_is_recorded_and_nothing_said(images, capsys):
    say_once.cache_clear()
    model = make_model()
    Trainer(model, Adam(model.parameters), images, batch_size=3).fit(1)  # 12 full minibatches
    assert not capsys.readouterr().err


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


def test_a_trainer_that_has_trained_on_goes_back_to_its_checkpoint(images, tmp_path):
    """All of it: else the second time would differ from the first."""
    trainer, path, ends = make_trainer(images, weight_prior=True), tmp_path / "c.npz", []
    trainer.fit(1, progress=False)
    trainer.save(path)
    history, seconds = list(trainer.history), trainer.seconds
    for _ in range(2):
        assert trainer.fit(3, progress=False)
        ends.append([weights(trainer), *trainer.optimizer.state[0]])
        trainer.load(path)
        assert (trainer.epoch, trainer.step, trainer.optimizer.steps) == (1, 0, 4)
        assert (trainer.history, trainer.seconds) == (history, seconds)
    np.testing.assert_array_equal(np.concatenate(ends[0]), np.concatenate(ends[1]))
    assert read_checkpoint(path)[0]["settings"] is None


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


@pytest.mark.parametrize("epoch", [0, 3])
@pytest.mark.parametrize("objective", [ELBO, WakeSleep, ScoreFunction])
def test_weight_prior_pulls_the_decoder_alone(images, objective, epoch):
    more = {"objective": objective, "n_draws": 2}
    plain, prior = (make_trainer(images, SGD, 0.1, weight_prior=w, **more) for w in (False, True))
    start = weights(plain)
    for trainer in (plain, prior):
        vars(trainer)["_epoch"] = epoch
        order, generator = shuffled(38, seed=0, epoch=0, device="cpu")
        trainer._train_step(generator, 0, order[:10])
    pull = weights(prior) - weights(plain)
    n_phi = plain.model.encoder.parameters.value.size
    np.testing.assert_array_equal(pull[:n_phi], 0)
    np.testing.assert_allclose(pull[n_phi:], -0.1 / 38 * start[n_phi:], atol=1e-7)


@pytest.fixture
def clock(monkeypatch):
    """Each look at it takes two seconds and a quarter."""
    clock = itertools.count(start=1000.0, step=2.25)
    fake = types.SimpleNamespace(perf_counter=lambda: next(clock))
    monkeypatch.setattr(vae_np.training.trainer, "time", fake)
    return clock


def test_seconds_add_up_over_epochs_and_resumes_without_the_evaluation(images, tmp_path, clock):
    trainer, again = make_trainer(images), make_trainer(images)
    trainer.fit(3, lambda: {"clock": next(clock)}, progress=False)
    assert [row["seconds"] for row in trainer.history] == [2.25, 4.5, 6.75]
    trainer.save(tmp_path / "c.npz")
    for _ in range(2):
        again.load(tmp_path / "c.npz")
    again.fit(4, progress=False)
    assert again.seconds == 9 and len(again.history) == 4


def test_the_seconds_of_an_epoch_that_was_stopped_count_too(images, tmp_path, clock, monkeypatch):
    trainer, again = make_trainer(images), make_trainer(images)
    interrupt_at(trainer, 6, monkeypatch)
    assert not trainer.fit(3, progress=False)
    assert trainer.step == 2 and trainer.seconds == 4.5
    trainer.save(tmp_path / "c.npz")
    again.load(tmp_path / "c.npz")
    again.fit(2, progress=False)
    assert [row["seconds"] for row in again.history] == [2.25, 6.75]


def test_ignored_interrupts_stay_ignored(images, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        trainer = make_trainer(images)
        interrupt_at(trainer, 1, monkeypatch)
        assert trainer.fit(1, progress=False)
    finally:
        signal.signal(signal.SIGINT, before)
