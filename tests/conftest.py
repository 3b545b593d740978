import importlib.util
import os
import signal
import subprocess
import sys
import types
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import stand_in_cupy

from demos import train
from vae_np import VAE, Adam, BernoulliDecoder, GaussianDecoder, GaussianEncoder, Trainer, datasets
from vae_np.backend import device_module
from vae_np.objectives import ELBO

# A shell's background job ignores Ctrl-C, and under nohup a closed terminal too; the processes that
# the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

DEMOS = Path(__file__).parent.parent / "demos"
TINY = ["--epochs", "2", "--hidden", "8", "--latent", "2", "--batch-size", "20"]  # of train.py
PIXELS, LATENT, STD = 5, 2, 0.6  # of the linear-Gaussian model


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def images(rng):
    """38 noisy stripes: three full minibatches of 10 and one of 8."""
    stripes = np.tile([[250, 250, 250, 5, 5, 5], [5, 5, 5, 250, 250, 250]], (19, 1))
    return (stripes + rng.integers(-5, 6, (38, 6))).astype(np.uint8)


@pytest.fixture(params=["stand-in", pytest.param("cupy", marks=pytest.mark.gpu)])
def gpu(request, monkeypatch):
    """The device "gpu": a stand-in without one, and real CuPy under ``-m gpu``."""
    if request.param == "stand-in":
        stand_in_cupy.install(monkeypatch)
    else:
        if importlib.util.find_spec("cupy") is None:
            pytest.skip("CuPy is not installed")
        try:
            device_module("gpu")
        except ValueError as error:
            pytest.skip(str(error))
    return "gpu"


def make_model(
    decoder="bernoulli",
    pixels=6,
    hidden=(5,),
    latent=3,
    activation="tanh",
    **more,
):
    """A small model for tests; ``more`` is dtype and device."""
    common = {"activation": activation, **more}
    encoder = GaussianEncoder(pixels, hidden, latent, seed=1, **common)
    if decoder == "bernoulli":
        p = BernoulliDecoder(latent, hidden, pixels, seed=2, **common)
    else:
        p = GaussianDecoder(latent, hidden, pixels, noise=decoder, squash=True, seed=2, **common)
    return VAE(encoder, p)


def make_trainer(
    images, optimizer=Adam, learning_rate=0.01, decoder="bernoulli", objective=ELBO, **more
):
    """A Trainer of a small model; ``objective`` is made from it."""
    model = make_model(decoder)
    objective = objective(model)
    optimizer = optimizer(list(objective.vectors.values()), learning_rate)
    return Trainer(model, optimizer, images, objective, batch_size=10, **more)


def weights(trainer):
    return np.concatenate([vector.value for vector in trainer.objective.vectors.values()])


def interrupt_at(trainer, step, monkeypatch):
    """Ctrl-C while the given step (counted over the whole run) is under way."""
    inner, seen = trainer._train_step, []

    def interrupted(*batch):
        seen.append(1)
        if len(seen) == step:
            signal.raise_signal(signal.SIGINT)
        inner(*batch)

    monkeypatch.setattr(trainer, "_train_step", interrupted)


def command(demo, *options):
    script = next(DEMOS.rglob(f"{demo}.py"))
    return [sys.executable, str(script), *map(str, options)]


def run(cwd, demo, *options, status=0):
    result = subprocess.run(
        command(demo, *options), cwd=cwd, capture_output=True, text=True, encoding="utf-8"
    )
    assert result.returncode == status, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert "Warning" not in result.stderr
    return result


@pytest.fixture
def linear(rng):
    """x = z W + b + σ ε with z ~ N(0, I), and an arbitrary linear encoder."""
    common = {"dtype": np.float64}
    encoder = GaussianEncoder(PIXELS, [], LATENT, **common)
    decoder = GaussianDecoder(LATENT, [], PIXELS, noise="fixed", std=STD, **common)
    for network in (encoder, decoder):
        network.parameters.value[:] = 0.4 * rng.standard_normal(network.parameters.value.shape)
    return VAE(encoder, decoder)


