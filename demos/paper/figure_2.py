"""The paper's figure 2: AEVB against wake-sleep, the ELBO as training goes on.

AEVB climbs the ELBO in θ and φ at once; wake-sleep, its older rival with the same two networks,
takes turns between two objectives that are no bound together. The paper finds that AEVB learns
faster and ends higher in every setting, and that superfluous latents do not make it overfit.

Both learn MNIST (500 hidden units, Bernoulli) and Frey Face (200 hidden units, Gaussian with σ per
pixel, mean squashed), for several widths of the latent space; AEVB by Algorithm 1, SGVB-B with
L = 1. The settings are the paper's: tanh, weights from N(0, 0.01²), a prior N(0, I) on the
decoder's weights, minibatches of 100, and Adagrad with the step size, of 0.01, 0.02 and 0.1, that
does best in the first iterations. To 1e7 samples it takes hours, and the paper goes on to 1e8:

    --setting "MNIST 20" --setting "Frey Face 2"   trains these alone
    --draw --out FOLDER                            trains none: draws what is recorded in FOLDER

Each setting takes a core. Its curves are a file of its own in --out, mnist_20.json, written anew at
each point, so that a run still under way is recorded too: copy the file. A picture is of all the
files in its folder, from however many runs and machines, each curve as far as it has got. Weights
are saved twice a minute, Ctrl-C stops it, and the same --out goes on where it was.
"""

import argparse
import contextlib
import math
import sys
from dataclasses import dataclass

from demos.common.command_line import say, write_json
from demos.common.findings import run
from demos.common.long_runs import fit_and_save, side_by_side
from demos.common.machine import machine
from demos.paper.figure_2_picture import FILES, draw_recorded, recorded
from demos.paper.settings import (
    HIDDEN,
    METHODS,
    NAMES,
    choose_step_size,
    late_elbo,
    paper_networks,
    paper_trainer,
    saved_settings,
)
from vae_np import datasets
from vae_np.evaluation import evaluate_elbo
from vae_np.training.divergence import DivergenceError

POINTS_PER_DECADE = 8


@dataclass(frozen=True)
class Setting:
    data: str
    n_latent: int

    def __str__(self):
        return f"{NAMES[self.data]} {self.n_latent}"

    @property
    def stem(self):
        return f"{self.data}_{self.n_latent}"


SETTINGS = {str(setting): setting for setting in (Setting(*file) for file in FILES)}


def make_trainer(setting, method, images, step_size, args):
    hidden = HIDDEN[setting.data]
    networks = paper_networks(
        setting.data, images.shape[1], hidden, setting.n_latent, args, init="paper"
    )
    return paper_trainer(method, networks, images, step_size, args)


def due(epoch):
    """Whether to evaluate after this epoch: evenly on a logarithmic axis."""
    k = round(POINTS_PER_DECADE * math.log10(epoch))
    return epoch == round(10 ** (k / POINTS_PER_DECADE))


class Curve:
    """One method's training in one setting, from where its checkpoint is."""

    def __init__(self, setting, method, args):
        self.method, self.args, self.checkpoint = method, args, f"{setting.stem}_{method}.npz"
        self.data, self.diverged = datasets.load(setting.data), None
        path = args.out / self.checkpoint
        self.epochs = math.ceil(args.samples / len(self.data.train))  # in the end
        if path.exists():
            self.step_size = saved_settings(path, "step_size")["step_size"]
        else:
            self.step_size = choose_step_size(
                lambda images, size: make_trainer(setting, method, images, size, args),
                late_elbo,
                self.data.train,
                args,
            )
        self.trainer = make_trainer(setting, method, self.data.train, self.step_size, args)
        if path.exists():
            self.trainer.load(path)

    def learn(self, epoch, report):
        """Train until so many epochs are complete, or until it diverges."""
        if self.diverged or self.trainer.epoch >= epoch:
            return
        trainer, settings = self.trainer, {"step_size": self.step_size}
        try:
            fit_and_save(
                trainer, self.args, self.checkpoint, epoch, report, settings, self.evaluate
            )
        except DivergenceError as error:
            self.diverged = str(error)

    def evaluate(self):
        epoch = self.trainer.epoch + 1
        if not (due(epoch) or epoch == self.epochs):
            return {}
        elbo = evaluate_elbo(self.trainer.model, self.data.test, seed=self.args.seed)
        return {"test_elbo": elbo.value}

    def record(self):
        points = [
            {
                "samples": row["epoch"] * len(self.data.train),
                "train": row["train_elbo"],
                "test": row["test_elbo"],
                "kl": row["train_kl"],
            }
            for row in self.trainer.history
            if "test_elbo" in row
        ]
        return {
            "method": self.method,
            "step_size": self.step_size,
            "points": points,
            "seconds": self.trainer.seconds,
            "diverged": self.diverged,
        }


def learn(setting, args, report):
    """Train both methods up to ``args.samples`` samples, in turns, and record their curves.

    In turns, from point to point, so that at any time the one has got as far as the other.
    """
    curves = [Curve(setting, method, args) for method in METHODS]
    report(sum(curve.trainer.epoch * len(curve.data.train) for curve in curves))
    epochs = curves[0].epochs
    for epoch in [epoch for epoch in range(1, epochs + 1) if due(epoch) or epoch == epochs]:
        for curve in curves:
            curve.learn(epoch, report)
        record = {
            "data": setting.data,
            "latents": setting.n_latent,
            "options": {"samples": args.samples, "seed": args.seed, "device": args.device},
            "machine": machine(),
            "curves": [curve.record() for curve in curves],
        }
        write_json(args.out / f"{setting.stem}.json", record)
    return record


def experiment(args):
    if not args.draw:
        settings = [SETTINGS[name] for name in dict.fromkeys(args.setting or SETTINGS)]
        total = len(settings) * len(METHODS) * args.samples
        with contextlib.suppress(FileNotFoundError):
            recorded(args.out)  # what is no setting's is refused now, not after the training
        records = side_by_side(learn, settings, args, total, data=NAMES)
        for setting, record in zip(settings, records, strict=True):
            for curve in record["curves"]:
                last = f"test ELBO {curve['points'][-1]['test']:.1f}" if curve["points"] else ""
                step_size = f"step size {curve['step_size']:g}"
                say(f"{setting}, {curve['method']}, {step_size}: {curve['diverged'] or last}")
            draw_recorded(args.out)
    return draw_recorded(args.out)


def setting_name(text):
    if text not in SETTINGS:
        raise argparse.ArgumentTypeError(f"wants one of {', '.join(SETTINGS)}; got {text!r}")
    return text


def add_options(parser):
    parser.add_argument(
        "--setting",
        type=setting_name,
        action="append",
        metavar="NAME",
        help=f"train this one alone, by both methods; may be repeated: {', '.join(SETTINGS)}",
    )
    parser.add_argument(
        "--draw", action="store_true", help="train nothing: draw the settings recorded in --out"
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, samples=1e6, resumes=True, add_options=add_options))
