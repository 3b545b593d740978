"""Why reparameterize? Two gradients of the same ELBO, one of them far noisier.

The encoder's weights φ say where z is drawn, and a draw has no derivative. The score function
learns from a number alone, log w, which draws were lucky; the reparameterization z = mean + σ ε
makes z a function of φ, so that the decoder's derivative says for each draw which way is up.

The paper's section 2 has both. The score function is ∇φ E_q[f(z)] = E_q[f(z) ∇φ log q(z|x)], with
f(z) = log w. Here both look at the same model with the same number of draws: do their means agree,
and what is the variance of each? Then each trains a model from the same initial weights. The score
function comes without a baseline, as in the paper's equation, and with one: the mean of log w over
the image's other draws is subtracted, which leaves the expectation and removes most of the
variance. All estimate the whole ELBO from draws, by SGVB-A: what the KL's closed form spares is
another question, that of two_estimators.py.
"""

import math
import sys

from demos.common import plots
from demos.common.findings import run
from demos.common.models import digit_model, repeat, total_variance, train, z_score
from vae_np import datasets
from vae_np.backend import Stream
from vae_np.evaluation import evaluate_elbo
from vae_np.objectives import ELBO, SGVB_A, ScoreFunction

LATENT, HIDDEN, EXAMPLES = 10, 100, 25
DRAWS, REPEATS = 4, 400
REPARAMETERIZATION, BASELINE, NONE = (
    "reparameterization",
    "score function, baseline",
    "score function",
)
RATES = (0.001, 0.003, 0.01)  # each has its best; at 0.01, without a baseline, training diverges
LEARNING_RATES = {REPARAMETERIZATION: 0.01, BASELINE: 0.01, NONE: 0.001}
COLOURS = {REPARAMETERIZATION: "C0", BASELINE: "C1", NONE: "C3"}


def estimators(model):
    """Three estimators of one gradient, that of the ELBO with respect to φ."""
    return {
        REPARAMETERIZATION: SGVB_A(model),
        BASELINE: ScoreFunction(model, baseline="leave-one-out"),
        NONE: ScoreFunction(model, baseline="none"),
    }


def compare(model, x, args, epoch):
    """The variance of φ's gradient, and its mean slope along one fixed direction, of each."""
    seed = [args.seed, Stream.ELBO_NOISE, epoch, DRAWS]
    *_, direction = repeat(ELBO(model), x, DRAWS, 1, [*seed, 1])
    direction = direction[0] / math.sqrt((direction[0] ** 2).sum())
    result, slopes = {}, {}
    for name, estimator in estimators(model).items():
        *_, gradients = repeat(estimator, x, DRAWS, REPEATS, seed)
        slopes[name] = gradients @ direction
        result[name] = {
            "variance": total_variance(gradients),  # of all components of φ
            "slope": float(slopes[name].mean()),
            "slope_standard_error": float(slopes[name].std(ddof=1)) / math.sqrt(REPEATS),
        }
    for name in (BASELINE, NONE):
        result[name]["z_score"] = z_score(slopes[name] - slopes[REPARAMETERIZATION])
    return result


def learn(name, data, args):
    """Train from the same initial weights as the others; return the model and the history."""
    model = digit_model(data, args, LATENT, HIDDEN)

    def evaluate():
        return {"test_elbo": evaluate_elbo(model, data.test, seed=args.seed).value}

    history = [{"epoch": 0, **evaluate()}]
    trainer = train(
        model,
        data.train,
        args,
        objective=estimators(model)[name],
        learning_rate=LEARNING_RATES[name],
        evaluate=evaluate,
        n_draws=DRAWS,
    )
    return model, history + trainer.history


def experiment(args):
    data = datasets.load("mnist5k")
    model = digit_model(data, args, LATENT, HIDDEN)
    x = model.as_pixels(data.test[:EXAMPLES])
    start = compare(model, x, args, 0)
    learned = {name: learn(name, data, args) for name in LEARNING_RATES}
    end = compare(learned[REPARAMETERIZATION][0], x, args, args.epochs)

    histories = {name: history for name, (_, history) in learned.items()}
    ratios = {
        name: [
            point[name]["variance"] / point[REPARAMETERIZATION]["variance"]
            for point in (start, end)
        ]
        for name in (BASELINE, NONE)
    }
    draw(start, end, ratios, histories, args.out / "why_reparameterize.png")
    summary = {
        "start": start,
        "end": end,
        "variance_ratios": ratios,
        "learning_rates": LEARNING_RATES,
        "histories": histories,
    }
    return summary, describe(summary)


