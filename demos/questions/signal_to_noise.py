"""Why do K draws help the bound and hurt the encoder? The signal and the noise of its gradient.

The more draws, the nearer the importance-weighted bound is to log p(x), whatever q is: so the less
there is for the encoder to gain. Its gradient's mean, the signal, shrinks with K, and faster than
its standard deviation, the noise (Rainforth and others, 1802.04537). The decoder has no such
trouble. The doubly reparameterized gradient (1810.04152) does without the score function: it has
the same mean and less noise.

You will see signal over noise with K = 1, 5 and 50, on one minibatch, over many draws of z: in a
linear-Gaussian model, whose q is set a little beside the posterior, and in a model of digits that
the importance-weighted bound of 5 draws has trained, where q is no such good fit. And you will see
what training gets from the better gradient: the same steps from the same initial weights by each.
Another --seed moves each log p(x) by up to about a nat.
"""

import math
import sys

import numpy as np

from demos.common import plots
from demos.common.findings import run
from demos.common.models import digit_model, repeat, total_variance, train
from demos.questions import the_gap
from demos.questions.more_samples import BATCH_SIZE, LEARNING_RATE, cropped, measure
from vae_np import datasets
from vae_np.backend import Stream, device_of, to_device
from vae_np.inference import linear_gaussian
from vae_np.objectives import DoublyReparameterized, ImportanceWeighted

LATENT, HIDDEN = 10, 100
EXAMPLES, REPEATS = 25, 400
DRAWS = (1, 5, 50)
OFF, WIDER = 0.2, 2  # q's mean beside the posterior's, in its σ; and q's variance, in its σ²
KNOWN, DIGITS = "a linear-Gaussian model, q near the posterior", "a model of digits, trained"
OBJECTIVES = {
    "importance-weighted": ImportanceWeighted,
    "doubly reparameterized": DoublyReparameterized,
}
DECODER = "decoder, by either"
COLOURS = {"importance-weighted": "C3", "doubly reparameterized": "C0", DECODER: "0.5"}


def known_model(args):
    """The best linear-Gaussian model of some data, its q a little beside the posterior; and x."""
    x, model = the_gap.toy_data(args.seed), the_gap.make_model(args)
    weight, bias, variance = linear_gaussian.maximum_likelihood(x, the_gap.LATENT)
    values = model.decoder.parameters.views(model.decoder.parameters.value)
    put(values["0.weight"], weight), put(values["0.bias"], bias)
    values["log_var"][...] = math.log(variance)
    slope = np.linalg.solve(np.eye(len(weight)) + weight @ weight.T / variance, weight / variance)
    _, precision = linear_gaussian.posterior(model.decoder, x[:1])
    variances = 1 / np.diag(precision)
    values = model.encoder.parameters.views(model.encoder.parameters.value)
    put(values["0.weight"], np.hstack([slope.T, 0 * slope.T]))
    means = OFF * np.sqrt(variances) - bias @ slope.T
    put(values["0.bias"], np.hstack([means, np.log(WIDER * variances)]))
    return model, to_device(x[:EXAMPLES], args.device)


def put(weights, values):
    weights[...] = to_device(values, device_of(weights))


def signal_and_noise(model, x, args):
    """For each K and gradient the length of its mean and the root of its total variance.

    Both gradients of φ have the same mean; it is measured where there is less noise.
    """
    measured = {name: {"signal": [], "noise": []} for name in COLOURS}
    for n_draws in DRAWS:
        seed = [args.seed, Stream.ELBO_NOISE, n_draws]
        weighted, better, theta = (
            repeat(objective(model), x, n_draws, REPEATS, seed, learned)[-1]
            for objective, learned in (
                (ImportanceWeighted, "encoder"),
                (DoublyReparameterized, "encoder"),
                (ImportanceWeighted, "decoder"),
            )
        )
        for name, of_signal, of_noise in zip(
            COLOURS, (better, better, theta), (weighted, better, theta), strict=True
        ):
            measured[name]["signal"].append(math.sqrt(squared_mean(of_signal)))
            measured[name]["noise"].append(math.sqrt(total_variance(of_noise)))
    for each in measured.values():
        pairs = zip(each["signal"], each["noise"], strict=True)
        each["ratio"] = [signal / noise for signal, noise in pairs]
    return measured


def squared_mean(gradients):
    """The squared length of the mean, without what noise adds to a sample's mean."""
    squared = float((gradients.mean(axis=0) ** 2).sum())
    return max(0.0, squared - total_variance(gradients) / len(gradients))


