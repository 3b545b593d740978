"""What the demos of the paper's figures share: its networks, its optimizer, the rival methods."""

import math

from long_runs import fit_and_save

from vae_np import (
    VAE,
    Adagrad,
    Adam,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    Trainer,
    datasets,
)
from vae_np.backend import Stream
from vae_np.evaluation import evaluate_bound
from vae_np.inference.wake_sleep import WakeSleepVAE

STEP_SIZES = (0.01, 0.02, 0.1)
FIRST_STEPS = 2000  # after which, or after a tenth of --samples, the step size is chosen
BATCH_SIZE = 100
METHODS = {"AEVB": VAE, "wake-sleep": WakeSleepVAE}
COLOURS = {"AEVB": "C3", "wake-sleep": "C2", "Monte Carlo EM": "C0"}
NAMES = {"mnist": "MNIST", "frey": "Frey Face"}
HIDDEN = {"mnist": 500, "frey": 200}


def paper_networks(data, n_pixels, hidden, n_latent, args, **options):
    """The encoder and the decoder: tanh; for Frey Face Gaussian, the mean squashed."""
    options["device"] = args.device
    encoder = GaussianEncoder(
        n_pixels, [hidden], n_latent, seed=[args.seed, Stream.ENCODER], **options
    )
    options["seed"] = [args.seed, Stream.DECODER]
    if data == "frey":
        decoder = GaussianDecoder(n_latent, [hidden], n_pixels, squash=True, **options)
    else:
        decoder = BernoulliDecoder(n_latent, [hidden], n_pixels, **options)
    return encoder, decoder


def paper_trainer(method, networks, images, step_size, args):
    """A `Trainer` by one of `METHODS`: Adagrad, minibatches of 100, a weight prior N(0, I)."""
    model = METHODS[method](*networks)
    optimizer = Adagrad(model.parameters, step_size)
    return Trainer(
        model, optimizer, images, batch_size=BATCH_SIZE, weight_prior=True, seed=args.seed
    )


def first_steps(args):
    """After how many steps the step size is chosen."""
    return max(1, min(FIRST_STEPS, args.samples // (10 * BATCH_SIZE)))


def trained_model(name, n_latent, args, report):
    """The paper's model of a data set, for its pictures; it goes on from a checkpoint in --out.

    The figures do not depend on how it was optimized, so it is Adam from today's initial weights,
    which is there sooner.

    Returns
    -------
    model : VAE
    data : Dataset
    summary : dict
        What was trained, for how long, and the bound on the test set.
    """
    data = datasets.load(name)
    networks = paper_networks(name, data.train.shape[1], HIDDEN[name], n_latent, args)
    networks[1].start_at(data.mean_image)
    model = VAE(*networks)
    trainer = Trainer(model, Adam(model.parameters), data.train, seed=args.seed)
    path = args.out / f"{name}_{n_latent}.npz"
    if path.exists():
        trainer.load(path)
    fit_and_save(trainer, path, math.ceil(args.samples / len(data.train)), report)
    summary = {
        "data": name,
        "latents": n_latent,
        "samples": trainer.epoch * len(data.train),
        "seconds": trainer.seconds,
        "test_bound": evaluate_bound(model, data.test, seed=args.seed).value,
    }
    return model, data, summary
