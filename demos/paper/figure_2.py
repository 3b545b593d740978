"""The paper's figure 2: AEVB against wake-sleep, the bound as training goes on.

The same encoder and decoder learn by AEVB (Algorithm 1, SGVB-B with L = 1) and by wake-sleep, on
MNIST (500 hidden units, Bernoulli) and on Frey Face (200 hidden units, Gaussian with σ per pixel,
mean squashed), for several widths of the latent space. The settings are the paper's: tanh, weights
from N(0, 0.01²), a prior N(0, I) on the decoder's weights, minibatches of 100, and Adagrad with the
step size, of 0.01, 0.02 and 0.1, that does best in the first iterations.

The paper finds that AEVB learns faster and ends higher in every setting, and that superfluous
latents do not make it overfit. To 1e7 samples it takes hours. It saves twice a minute, Ctrl-C stops
it, and the same --out goes on where it was.
"""

import math
import sys
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from demos.common.command_line import say
from demos.common.findings import run
from demos.common.long_runs import fit_and_save, side_by_side
from demos.paper.settings import (
    COLOURS,
    HIDDEN,
    METHODS,
    NAMES,
    choose_step_size,
    late_bound,
    paper_networks,
    paper_trainer,
)
from vae_np import datasets
from vae_np.distributions import Bernoulli, DiagonalGaussian
from vae_np.evaluation import evaluate_bound
from vae_np.training.checkpoints import read_checkpoint
from vae_np.training.trainer import DivergenceError

POINTS_PER_DECADE = 8
UNUSED = 0.1  # nats of KL, with all latents together


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
    hidden = HIDDEN[setting.data]
    networks = paper_networks(
        setting.data, images.shape[1], hidden, setting.n_latent, args, init="paper"
    )
    return paper_trainer(setting.method, networks, images, step_size, args)


def due(epoch):
    """Whether to evaluate after this epoch: evenly on a logarithmic axis."""
    k = round(POINTS_PER_DECADE * math.log10(epoch))
    return epoch == round(10 ** (k / POINTS_PER_DECADE))


def learn(setting, args, report):
    """Train up to ``args.samples`` training samples, from where the checkpoint is, and save."""
    data = datasets.load(setting.data)
    path = args.out / f"{setting.stem}.npz"
    if path.exists():
        about, _ = read_checkpoint(path)
        step_size = about["settings"]["step_size"]
    else:
        step_size = choose_step_size(
            lambda images, step_size: make_trainer(setting, images, step_size, args),
            late_bound,
            data.train,
            args,
        )
    trainer = make_trainer(setting, data.train, step_size, args)
    if path.exists():
        trainer.load(path)
    epochs = math.ceil(args.samples / len(data.train))

    def evaluate():
        epoch = trainer.epoch + 1
        if not (due(epoch) or epoch == epochs):
            return {}
        bound = evaluate_bound(trainer.model, data.test, seed=args.seed)
        return {"test_bound": bound.value}

    diverged = None
    try:
        fit_and_save(trainer, path, epochs, report, {"step_size": step_size}, evaluate)
    except DivergenceError as error:
        diverged = str(error)
    points = [
        {
            "samples": row["epoch"] * len(data.train),
            "train": row["train_bound"],
            "test": row["test_bound"],
            "kl": row["train_kl"],
        }
        for row in trainer.history
        if "test_bound" in row and row["epoch"] <= epochs
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
    results, baselines = [], {name: without_latents(name) for name in NAMES}
    trainings = side_by_side(learn, SETTINGS, args, len(SETTINGS) * args.samples, data=NAMES)
    for setting, result in zip(SETTINGS, trainings, strict=True):
        results.append(result)
        last = f"test bound {result['points'][-1]['test']:.1f}" if result["points"] else ""
        say(f"{setting}, step size {result['step_size']:g}: {result['diverged'] or last}")
        draw(results, baselines, args.out / "figure_2.png")
    return {"settings": results, "without_latents": baselines}, describe(results, baselines, args)


def without_latents(name):
    """The test set's mean log p(x) without latents, fitted to the training set; nats per example.

    Its pixels are independent, with the training set's means, and for Frey Face its variances.
    """
    data = datasets.load(name)
    if name == "frey":
        p = DiagonalGaussian(data.mean_image, np.log((data.train / 255).var(axis=0)))
    else:
        mean = np.clip(data.mean_image, 1e-6, 1 - 1e-6)
        p = Bernoulli(np.log(mean / (1 - mean)))
    return float(p.log_prob(data.test / 255).mean())


def ends(results):
    """The last test bound of both methods, for each (data, latents) that has both."""
    bounds = {}
    for result in results:
        last = result["points"][-1]["test"] if result["points"] else -math.inf
        bounds.setdefault((result["data"], result["latents"]), {})[result["method"]] = last
    return {width: both for width, both in bounds.items() if len(both) == 2}


def describe(results, baselines, args):
    bounds = ends(results)
    unused = [
        f"{NAMES[result['data']]} {result['latents']}"
        for result in results
        if result["method"] == "wake-sleep"
        and result["points"]
        and result["points"][-1]["kl"] < UNUSED
    ]
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
        f"After {args.samples:,} training samples, rounded up to epochs, AEVB's test bound is "
        f"above wake-sleep's in {len(bounds) - len(below)} of {len(bounds)} settings"
        f"{' (not: ' + ', '.join(below) + ')' if below else ''}. AEVB's and wake-sleep's, in nats "
        f"per example, by the number of latents: {leads}. On MNIST AEVB reaches "
        f"{bounds['mnist', 200]['AEVB']:.1f} with 200 latents and "
        f"{bounds['mnist', 20]['AEVB']:.1f} with 20. Without latents, one distribution for "
        f"all images reaches {baselines['mnist']:.1f} on MNIST and {baselines['frey']:.1f} on Frey "
        "Face; "
        f"wake-sleep leaves its latents unused (a KL below {UNUSED} nats) in {len(unused)} of "
        f"{len(bounds)} settings{': ' * bool(unused)}{', '.join(unused)}. Step sizes chosen: "
        f"{', '.join(f'{size:g}' for size in step_sizes)}."
    )


def draw(results, baselines, path):
    figure = Figure(figsize=(15, 6.2), layout="constrained")
    rows = figure.subplots(2, 5)
    panels = dict(
        zip(
            [(setting.data, setting.n_latent) for setting in SETTINGS[:: len(METHODS)]],
            rows.flat,
            strict=False,
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
                        samples,
                        bounds,
                        line,
                        marker="o" if len(samples) == 1 else None,
                        color=COLOURS[method],
                        label=f"{method}, {part}",
                    )
                    late += bounds[len(bounds) // 4 :]
        if late:  # the first points climb from far away and would flatten the rest into a line
            margin = 0.05 * (max(late) - min(late)) or 1
            axes.set_ylim(min(late) - margin, max(late) + margin)
        axes.axhline(baselines[data], color="0.4", lw=1, ls=":", label="without latents")
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
    sys.exit(run(experiment, __doc__, samples=1e6, resumes=True))
