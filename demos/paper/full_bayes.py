"""Where does it help to be uncertain about the weights too? The paper's appendix F on few digits.

With few training images the decoder's weights θ are not well determined, and a single θ, even the
best, may overfit. So may the encoder, which has no prior in any of this: the ELBO on test images,
which falls while the training set's rises, counts both. Full variational Bayes
learns a Gaussian q(θ) instead, of a mean and a variance for each weight, by the same estimator as
q(z|x). You will see where that helps, and what it costs where there are images enough.

A VAE of digits learns from 100, 1,000 and 4,000 images, in three ways: by maximum likelihood; by
MAP, for the θ of the highest posterior density under a prior N(0, I); and by full Bayes. All see
equally many training samples. For full Bayes there are two test ELBOs: with θ at the mean of q(θ),
and averaged over draws of θ. Its KL(q(θ) ‖ p(θ)) is shared by the training images and printed per
image. At the end there is log p(x) of some test images, by importance sampling: through the
encoder, and through a q that is fitted to each image, so that it is θ alone that is judged. For
full Bayes it is log E[p(x|θ)] as well, to which many drawn models together contribute.
"""

import math
import sys
from dataclasses import dataclass

import numpy as np

from demos.common import plots
from demos.common.command_line import say
from demos.common.findings import run
from demos.common.long_runs import side_by_side
from demos.common.models import digit_model
from demos.common.posteriors import draw_log_weights
from vae_np import Adam, Trainer, datasets
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.distributions import log_mean_exp
from vae_np.evaluation import evaluate_elbo, importance_sampled_log_likelihood
from vae_np.inference import per_image
from vae_np.objectives import ELBO, FullBayes

TRAINING_SETS = (100, 1_000, 4_000)
LIKELIHOOD, MAP, BAYES = METHODS = ("maximum likelihood", "MAP", "full Bayes")
COLOURS = dict(zip(METHODS, ("C1", "C2", "C3"), strict=True))
LATENT, HIDDEN = 10, 100
LEARNING_RATE = 1e-2  # the variances of θ have a long way; it falls towards 0
INITIAL_STD = 0.03
POINTS, DRAWS_PER_POINT = 25, 5
IMAGES, SAMPLES = 100, 1000  # for log p(x)
WEIGHT_DRAWS, SAMPLES_PER_WEIGHT_DRAW, FIT_STEPS_PER_WEIGHT_DRAW = 500, 20, 100
TRAINING_SAMPLES_PER_WEIGHT_DRAW = 800  # at least: a short run draws fewer weights


@dataclass(frozen=True)
class Setting:
    n_training: int
    method: str


SETTINGS = [Setting(n, method) for n in TRAINING_SETS for method in METHODS]


def learn(setting, args, report):
    data = datasets.load("mnist5k")
    train = data.train[: setting.n_training]
    subset = datasets.Dataset(train, data.test, data.image_shape)
    model = digit_model(subset, args, LATENT, HIDDEN)
    objective = ELBO(model)
    if setting.method == BAYES:
        objective = FullBayes(model, setting.n_training, INITIAL_STD)
    optimizer = Adam(list(objective.vectors.values()), LEARNING_RATE)
    prior = setting.method == MAP
    trainer = Trainer(model, optimizer, train, objective, weight_prior=prior, seed=args.seed)
    epochs, points = math.ceil(args.samples / len(train)), []
    for end in np.unique(np.linspace(0, epochs, POINTS + 1).round().astype(int))[1:]:
        start = trainer.epoch
        optimizer.learning_rate = LEARNING_RATE * (1 - start / epochs)
        if not trainer.fit(int(end), progress=False):
            raise SystemExit  # a kill was heard
        elbos = [row["train_elbo"] for row in trainer.history[start:]]
        point = {"samples": trainer.epoch * len(train), "train": float(np.mean(elbos))}
        if setting.method == BAYES:
            point |= {
                "weight_kl_per_image": objective.weight_kl() / len(train),
                "test_drawn": elbo_at_drawn_weights(objective, data.test, args),
            }
            objective.use_mean_weights()
        points.append(point | {"test": evaluate_elbo(model, data.test, seed=args.seed).value})
        report(len(elbos) * len(train))
    result = {"training_images": len(train), "method": setting.method, "points": points}
    result["seconds"] = trainer.seconds
    images = data.test[:IMAGES]
    through_encoder = importance_sampled_log_likelihood(model, images, SAMPLES, seed=args.seed)
    result["test_log_px_through_encoder"] = through_encoder.mean
    generator = random_generator([args.seed, Stream.ELBO_NOISE], args.device)
    x = model.as_pixels(images)
    q = per_image.fit(model.decoder, x, model.encode(images), generator)
    log_weights = draw_log_weights(model, x, q, generator, SAMPLES)
    result["test_log_px"] = float(log_mean_exp(log_weights).mean())
    if setting.method == BAYES:
        n_draws = min(WEIGHT_DRAWS, math.ceil(args.samples / TRAINING_SAMPLES_PER_WEIGHT_DRAW))
        result["test_log_px_drawn"] = log_px_over_weights(objective, x, q, n_draws, args)
        result["weight_draws"] = n_draws
        result["median_weight_std"] = float(np.median(to_numpy(objective.weight_posterior.std)))
    return result


