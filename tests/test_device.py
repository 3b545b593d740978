"""The GPU path, on a stand-in for CuPy here and on real CuPy under ``-m gpu``."""

import itertools
import os
import re
import subprocess
import sys
from functools import partial, reduce
from pathlib import Path

import numpy as np
import pytest
import stand_in_cupy
import stand_in_gpu
from conftest import make_model, make_trainer

import vae_np
from vae_np import SGD, Adagrad, Adam, Trainer, figures
from vae_np.backend import (
    array_module,
    device_module,
    random_generator,
    to_device,
    to_numpy,
)
from vae_np.evaluation import (
    evaluate_elbo,
    grid_log_likelihood,
    importance_sampled_log_likelihood,
    prior_sampled_log_likelihood,
    reciprocal_log_likelihood,
)
from vae_np.inference import per_image
from vae_np.objectives import (
    ELBO,
    SGVB_A,
    DoublyReparameterized,
    FullBayes,
    ImportanceWeighted,
    ScoreFunction,
    WakeSleep,
)
from vae_np.objectives.score_function import BASELINES
from vae_np.training import recording
from vae_np.training.monte_carlo_em import MonteCarloEM

DECODERS = ("bernoulli", "fixed", "learned", "per-output")


def test_arrays_decide_their_module(gpu):
    on_device = to_device(np.ones(3), gpu)
    assert array_module(np.ones(3)) is np
    assert array_module(np.ones(3), on_device) is device_module(gpu)
    for there_and_back in (to_numpy(on_device), to_device(on_device, "cpu")):
        assert isinstance(there_and_back, np.ndarray)
    assert np.ma.isMaskedArray(to_numpy(np.ma.zeros(3)))


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus"])
@pytest.mark.parametrize("optimizer", [SGD, Adagrad, Adam])
def test_training_steps_equal_numpys(gpu, rng, decoder, activation, optimizer):
    x, noise = rng.random((4, 6)), rng.standard_normal((5, 2, 4, 3))
    results = []
    for device in ("cpu", gpu):
        model = make_model(decoder, activation=activation, device=device, dtype=np.float64)
        steps = optimizer(model.parameters)
        for noise_of_step in noise:
            value = model.elbo_and_gradient(to_device(x, device), to_device(noise_of_step, device))
            model.decoder.parameters.add_weight_prior(0.1)
            steps.step()
        values = [to_numpy(vector.value) for vector in model.parameters]
        results.append(np.concatenate([to_numpy(value.value), *values]))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("objective", [ELBO, SGVB_A, ImportanceWeighted, DoublyReparameterized])
def test_every_objective_equals_numpys(gpu, rng, objective):
    x, noise = rng.random((4, 6)), rng.standard_normal((2, 4, 3))
    results = []
    for device in ("cpu", gpu):
        model = make_model(device=device, dtype=np.float64)
        arrays = to_device(x, device), to_device(noise, device)
        value = objective(model).value_and_gradient(*arrays).value
        gradients = [to_numpy(vector.grad) for vector in model.parameters]
        results.append(np.concatenate([to_numpy(value), *gradients]))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("baseline", BASELINES)
def test_score_function_equals_numpys(gpu, rng, baseline):
    x, noise = rng.random((4, 6)), rng.standard_normal((2, 4, 3))
    results = []
    for device in ("cpu", gpu):
        model = make_model(device=device, dtype=np.float64)
        arrays = to_device(x, device), to_device(noise, device)
        ScoreFunction(model, baseline).value_and_gradient(*arrays)
        results.append(np.concatenate([to_numpy(vector.grad) for vector in model.parameters]))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-11, atol=1e-13)


@pytest.mark.slow
def test_other_inference_runs_on_the_device(gpu, rng):
    images = (255 * rng.random((7, 6))).astype(np.uint8)
    model = make_model(latent=2, device=gpu, dtype=np.float64)
    grid = grid_log_likelihood(model, images)
    for estimate in (
        importance_sampled_log_likelihood(model, images, 20_000, batch_size=5000),
        prior_sampled_log_likelihood(model, images, 20_000, batch_size=5000),
        reciprocal_log_likelihood(model, images, 500),
    ):
        np.testing.assert_allclose(estimate.value, grid.value, atol=0.05)
    q, x, generator = model.encode(images), model.as_pixels(images), random_generator(0, gpu)
    fitted = per_image.fit(model.decoder, x, q, generator, n_steps=200)
    noise = generator.standard_normal((5000, 7, 2))
    elbos = [
        to_numpy(model.decode(q.sample(noise)).log_prob(x).mean(axis=0) - q.kl_to_standard_normal())
        for q in (q, fitted)
    ]
    assert (elbos[0].mean() < elbos[1].mean()) and (elbos[1] < grid.value + 0.01).all()


