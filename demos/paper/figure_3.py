"""The paper's figure 3: AEVB, wake-sleep and Monte Carlo EM, log p(x) as training goes on.

With three latents log p(x) itself can be estimated, from draws of the exact posterior, and so a
method without an encoder can be compared too: Monte Carlo EM, which draws each z by Hamiltonian
Monte Carlo. The paper finds that it learns a small training set, but is no online method and cannot
be applied to a large one in good time.

All learn from the first 1,000 and the first 50,000 digits of MNIST with 100 hidden units, by the
settings of figure 2; Monte Carlo EM has appendix E's, and goes on for 30 minutes at most. Each
estimate, by appendix D, is of 100 training and 100 test images, by 100 draws of each posterior
after 100 to fit to; the paper takes 1,000 images and 50 draws. A curve that is finished is saved;
the same --out and --samples go on with the others.
"""

import json
import math
import sys
import time
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from demos.common.command_line import say, write_json
from demos.common.findings import run
from demos.common.long_runs import side_by_side
from demos.paper.settings import (
    BATCH_SIZE,
    COLOURS,
    METHODS,
    choose_step_size,
    late_bound,
    paper_networks,
    paper_trainer,
)
from vae_np import VAE, Adagrad, datasets
from vae_np.backend import Stream, array_module, random_generator, to_numpy
from vae_np.distributions import log_mean_exp, standard_normal_log_prob
from vae_np.evaluation import importance_sampled_log_likelihood
from vae_np.inference.appendix_d import appendix_d
from vae_np.inference.grid import grid_log_joint
from vae_np.inference.hmc import log_joint
from vae_np.layers import softplus
from vae_np.objectives.monte_carlo_em import MonteCarloEM
from vae_np.training.checkpoints import CheckpointError

HIDDEN, LATENT = 100, 3
TRAINING_SETS = (1_000, 50_000)
IMAGES = 100  # of the training and of the test set, for the estimates; fewer in short runs
CHAINS, DRAWS, STARTS = 5, 20, 1000
IMPORTANCE_SAMPLES = 5000
PRIOR_DRAWS = 2  # for each training sample: the shorter the run, the less is computed
MINUTES_OF_MONTE_CARLO_EM = 30


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
    """How well the first steps went: the late bound, or log p(x, z) where there is no bound."""
    if isinstance(learner, MonteCarloEM):
        rows = slice(IMAGES)
        return float(log_joint(learner.decoder, learner.x[rows], learner.z[rows]).mean())
    return late_bound(learner)


def log_likelihood(model, images, seed):
    """log p(x) of each image and its standard error, by appendix D.

    The chains start at draws of the prior, chosen by their p(x|z), which needs no encoder.
    """
    x, xp = model.as_pixels(images), array_module(model.decoder.parameters.value)
    generator = random_generator([seed, Stream.CHAIN_STARTS], model.device)
    points = generator.standard_normal((STARTS, LATENT), dtype=model.dtype)
    log_px_given_z = grid_log_joint(model, x, points) - standard_normal_log_prob(points)[:, None]
    # The argmax of log weights plus Gumbel noise is a draw in proportion to the weights.
    uniform = generator.random((CHAINS, *log_px_given_z.shape))
    gumbel = -xp.log(-xp.log(1 - uniform))
    initial = points[(log_px_given_z + gumbel).argmax(axis=1)]
    return appendix_d(model.decoder, x, initial, DRAWS, generator)