def experiment(args):
    known, x = known_model(args)
    gradients = {KNOWN: signal_and_noise(known, x, args)}
    data = cropped(datasets.load("mnist5k"))
    runs, models = {}, {}
    for n_draws in DRAWS[1:]:
        for name, objective in OBJECTIVES.items():
            model = digit_model(data, args, LATENT, HIDDEN)
            options = {"n_draws": n_draws, "batch_size": BATCH_SIZE}
            options |= {"objective": objective(model), "learning_rate": LEARNING_RATE}
            trainer = train(model, data.train, args, **options)
            label = f"{name}, K = {n_draws}"
            steps = trainer.epoch * trainer.steps_per_epoch
            models[label] = model
            runs[label] = {**measure(model, data.test, args), "steps": steps}
    model = models[f"{next(iter(OBJECTIVES))}, K = {DRAWS[1]}"]
    gradients[DIGITS] = signal_and_noise(model, model.as_pixels(data.test[:EXAMPLES]), args)
    draw(gradients, runs, args.out / "signal_to_noise.png")
    summary = {"draws": DRAWS, "gradients": gradients, "runs": runs}
    return summary, describe(gradients, runs)


def describe(gradients, runs):
    def listed(where, name):
        return ", ".join(f"{ratio:.2f}" for ratio in gradients[where][name]["ratio"])

    first, second = OBJECTIVES
    measured = "; ".join(
        f"in {where}, {listed(where, first)} for φ by the importance-weighted bound's own "
        f"gradient, {listed(where, second)} by the doubly reparameterized one, and "
        f"{listed(where, DECODER)} for θ"
        for where in gradients
    )
    trained = "; ".join(
        f"{label}: {run['log_px']:.1f}, and {run['log_px'] - run['elbo']:.1f} above its ELBO"
        for label, run in runs.items()
    )
    ratios = [each["ratio"] for each in gradients[KNOWN].values()]
    changes = ", ".join(f"× {ratio[2] / ratio[1]:.2f}" for ratio in ratios)
    steps = next(iter(runs.values()))["steps"]
    return (
        f"Signal over noise of one gradient, with K = {', '.join(map(str, DRAWS))} draws: "
        f"{measured}. What training gets from it, log p(x) of test images in nats per example, "
        f"after {steps} steps: {trained}. From K = {DRAWS[1]} to {DRAWS[2]} "
        f"the three ratios of {KNOWN}, change by {changes}; 1/√10 is 0.32, and √10 is 3.16."
    )


def draw(gradients, runs, path):
    figure, (known, digits, gains) = plots.panels(12, 4.3, 3, width_ratios=(3, 3, 4))
    for axes, (where, measured) in zip((known, digits), gradients.items(), strict=True):
        for name, each in measured.items():
            label = name if name == DECODER else f"encoder, {name}"
            axes.plot(DRAWS, each["ratio"], "o-", color=COLOURS[name], label=label)
        axes.set(xlabel="K, draws of z per image", xscale="log", yscale="log")
        axes.set_title(f"{where[0].upper()}{where[1:]}".replace(", ", ",\n"), fontsize="medium")
        axes.set_xticks(DRAWS, DRAWS)
        axes.xaxis.set_minor_formatter(plots.NullFormatter())
    known.set_ylabel("signal / noise of the gradient")
    digits.sharey(known)
    digits.legend(fontsize="small", loc="lower center")
    labels = [label.replace(", ", ",\n") for label in runs]
    log_px, elbo = ([run[key] for run in runs.values()] for key in ("log_px", "elbo"))
    gains.hlines(labels, elbo, log_px, color="0.7", lw=4, label="the gap, KL(q ‖ posterior)")
    gains.plot(elbo, labels, "o", color="C1", label="ELBO")
    gains.plot(log_px, labels, "o", color="C0", label="log p(x)")
    gains.invert_yaxis()
    gains.set_title("What training gets from it:\ntest images", fontsize="medium")
    gains.set_xlabel("nats per example")
    gains.locator_params(axis="x", nbins=5)
    named = gains.get_legend_handles_labels()
    figure.legend(*named, fontsize="small", loc="outside lower right", ncols=3)
    weighted, better = (gradients[KNOWN][name]["ratio"] for name in OBJECTIVES)
    plots.save(
        figure,
        path,
        f"From K = {DRAWS[1]} to {DRAWS[2]} draws, signal over noise of the encoder's gradient, q "
        f"near the posterior: importance-weighted,\n{weighted[1]:.2f} to {weighted[2]:.2f}; doubly "
        f"reparameterized, {better[1]:.2f} to {better[2]:.2f}",
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=8))
