"""What may not change cannot be changed; what may is checked where it is used and saved."""

import copy
from dataclasses import fields

import numpy as np
import pytest
from conftest import make_model, make_trainer
from test_the_door import OBJECTIVES

from vae_np import Adam, Trainer
from vae_np.checkpoints import CheckpointError, copy_arrays
from vae_np.datasets import Dataset
from vae_np.distributions import Bernoulli, DiagonalGaussian
from vae_np.evaluation import LogLikelihood, evaluate_elbo
from vae_np.inference.hmc import PosteriorDraws
from vae_np.layers import Linear, Sequential
from vae_np.objectives import ELBO, FullBayes, ScoreFunction
from vae_np.optimizers import Adagrad
from vae_np.training import resuming
from vae_np.training.monte_carlo_em import MonteCarloEM
from vae_np.vae import Bound


@pytest.mark.parametrize("name", ["encoder", "decoder", "parameters"])
def test_a_models_parts_stay(name):
    model = make_model()
    with pytest.raises(AttributeError, match=name):
        setattr(model, name, getattr(make_model(), name))


@pytest.mark.parametrize(
    "kind", [Bound, LogLikelihood, DiagonalGaussian, Bernoulli, PosteriorDraws, Dataset]
)
def test_a_result_stays_and_is_equal_to_itself_alone(kind):
    """Field by field, == of two would ask arrays whether they are true."""
    one, other = (kind(*np.ones((len(fields(kind)), 4))) for _ in range(2))
    for name in vars(one):
        with pytest.raises(AttributeError, match=name):
            setattr(one, name, getattr(other, name))
    assert one == one and one != other and len({one, other}) == 2


@pytest.mark.parametrize("name", ["network", "parameters", "n_pixels", "n_latent"])
@pytest.mark.parametrize("decoder", ["bernoulli", "learned"])
def test_a_networks_parts_stay(name, decoder):
    """Its layers' weights are views of its parameters: exchanged alone, nothing would learn."""
    model, other = make_model(decoder), make_model(decoder)
    for network, another in ((model.encoder, other.encoder), (model.decoder, other.decoder)):
        with pytest.raises(AttributeError):
            setattr(network, name, getattr(another, name))


@pytest.mark.parametrize(
    "name",
    "model optimizer objective images batch_size n_draws binarize seed schedule prior_share "
    "images_crc sums epoch step steps_per_epoch history seconds".split(),
)
def test_a_trainers_parts_stay(images, name):
    trainer = make_trainer(images)
    with pytest.raises(AttributeError):
        setattr(trainer, name, getattr(make_trainer(images), name))


@pytest.mark.parametrize("make", OBJECTIVES)
@pytest.mark.parametrize("name", ["model", "vectors"])
def test_an_objectives_parts_stay(make, name):
    """With another model, forward would compute with weights that the optimizer does not move."""
    objective, other = make(make_model()), make(make_model())
    with pytest.raises(AttributeError):
        setattr(objective, name, getattr(other, name))


@pytest.mark.parametrize("name", ["vectors", "state"])
def test_an_optimizers_parts_stay(name):
    optimizers = [Adam(make_model().parameters) for _ in range(2)]
    with pytest.raises(AttributeError):
        setattr(optimizers[0], name, getattr(optimizers[1], name))


@pytest.mark.parametrize("name", "decoder optimizer x z step_size epoch seed prior_share".split())
def test_the_parts_of_monte_carlo_em_stay(images, name):
    decoder, x = make_model().decoder, (images / 255).astype(np.float32)
    em = MonteCarloEM(decoder, Adam([decoder.parameters]), x)
    with pytest.raises(AttributeError):
        setattr(em, name, getattr(em, name))


@pytest.mark.parametrize("name", ["noise", "squashing"])
def test_what_a_gaussian_decoder_is_stays(name):
    decoder = make_model("learned").decoder
    with pytest.raises(AttributeError):
        setattr(decoder, name, None)


def test_the_fixed_sigma_of_a_decoder_stays_what_its_repr_says():
    decoder = make_model("fixed").decoder
    for of in (decoder, copy.deepcopy(decoder)):
        with pytest.raises(ValueError, match="read-only"):
            of.log_var[...] = 0
    make_model("learned").decoder.log_var[...] = 0  # a view of θ, which may be set


