"""Steps recorded as a CUDA graph and replayed: the same weights, bit for bit, as plain steps."""

import signal
from functools import partial

import numpy as np
import pytest
import stand_in_cupy
import stand_in_gpu
from conftest import make_model

import vae_np.objectives as objectives
from vae_np import SGD, VAE, Adagrad, Adam, BernoulliDecoder, GaussianEncoder, Trainer
from vae_np.backend import say_once, to_numpy
from vae_np.layers import Linear, Sequential, Tanh
from vae_np.training import aevb

OBJECTIVES = {
    "ELBO": objectives.ELBO,
    "SGVB-A": objectives.SGVB_A,
    "importance-weighted": objectives.ImportanceWeighted,
    "doubly reparameterized": objectives.DoublyReparameterized,
    "score function": objectives.ScoreFunction,
    "wake-sleep": objectives.WakeSleep,
    "full Bayes": partial(objectives.FullBayes, n_training=38),
}
DECODERS = ("bernoulli", "fixed", "learned", "per-output")
FULL, STEPS = 12, 13  # of an epoch: 38 images make twelve minibatches of 3 and one of 2


@pytest.fixture(autouse=True)
def nothing_said():
    say_once.cache_clear()


def made(images, objective=objectives.ELBO, optimizer=Adam, rate=0.01, model=None, **more):
    """A Trainer on the GPU of a small model; an epoch has twelve full minibatches and one of 2."""
    names = {name: more.pop(name) for name in ("decoder", "activation") if name in more}
    model = model or make_model(device="gpu", **names)
    objective = objective(model)
    optimizer = optimizer(list(objective.vectors.values()), rate)
    return Trainer(model, optimizer, images, objective, batch_size=3, n_draws=2, **more)


def weights(objective):
    return np.concatenate([to_numpy(vector.value) for vector in objective.vectors.values()])


def counted(trainer):
    """How many steps run as Python's lines, in a list that grows: the others are replayed."""
    inner, seen = trainer._train_step, []

    def step(*batch):
        seen.append(1)
        return inner(*batch)

    trainer._train_step = step
    return seen


def equal_runs(images, epochs=3, after_epoch=None, **settings):
    """Train twice, plain and recorded, and compare all that training leaves behind."""
    plain, recorded = (made(images, graph=graph, **settings) for graph in (False, True))
    runs = {trainer: counted(trainer) for trainer in (plain, recorded)}
    for trainer in runs:
        trainer.fit(epochs, after_epoch=after_epoch and partial(after_epoch, trainer))
    assert len(runs[plain]) == STEPS * epochs
    assert len(runs[recorded]) == 3 * epochs  # the first, the one that is recorded, and the last
    np.testing.assert_array_equal(weights(recorded.objective), weights(plain.objective))
    for ours, theirs in zip(recorded.optimizer.state, plain.optimizer.state, strict=True):
        np.testing.assert_array_equal([*map(to_numpy, ours)], [*map(to_numpy, theirs)])
    np.testing.assert_array_equal(to_numpy(recorded.sums), to_numpy(plain.sums))
    assert recorded.optimizer.steps == plain.optimizer.steps == STEPS * epochs
    for ours, theirs in zip(recorded.history, plain.history, strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}
    return recorded


def equals_algorithm_1(images, trainer, objective, optimizer, rate=0.01, **names):
    objective = objective(make_model(device="gpu", **names))
    optimizer = optimizer(list(objective.vectors.values()), rate)
    list(aevb.train(objective, optimizer, images, 3, batch_size=3, n_draws=2))
    np.testing.assert_array_equal(weights(trainer.objective), weights(objective))


PAIRS = [  # each objective and each decoder in the fast tests
    pytest.param(o, d, marks=[] if "bernoulli" == d or n == "ELBO" else pytest.mark.slow)
    for n, o in OBJECTIVES.items()
    for d in DECODERS
]


@pytest.mark.parametrize(("objective", "decoder"), PAIRS)
def test_every_objective_learns_the_same_recorded(gpu, images, objective, decoder, capsys):
    trainer = equal_runs(images, objective=objective, decoder=decoder)
    equals_algorithm_1(images, trainer, objective, Adam, decoder=decoder)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("optimizer", [SGD, Adagrad, Adam])
