"""How good does a plain VAE get? Two larger models of MNIST, trained long, by their test log p(x).

The paper's model has one hidden layer; a second one gets nearer to what a plain VAE can do. Burda,
Grosse and Salakhutdinov (1509.00519) report -86.76 nats for two layers of 200 tanh units and 50
latents. You will see where this one comes to, and whether a larger model, two layers of 500
softplus units, is any better on images that it has not seen.

Both train on images that are drawn anew from the grey ones each epoch, white with the pixel's value
as the probability, and climb the ELBO by Adam, whose step falls in a straight line to 0 at the end:
decide how long to train before you start. log p(x) at the end is by importance sampling with 5,000
samples per test image: the longer the run, the more test images are judged. The bar counts the
samples of both. The larger model trains for a third of the epochs, about as long in time. A long
run saves twice a minute; the same --out and --samples go on where it was.
"""

import math
import sys
import time
from dataclasses import dataclass

from matplotlib.figure import Figure

from demos.common.command_line import say
from demos.common.findings import run
from demos.common.long_runs import fit_and_save, side_by_side
from vae_np import VAE, Adam, BernoulliDecoder, GaussianEncoder, Trainer, datasets
from vae_np.backend import Stream
from vae_np.evaluation import evaluate_elbo, importance_sampled_log_likelihood
from vae_np.training.checkpoints import CheckpointError, read_checkpoint

LATENT = 50
POINTS = 60  # at most, along the learning curve
IMPORTANCE_SAMPLES = 5000
SAMPLES_PER_TEST_IMAGE = 600  # of training: a short run is judged by few test images
REPORTED = -86.76


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


def make_trainer(setting, data, args):
    common = {"activation": setting.activation, "device": args.device}
    pixels, hidden = data.train.shape[1], [setting.hidden] * 2
    encoder = GaussianEncoder(pixels, hidden, LATENT, seed=[args.seed, Stream.ENCODER], **common)
    decoder = BernoulliDecoder(LATENT, hidden, pixels, seed=[args.seed, Stream.DECODER], **common)
    decoder.start_at(data.mean_image)
    model = VAE(encoder, decoder)
    optimizer = Adam(model.parameters, setting.learning_rate)
    return Trainer(model, optimizer, data.train, binarize=True, seed=args.seed)


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

    clock = time.perf_counter if args.device == "gpu" else time.process_time  # of a core
    path, about = args.out / f"{setting.stem}.npz", {"epochs": epochs, "seconds": 0.0}
    if path.exists():
        saved, _ = read_checkpoint(path)
        if saved["settings"]["epochs"] != epochs:
            raise CheckpointError(
                f"{path} is of a run of {saved['settings']['epochs']} epochs, not {epochs}: its "
                "step size falls to 0 there; give the same --samples, or another --out"
            )
        set_step_size(saved["epoch"])  # load compares it with the checkpoint's
        trainer.load(path)
        about = saved["settings"]

    def evaluate():
        epoch = trainer.epoch + 1
        if epoch % math.ceil(epochs / POINTS) and epoch != epochs:
            return {}
        return {"test_bound": evaluate_elbo(model, data.test, binary=True, seed=args.seed).value}

    started = clock() - about["seconds"]

    def after_epoch(row):
        set_step_size(row["epoch"])
        about["seconds"] = clock() - started

    report(trainer.epoch * len(data.train))
    fit_and_save(trainer, path, epochs, report, about, evaluate, after_epoch)
    test = judged_images(data, args)
    log_px = importance_sampled_log_likelihood(
        model, test, IMPORTANCE_SAMPLES, binary=True, seed=args.seed, progress=report
    )
    return {
        "setting": str(setting),
        "epochs": epochs,
        "curve": [row for row in trainer.history if "test_bound" in row],
        "train_bound": trainer.history[-1]["train_bound"],
        "test_bound": trainer.history[-1]["test_bound"],
        "test_log_px": log_px.mean,
        "test_log_px_standard_error": log_px.mean_standard_error,
        "test_images": len(test),
        "training_seconds": about["seconds"],
    }


def experiment(args):
    results, data = [], datasets.load("mnist")
    total = len(SETTINGS) * len(judged_images(data, args)) * IMPORTANCE_SAMPLES
    total += len(data.train) * sum(count_epochs(setting, data, args) for setting in SETTINGS)
    trainings = side_by_side(learn, SETTINGS, args, total)
    for result in trainings:
        say(f"{result['setting']}: test log p(x) {result['test_log_px']:.2f}")
        results.append(result)
    draw(results, args.out / "best_model.png")
    first, second = results
    findings = (
        f"log p(x) of {first['test_images']:,} test images with "
        f"{IMPORTANCE_SAMPLES:,} importance samples each is {first['test_log_px']:.2f} nats per "
        f"example for {first['setting']} after {first['epochs']} epochs (reported in 1509.00519: "
        f"{REPORTED}), and {second['test_log_px']:.2f} for {second['setting']} after "
        f"{second['epochs']}. Their bounds on the test set are "
        f"{first['test_bound']:.2f} and {second['test_bound']:.2f}; on the training set "
        f"{first['train_bound']:.2f} and {second['train_bound']:.2f}. Training took "
        f"{first['training_seconds'] / 60:.0f} and {second['training_seconds'] / 60:.0f} minutes"
        f"{' of a core' if args.device == 'cpu' else ''}."
    )
    return {"models": results}, findings


def draw(results, path):
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    late = [REPORTED]
    for colour, result in zip(("C0", "C1"), results, strict=True):
        epochs = [row["epoch"] for row in result["curve"]]
        for part, line in (("train", "-"), ("test", "--")):
            bounds = [row[f"{part}_bound"] for row in result["curve"]]
            axes.plot(
                epochs,
                bounds,
                line,
                marker="o" if len(epochs) == 1 else None,
                color=colour,
                label=f"{result['setting']}: {part} bound",
            )
            late += bounds[len(bounds) // 10 :]
        log_px = result["test_log_px"]
        axes.plot(
            epochs[-1], log_px, "*", ms=12, color=colour, label=f"its test log p(x), {log_px:.2f}"
        )
        late.append(log_px)
    axes.axhline(
        REPORTED, color="0.4", lw=1, ls=":", label=f"1509.00519, 200 tanh: log p(x) {REPORTED}"
    )
    margin = 0.05 * (max(late) - min(late))
    axes.set(
        title=f"Binary MNIST: test log p(x) {results[0]['test_log_px']:.2f} and "
        f"{results[1]['test_log_px']:.2f} nats per example",
        xlabel="epoch",
        ylabel="nats per example",
        ylim=(min(late) - margin, max(late) + margin),
    )
    axes.legend(fontsize="small", loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, samples=6e6, resumes=True))
