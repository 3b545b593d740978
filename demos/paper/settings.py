"""What the demos of the paper's figures share: its networks, its optimizer, the rival methods."""

import math
from functools import partial

import numpy as np

from demos.common.long_runs import fit_and_save
from demos.common.models import make_networks
from vae_np import (
    VAE,
    Adagrad,
    Adam,
    BernoulliDecoder,
    GaussianDecoder,
    Trainer,
    datasets,
)
from vae_np.checkpoints import CheckpointError, read_checkpoint
from vae_np.evaluation import evaluate_elbo
from vae_np.objectives import ELBO, WakeSleep
from vae_np.training.divergence import DivergenceError

STEP_SIZES = (0.01, 0.02, 0.1)
FIRST_STEPS = 2000  # after which, or after a quarter of --samples, the step size is chosen
BATCH_SIZE = 100
METHODS = {"AEVB": ELBO, "wake-sleep": WakeSleep}
COLOURS = {"AEVB": "C3", "wake-sleep": "C2", "Monte Carlo EM": "C0"}
NAMES = {"mnist": "MNIST", "frey": "Frey Face"}
HIDDEN = {"mnist": 500, "frey": 200}


def paper_networks(data, n_pixels, hidden, n_latent, args, **options):
    """The encoder and the decoder: tanh; for Frey Face Gaussian, the mean squashed."""
    decoder = partial(GaussianDecoder, squash=True) if data == "frey" else BernoulliDecoder
    return make_networks(args, n_pixels, [hidden], n_latent, decoder, **options)


def paper_trainer(method, networks, images, step_size, args):
    """A `Trainer` by one of `METHODS`: Adagrad, minibatches of 100, a weight prior N(0, I)."""
    model = VAE(*networks)
    return Trainer(
        model,
        Adagrad(model.parameters, step_size),
        images,
        METHODS[method](model),
        batch_size=BATCH_SIZE,
        weight_prior=True,
        seed=args.seed,
    )


def saved_settings(path, *names):
    """What these demos save of their own in a checkpoint; CheckpointError if it lacks a name."""
    saved = read_checkpoint(path)[0].get("settings")
    if not isinstance(saved, dict) or not saved.keys() >= set(names):
        raise CheckpointError(f"{path} is not of a run of this program: choose another --out")
    return saved


def choose_step_size(make_learner, score, images, args):
    """The one of `STEP_SIZES` with the best score after the first steps.

    Parameters
    ----------
    make_learner : callable
        From (images, step_size) to what has ``fit(epochs, progress)``.
    score : callable
        From the fitted learner to a number.
    images : (N, D) array
    args : argparse.Namespace
    """
    n_steps = max(1, min(FIRST_STEPS, args.samples // (4 * BATCH_SIZE)))
    images, scores = images[: n_steps * BATCH_SIZE], {}
    for step_size in STEP_SIZES:
        learner = make_learner(images, step_size)
        try:
            if not learner.fit(math.ceil(n_steps * BATCH_SIZE / len(images)), progress=False):
                raise SystemExit  # a kill was heard
            scores[step_size] = score(learner)
        except DivergenceError:
            scores[step_size] = -math.inf
    return max(scores, key=scores.get)


def late_elbo(trainer):
    """The training ELBO over the last quarter of the epochs; nats per example."""
    rows = trainer.history[-max(1, trainer.epoch // 4) :]
    return float(np.mean([row["train_elbo"] for row in rows]))


def trained_model(name, n_latent, args, report):
    """The paper's model of a data set, for its pictures; it goes on from a checkpoint in --out.

    Trained by Adam from this package's default initial weights instead of by the paper's Adagrad:
    that is faster, and the figures are about the model, not the optimizer.

    Returns
    -------
    model : VAE
    data : Dataset
    summary : dict
        What was trained, for how long, and the ELBO: on the training set over the last epoch, and
        on the test set.
    """
    data = datasets.load(name)
    networks = paper_networks(name, data.train.shape[1], HIDDEN[name], n_latent, args)
    networks[1].start_at(data.mean_image)
    model = VAE(*networks)
    trainer = Trainer(model, Adam(model.parameters), data.train, seed=args.seed)
    checkpoint = f"{name}_{n_latent}.npz"
    if (args.out / checkpoint).exists():
        trainer.load(args.out / checkpoint)
    report(trainer.epoch * len(data.train))
    fit_and_save(trainer, args, checkpoint, math.ceil(args.samples / len(data.train)), report)
    summary = {
        "data": name,
        "latents": n_latent,
        "samples": trainer.epoch * len(data.train),
        "seconds": trainer.seconds,
        "train_elbo": trainer.history[-1]["train_elbo"],
        "test_elbo": evaluate_elbo(model, data.test, seed=args.seed).value,
    }
    return model, data, summary
