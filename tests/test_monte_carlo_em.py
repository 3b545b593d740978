"""Monte Carlo EM stopped, saved and gone on with; what it learns is in test_rival_objectives.py."""

import math
import signal

import numpy as np
import pytest
from conftest import make_model

from vae_np import Adam
from vae_np.backend import Stream, random_generator
from vae_np.checkpoints import CheckpointError, read_checkpoint, write_checkpoint
from vae_np.inference.hmc import log_joint_and_gradient, transition
from vae_np.progress import progress_bar
from vae_np.training import aevb, monte_carlo_em
from vae_np.training.divergence import DivergenceError
from vae_np.training.monte_carlo_em import MonteCarloEM


def tiny_em(images, seed=0, model=None, rate=0.01, batch_size=10, **more):
    model = model or make_model()
    optimizer, x = Adam([model.decoder.parameters], rate), model.as_pixels(images)
    return MonteCarloEM(model.decoder, optimizer, x, batch_size, seed=seed, **more)


def test_monte_carlo_em_wants_the_decoder_alone(images):
    model = make_model()
    with pytest.raises(ValueError, match="decoder must be a decoder"):
        MonteCarloEM(model, Adam([model.decoder.parameters]), model.as_pixels(images))


@pytest.mark.parametrize("n_weight_updates", [1, 3])
def test_each_minibatch_updates_the_weights_as_often_as_asked(
    images, monkeypatch, n_weight_updates
):
    model, steps = make_model(), []
    optimizer, x = Adam([model.decoder.parameters], 0.01), model.as_pixels(images)
    em = MonteCarloEM(model.decoder, optimizer, x, 10, n_weight_updates=n_weight_updates)
    step = optimizer.step
    monkeypatch.setattr(optimizer, "step", lambda: steps.append(step()))
    em.fit(2, progress=False)
    assert len(steps) == 2 * math.ceil(len(images) / 10) * n_weight_updates


def test_the_progress_bar_begins_where_the_run_is(images, monkeypatch):
    made, em = [], tiny_em(images)

    def noted(progress, **options):
        made.append((options["initial"], options["total"]))
        return progress_bar(progress, **options)

    monkeypatch.setattr(monte_carlo_em, "progress_bar", noted)
    em.fit(1)
    em.fit(3)
    assert made == [(0, 38), (38, 3 * 38)]


def test_monte_carlo_em_goes_on_from_a_checkpoint_bit_for_bit(images, tmp_path):
    whole, first, second = (tiny_em(images) for _ in range(3))
    whole.fit(5, progress=False)
    first.fit(2, after_epoch=lambda: first.save(tmp_path / "em.npz", {"a": 1}), progress=False)
    second.load(tmp_path / "em.npz")
    second.fit(5, progress=False)
    assert np.array_equal(second.decoder.parameters.value, whole.decoder.parameters.value)
    assert np.array_equal(second.z, whole.z)
    assert read_checkpoint(tmp_path / "em.npz")[0]["settings"] == {"a": 1}
    with pytest.raises(CheckpointError, match="of another run: its seed is 0, not 1"):
        tiny_em(images, seed=1).load(tmp_path / "em.npz")
    about, arrays = read_checkpoint(tmp_path / "em.npz")
    arrays["z"] = arrays["z"][:1]  # would broadcast
    write_checkpoint(tmp_path / "em.npz", about, arrays)
    before, untouched = tiny_em(images).z, tiny_em(images)
    with pytest.raises(CheckpointError):
        untouched.load(tmp_path / "em.npz")
    assert np.array_equal(untouched.z, before) and untouched.epoch == 0


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        ({"batch_size": 20}, "batch size is 10, not 20"),
        ({"rate": 0.02}, r"learning rate is 0\.01, not 0\.02"),
        ({"rate": 0.01 + 1e-12}, r"learning rate is 0\.01, not 0\.010000000001"),
        ({"n_leapfrog": 5}, "leapfrog steps is 10, not 5"),
        ({"target_acceptance": 0.8}, r"target acceptance is 0\.9, not 0\.8"),
        ({"n_weight_updates": 2}, "weight updates is 5, not 2"),
        ({"weight_prior": True}, "weight prior is False, not True"),
        ({"model": make_model(dtype=np.float64)}, "dtype is float32, not float64"),
        ({"model": make_model("fixed")}, "decoder is BernoulliDecoder"),
        ({"model": make_model(activation="relu")}, r"decoder is .* Tanh .*, not .* ReLU "),
    ],
)
def test_other_settings_are_another_run(images, tmp_path, settings, difference):
    tiny_em(images).save(tmp_path / "em.npz")
    with pytest.raises(CheckpointError, match=f"of another run: its {difference}"):
        tiny_em(images, **settings).load(tmp_path / "em.npz")