@pytest.mark.parametrize("kind", [WakeSleep, FullBayes, MonteCarloEM])
@pytest.mark.parametrize("decoder", ["bernoulli", "per-output"])
def test_other_learning_runs_on_the_device(gpu, rng, kind, decoder):
    images = (255 * rng.random((25, 6))).astype(np.uint8)
    model = make_model(decoder, device=gpu)
    before = to_numpy(model.decoder.parameters.value).copy()
    if kind is MonteCarloEM:
        optimizer = Adam([model.decoder.parameters])
        em = MonteCarloEM(model.decoder, optimizer, model.as_pixels(images), batch_size=10)
        em.fit(2, progress=False)
    else:
        objective = kind(model, *([len(images)] if kind is FullBayes else []))
        optimizer = Adam(list(objective.vectors.values()))
        Trainer(model, optimizer, images, objective, batch_size=10).fit(2, progress=False)
    after = to_numpy(model.decoder.parameters.value)
    assert np.isfinite(after).all() and (after != before).all()


def test_both_devices_start_from_the_same_weights(gpu):
    for ours, theirs in zip(
        make_model().parameters, make_model(device=gpu).parameters, strict=True
    ):
        np.testing.assert_array_equal(to_numpy(theirs.value), ours.value)


@pytest.mark.parametrize("binarize", [False, True])
def test_trainer_and_evaluation_run_on_the_device(gpu, rng, tmp_path, binarize):
    images = (255 * rng.random((25, 6))).astype(np.uint8)
    model = make_model(device=gpu)
    trainer = Trainer(model, Adam(model.parameters), images, batch_size=10, binarize=binarize)
    trainer.fit(2, lambda: {"test_elbo": evaluate_elbo(model, images).value}, progress=False)
    trainer.save(tmp_path / "c.npz")
    weights = to_numpy(model.parameters[1].value)
    model.parameters[1].value[...] = 0
    trainer.load(tmp_path / "c.npz")
    np.testing.assert_array_equal(to_numpy(model.parameters[1].value), weights)
    assert np.isfinite(trainer.history[-1]["test_elbo"])
    for x in (images, to_device(images, gpu)):
        more = {"prior_share": 0.5, "binary": binarize}
        assert importance_sampled_log_likelihood(model, x, 4, **more).value.shape == (25,)
    model.decoder.start_at(np.full(6, 0.25))
    generator = random_generator(0, gpu)
    assert model.reconstruct_draw(images, generator).shape == (25, 6)
    assert model.sample_draw(4, generator).shape == (4, 6)


def test_a_step_copies_nothing_to_the_host_and_launches_few_kernels(monkeypatch, rng):
    stand_in_cupy.install(monkeypatch)
    model = make_model(device="gpu")
    images = rng.random((50, 6))
    trainer = Trainer(model, Adam(model.parameters), images, batch_size=5, graph=False)
    copies_at_step, launches_at_step = [], []
    step = trainer._train_step

    def counting(*batch):
        step(*batch)
        copies_at_step.append(stand_in_gpu.host_copies)
        launches_at_step.append(stand_in_gpu.launches)

    monkeypatch.setattr(trainer, "_train_step", counting)
    trainer.fit(1, progress=False)
    assert len(copies_at_step) == 10
    assert len(set(copies_at_step)) == 1
    # The launches, not the arithmetic, are what a small step costs on a GPU.
    assert np.diff(launches_at_step).max() <= 99


@pytest.mark.parametrize(
    "find",
    [
        lambda trainer: trainer.model,
        lambda trainer: trainer.model.encoder,
        lambda trainer: trainer.model.decoder,
        lambda trainer: trainer.objective,
        lambda trainer: trainer.optimizer,
        lambda trainer: trainer.model.encoder.network,
        lambda trainer: trainer.model.decoder.network,
        lambda trainer: trainer.model.encoder.network.layers[1],
        lambda trainer: trainer.model.decoder.network.layers[-1],
    ],
)
def test_a_part_of_ones_own_is_found_wherever_it_is_and_never_recorded(images, find):
    trainer = make_trainer(images)
    assert recording._own_part(trainer) is None
    part = find(trainer)
    object.__setattr__(part, "__class__", type("Mine", (type(part),), {"__module__": "vae_np_own"}))
    assert recording._own_part(trainer) == "Mine"