def drawn_models(objective, n_draws, args):
    """Yield the model with its weights at each of so many draws from q(θ)."""
    generator = random_generator([args.seed, Stream.POSTERIOR], args.device)
    for _ in range(n_draws):
        theta = objective.model.decoder.parameters.value
        theta[:] = objective.weight_posterior.draw(generator)
        yield objective.model


def elbo_at_drawn_weights(objective, images, args):
    """The test ELBO's mean over draws of θ from q(θ), which is below log E[p(x|θ)] (Jensen)."""
    models = drawn_models(objective, DRAWS_PER_POINT, args)
    return float(np.mean([evaluate_elbo(m, images, seed=args.seed).value for m in models]))


def log_px_over_weights(objective, x, q, n_draws, args):
    """log E[p(x|θ)] over draws of θ from q(θ), from below; each θ has its own q, fitted from q."""
    generator, log_weights = random_generator([args.seed, Stream.ELBO_NOISE], args.device), []
    for model in drawn_models(objective, n_draws, args):
        own = per_image.fit(model.decoder, x, q, generator, FIT_STEPS_PER_WEIGHT_DRAW, n_draws=1)
        log_weights.append(draw_log_weights(model, x, own, generator, SAMPLES_PER_WEIGHT_DRAW))
    return float(log_mean_exp(np.concatenate(log_weights)).mean())


def experiment(args):
    results = []
    for result in side_by_side(learn, SETTINGS, args, len(SETTINGS) * args.samples, ["mnist5k"]):
        results.append(result)
        say(
            f"{result['training_images']:,} digits, {result['method']}: training ELBO "
            f"{result['points'][-1]['train']:.1f}, test ELBO {result['points'][-1]['test']:.1f}"
        )
    draw(results, args.out / "full_bayes.png")
    return {"runs": results}, describe(results)


def describe(results):
    sentences = []
    for n_training in TRAINING_SETS:
        mine = of_size(results, n_training)
        bayes = mine[BAYES]["points"][-1]
        sentences.append(
            f"{n_training:,} training digits: maximum likelihood {ends(mine[LIKELIHOOD])}, MAP "
            f"{ends(mine[MAP])}, full Bayes {ends(mine[BAYES])} with the mean weights and "
            f"{bayes['test_drawn']:.1f} on the test set averaged over drawn ones, the weights' KL "
            f"{bayes['weight_kl_per_image']:.1f} per image and half of their standard deviations "
            f"above {mine[BAYES]['median_weight_std']:.3f}; log p(x) is "
            f"{mine[LIKELIHOOD]['test_log_px']:.1f}, {mine[MAP]['test_log_px']:.1f}, "
            f"{mine[BAYES]['test_log_px']:.1f} with the mean weights and "
            f"{mine[BAYES]['test_log_px_drawn']:.1f} as log E[p(x|θ)]."
        )
    return (
        "ELBOs at the end on the training and on the test set, and in brackets the best that the "
        f"test set's was on the way; nats per example. {' '.join(sentences)} log p(x) is that of "
        f"{IMAGES} test images, estimated from below through a q that is fitted to each, log "
        f"E[p(x|θ)] by {mine[BAYES]['weight_draws']} draws of θ."
    )


def of_size(results, n_training):
    """The results of so many training images, by method, in the order of `METHODS`."""
    return {each["method"]: each for each in results if each["training_images"] == n_training}


def ends(result):
    last, best = result["points"][-1], max(point["test"] for point in result["points"])
    return f"{last['train']:.1f} and {last['test']:.1f} ({best:.1f})"


def draw(results, path):
    figure, panels = plots.panels(12, 4.4, len(TRAINING_SETS), sharey=True)
    for axes, n_training in zip(panels, TRAINING_SETS, strict=True):
        for result in of_size(results, n_training).values():
            parts = dict(plots.TRAIN_AND_TEST)
            if result["method"] == BAYES:
                parts["test_drawn"] = (":", "test, θ drawn")
            color = COLOURS[result["method"]]
            plots.run_curves(axes, result["points"], "samples", color, result["method"], parts)
        axes.set(title=f"{n_training:,} training digits", xlabel="training samples seen")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.locator_params(axis="x", nbins=4)
    panels[0].set_ylabel("ELBO, nats per example")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    likelihood, map_, bayes = (
        result["points"][-1] for result in of_size(results, TRAINING_SETS[0]).values()
    )
    plots.save(
        figure,
        path,
        f"Test ELBOs at the end with {TRAINING_SETS[0]} digits: maximum likelihood "
        f"{likelihood['test']:.1f}, MAP {map_['test']:.1f}, full Bayes "
        f"{bayes['test']:.1f} with the mean weights,\n"
        f"{bayes['test_drawn']:.1f} averaged over drawn ones; nats per example",
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, samples=4e5))