def test_other_images_are_another_run(images, tmp_path):
    tiny_em(images).save(tmp_path / "em.npz")
    with pytest.raises(CheckpointError, match="its number of training images is 38, not 20"):
        tiny_em(images[:20]).load(tmp_path / "em.npz")
    many = np.tile(images, (60, 1))
    tiny_em(many).save(tmp_path / "em.npz")
    many[-1, -1] += 1
    with pytest.raises(CheckpointError, match="its checksum of the training images is"):
        tiny_em(many).load(tmp_path / "em.npz")


def test_each_seed_and_each_epoch_of_monte_carlo_em_has_its_own_draws(images, monkeypatch):
    seed = 2**40 + 3
    em, seen = tiny_em(images, seed=seed), []
    start = random_generator([seed, Stream.POSTERIOR]).standard_normal((38, 3), dtype=np.float32)
    np.testing.assert_array_equal(em.z, start)

    def e_step(rows, generator):
        seen.append((*rows, generator.random()))
        return np.ones(len(rows))

    monkeypatch.setattr(em, "e_step", e_step)
    em.fit(2, progress=False)
    minibatches = [m for epoch in (0, 1) for m in aevb.minibatches(38, 10, seed, epoch, "cpu")]
    assert seen == [(*rows, generator.random()) for rows, generator in minibatches]


def test_a_visit_moves_its_images_codes_and_then_climbs_with_them(images, monkeypatch):
    em, moved, climbed = tiny_em(images, n_weight_updates=1), [], []
    e_step, fill_gradient = em.e_step, em.fill_gradient

    def moving(rows, generator):
        acceptance = e_step(rows, generator)
        moved.append((em.x[rows], em.z[rows]))
        return acceptance

    monkeypatch.setattr(em, "e_step", moving)
    monkeypatch.setattr(
        em, "fill_gradient", lambda x, z: climbed.append((x, z)) or fill_gradient(x, z)
    )
    em.fit(1, progress=False)
    for ours, theirs in zip(climbed, moved, strict=True):
        np.testing.assert_array_equal(np.hstack(ours), np.hstack(theirs))


@pytest.mark.parametrize("n_leapfrog", [1, 4])
def test_the_e_step_is_a_transition_of_as_many_leapfrog_steps_as_asked(images, n_leapfrog):
    em, rows = tiny_em(images, n_leapfrog=n_leapfrog), np.arange(20, 30)

    def target(z):
        return log_joint_and_gradient(em.decoder, em.x[rows], z)

    start, steps = em.z[rows], np.full((10, 1), 0.05, np.float32)
    state = (start, *target(start))
    (z, *_), _ = transition(target, state, steps, n_leapfrog, np.random.default_rng(5))
    em.e_step(rows, np.random.default_rng(5))
    np.testing.assert_array_equal(em.z[rows], z)
    assert (z != start).any()


def test_the_step_size_is_tuned_at_every_visit(images, monkeypatch):
    em, ratios, expected = tiny_em(images), [], []
    e_step = em.e_step

    def tuning(rows, generator):
        before = em.step_size.item()
        expected.append(np.exp(e_step(rows, generator).mean() - 0.9))
        ratios.append(em.step_size.item() / before)
        return np.ones(len(rows))

    monkeypatch.setattr(em, "e_step", tuning)
    em.fit(3, progress=False)
    np.testing.assert_allclose(ratios, expected, rtol=1e-6)
    assert (np.array(ratios) != 1).all()


def test_the_gradient_of_monte_carlo_em_is_computed_in_the_models_dtype(images, monkeypatch):
    em, given = tiny_em(images), []
    backward = em.decoder.network.backward
    monkeypatch.setattr(em.decoder.network, "backward", lambda dy: given.append(dy) or backward(dy))
    em.m_step(np.arange(10))
    assert {dy.dtype for dy in given} == {np.dtype(np.float32)}


def pressed(em, times, monkeypatch):
    """Ctrl-C in the second minibatch of the epochs to come, so often."""
    m_step, seen = em.m_step, []

    def pressing(rows):
        seen.append(rows)
        for _ in range(times * (len(seen) == 2)):
            signal.raise_signal(signal.SIGINT)
        m_step(rows)

    monkeypatch.setattr(em, "m_step", pressing)