def describe(summary):
    start, end, ratios, histories = (
        summary[key] for key in ("start", "end", "variance_ratios", "histories")
    )
    elbos = {name: history[-1]["test_elbo"] for name, history in histories.items()}
    epochs, before = histories[NONE][-1]["epoch"], histories[NONE][0]["test_elbo"]
    rates = [str(LEARNING_RATES[name]) for name in COLOURS]
    z_scores = [point[name]["z_score"] for name in (BASELINE, NONE) for point in (start, end)]
    return (
        f"With {DRAWS} draws per image each, the variance of the score function's gradient is "
        f"{times(ratios[NONE][0])} times that of the reparameterization gradient at the start and "
        f"{times(ratios[NONE][1])} times in the trained model; with the baseline it is "
        f"{times(ratios[BASELINE][0])} and {times(ratios[BASELINE][1])} times. About that many "
        "times more draws would make up for it, with the baseline somewhat fewer. They estimate "
        f"the same gradient: along a fixed direction the means of {REPEATS} repeats at the start "
        f"are {slope(start, REPARAMETERIZATION)}, {slope(start, BASELINE)} with the baseline and "
        f"{slope(start, NONE)} without, and in the trained model {slope(end, REPARAMETERIZATION)}, "
        f"{slope(end, BASELINE)} and {slope(end, NONE)} (± standard error; the largest difference "
        f"is {max(map(abs, z_scores)):.1f} standard errors). Without a baseline every draw is "
        "multiplied by a log w of the order of the ELBO, whether it was a good draw or a bad one; "
        "with it, by how much better it was than the others. The noise has its price: at epoch "
        f"{epochs}, from the same initial weights, at learning rates of {', '.join(rates)} (the "
        f"best of {', '.join(map(str, RATES))} in 20 epochs with seed 0), the test ELBO is "
        f"{elbos[REPARAMETERIZATION]:.1f} nats per example with reparameterization, "
        f"{elbos[BASELINE]:.1f} with the score function and its baseline, and {elbos[NONE]:.1f} "
        f"without; at the start it was {before:.1f}. θ's gradient is the same formula in "
        "all three: it is the encoder that learns slowly, and the decoder has only the encoder's z "
        "to learn from, and the encoder's learning rate."
    )


def times(ratio):
    """A ratio to two significant digits."""
    return f"{float(f'{ratio:.2g}'):,g}"


def slope(point, name):
    return f"{point[name]['slope']:.2f} ± {point[name]['slope_standard_error']:.2f}"


def draw(start, end, ratios, histories, path):
    figure, (variances, curves) = plots.panels(11, 4.3, 2)
    for position, (name, color) in enumerate(COLOURS.items()):
        heights = [point[name]["variance"] for point in (start, end)]
        x = [when + 0.28 * (position - 1) for when in (0, 1)]
        bars = variances.bar(x, heights, width=0.26, color=color, label=name)
        if name in ratios:
            variances.bar_label(bars, [f"× {times(ratio)}" for ratio in ratios[name]])
        history = histories[name]
        plots.run_curves(
            curves,
            history,
            "epoch",
            color,
            name,
            {"test_elbo": ("-", f"learning rate {LEARNING_RATES[name]:g}")},
        )
    variances.set(
        title=f"Variance of φ's gradient, L = {DRAWS}",
        ylabel="(nats per unit of φ)²",
        yscale="log",
    )
    variances.set_xticks([0, 1], ["at the start", "trained"])
    variances.set_ylim(top=100 * end[NONE]["variance"])  # room for the legend
    variances.legend(loc="upper left", fontsize="small")
    curves.set(title="What each learns from it", ylabel="test ELBO, nats per example")
    plots.epochs_axis(curves)
    curves.legend(fontsize="small")
    plots.save(
        figure,
        path,
        "The same gradient in expectation, but without reparameterization its variance is\n"
        f"{times(ratios[BASELINE][0])} times as large at the start with a baseline, and "
        f"{times(ratios[NONE][0])} times without",
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=20))
