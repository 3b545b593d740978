"""The paper's figure 2: AEVB against wake-sleep, the bound as training goes on.

The same encoder and decoder learn by AEVB (Algorithm 1, SGVB-B with L = 1) and by wake-sleep, on
MNIST (500 hidden units, Bernoulli) and on Frey Face (200 hidden units, Gaussian with σ per pixel,
mean squashed), for several widths of the latent space. The settings are the paper's: tanh, weights
from N(0, 0.01²), a prior N(0, I) on the decoder's weights, minibatches of 100, and Adagrad with the
step size, of 0.01, 0.02 and 0.1, that does best in the first iterations.

The paper finds that AEVB learns faster and ends higher in every setting, and that superfluous
latents do not make it overfit. To 6e5 samples of each it took 19 minutes on 2 slow cores; to 1e7 it
takes hours. It saves as it goes, Ctrl-C stops it, and the same --out goes on where it was.
"""

import math
import sys
import time
from dataclasses import dataclass

from experiment import run
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from vae_np import (
    VAE,
    Adagrad,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    Trainer,
    datasets,
)
from vae_np.backend import Stream
from vae_np.checkpoints import read_checkpoint
from vae_np.evaluation import evaluate_bound
from vae_np.inference.wake_sleep import WakeSleepVAE
from vae_np.training import DivergenceError

STEP_SIZES = (0.01, 0.02, 0.1)
FIRST_STEPS = 200  # after which the step size is chosen
BATCH_SIZE = 100
POINTS_PER_DECADE = 8
SECONDS_BETWEEN_CHECKPOINTS = 30
METHODS = {"AEVB": VAE, "wake-sleep": WakeSleepVAE}
COLOURS = {"AEVB": "C3", "wake-sleep": "C2"}
NAMES = {"mnist": "MNIST", "frey": "Frey Face"}


@dataclass(frozen=True)
class Setting:
    data: str
    n_latent: int
    method: str

    def __str__(self):
        return f"{self.data}, {self.n_latent} latents, {self.method}"

    @property
    def stem(self):
        return f"{self.data}_{self.n_latent}_{self.method}"


SETTINGS = [
    Setting(data, n_latent, method)
    for data, widths in (("mnist", (3, 5, 10, 20, 200)), ("frey", (2, 5, 10, 20)))
    for n_latent in widths
    for method in METHODS
]


def make_trainer(setting, images, step_size, args):
    common = {"init": "paper", "device": args.device}
    hidden, pixels = [500 if setting.data == "mnist" else 200], images.shape[1]
    encoder = GaussianEncoder(
        pixels, hidden, setting.n_latent, seed=[args.seed, Stream.ENCODER], **common
    )
    common["seed"] = [args.seed, Stream.DECODER]
    if setting.data == "mnist":
        decoder = BernoulliDecoder(setting.n_latent, hidden, pixels, **common)
    else:
        decoder = GaussianDecoder(setting.n_latent, hidden, pixels, squash=True, **common)
    model = METHODS[setting.method](encoder, decoder)
    return Trainer(
        model,
        Adagrad(model.parameters, step_size),
        images,
        batch_size=BATCH_SIZE,
        weight_prior=True,
        seed=args.seed,
    )


