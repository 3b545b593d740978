"""Where training leaves the finite numbers it stops, says where, and saves nothing."""

import signal

import numpy as np
import pytest
from conftest import make_model, make_trainer, weights

from vae_np import VAE, GaussianDecoder, GaussianEncoder, Trainer
from vae_np.checkpoints import CheckpointError
from vae_np.downloads import DataError
from vae_np.objectives import ELBO
from vae_np.optimizers import SGD, Adagrad, Adam
from vae_np.parameters import ParameterVector
from vae_np.training.divergence import DivergenceError

WHAT = [
    *(f"a weight of the {network}" for network in ("encoder", "decoder")),
    *(f"what the optimizer remembers of the {n}'s gradients" for n in ("encoder", "decoder")),
]


def test_divergence_names_the_step_and_leaves_the_checkpoint(images, tmp_path):
    trainer = make_trainer(images, SGD, 1e30)
    path = tmp_path / "checkpoint.npz"
    trainer.save(path)
    with pytest.raises(DivergenceError, match=r"not finite at step 2 \(epoch 1\).*below 1e\+30"):
        trainer.fit(5, progress=False)
    assert trainer.step == 1  # it stopped at once
    fresh = make_trainer(images, SGD, 1e30)
    fresh.load(path)
    assert np.isfinite(weights(fresh)).all()


@pytest.mark.parametrize(
    ("images", "pixels"),
    [
        (np.array([[1, 2]] * 150 + [[0, 3e18], [1, 2]], np.float32), "from 0 to 3e+18"),
        (np.array([[9, 51], [255, 0], [7, 2]], np.uint8), "from 0 to 1"),
    ],
)
def test_what_is_not_finite_before_the_first_step_is_no_divergence(images, pixels, gpu):
    for device in ("cpu", gpu):
        model = VAE(
            GaussianEncoder(2, [], 1, device=device), GaussianDecoder(1, [], 2, device=device)
        )
        model.decoder.parameters.value[:] = 1e30
        trainer = Trainer(model, SGD(model.parameters, 1e-12), images)
        with pytest.raises(DivergenceError) as raised:
            trainer.fit(1, progress=False)
        assert str(raised.value) == (
            "the ELBO is not finite at step 1 (epoch 1), before a weight has changed: the pixels, "
            f"{pixels}, or the weights are too large"
        )


def test_the_first_step_of_a_later_epoch_comes_after_weights_have_changed(images):
    trainer = make_trainer(images)
    trainer.fit(1, progress=False)
    trainer.model.decoder.parameters.value[:] = np.inf
    step = trainer.steps_per_epoch + 1
    with pytest.raises(DivergenceError, match=rf"step {step} \(epoch 2\): training diverged; a "):
        trainer.fit(2, progress=False)


def test_the_step_that_diverged_leaves_nothing_that_no_checkpoint_can_hold(images, tmp_path):
    trainer, well = make_trainer(images, SGD), make_trainer(images, SGD)
    trainer.model.decoder.parameters.value[:] = np.inf
    with pytest.raises(DivergenceError):
        trainer.fit(1, progress=False)
    for vector, its in zip(trainer.model.parameters, well.model.parameters, strict=True):
        vector.value[:] = its.value
    trainer.save(tmp_path / "checkpoint.npz")
    trainer.load(tmp_path / "checkpoint.npz")
    for each in (trainer, well):
        each.fit(1, progress=False)
    np.testing.assert_array_equal(weights(trainer), weights(well))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("others", [({"a": 1.0}, {}), ({}, {"a": 1.0})])
def test_divergence_after_the_last_step_shows_in_the_evaluation(images, value, others):
    before, after = others
    trainer, values = make_trainer(images[:30]), iter([0.0, 0.0, value])
    message = (
        r"test_elbo is not finite at step 9 \(epoch 3\), though the weights are: look at evaluate "
        "first; if that is right, a learning rate below 0.01 may help"
    )
    with pytest.raises(DivergenceError, match=message):
        trainer.fit(3, lambda: before | {"test_elbo": next(values)} | after, progress=False)
    assert len(trainer.history) == 2


def test_a_gpu_looks_at_the_epochs_end_and_names_the_step_too(gpu, images):
    model = make_model(device=gpu)
    trainer = Trainer(model, SGD(model.parameters, 1e30), images, batch_size=10)
    with pytest.raises(DivergenceError, match=r"the ELBO is not finite at step 2 \(epoch 1\)"):
        trainer.fit(5, progress=False)
    assert trainer.step == 4