def test_monte_carlo_em_stops_after_a_whole_epoch_and_goes_on_bit_for_bit(
    images, tmp_path, monkeypatch
):
    whole, stopped, again = (tiny_em(images) for _ in range(3))
    assert whole.fit(3, progress=False)
    pressed(stopped, 1, monkeypatch)
    assert not stopped.fit(3, progress=False)
    assert stopped.epoch == 1
    stopped.save(tmp_path / "em.npz")
    again.load(tmp_path / "em.npz")
    assert again.fit(3, progress=False)
    assert again.optimizer.steps == whole.optimizer.steps
    assert np.array_equal(again.decoder.parameters.value, whole.decoder.parameters.value)
    assert np.array_equal(again.z, whole.z)


def test_a_stop_in_the_last_epoch_of_monte_carlo_em_is_told(images, monkeypatch):
    em, done = tiny_em(images), []
    pressed(em, 1, monkeypatch)
    assert not em.fit(1, lambda: done.append(em.epoch), progress=False) and done == [1]
    assert em.fit(1, progress=False)  # nothing left to do
    for wrong in (-1, 1.5):
        with pytest.raises(ValueError, match=f"epochs must be a whole number >= 0, got {wrong}"):
            em.fit(wrong, progress=False)


@pytest.mark.parametrize("before", [0, 1])
def test_monte_carlo_em_does_not_go_on_from_half_an_epoch(images, tmp_path, monkeypatch, before):
    em, whole = tiny_em(images), tiny_em(images)
    whole.fit(before + 1, progress=False)
    em.fit(before, progress=False)
    em.save(tmp_path / "em.npz")
    pressed(em, 2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        em.fit(3, progress=False)
    for go_on in (lambda: em.save(tmp_path / "half.npz"), lambda: em.fit(3, progress=False)):
        with pytest.raises(ValueError, match=f"epoch {before + 1} was cut short: load a checkp"):
            go_on()
    assert not (tmp_path / "half.npz").exists()
    tiny_em(images, seed=1).save(tmp_path / "other.npz")
    with pytest.raises(CheckpointError, match="its seed is 1, not 0"):
        em.load(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="cut short"):  # what was refused has mended nothing
        em.fit(3, progress=False)
    em.load(tmp_path / "em.npz")
    for _ in range(2):  # and from an epoch too many
        assert em.fit(before + 1, progress=False) and em.epoch == before + 1
        assert np.array_equal(em.decoder.parameters.value, whole.decoder.parameters.value)
        assert np.array_equal(em.z, whole.z) and em.optimizer.steps == 20 * (before + 1)
        em.load(tmp_path / "em.npz")


def test_a_checkpoint_of_monte_carlo_em_knows_the_optimizers_numbers(images, tmp_path):
    path, trained = tmp_path / "em.npz", tiny_em(images)
    trained.fit(1, progress=False)
    trained.save(path)
    about, arrays = read_checkpoint(path)
    other = tiny_em(images)
    other.optimizer.beta1 = 0.5
    with pytest.raises(CheckpointError, match=r"its beta1 is 0\.9, not 0\.5"):
        other.load(path)
    for altered in ({"epoch": "2"}, {"epoch": None}, {"optimizer_steps": 1.5}):
        write_checkpoint(path, about | altered, arrays)
        said = r"/\w+\.npz does not say where in its run it was saved$"
        untouched, before = tiny_em(images), tiny_em(images)
        with pytest.raises(CheckpointError, match=said):
            untouched.load(path)
        assert np.array_equal(untouched.z, before.z) and untouched.epoch == 0


def test_monte_carlo_em_saves_nothing_that_is_not_finite(images, tmp_path):
    for spoilt, what in (
        (lambda em: em.decoder.parameters.value, "a weight"),
        (lambda em: em.optimizer.state[0][1], "a number of its optimizer"),
        (lambda em: em.z, "a number of its z"),
        (lambda em: em.step_size, "a number of its step_size"),
    ):
        em = tiny_em(images)
        for epoch in (1, 2):
            before = spoilt(em)[-1].copy()
            spoilt(em)[-1] = np.inf
            with pytest.raises(DivergenceError, match=f"{what}.* is not finite in epoch {epoch}"):
                em.save(tmp_path / "em.npz")
            spoilt(em)[-1] = before
            em.fit(epoch, progress=False)
    assert not (tmp_path / "em.npz").exists()
