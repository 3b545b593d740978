"""How the best models are trained, saved as they go, and judged."""

import math
from dataclasses import dataclass

from demos.common.long_runs import core_clock, fit_and_save
from demos.common.models import make_networks
from demos.paper.settings import saved_settings
from vae_np import VAE, Adam, Trainer, datasets
from vae_np.checkpoints import CheckpointError, read_checkpoint, write_checkpoint
from vae_np.evaluation import evaluate_elbo, importance_sampled_log_likelihood
from vae_np.objectives import ELBO, ImportanceWeighted

LATENT = 50
POINTS = 60  # at most, along the learning curve
IMPORTANCE_SAMPLES = 5000  # of each image, as in 1509.00519
SAMPLES_PER_TEST_IMAGE = 600  # of training: a short run is judged by few test images
OBJECTIVES = {"elbo": ELBO, "importance-weighted": ImportanceWeighted}


@dataclass(frozen=True)
class Setting:
    hidden: int
    activation: str
    learning_rate: float  # at the start; 3e-3 and softplus learn nothing in the first epochs
    share: float  # of --samples: a step of the larger model takes three times as long

    def __str__(self):
        return f"784-{self.hidden}-{self.hidden}-{LATENT}, {self.activation}"

    @property
    def stem(self):
        return f"{self.hidden}_{self.activation}"


SETTINGS = [Setting(200, "tanh", 3e-3, 1), Setting(500, "softplus", 1e-3, 1 / 3)]


def make_model(setting, data, args):
    pixels, hidden = data.train.shape[1], [setting.hidden] * 2
    encoder, decoder = make_networks(args, pixels, hidden, LATENT, activation=setting.activation)
    decoder.start_at(data.mean_image)
    return VAE(encoder, decoder)


def save_as_float16(model, path):
    """The weights alone, in half of their bytes; `VAE.load` reads them."""
    vectors = {"encoder": model.encoder.parameters, "decoder": model.decoder.parameters}
    halves = {name: vector.value.astype("float16") for name, vector in vectors.items()}
    write_checkpoint(path, {"identity": model.identity()}, halves)


def make_trainer(setting, data, args):
    model = make_model(setting, data, args)
    return Trainer(
        model,
        Adam(model.parameters, setting.learning_rate),
        data.train,
        OBJECTIVES[args.objective](model),
        n_draws=args.draws,
        binarize=True,
        seed=args.seed,
    )


def count_epochs(setting, data, args):
    return math.ceil(setting.share * args.samples / len(data.train))


def judged_images(data, args):
    return data.test[: math.ceil(args.samples / SAMPLES_PER_TEST_IMAGE)]


def learn(setting, args, report):
    """Train for ``args.samples`` training samples, from where the checkpoint is, and evaluate."""
    data = datasets.load("mnist")
    trainer = make_trainer(setting, data, args)
    model, epochs = trainer.model, count_epochs(setting, data, args)

    def set_step_size(epoch):
        trainer.optimizer.learning_rate = setting.learning_rate * (1 - epoch / (epochs + 1))

    clock = core_clock(args.device)
    path, about = args.out / f"{setting.stem}.npz", {"epochs": epochs, "seconds": 0.0}
    if path.exists():
        about = saved_settings(path, "epochs", "seconds")
        if about["epochs"] != epochs:
            raise CheckpointError(
                f"{path} is of a run of {about['epochs']} epochs, not {epochs}: its "
                "step size falls to 0 there; give the same --samples, or another --out"
            )
        set_step_size(read_checkpoint(path)[0]["epoch"])  # load compares it with the checkpoint's
        trainer.load(path)

    def evaluate():
        epoch = trainer.epoch + 1
        if epoch % math.ceil(epochs / POINTS) and epoch != epochs:
            return {}
        how = {"n_draws": args.draws, "seed": args.seed, "objective": trainer.objective}
        return {"test_elbo": evaluate_elbo(model, data.test, binary=True, **how).value}

    started = clock() - about["seconds"]

    def after_epoch(row):
        set_step_size(row["epoch"])
        about["seconds"] = clock() - started

    report(trainer.epoch * len(data.train))
    fit_and_save(trainer, path, epochs, report, about, evaluate, after_epoch)
    save_as_float16(model, args.out / f"best_model_{setting.stem}.npz")
    test = judged_images(data, args)
    log_px = importance_sampled_log_likelihood(
        model, test, IMPORTANCE_SAMPLES, binary=True, seed=args.seed, progress=report
    )
    return {
        "setting": str(setting),
        "epochs": epochs,
        "curve": [row for row in trainer.history if "test_elbo" in row],
        "train_elbo": trainer.history[-1]["train_elbo"],
        "test_elbo": trainer.history[-1]["test_elbo"],
        "test_log_px": log_px.mean,
        "test_log_px_standard_error": log_px.mean_standard_error,
        "test_images": len(test),
        "importance_samples": IMPORTANCE_SAMPLES,
        "training_seconds": about["seconds"],
    }
