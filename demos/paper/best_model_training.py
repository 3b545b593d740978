"""How the best models are trained, saved as they go, and judged."""

import math
from dataclasses import dataclass

from demos.common.long_runs import core_clock, fit_and_save
from demos.common.models import active_latents, make_networks
from demos.paper.settings import saved_settings
from vae_np import VAE, Adam, Trainer, datasets
from vae_np.backend import Stream, random_generator
from vae_np.checkpoints import CheckpointError, write_checkpoint
from vae_np.distributions import binarize
from vae_np.evaluation import evaluate_elbo, importance_sampled_log_likelihood
from vae_np.objectives import ELBO, DoublyReparameterized, ImportanceWeighted

LATENT = 50
POINTS = 60  # at most, along the learning curve
IMPORTANCE_SAMPLES = 5000  # of each image, as in 1509.00519
SAMPLES_PER_TEST_IMAGE = 600  # of training: a short run is judged by few test images
OBJECTIVES = {
    "elbo": ELBO,
    "importance-weighted": ImportanceWeighted,
    "doubly-reparameterized": DoublyReparameterized,
}
# The stages of 1509.00519 last 3^i epochs each, i = 0 to 7, with a step size of 1e-3 10^(-i/7).
STAGE_ENDS = [(3**i - 1) // 2 for i in range(1, 9)]  # 1, 4, 13, 40, ..., 3280
STAGES = [(start, 1e-3 * 10 ** (-i / 7)) for i, start in enumerate([0, *STAGE_ENDS[:-1]])]


@dataclass(frozen=True)
class Setting:
    hidden: int
    activation: str
    learning_rate: float  # of the line; 3e-3 and softplus learn nothing in the first epochs
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
    model, epochs = make_model(setting, data, args), count_epochs(setting, data, args)
    line = [(i, setting.learning_rate * (1 - i / (epochs + 1))) for i in range(epochs)]
    return Trainer(
        model,
        Adam(model.parameters),
        data.train,
        OBJECTIVES[args.objective](model),
        n_draws=args.draws,
        binarize=True,
        schedule=STAGES if args.schedule == "stages" else line,
        seed=args.seed,
    )


def count_epochs(setting, data, args):
    return math.ceil(setting.share * args.samples / len(data.train))


def judged_images(data, samples):
    return data.test[: math.ceil(samples / SAMPLES_PER_TEST_IMAGE)]


def active_units(model, images, args):
    """How many latents are active on the images in black and white, those of `evaluate_elbo`."""
    generator = random_generator([args.seed, Stream.BINARIZE_TEST], args.device)
    x = model.as_pixels(images)
    x = binarize(x, generator.random(x.shape, dtype=model.dtype))
    return int(active_latents(model, x).sum())


def learn(setting, args, report):
    """Train for ``args.samples`` training samples, from where the checkpoint is, and evaluate.

    A checkpoint that is further is evaluated as it is.
    """
    data = datasets.load("mnist")
    trainer = make_trainer(setting, data, args)
    model, epochs = trainer.model, count_epochs(setting, data, args)
    ends = STAGE_ENDS if args.schedule == "stages" else []
    falls = "by stages" if ends else f"to 0 over {epochs} epochs"
    clock = core_clock(args.device)
    path, about = args.out / f"{setting.stem}.npz", {"step size falls": falls, "seconds": 0.0}
    if path.exists():
        about = saved_settings(path, *about)
        if about["step size falls"] != falls:
            raise CheckpointError(
                f"the step size of {path} falls {about['step size falls']}, not {falls}: give the "
                "same --schedule and --samples, or another --out"
            )
        trainer.load(path)

    def measure():
        how = {"n_draws": args.draws, "seed": args.seed, "objective": trainer.objective}
        bound = evaluate_elbo(model, data.test, binary=True, **how).value
        return {"test_elbo": bound, "active_units": active_units(model, data.test, args)}

    def evaluate():
        epoch = trainer.epoch + 1
        due = epoch % math.ceil(epochs / POINTS) == 0 or epoch in [*ends, epochs]
        return measure() if due else {}

    started = clock() - about["seconds"]

    def after_epoch(row):
        about["seconds"] = clock() - started
        if row["epoch"] in ends:
            save_as_float16(model, args.out / f"best_model_{setting.stem}_{row['epoch']}.npz")

    report(trainer.epoch * len(data.train))
    fit_and_save(trainer, args, path.name, epochs, report, about, evaluate, after_epoch)
    save_as_float16(model, args.out / f"best_model_{setting.stem}.npz")
    test = judged_images(data, max(args.samples, trainer.epoch * len(data.train)))
    log_px = importance_sampled_log_likelihood(
        model, test, IMPORTANCE_SAMPLES, binary=True, seed=args.seed, progress=report
    )
    return {
        "setting": str(setting),
        "epochs": trainer.epoch,
        "latents": LATENT,
        "curve": [row for row in trainer.history if "test_elbo" in row],
        "train_elbo": trainer.history[-1]["train_elbo"],
        **measure(),
        "test_log_px": log_px.mean,
        "test_log_px_standard_error": log_px.mean_standard_error,
        "test_images": len(test),
        "importance_samples": IMPORTANCE_SAMPLES,
        "training_seconds": about["seconds"],
    }