def test_a_networks_layers_are_not_exchanged_for_some_that_nobody_trains():
    network = make_model().encoder.network
    with pytest.raises(AttributeError):
        network.layers = make_model().encoder.network.layers
    with pytest.raises(TypeError, match="does not support item assignment"):
        network.layers[0] = make_model().encoder.network.layers[0]
    given = [Linear(2, 3)]
    network = Sequential(given)
    given.append(Linear(3, 4))
    assert len(network.layers) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda history: history[-1].update(note="the best so far"),
        lambda history: history[-1].update(train_elbo=float("nan")),
        lambda history: history.clear(),
    ],
)
def test_a_history_that_load_would_refuse_is_not_saved(images, tmp_path, change):
    trainer, path = make_trainer(images), tmp_path / "c.npz"
    trainer.fit(1, progress=False)
    trainer.save(path)
    before = path.read_bytes()
    change(trainer.history)
    with pytest.raises(ValueError, match="history must have a row of finite numbers for each"):
        trainer.save(path)
    assert path.read_bytes() == before


def test_a_number_more_in_a_row_is_saved_and_loaded(images, tmp_path):
    trainer, path = make_trainer(images), tmp_path / "c.npz"
    trainer.fit(1, progress=False)
    trainer.history[0]["mine"] = np.float64(2.5)
    trainer.save(path)
    again = make_trainer(images)
    again.load(path)
    assert again.history == trainer.history


def test_a_schedule_stays(images):
    schedule = [(0, 0.1), (2, 0.01)]
    trainer = make_trainer(images, schedule=schedule)
    schedule.append((0, 5))
    assert trainer.schedule == ((0, 0.1), (2, 0.01))


@pytest.mark.parametrize("name", ["weight", "bias", "dweight", "dbias"])
def test_a_layers_weights_are_not_exchanged_for_some_that_nobody_trains(name):
    """They are slices of the vector that the optimizer moves, and a checkpoint holds."""
    model = make_model()
    layer, views = model.encoder.network.layers[0], model.encoder.parameters.views
    with pytest.raises(AttributeError):
        setattr(layer, name, np.ones_like(getattr(layer, name)))
    layer.weight[...] = 7
    assert (views(model.encoder.parameters.value)["0.weight"] == 7).all()


@pytest.mark.parametrize(
    ("part", "name", "wrong", "right"),
    [
        ("adam", "beta1", 1.5, 0),
        ("adam", "beta1", 1, 0.5),
        ("adam", "beta2", -0.1, 0.5),
        ("adam", "beta2", 1, 0),
        ("adam", "epsilon", -1, 1e-4),
        ("adam", "learning_rate", 0, 1),
        ("adam", "steps", -1, 3),
        ("adagrad", "epsilon", 0, 1e-4),
        ("elbo", "kl_weight", -1, 2),
        ("bayes", "n_training", -5, 5),
        ("score", "baseline", "None", "none"),
        ("trainer", "threads", 0, 2),
        ("trainer", "threads", 2**31, 1),
        ("em", "batch_size", -5, 5),
        ("em", "n_leapfrog", 0, 5),
        ("em", "n_weight_updates", 0.5, 1),
        ("em", "target_acceptance", 1, 0.5),
    ],
)
def test_what_may_change_is_checked_where_it_is_set(images, part, name, wrong, right):
    model, x = make_model(), (images / 255).astype(np.float32)
    optimizer = Adam([model.decoder.parameters])
    part = {
        "adam": optimizer,
        "adagrad": Adagrad(model.parameters),
        "elbo": ELBO(model),
        "bayes": FullBayes(model, 38),
        "score": ScoreFunction(model),
        "trainer": make_trainer(images),
        "em": MonteCarloEM(model.decoder, optimizer, x),
    }[part]
    before = getattr(part, name)
    for refused in (wrong, None):
        with pytest.raises(ValueError, match=f"^{name} must .*, got {refused!r}"):
            setattr(part, name, refused)
        assert getattr(part, name) == before
    setattr(part, name, right)
    assert getattr(part, name) == right