def normal_log_density(x, mean, covariance):
    difference = x - mean
    _, log_det = np.linalg.slogdet(covariance)
    mahalanobis = (difference @ np.linalg.inv(covariance) * difference).sum(axis=-1)
    return -0.5 * (mahalanobis + log_det + len(covariance) * np.log(2 * np.pi))


def exact(model, x):
    """log p(x), and the posterior's means and covariance."""
    weight, bias = model.decoder.network.layers[0].weight, model.decoder.network.layers[0].bias
    log_px = normal_log_density(x, bias, weight.T @ weight + STD**2 * np.eye(PIXELS))
    covariance = np.linalg.inv(np.eye(LATENT) + weight @ weight.T / STD**2)
    return log_px, (x - bias) @ weight.T @ covariance / STD**2, covariance


def kl_between_gaussians(mean, variances, posterior_mean, covariance):
    """KL(N(mean, diag(variances)) ‖ N(posterior_mean, covariance)) of each example."""
    precision = np.linalg.inv(covariance)
    difference = posterior_mean - mean
    return 0.5 * (
        variances @ np.diag(precision)
        + (difference @ precision * difference).sum(axis=1)
        - LATENT
        + np.linalg.slogdet(covariance)[1]
        - np.log(variances).sum(axis=1)
    )


def exact_noise(n_examples):
    """±√Z eᵢ: its average of a quadratic function is the expectation under N(0, I)."""
    points = np.sqrt(LATENT) * np.concatenate([np.eye(LATENT), -np.eye(LATENT)])
    return np.repeat(points[:, None, :], n_examples, axis=1)


@pytest.fixture
def error_of(monkeypatch, capsys):
    """The one line of train.py's complaint; in this process, because there are many."""

    def last_line(cwd, *options, status=2):
        monkeypatch.chdir(cwd)
        try:
            left_with = train.main([str(option) for option in options])
        except SystemExit as leaving:  # argparse's own
            left_with = leaving.code
        assert left_with == status
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    return last_line


@pytest.fixture
def stripes(tmp_path, rng):
    x = np.tile(np.repeat(np.eye(2), 8, axis=1), (40, 1)) * 0.9 + 0.05
    np.savez(tmp_path / "stripes.npz", x=x.reshape(80, 4, 4))
    return tmp_path


@pytest.fixture
def own_run(stripes, monkeypatch):
    """A run of train.py on images of 4 × 4 pixels without labels."""
    monkeypatch.chdir(stripes)

    def make(*options):
        tiny = ["--epochs", "2", "--hidden", "8", "--batch-size", "20", "--latent", "2"]
        assert train.main([*tiny, "--data", "stripes.npz", "--out", "run", *options]) == 0
        return stripes / "run"

    return make


def has_real_data(name):
    return (Path(os.environ.get("VAE_NP_DATA", "nowhere")) / name).is_dir()


@pytest.fixture
def small_data(monkeypatch, rng):
    """300 training images and 100 test images of 4 × 4 pixels, for the demos of long runs."""
    stripes = np.tile([[240] * 8 + [10] * 8, [10] * 8 + [240] * 8], (200, 1))
    images = (stripes + rng.integers(-9, 10, stripes.shape)).astype(np.uint8)
    data = datasets.Dataset(images[:300], images[300:], (4, 4))
    monkeypatch.setattr(datasets, "load", lambda name: data)


def in_this_process(function, tasks, args, total, data=("mnist",)):
    """For `side_by_side`: no other processes; each loads what was downloaded before alone."""

    def load(name):
        assert name in data
        return downloaded(name)

    downloaded, done = datasets.load, []
    for task in tasks:
        with patch.object(datasets, "load", load):
            result = function(task, args, done.append)
        yield result
    assert total <= sum(done) < 1.1 * total  # the progress bar gets to its end, and not before


def options(tmp_path, samples):
    """What the demos of the paper's figures parse; each takes of it what it has."""
    own = {"em_minutes": 30, "objective": "elbo", "draws": 1, "schedule": "line"}
    own |= {"score": None, "images": 200}
    return types.SimpleNamespace(samples=samples, seed=0, device="cpu", out=tmp_path, **own)


def picture(tmp_path, name):
    return (tmp_path / f"{name}.png").stat().st_size > 10_000