def prior_sampled(model, images, n_samples, seed):
    """The images' mean of log (1/K Σ p(x|z_k)) by K draws of the prior, and its standard error.

    As log p(x|z) = a·x − Σ log(1 + exp(a)) for logits a, all pairs of a draw and an image are one
    matrix product, so that K can be in the millions. All images share the draws: only the spread
    between rounds of draws says what the error of the mean is.
    """
    x = model.as_pixels(images)
    generator = random_generator([seed, Stream.IMPORTANCE_NOISE], model.device)
    rounds = []
    for _ in range(max(2, n_samples // STARTS)):
        z = generator.standard_normal((STARTS, LATENT), dtype=model.dtype)
        logits = model.decoder.forward(z).logits
        log_px_given_z = logits @ x.T - softplus(logits).sum(axis=1)[:, None]
        rounds.append(to_numpy(log_mean_exp(log_px_given_z.astype(np.float64))))
    value = log_mean_exp(np.stack(rounds))
    by_round = np.exp(rounds - value).mean(axis=1)  # p over its estimate, so that 1 is no error
    return float(value.mean()), float(by_round.std(ddof=1) / math.sqrt(len(rounds)))


def due(n_samples):
    """Whether to estimate after so many training samples: 10,000, 20,000, 50,000 and so on."""
    power = 10 ** math.floor(math.log10(n_samples))
    return n_samples >= 10_000 and n_samples in (power, 2 * power, 5 * power)


def learn(setting, args, report):
    """One curve, or the one that an earlier run has finished."""
    path = args.out / f"{setting.stem}.json"
    identity = {"samples": args.samples, "seed": args.seed, "device": args.device}
    if path.exists():
        curve = json.loads(path.read_text(encoding="utf-8"))
        saved = curve.get("identity")
        if saved != identity:
            raise CheckpointError(
                f"{path} is of a run with {saved}, not {identity}: give the same options, or "
                "another --out"
            )
        report(args.samples)
        return curve

    data = datasets.load("mnist")
    train = data.train[: setting.n_training]
    n_images = min(IMAGES, math.ceil(args.samples / 10_000))
    parts = {"train": evenly(train, n_images), "test": evenly(data.test, n_images)}
    step_size = choose_step_size(
        lambda images, step_size: make_learner(setting, images, step_size, args)[0],
        score,
        train,
        args,
    )
    learner, model = make_learner(setting, train, step_size, args)
    clock = time.perf_counter if args.device == "gpu" else time.process_time  # of a core
    epochs, seconds, points = math.ceil(args.samples / len(train)), 0, []
    for epoch in range(1, epochs + 1):
        started = clock()
        learner.fit(epoch, progress=False)
        seconds += clock() - started
        report(len(train))
        cut = setting.method not in METHODS and seconds > 60 * MINUTES_OF_MONTE_CARLO_EM
        if due(epoch * len(train)) or epoch == epochs or cut:
            value, error = log_likelihood(model, np.concatenate(list(parts.values())), args.seed)
            point = {"samples": epoch * len(train), "seconds": seconds}
            points.append(point | summarize(value, error, n_images))
        if cut:
            break
    curve = {
        "identity": identity,
        "training_images": setting.n_training,
        "method": setting.method,
        "step_size": step_size,
        "images": n_images,
        "points": points,
    }
    if setting.method == "AEVB":
        curve |= importance_sampled(model, parts, args)
    write_json(path, curve)
    return curve


def evenly(images, count):
    return images[:: len(images) // count][:count]


def summarize(value, error, n_train):
    """The means over the training and the test images, each with two kinds of standard error.

    "error" is that of the estimates for these very images, "between_images" that of their choice.
    """
    summary = {}
    for part, rows in (("train", slice(n_train)), ("test", slice(n_train, None))):
        summary[part] = float(value[rows].mean())
        summary[f"{part}_error"] = float(np.sqrt((error[rows] ** 2).sum()) / len(value[rows]))
        summary[f"{part}_between_images"] = float(value[rows].std() / math.sqrt(len(value[rows])))
    return summary


def importance_sampled(model, parts, args):
    """log p(x) of the same images by draws of the prior, and by q(z|x) and the prior together."""
    results = {"from_prior": {}, "half_from_q": {}}
    for part, images in parts.items():
        value, error = prior_sampled(model, images, PRIOR_DRAWS * args.samples, args.seed)
        results["from_prior"] |= {part: value, f"{part}_error": error}
        half_from_q = importance_sampled_log_likelihood(
            model, images, IMPORTANCE_SAMPLES, prior_share=0.5, seed=args.seed
        )
        error = half_from_q.mean_standard_error
        results["half_from_q"] |= {part: half_from_q.mean, f"{part}_error": error}
    return results


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
        draw(curves, args.out / "figure_3.png")
    return {"curves": curves}, describe(curves)


def describe(curves):
    sentences = []
    for n_training in TRAINING_SETS:
        ends = "; ".join(
            f"{curve['method']} {curve['points'][-1]['train']:.1f} and "
            f"{curve['points'][-1]['test']:.1f} after {curve['points'][-1]['samples']:.3g} samples "
            f"and {curve['points'][-1]['seconds']:.0f} s"
            for curve in curves
            if curve["training_images"] == n_training
        )
        sentences.append(f"{n_training:,} training digits: {ends}.")
    n_images = curves[0]["images"]
    between_images = max(curve["points"][-1]["test_between_images"] for curve in curves)
    spread = "" if n_images == 1 else f", whose choice moves a mean by about {between_images:.1f}"
    return (
        f"log p(x) by appendix D, nats per example, of {n_images} training and {n_images} test "
        "images. "
        + " ".join(sentences)
        + " On AEVB's final models, training and test images of each set, it is "
        + f"{differences(curves, 'from_prior')} nats above importance sampling from the prior, "
        + f"and {differences(curves, 'half_from_q')} above that with {IMPORTANCE_SAMPLES:,} "
        + f"samples, half of them from q(z|x). All are of the same images{spread}."
    )


def differences(curves, estimate):
    """Appendix D against another estimate, on the last models that AEVB has trained."""
    return ", ".join(
        f"{curve['points'][-1][part] - curve[estimate][part]:+.2f}"
        for curve in curves
        if curve["method"] == "AEVB"
        for part in ("train", "test")
    )


def draw(curves, path):
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    late = []
    for axes, n_training in zip(panels, TRAINING_SETS, strict=True):
        for curve in curves:
            if curve["training_images"] != n_training:
                continue
            points = curve["points"]
            for part, line in (("train", "-"), ("test", "--")):
                axes.errorbar(
                    [point["samples"] for point in points],
                    [point[part] for point in points],
                    [point[f"{part}_error"] for point in points],
                    fmt=line,
                    marker=".",
                    color=COLOURS[curve["method"]],
                    label=f"{curve['method']}, {part}",
                )
                late += [point[part] for point in points[len(points) // 4 :]]
        axes.set(title=f"{n_training:,} training digits", xlabel="training samples seen")
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
    margin = 0.05 * (max(late) - min(late)) or 1
    panels[0].set(
        ylabel="log p(x) by appendix D, nats per example",
        ylim=(min(late) - margin, max(late) + margin),
    )
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    figure.suptitle(f"log p(x) as training goes on: MNIST, {HIDDEN} hidden units, {LATENT} latents")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, samples=1e6, resumes=True))
