"""The paper's figure 3: AEVB, wake-sleep and Monte Carlo EM, log p(x) as training goes on.

With three latents and 100 hidden units the marginal likelihood can be estimated by the paper's
appendix D, from draws of the exact posterior, and so a method without an encoder can be compared
too: Monte Carlo EM, which draws each z by Hamiltonian Monte Carlo. All learn from the first 1,000
and the first 50,000 digits of MNIST, by the settings of figure 2; Monte Carlo EM has appendix E's.

The paper finds that Monte Carlo EM learns the small training set but is no online method and cannot
be applied to the large one in good time. Here it goes on for 30 minutes at most. A curve that is
finished is saved; the same --out and --samples go on with the others.
"""

import json
import math
import sys
import time
from dataclasses import dataclass

import numpy as np
from experiment import run
from long_runs import side_by_side
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from paper_settings import (
    BATCH_SIZE,
    COLOURS,
    METHODS,
    STEP_SIZES,
    first_steps,
    paper_networks,
    paper_trainer,
)
from tqdm import tqdm

from vae_np import VAE, Adagrad, datasets
from vae_np.backend import Stream, array_module, random_generator, to_numpy
from vae_np.bounds import log_mean_exp, log_mean_standard_error
from vae_np.distributions import standard_normal_log_prob
from vae_np.evaluation import importance_sampled_log_likelihood
from vae_np.inference.appendix_d import appendix_d
from vae_np.inference.grid import grid_log_joint
from vae_np.inference.hmc import log_joint
from vae_np.inference.monte_carlo_em import MonteCarloEM
from vae_np.layers import softplus

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

    def __str__(self):
        return f"{self.n_training:,} digits, {self.method}"


SETTINGS = [Setting(n, method) for method in COLOURS for n in TRAINING_SETS]


def make_learner(setting, images, step_size, args):
    """A `Trainer` or a `MonteCarloEM`, and the `VAE` that has its decoder."""
    networks = paper_networks("mnist", images.shape[1], HIDDEN, LATENT, args, init="paper")
    if setting.method in METHODS:
        trainer = paper_trainer(setting.method, networks, images, step_size, args)
        return trainer, trainer.model
    model = VAE(*networks)
    optimizer = Adagrad([model.decoder.parameters], step_size)
    learner = MonteCarloEM(
        model.decoder,
        optimizer,
        model.as_pixels(images),
        batch_size=BATCH_SIZE,
        weight_prior=True,
        seed=args.seed,
    )
    return learner, model


def choose_step_size(setting, images, args):
    """The step size that does best in the first steps: by the bound, or by log p(x, z)."""
    n_steps, scores = first_steps(args), {}
    images = images[: n_steps * BATCH_SIZE]
    for step_size in STEP_SIZES:
        learner, model = make_learner(setting, images, step_size, args)
        try:
            learner.fit(math.ceil(n_steps * BATCH_SIZE / len(images)), progress=False)
        except ValueError:  # it diverged
            continue
        if setting.method in METHODS:
            scores[step_size] = learner.history[-1]["train_bound"]
        else:
            scores[step_size] = float(log_joint(model.decoder, learner.x, learner.z).mean())
    return max(scores, key=scores.get)


def log_likelihood(model, images, seed):
    """log p(x) of each image and its standard error, by appendix D.

    The chains start at draws of the prior, chosen by their p(x|z), which needs no encoder.
    """
    x, xp = model.as_pixels(images), array_module(model.decoder.parameters.value)
    generator = random_generator([seed, Stream.POSTERIOR], model.device)
    points = generator.standard_normal((STARTS, LATENT), dtype=model.dtype)
    log_px_given_z = grid_log_joint(model, x, points) - standard_normal_log_prob(points)[:, None]
    gumbel = -xp.log(generator.standard_exponential((CHAINS, *log_px_given_z.shape)))
    initial = points[(log_px_given_z + gumbel).argmax(axis=1)]
    return appendix_d(model.decoder, x, initial, DRAWS, generator)