@pytest.mark.parametrize("term", [0, 1])
def test_a_gpu_names_the_first_step_of_a_later_epoch_at_which_a_term_is_infinite(gpu, images, term):
    model, many = make_model(device=gpu), np.tile(images, (28, 1))
    trainer = Trainer(model, SGD(model.parameters, 1e-3), many, batch_size=10, graph=False)
    trainer.fit(1, progress=False)
    step = trainer._train_step

    def spoilt(generator, i, rows):
        step(generator, i, rows)
        trainer.sums[i, term] += np.inf if i >= 105 else 0

    trainer._train_step = spoilt
    with pytest.raises(DivergenceError, match=r"the ELBO is not finite at step 213 \(epoch 2\)"):
        trainer.fit(2, progress=False)


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize(("at", "epoch"), [(1, 1), (2, 1), (4, 1), (5, 2)])
def test_a_number_that_is_not_finite_is_told_where_training_stops(
    images, what, at, epoch, tmp_path
):
    """The last step can break it after its ELBO was still finite."""
    model = make_model(hidden=(400,))
    trainer = Trainer(model, Adam(model.parameters, 0.01), images, batch_size=10)
    step, vectors = trainer.optimizer.step, model.parameters
    arrays = [vector.value for vector in vectors] + [last for _, last in trainer.optimizer.state]

    def breaking():
        step()
        if trainer.optimizer.steps == at:
            arrays[WHAT.index(what)][-1] = np.nan
            signal.raise_signal(signal.SIGINT)

    trainer.optimizer.step = breaking
    said = f"{what} is not finite at step {at} (epoch {epoch}): "
    said += "training diverged; a learning rate below 0.01 may help"
    for call in (lambda: trainer.fit(2, progress=False), lambda: trainer.save(tmp_path / "c.npz")):
        with pytest.raises(DivergenceError) as raised:
            call()
        assert str(raised.value) == said
    assert len(trainer.history) == epoch - 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("network", "part", "infinite"), [("encoder", "2.bias", "kl"), ("decoder", "2.bias", "rec")]
)
def test_one_term_that_is_infinite_is_heard_at_once(images, network, part, infinite):
    """A KL of σ² beyond float32, though tanh keeps what is decoded finite; or a certain pixel."""
    trainer = make_trainer(images)
    vector = getattr(trainer.model, network).parameters
    vector.views(vector.value)[part][-1] = 200 if infinite == "kl" else np.inf
    noise = trainer.objective.draw_noise(np.random.default_rng(0), 1, 2)
    with np.errstate(all="ignore"):
        value = trainer.objective.value_and_gradient(trainer.model.as_pixels(images[:2]), noise)
    terms = np.isinf(value.reconstruction).any(), np.isinf(value.kl).any()
    assert terms == (infinite == "rec", infinite == "kl")
    with pytest.raises(DivergenceError, match="the ELBO is not finite at step 1"):
        trainer.fit(1, progress=False)
    assert trainer.step == 0


@pytest.mark.parametrize("network", ["encoder", "decoder"])
@pytest.mark.parametrize("optimizer", [Adam, Adagrad])
def test_an_infinite_state_is_divergence_and_not_a_frozen_weight(
    images, optimizer, network, tmp_path
):
    """g² of a float32 gradient above 1.8e19 is infinite: its weight would never move again."""
    trainer = make_trainer(images, optimizer)
    good = tmp_path / "c.npz"
    trainer.save(good)
    before = good.read_bytes()
    step = trainer._train_step

    def explode(*batch):
        step(*batch)
        getattr(trainer.model, network).parameters.grad[3] = 2e19
        with np.errstate(over="ignore"):
            trainer.optimizer.step()

    trainer._train_step = explode
    message = f"what the optimizer remembers of the {network}'s gradients is not finite at step 4"
    with pytest.raises(DivergenceError, match=message):
        trainer.fit(2, progress=False)
    assert np.isfinite(trainer.model.encoder.parameters.value).all()
    with pytest.raises(DivergenceError, match=message):
        trainer.save(good)
    assert good.read_bytes() == before


def test_whatever_an_own_objective_learns_besides_is_looked_at_and_saved(images, tmp_path):
    class Own(ELBO):
        def __init__(self, model):
            super().__init__(model)
            self._vectors["scales"] = ParameterVector({"scale": np.ones(2)})

    trainer, again = (make_trainer(images, objective=Own) for _ in range(2))
    trainer.fit(1, progress=False)
    trainer.objective.vectors["scales"].value[1] = 7
    trainer.save(tmp_path / "c.npz")
    again.load(tmp_path / "c.npz")
    assert again.objective.vectors["scales"].value.tolist() == [1, 7]
    again.objective.vectors["scales"].value[1] = np.nan
    with pytest.raises(DivergenceError, match="a weight of the scales is not finite"):
        again.fit(2, progress=False)


@pytest.mark.parametrize("error", [CheckpointError, DataError, DivergenceError])
def test_the_errors_of_the_package_are_value_errors(error):
    """One `except ValueError` hears all that it refuses, and no disk that is full."""
    assert issubclass(error, ValueError) and not issubclass(error, OSError)


def test_an_own_optimizers_state_is_one_for_each_vector(images):
    """Else a part of it would be looked at by nobody, and saved by nobody."""

    class Own(SGD):
        state = property(lambda self: [[]])

        def step(self):
            self.steps += 1

    trainer = make_trainer(images, Own)
    with pytest.raises(ValueError, match="shorter"):
        trainer.fit(1, progress=False)
