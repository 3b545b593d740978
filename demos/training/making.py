"""From what was typed to a model and its Trainer: of a new run of train.py, or of a saved one."""

from functools import partial

from demos.common.models import make_networks
from demos.training.options import OBJECTIVES
from demos.training.run import CHECKPOINT, kl_weight_at, load, parse, schedule_of
from vae_np import datasets
from vae_np.networks import BernoulliDecoder, GaussianDecoder
from vae_np.objectives import ELBO
from vae_np.optimizers import OPTIMIZERS
from vae_np.training.trainer import Trainer
from vae_np.vae import VAE


def make_trainer(args, data):
    decoder = BernoulliDecoder
    if args.decoder == "gaussian":
        decoder = partial(GaussianDecoder, noise=args.noise, squash=True)
    networks = make_networks(
        args,
        data.train.shape[1],
        args.hidden,
        args.latent,
        decoder,
        activation=args.activation,
        init=args.init,
    )
    if args.init == "fan-in":  # the paper's starts every bias near 0
        networks[1].start_at(data.mean_image)
    model = VAE(*networks)
    objective = OBJECTIVES[args.objective]
    weight = {"kl_weight": kl_weight_at(args, 0)} if objective is ELBO else {}
    return Trainer(
        model,
        OPTIMIZERS[args.optimizer](model.parameters, args.learning_rate),
        data.train,
        objective(model, **weight),
        batch_size=args.batch_size,
        n_draws=args.samples,
        binarize=args.binarize,
        weight_prior=args.weight_prior,
        schedule=schedule_of(args),
        seed=args.seed,
        threads=args.threads,
        graph=args.graph,
    )


def load_run(folder, device="cpu"):
    """The settings, the data and the Trainer of the run of train.py in ``folder``, as saved last.

    ValueError if there is none, or its data are not there any more.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        raise ValueError(f"{folder} holds no run of train.py: there is no {CHECKPOINT}")
    settings, _ = parse(["--resume", str(folder), "--device", device], description="")
    data = datasets.load(settings.data)
    trainer = make_trainer(settings, data)
    load(trainer, settings, path)
    return settings, data, trainer