def prior_sampled(model, images, n_samples, seed):
    """log 1/K Σ p(x|z_k) of each image by K draws of the prior, the same for all; its error.

    As log p(x|z) = a·x − Σ log(1 + exp(a)) for logits a, all pairs of a draw and an image are one
    matrix product, so that K can be in the millions.
    """
    x, xp = model.as_pixels(images), array_module(model.decoder.parameters.value)
    generator = random_generator([seed, Stream.IMPORTANCE_NOISE], model.device)
    log_sum = log_sum_of_squares = xp.full(len(x), -xp.inf)
    for _ in range(-(-n_samples // STARTS)):
        z = generator.standard_normal((STARTS, LATENT), dtype=model.dtype)
        logits = model.decoder.forward(z).logits
        log_px = logits @ x.T - softplus(logits).sum(axis=1)[:, None]
        log_px = log_px.astype(np.float64)
        log_sum = xp.logaddexp(log_sum, log_mean_exp(log_px))
        log_sum_of_squares = xp.logaddexp(log_sum_of_squares, log_mean_exp(2 * log_px))
    n_rounds = -(-n_samples // STARTS)
    ratio = to_numpy(xp.exp(log_sum_of_squares - 2 * log_sum)) / STARTS
    error = log_mean_standard_error(ratio, n_rounds * STARTS)
    return to_numpy(log_sum) - math.log(n_rounds), error


def due(n_samples):
    """Whether to estimate after so many training samples: 10,000, 20,000, 50,000 and so on."""
    power = 10 ** math.floor(math.log10(n_samples))
    return n_samples >= 10_000 and n_samples in (power, 2 * power, 5 * power)


def learn(setting, args, report):
    """One curve, or the one that an earlier run has finished."""
    path = args.out / f"{setting.method}_{setting.n_training}.json".replace(" ", "_")
    identity = {"samples": args.samples, "seed": args.seed}
    if path.exists():
        curve = json.loads(path.read_text(encoding="utf-8"))
        if curve["identity"] == identity:
            report(args.samples)
            return curve

    data = datasets.load("mnist")
    train = data.train[: setting.n_training]
    n_images = min(IMAGES, math.ceil(args.samples / 10_000))
    evaluated = np.concatenate([train[:n_images], data.test[:n_images]])
    step_size = choose_step_size(setting, train, args)
    learner, model = make_learner(setting, train, step_size, args)
    epochs, seconds, points = math.ceil(args.samples / len(train)), 0, []
    for epoch in range(1, epochs + 1):
        started = time.perf_counter()
        learner.fit(epoch, progress=False)
        seconds += time.perf_counter() - started
        report(len(train))
        cut = setting.method not in METHODS and seconds > 60 * MINUTES_OF_MONTE_CARLO_EM
        if due(epoch * len(train)) or epoch == epochs or cut:
            value, error = log_likelihood(model, evaluated, args.seed)
            point = {"samples": epoch * len(train), "seconds": seconds}
            points.append(point | summarize(value, error, n_images))
        if cut:
            break
    curve = {
        "identity": identity,
        "training_images": setting.n_training,
        "method": setting.method,
        "step_size": step_size,
        "points": points,
    }
    if setting.method == "AEVB":
        half_from_q = importance_sampled_log_likelihood(
            model, evaluated, IMPORTANCE_SAMPLES, prior_share=0.5, seed=args.seed
        )
        from_prior = prior_sampled(model, evaluated, PRIOR_DRAWS * args.samples, args.seed)
        curve["half_from_q"] = summarize(half_from_q.value, half_from_q.standard_error, n_images)
        curve["from_prior"] = summarize(*from_prior, n_images)
    path.write_text(json.dumps(curve), encoding="utf-8")
    return curve


def summarize(value, error, n_train):
    """Means over the training and the test images, and their standard errors as estimates."""
    summary = {}
    for part, rows in (("train", slice(n_train)), ("test", slice(n_train, None))):
        summary[part] = float(value[rows].mean())
        summary[f"{part}_error"] = float(np.sqrt((error[rows] ** 2).sum()) / len(value[rows]))
    return summary


def experiment(args):
    curves = []
    for curve in side_by_side(learn, SETTINGS, args, total=len(SETTINGS) * args.samples):
        curves.append(curve)
        last = curve["points"][-1]
        tqdm.write(
            f"{curve['training_images']:,} digits, {curve['method']}, step size "
            f"{curve['step_size']:g}: after {last['samples']:,} samples log p(x) is "
            f"{last['train']:.1f} on training and {last['test']:.1f} on test images"
        )
        draw(curves, args.out / "paper_figure_3.png")
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
    return (
        "log p(x) by appendix D, nats per example, of training and of test images. "
        + " ".join(sentences)
        + " On AEVB's final models, training and test images of each set, it is "
        + f"{differences(curves, 'from_prior')} nats above importance sampling from the prior, "
        + f"and {differences(curves, 'half_from_q')} above that with {IMPORTANCE_SAMPLES:,} "
        + "samples, half of them from q(z|x)."
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