def choose_step_size(setting, images, args):
    """The step size with the best bound over the last quarter of the first steps."""
    bounds = {}
    for step_size in STEP_SIZES:
        trainer = make_trainer(setting, images[: FIRST_STEPS * BATCH_SIZE], step_size, args)
        try:
            trainer.fit(-(-FIRST_STEPS // trainer.steps_per_epoch), progress=False)
            late = trainer.record[-max(1, trainer.steps_per_epoch // 4) :]
            bounds[step_size] = float((late[:, 0] - late[:, 1]).mean())
        except DivergenceError:
            bounds[step_size] = -math.inf
    return max(bounds, key=bounds.get)


def due(epoch):
    """Whether to evaluate after this epoch: evenly on a logarithmic axis."""
    k = round(POINTS_PER_DECADE * math.log10(epoch))
    return epoch == round(10 ** (k / POINTS_PER_DECADE))


def learn(setting, data, args):
    """Train up to ``args.samples`` training samples, from where the checkpoint is, and save."""
    path = args.out / f"{setting.stem}.npz"
    if path.exists():
        about, _ = read_checkpoint(path)
        step_size = about["settings"]["step_size"]
    else:
        step_size = choose_step_size(setting, data.train, args)
    trainer = make_trainer(setting, data.train, step_size, args)
    if path.exists():
        trainer.load(path)
    epochs = max(trainer.epoch, math.ceil(args.samples / len(data.train)))
    saved_at = time.monotonic()

    def evaluate():
        epoch = trainer.epoch + 1
        if not (due(epoch) or epoch == epochs):
            return {}
        bound = evaluate_bound(trainer.model, data.test, seed=args.seed)
        return {"test_bound": bound.value}

    def after_epoch(row):
        nonlocal saved_at
        if time.monotonic() - saved_at > SECONDS_BETWEEN_CHECKPOINTS:
            trainer.save(path, {"step_size": step_size})
            saved_at = time.monotonic()

    print(f"{setting}, step size {step_size:g}", flush=True)
    diverged = None
    try:
        finished = trainer.fit(epochs, evaluate, after_epoch)
    except DivergenceError as error:
        print(error)
        diverged, finished = str(error), True
    if not diverged:
        trainer.save(path, {"step_size": step_size})
    if not finished:
        raise KeyboardInterrupt(f"--out {args.out} goes on from what was saved there")
    points = [
        {
            "samples": row["epoch"] * len(data.train),
            "train": row["train_bound"],
            "test": row["test_bound"],
        }
        for row in trainer.history
        if "test_bound" in row
    ]
    return {
        "data": setting.data,
        "latents": setting.n_latent,
        "method": setting.method,
        "step_size": step_size,
        "points": points,
        "seconds": trainer.seconds,
        "diverged": diverged,
    }


def experiment(args):
    data = {name: datasets.load(name) for name in ("mnist", "frey")}
    results = []
    for setting in SETTINGS:
        results.append(learn(setting, data[setting.data], args))
        draw(results, args.out / "paper_figure_2.png")
    return {"settings": results}, describe(results)


def ends(results):
    """The last test bound of both methods, for each (data, latents) that has both."""
    bounds = {}
    for result in results:
        last = result["points"][-1]["test"] if result["points"] else -math.inf
        bounds.setdefault((result["data"], result["latents"]), {})[result["method"]] = last
    return {width: both for width, both in bounds.items() if len(both) == 2}


def describe(results):
    bounds = ends(results)
    below = [
        f"{NAMES[data]} with {latents} latents"
        for (data, latents), both in bounds.items()
        if both["AEVB"] <= both["wake-sleep"]
    ]
    leads = "; ".join(
        f"{NAMES[data]} {latents}: {both['AEVB']:.1f}, {both['wake-sleep']:.1f}"
        for (data, latents), both in bounds.items()
    )
    step_sizes = sorted({result["step_size"] for result in results})
    return (
        f"After {results[0]['points'][-1]['samples']:,} training samples, AEVB's test bound is "
        f"above wake-sleep's in {len(bounds) - len(below)} of {len(bounds)} settings"
        f"{' (not: ' + ', '.join(below) + ')' if below else ''}. AEVB's and wake-sleep's, in nats "
        f"per example, by the number of latents: {leads}. On MNIST AEVB reaches "
        f"{bounds['mnist', 200]['AEVB']:.1f} with 200 latents and "
        f"{bounds['mnist', 20]['AEVB']:.1f} with 20. Step sizes "
        f"chosen: {', '.join(f'{size:g}' for size in step_sizes)}."
    )


def draw(results, path):
    figure = Figure(figsize=(15, 6.2), layout="constrained")
    rows = figure.subplots(2, 5)
    panels = dict(
        zip(
            [(setting.data, setting.n_latent) for setting in SETTINGS[::2]], rows.flat, strict=False
        )
    )
    rows[1, 4].set_axis_off()
    for (data, latents), axes in panels.items():
        late = []
        for result in results:
            if (result["data"], result["latents"]) == (data, latents):
                samples = [point["samples"] for point in result["points"]]
                for part, line in (("train", "-"), ("test", "--")):
                    bounds = [point[part] for point in result["points"]]
                    method = result["method"]
                    axes.plot(
                        samples, bounds, line, color=COLOURS[method], label=f"{method}, {part}"
                    )
                    late += bounds[len(bounds) // 4 :]
        if late:  # the first points climb from far away and would flatten the rest into a line
            margin = 0.05 * (max(late) - min(late)) or 1
            axes.set_ylim(min(late) - margin, max(late) + margin)
        axes.set(title=f"{NAMES[data]}, {latents} latents", xlabel="training samples seen")
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
    for row in rows:
        row[0].set_ylabel("bound, nats per example")
    rows[1, 4].legend(*rows[0, 0].get_legend_handles_labels(), loc="center")
    bounds = ends(results)
    above = sum(both["AEVB"] > both["wake-sleep"] for both in bounds.values())
    figure.suptitle(
        f"AEVB ends above wake-sleep on the test set in {above} of {len(bounds)} settings"
    )
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, samples=1e6))
