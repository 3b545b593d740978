"""The paper's figure 3: AEVB, wake-sleep and Monte Carlo EM, log p(x) as training goes on.

With three latents log p(x) itself can be estimated, from draws of the exact posterior, and so a
method without an encoder can be compared too: Monte Carlo EM, which draws each z by Hamiltonian
Monte Carlo. The paper finds that it learns a small training set, but is no online method and cannot
be applied to a large one in good time.

All learn from the first 1,000 and the first 50,000 digits of MNIST with 100 hidden units, by the
settings of figure 2; Monte Carlo EM has appendix E's, and goes on for 30 minutes of a core at most
(--em-minutes). Each estimate, by appendix D, is of 100 training and 100 test images, by 100 draws
of each posterior after 100 to fit to; the paper takes 1,000 images and 50 draws.

The paper's axes end near 5e7 samples. Every point is saved at once and the weights twice a minute:
Ctrl-C stops it, and the same --out goes on where it was, to more --samples or --em-minutes too.
"""

import json
import math
import sys
from dataclasses import dataclass

import numpy as np

from demos.common.command_line import say, write_json
from demos.common.experiment_options import positive
from demos.common.findings import run
from demos.common.long_runs import Saver, core_clock, side_by_side
from demos.paper.figure_3_estimates import evenly, importance_sampled, log_likelihood, summarize
from demos.paper.figure_3_picture import describe, draw
from demos.paper.settings import (
    BATCH_SIZE,
    METHODS,
    choose_step_size,
    late_elbo,
    paper_networks,
    paper_trainer,
    saved_settings,
)
from vae_np import VAE, Adagrad, datasets
from vae_np.inference.hmc import log_joint
from vae_np.training.monte_carlo_em import MonteCarloEM

HIDDEN, LATENT = 100, 3
TITLE = f"MNIST, {HIDDEN} hidden units, {LATENT} latents: log p(x) as training goes on"
TRAINING_SETS = (1_000, 50_000)
IMAGES = 100  # of the training and of the test set, for the estimates; fewer in short runs


@dataclass(frozen=True)
class Setting:
    n_training: int
    method: str

    @property
    def stem(self):
        return f"{self.method}_{self.n_training}".replace(" ", "_")


SETTINGS = [Setting(n, method) for method in (*METHODS, "Monte Carlo EM") for n in TRAINING_SETS]


def make_learner(setting, images, step_size, args):
    """A `Trainer` or a `MonteCarloEM`, and the `VAE` whose decoder learns."""
    networks = paper_networks("mnist", images.shape[1], HIDDEN, LATENT, args, init="paper")
    if setting.method in METHODS:
        trainer = paper_trainer(setting.method, networks, images, step_size, args)
        return trainer, trainer.model
    model = VAE(*networks)
    learner = MonteCarloEM(
        model.decoder,
        Adagrad([model.decoder.parameters], step_size),
        model.as_pixels(images),
        batch_size=BATCH_SIZE,
        weight_prior=True,
        seed=args.seed,
    )
    return learner, model


def score(learner):
    """How well the first steps went: the late ELBO, or log p(x, z) where there is no ELBO."""
    if isinstance(learner, MonteCarloEM):
        rows = slice(IMAGES)
        return float(log_joint(learner.decoder, learner.x[rows], learner.z[rows]).mean())
    return late_elbo(learner)


def due(n_samples):
    """Whether to estimate after so many training samples: 10,000, 20,000, 50,000 and so on."""
    power = 10 ** math.floor(math.log10(n_samples))
    return n_samples >= 10_000 and n_samples in (power, 2 * power, 5 * power)


def learn(setting, args, report):
    """One curve, from where an earlier run has left it; its file is written anew at each point."""
    record, checkpoint = (f"{setting.stem}{end}" for end in (".json", ".npz"))
    state = args.out / checkpoint
    data = datasets.load("mnist")
    train = data.train[: setting.n_training]
    if state.exists():
        saved = saved_settings(state, "step_size", "images", "seconds", "points")
    else:
        step_size = choose_step_size(
            lambda images, step_size: make_learner(setting, images, step_size, args)[0],
            score,
            train,
            args,
        )
        n_images = min(IMAGES, math.ceil(args.samples / 10_000))
        saved = {"step_size": step_size, "images": n_images, "seconds": 0.0, "points": []}
    learner, model = make_learner(setting, train, saved["step_size"], args)
    if state.exists():
        learner.load(state)
    report(learner.epoch * len(train))

    points, n_images = saved["points"], saved["images"]
    parts = {"train": evenly(train, n_images), "test": evenly(data.test, n_images)}
    clock = core_clock(args.device)
    limit = 60 * args.em_minutes if setting.method not in METHODS else math.inf
    epochs = math.ceil(args.samples / len(train))
    saver = Saver(lambda: learner.save(args.out / checkpoint, saved))

    def n_samples():
        return learner.epoch * len(train)

    def estimate():
        value, error = log_likelihood(model, np.concatenate(list(parts.values())), args.seed)
        point = {"samples": n_samples(), "seconds": saved["seconds"]}
        points.append(point | summarize(value, error, n_images))
        write_json(args.out / record, curve_of(setting, saved))
        saver.save()

    def estimated():
        return bool(points) and points[-1]["samples"] == n_samples()

    if learner.epoch and due(n_samples()) and not estimated():  # it was killed just before
        estimate()
    while learner.epoch < epochs and saved["seconds"] <= limit:
        started = clock()
        finished = learner.fit(learner.epoch + 1, progress=False)
        saved["seconds"] += clock() - started
        if not finished:  # a kill was heard
            saver.save()
            raise SystemExit
        report(len(train))
        if due(n_samples()):
            estimate()
        else:
            saver.save_in_time()
    if not estimated():
        estimate()
    curve, path = curve_of(setting, saved), args.out / record
    if setting.method == "AEVB":
        known = json.loads(path.read_bytes()) if path.exists() else {}
        if known.get("points") == points and "from_prior" in known:
            return known
        curve |= importance_sampled(model, parts, points[-1]["samples"], args.seed)
    write_json(path, curve)
    return curve


def curve_of(setting, saved):
    about = {"training_images": setting.n_training, "method": setting.method}
    return about | {key: saved[key] for key in ("step_size", "images", "points")}


def experiment(args):
    curves = []
    for curve in side_by_side(learn, SETTINGS, args, total=len(SETTINGS) * args.samples):
        curves.append(curve)
        last = curve["points"][-1]
        say(
            f"{curve['training_images']:,} digits, {curve['method']}, step size "
            f"{curve['step_size']:g}: after {last['samples']:,} samples log p(x) is "
            f"{last['train']:.1f} on training and {last['test']:.1f} on test images"
        )
        draw(curves, args.out / "figure_3.png", TITLE)
    return {"curves": curves}, describe(curves)


def add_options(parser):
    parser.add_argument(
        "--em-minutes",
        type=positive,
        default=30,
        metavar="N",
        help="of a core, after which Monte Carlo EM ends (default: 30)",
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, samples=1e6, resumes=True, add_options=add_options))