def test_every_function_that_the_package_uses_exists_in_cupy():
    cupy = pytest.importorskip("cupy", exc_type=ImportError)
    assert all(hasattr(cupy, name) for name in stand_in_cupy.FUNCTIONS)
    assert all(hasattr(cupy.ndarray, name) for name in stand_in_cupy.METHODS)
    modules = r"(?:\bxp|array_module\([^()]*\)|device_module\([^()]*\))"
    used = set()
    for path in Path(vae_np.__file__).parent.rglob("*.py"):
        used |= set(re.findall(modules + r"\.([\w.]+)", path.read_text(encoding="utf-8")))
    assert {"exp", "tanh", "matmul", "random.default_rng"} <= used
    missing = [name for name in used if not _has(cupy, name)]
    assert not missing


def _has(module, dotted):
    try:
        reduce(getattr, dotted.split("."), module)
    except AttributeError:
        return False
    return True


def test_cpu_never_imports_cupy(tmp_path):
    (tmp_path / "cupy.py").write_text("raise SystemExit('cupy was imported')")
    code = (
        "from vae_np import *; d = datasets.load('mnist5k').train[:50]\n"
        "model = VAE(GaussianEncoder(784, [4], 2), BernoulliDecoder(2, [4], 784))\n"
        "Trainer(model, Adam(model.parameters), d).fit(1)"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_decoder_starts_at_the_mean_image_on_the_device_too(gpu, decoder):
    biases = []
    for device in ("cpu", gpu):
        model = make_model(decoder, device=device)
        model.decoder.start_at(np.linspace(0.1, 0.9, 6))
        biases.append(to_numpy(model.decoder.network.layers[-1].bias))
    np.testing.assert_array_equal(*biases)


def test_a_seed_is_one_sequence_of_draws_on_the_device_too(gpu):
    first, again, other, longer = (
        to_numpy(random_generator(seed, gpu).standard_normal(4)) for seed in (3, 3, 4, [3, 1])
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).all() and (first != longer).all()


def test_unknown_device():
    calls = make_model, partial(random_generator, 0), partial(to_device, np.ones(2)), device_module
    for call, wrong in itertools.product(calls, ("tpu", "cuda", None)):
        with pytest.raises(ValueError, match=f'device must be "cpu" or "gpu", got {wrong!r}'):
            call(device=wrong)


def test_images_on_the_device_and_its_generators(gpu, rng):
    model = make_model(device=gpu)
    images = rng.random((4, 6)).astype(np.float32)
    z, mean = rng.random((4, 3)), make_model().encode(images).mean
    for ours in (model, make_model()):
        for x in (images, to_device(images, gpu)):
            np.testing.assert_allclose(to_numpy(ours.encode(x).mean), mean, rtol=1e-6)
        from_gpu, from_cpu = (ours.decode(x).mean for x in (to_device(z, gpu), z))
        np.testing.assert_array_equal(to_numpy(from_gpu), to_numpy(from_cpu))
    generator = random_generator(0, gpu)
    assert to_numpy(model.sample_draw(3, generator)).shape == (3, 6)
    with pytest.raises(ValueError, match=r"generator must be of cupy\.random\.default_rng"):
        model.sample_mean(3, rng)
    with pytest.raises(ValueError, match=r"generator must be of numpy\.random\.default_rng"):
        make_model().sample_mean(3, generator)
    vector = model.decoder.parameters
    kept = to_numpy(vector.value)
    vector.value = kept + 1  # from the CPU
    np.testing.assert_array_equal(to_numpy(vector.value), kept + 1)


def test_what_lies_on_a_gpu_is_drawn_as_it_is(gpu, rng, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "save", lambda figure, path: drawn.append(figure))
    images, means, labels = rng.random((4, 6)), rng.standard_normal((4, 2)), np.array([0, 1, 0, 1])
    for device in ("cpu", gpu):
        figures.image_grid(to_device(images, device), (2, 3), "g.png", "")
        figures.latent_scatter(to_device(means, device), to_device(labels, device), "l.png")
    grids, scatters = ([figure.axes[0] for figure in drawn[i::2]] for i in (0, 1))
    np.testing.assert_array_equal(*(axes.images[0].get_array() for axes in grids))
    for ours, theirs in zip(*(axes.collections for axes in scatters), strict=True):
        np.testing.assert_array_equal(ours.get_offsets(), theirs.get_offsets())