def test_images_that_changed_are_not_saved_as_if_they_had_not(images, tmp_path):
    """And be it the last pixel of many: the checksum is of all."""
    many = np.tile(images, (60, 1))
    trainer = make_trainer(many)
    trainer.fit(1, progress=False)
    trainer.save(tmp_path / "c.npz")
    many[-1, -1] += 1
    with pytest.raises(ValueError, match="the training images have changed since the Trainer"):
        trainer.save(tmp_path / "c.npz")
    with pytest.raises(CheckpointError, match="its checksum of the training images is"):
        make_trainer(many).load(tmp_path / "c.npz")


@pytest.mark.parametrize("at", [0, 1000, -1])
def test_each_of_many_numbers_and_rows_of_a_checkpoint_is_looked_at(at):
    read, ours = np.zeros(2000), np.ones(2000)
    read[at] = np.inf
    with pytest.raises(CheckpointError, match="holds numbers that are not finite"):
        copy_arrays("c.npz", {"w": read}, {"w": ours})
    assert (ours == 1).all()
    rows = [{"epoch": e} | dict.fromkeys(resuming.IN_EACH_ROW, 1.0) for e in range(1, 2001)]
    assert resuming.is_history(rows, 2000)
    rows[at] |= {"train_kl": np.nan}
    assert not resuming.is_history(rows, 2000)


def test_another_beta_is_another_run(images, tmp_path):
    make_trainer(images).save(tmp_path / "c.npz")
    other = make_trainer(images)
    other.optimizer.beta1 = 0.5
    with pytest.raises(CheckpointError, match=r"its beta1 is 0\.9, not 0\.5"):
        other.load(tmp_path / "c.npz")


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        ({"batch_size": 20}, "batch size is 10, not 20"),
        ({"n_draws": 2}, "number of draws is 1, not 2"),
        ({"binarize": True}, "binarize is False, not True"),
        ({"weight_prior": True}, "weight prior is False, not True"),
        ({"rate": 0.02}, r"learning rate is 0\.01, not 0\.02"),
        ({"rate": 0.01 + 1e-12}, r"learning rate is 0\.01, not 0\.010000000001"),
        ({"dtype": np.float64}, "dtype is float32, not float64"),
        ({"kl_weight": 2}, r"kl_weight is 1\.0, not 2\.0"),
    ],
)
def test_other_settings_are_another_run(images, tmp_path, settings, difference):
    def made(batch_size=10, rate=0.01, dtype=np.float32, kl_weight=1, **more):
        model = make_model(dtype=dtype)
        objective, optimizer = ELBO(model, kl_weight), Adam(model.parameters, rate)
        return Trainer(model, optimizer, images, objective, batch_size=batch_size, **more)

    made().save(tmp_path / "c.npz")
    with pytest.raises(CheckpointError, match=f"of another run: its {difference}"):
        made(**settings).load(tmp_path / "c.npz")
    made().load(tmp_path / "c.npz")


def test_full_bayes_of_more_images_is_another_run(images, tmp_path):
    of = {n: make_trainer(images, objective=lambda model, n=n: FullBayes(model, n)) for n in (5, 6)}
    of[5].save(tmp_path / "c.npz")
    with pytest.raises(CheckpointError, match="its n_training is 5, not 6"):
        of[6].load(tmp_path / "c.npz")


@pytest.mark.parametrize("flag", ["no", 1, None])
def test_flags_are_true_or_false(images, flag):
    model = make_model()
    for name in ("binarize", "weight_prior", "graph"):
        with pytest.raises(ValueError, match=f"{name} must be True or False, got {flag!r}"):
            Trainer(model, Adam(model.parameters), images, **{name: flag})
    with pytest.raises(ValueError, match=f"binary must be True or False, got {flag!r}"):
        evaluate_elbo(model, images, binary=flag)


def test_numpys_true_is_true_and_can_be_saved(images, tmp_path):
    model = make_model()
    trainer = Trainer(model, Adam(model.parameters), images, binarize=np.True_)
    trainer.fit(1, progress=False)
    trainer.save(tmp_path / "c.npz")
    trainer.load(tmp_path / "c.npz")