@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus"])
def test_every_optimizer_and_activation_learn_the_same(gpu, images, optimizer, activation):
    trainer = equal_runs(images, optimizer=optimizer, activation=activation)
    equals_algorithm_1(images, trainer, objectives.ELBO, optimizer, activation=activation)


def test_all_that_changes_between_epochs_is_recorded_anew(gpu, images):
    def after_epoch(trainer, row):
        trainer.objective.kl_weight = 0.3 * row["epoch"]

    schedule = [(0, 1e-2), (1, 3e-3), (2, 1e-3)]
    more = {"binarize": True, "weight_prior": True, "schedule": schedule}
    equal_runs(images, after_epoch=after_epoch, **more)


def test_float64_and_whole_minibatches(gpu, rng):
    images, trained = rng.random((36, 6)), []
    for graph in (False, True):
        model = make_model(device="gpu", dtype=np.float64)
        trainer = made(images, model=model, graph=graph)
        trainer.fit(3)
        trained.append(weights(trainer.objective))
    np.testing.assert_array_equal(*trained)


@pytest.mark.parametrize("at", [1, 2, 3, 8, 12, 13, 15, 20])
def test_a_run_that_stops_within_an_epoch_goes_on_bit_for_bit(gpu, images, at, tmp_path):
    """Ctrl-C after each kind of step: plain, recorded, replayed, the last of an epoch."""
    plain, stopped, again = (made(images, graph=graph) for graph in (False, True, True))
    plain.fit(2)
    show, shown = stopped._show, []

    def interrupting(bar):
        shown.append(1)
        if len(shown) == at:
            signal.raise_signal(signal.SIGINT)
        show(bar)

    stopped._show = interrupting
    assert not stopped.fit(2)
    assert stopped.optimizer.steps == at
    assert stopped.epoch * STEPS + stopped.step == at
    stopped.save(tmp_path / "c.npz")
    again.load(tmp_path / "c.npz")
    again.fit(2)
    np.testing.assert_array_equal(weights(again.objective), weights(plain.objective))
    stopped._show = show
    stopped.fit(2)
    np.testing.assert_array_equal(weights(stopped.objective), weights(plain.objective))


def test_a_signal_waits_until_the_recording_is_done(gpu, images):
    """A second Ctrl-C would raise KeyboardInterrupt anywhere but in a step."""
    plain, stopped = (made(images, graph=graph) for graph in (False, True))
    plain.fit(1)
    inner, calls = stopped._train_step, []

    def interrupted(*batch):
        calls.append(1)
        inner(*batch)
        if len(calls) == 2:  # the recording
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    stopped._train_step = interrupted
    assert not stopped.fit(1)
    assert (len(calls), stopped.step, stopped.optimizer.steps) == (2, 1, 1)
    stopped.fit(1)
    np.testing.assert_array_equal(weights(stopped.objective), weights(plain.objective))


def test_who_computes_between_steps_or_epochs_changes_nothing_and_keeps_what_it_has(gpu, images):
    """It is given memory meanwhile, and computes on the same stream."""
    plain, recorded = (made(images, graph=graph) for graph in (False, True))
    kept = []

    def look(trainer, bar=None):
        mean = trainer.model.encode(images[:3]).mean  # as large as a step's own
        kept.append((mean, to_numpy(mean)))
        return {"mean": float(mean.sum())}

    for trainer in (plain, recorded):
        trainer._show = partial(look, trainer)
        trainer.fit(3, evaluate=partial(look, trainer))
    np.testing.assert_array_equal(weights(recorded.objective), weights(plain.objective))
    for array, before in kept:  # no replay has overwritten them
        np.testing.assert_array_equal(to_numpy(array), before)


class OwnTanh(Tanh):
    """Counts on Python to run: a recorded step would not count on."""

    calls = 0

    def backward(self, dy):
        self.calls += 1
        return (1 + 0.1 * (self.calls % 3)) * super().backward(dy)


class OwnAdam(Adam):
    def update(self, value, grad, m, v):
        super().update(value, (1 + self.steps % 2) * grad, m, v)


class OwnELBO(objectives.ELBO):
    calls = 0

    def value_and_gradient(self, x, noise):
        self.calls += 1
        self.kl_weight = 0.1 * self.calls
        return super().value_and_gradient(x, noise)


def own_layer(nested):
    layers = [Linear(6, 5, input_gradient=False), OwnTanh(), Linear(5, 6)]
    layers[1:] = [Sequential(layers[1:])] if nested else layers[1:]
    encoder = GaussianEncoder(6, n_latent=3, network=Sequential(layers), device="gpu")
    return VAE(encoder, BernoulliDecoder(3, [5], 6, device="gpu"))


@pytest.mark.parametrize(
    ("own", "name"),
    [
        (lambda: {"model": own_layer(nested=False)}, "OwnTanh"),
        (lambda: {"model": own_layer(nested=True)}, "OwnTanh"),
        (lambda: {"optimizer": OwnAdam}, "OwnAdam"),
        (lambda: {"objective": OwnELBO}, "OwnELBO"),
    ],
)
def test_parts_of_ones_own_are_never_recorded_and_that_is_said_once(gpu, images, own, name, capsys):
    plain, asked = (made(images, graph=graph, **own()) for graph in (False, True))
    plain.fit(2)
    assert not capsys.readouterr().err
    asked.fit(2)
    np.testing.assert_array_equal(weights(asked.objective), weights(plain.objective))
    said = f"Steps are not recorded, and so take longer: {name} is not of this package\n"
    assert capsys.readouterr().err == said


def test_what_is_refused_while_recording_is_said_and_done_plainly(gpu, images, capsys, monkeypatch):
    looking = Tanh.backward

    def backward(self, dy):
        assert bool(dy.max() < 1e9)  # the host looks
        return looking(self, dy)

    monkeypatch.setattr(Tanh, "backward", backward)
    plain, asked = (made(images, graph=graph) for graph in (False, True))
    plain.fit(2)
    calls = counted(asked)
    asked.fit(2)
    assert len(calls) == 2 * (STEPS + 1)
    np.testing.assert_array_equal(weights(asked.objective), weights(plain.objective))
    assert asked.optimizer.steps == plain.optimizer.steps
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Steps are not recorded, and so take longer: ") and "captur" in line


def test_without_nvmath_steps_are_plain_and_the_command_is_said(monkeypatch, images, capsys):
    stand_in_cupy.install(monkeypatch, nvmath=False)
    trainer = made(images)
    calls = counted(trainer)
    trainer.fit(2)
    assert len(calls) == 2 * STEPS
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('needs nvmath-python: python -m pip install -e ".[cuda12]" or ".[cuda13]"')


@pytest.mark.parametrize("n_images", [29, 30])
def test_few_steps_are_not_worth_recording(gpu, rng, n_images):
    trainer = made(rng.random((n_images, 6)))
    calls = counted(trainer)
    trainer.fit(1)
    assert len(calls) == {29: 10, 30: 2}[n_images]


def test_a_recorded_step_is_at_most_two_launches_and_the_graph_at_most_75_kernels(monkeypatch, rng):
    stand_in_cupy.install(monkeypatch)
    encoder = GaussianEncoder(784, [500], 20, device="gpu")
    model = VAE(encoder, BernoulliDecoder(20, [500], 784, device="gpu"))
    images = rng.integers(0, 256, (40, 784)).astype(np.uint8)
    trainer = Trainer(model, Adam(model.parameters), images, batch_size=2)
    launches, copies, graphs = [], [], []
    launch, show = stand_in_gpu.Graph.launch, trainer._show

    def seen(graph, *stream):
        launch(graph, *stream)
        graphs.append(len(graph.kernels))

    def counting(bar):
        show(bar)
        launches.append(stand_in_gpu.launches)
        copies.append(stand_in_gpu.host_copies)

    monkeypatch.setattr(stand_in_gpu.Graph, "launch", seen)
    trainer._show = counting
    trainer.fit(1)
    assert len(graphs) == 19 and graphs[0] <= 75
    assert max(np.diff(launches)) <= 2
    assert len(set(copies)) == 1
