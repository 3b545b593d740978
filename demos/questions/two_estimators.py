"""Where does the KL's closed form help? SGVB-A (eq. 6) against SGVB-B (eq. 7).

Both estimate the ELBO, E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)), from draws z ~ q(z|x): SGVB-B has the
KL in closed form, SGVB-A averages its terms, log q(z|x) − log p(z), over the draws as well. They
agree in expectation; the closed form makes the gradient quieter, above all at the start, and the
value of a trained model noisier.

The paper says that B typically has less variance. Here both see the same noise, many times, on one
minibatch of digits, before, while and after a model trains. Two variances are measured: that of the
ELBO's estimate, and that of its gradient with respect to φ, the encoder's weights.
"""

import math
import sys

import numpy as np

from demos.common import plots
from demos.common.findings import run
from demos.common.models import digit_model, repeat, total_variance, train, z_score
from vae_np import datasets
from vae_np.backend import Stream, to_numpy
from vae_np.objectives import ELBO, SGVB_A

LATENT, HIDDEN, EXAMPLES = 10, 100, 25
ESTIMATORS = {"A": SGVB_A, "B": ELBO}
DRAWS, REPEATS = (1, 5, 25), 60
EPOCHS_MEASURED = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)
CHANCE = 5  # a z-score that it does not reach
RATIO_TICKS = (0.2, 0.5, 1, 2, 5, 10)


def correlation(a, b):
    """Between two numbers of one example, over the repeats; all examples pooled."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return float((a * b).sum() / math.sqrt((a**2).sum() * (b**2).sum()))


def compare(model, x, args, epoch, n_draws):
    """Do A and B agree, and how much does each vary? One example's value, and all of φ's gradient.

    The gradients' means are compared along one direction, the gradient for some other noise.
    """
    seed = [args.seed, Stream.ELBO_NOISE, epoch, n_draws]
    *_, direction = repeat(ELBO(model), x, n_draws, 1, [*seed, 1])
    result = {
        "epoch": epoch,
        "draws": n_draws,
        "std_of_q": float(to_numpy(model.encoder.forward(x).std).mean()),
    }
    values, slopes = {}, {}
    for name in ESTIMATORS:
        reconstructions, kls, gradients = repeat(ESTIMATORS[name](model), x, n_draws, REPEATS, seed)
        values[name], slopes[name] = reconstructions - kls, gradients @ direction[0]
        result[f"value_variance_{name}"] = total_variance(values[name]) / len(x)
        result[f"gradient_variance_{name}"] = total_variance(gradients)
        if name == "A":
            result["correlation"] = correlation(reconstructions, kls)
    result["value_z"] = z_score((values["A"] - values["B"]).mean(axis=1))
    result["gradient_z"] = z_score(slopes["A"] - slopes["B"])
    return result


def ratio(point, what):
    return point[f"{what}_variance_A"] / point[f"{what}_variance_B"]


def experiment(args):
    data = datasets.load("mnist5k")
    model = digit_model(data, args, LATENT, HIDDEN)
    x = model.as_pixels(data.test[:EXAMPLES])
    start = [compare(model, x, args, 0, n_draws) for n_draws in DRAWS]
    history = [start[0]]

    def after_epoch(row):
        if row["epoch"] in EPOCHS_MEASURED and row["epoch"] < args.epochs:
            history.append(compare(model, x, args, row["epoch"], DRAWS[0]))

    train(model, data.train, args, after_epoch=after_epoch)
    end = [compare(model, x, args, args.epochs, n_draws) for n_draws in DRAWS]
    history.append(end[0])

    first, last = history[0], history[-1]
    ratios = {
        f"{what}_{when}": ratio(point, what)
        for what in ("gradient", "value")
        for when, point in (("start", first), ("end", last))
    }
    points = start + history[1:-1] + end
    z_scores = np.array([[point["value_z"], point["gradient_z"]] for point in points])
    draw(start, end, history, ratios, args.out / "two_estimators.png")
    summary = {
        "points": points,
        "variance_ratios_A_over_B": ratios,
        "largest_z_score": float(np.abs(z_scores).max()),
        "share_of_z_scores_within_2": float((np.abs(z_scores) < 2).mean()),
    }
    return summary, describe(summary)


def describe(summary):
    points, ratios = summary["points"], summary["variance_ratios_A_over_B"]
    first, last, most = points[0], points[-len(DRAWS)], points[-1]  # most draws, at the end
    n_scores = 2 * len(points)
    agree = "agree" if summary["largest_z_score"] < CHANCE else "do not agree, though they should"
    within_two = round(summary["share_of_z_scores_within_2"] * n_scores)
    return (
        f"The means {agree}: of {n_scores} z-scores of A − B, half for the value and half for "
        f"the gradient's slope in a fixed direction, {within_two} are within ±2 (95% would be, by "
        f"chance alone), and the largest is {summary['largest_z_score']:.1f}. The variance of A's "
        f"gradient is {ratios['gradient_start']:.2f} times that of B's at the start and "
        f"{ratios['gradient_end']:.2f} times at the end (epoch {last['epoch']}): where B's "
        "closed −KL has the derivative −mean, A has −z = −mean − σε. At the start q is nearly the "
        f"prior, σ is {first['std_of_q']:.2f} on average, and the decoder's own gradient is quiet; "
        f"at the end σ is {last['std_of_q']:.2f}, and the decoder's dominates. The value is "
        f"another matter: A's variance is {ratios['value_start']:.2f} times B's at the start and "
        f"{ratios['value_end']:.2f} times at the end. A draw that explains x well is also one that "
        "q thinks likely: A's log p(x|z) and its estimate of the KL, which is subtracted, have a "
        f"correlation of {last['correlation']:.2f} (at the start "
        f"{round(first['correlation'], 2) + 0:.2f}). If q were the posterior, A would be log p(x) "
        "for every z, with no variance at all, and B would not. But only the gradient moves the "
        f"weights. More draws divide every variance by L: {DRAWS[-1]} of them divided that of B's "
        "gradient by "
        f"{last['gradient_variance_B'] / most['gradient_variance_B']:.0f}."
    )


def draw(start, end, history, ratios, path):
    figure, (gradient, value, over_time) = plots.panels(13, 4.3, 3)
    for axes, what, of in (
        (gradient, "gradient", "of the gradient, all of φ"),
        (value, "value", "of one example's value"),
    ):
        for points, line, when in ((start, "--", "start"), (end, "-", "trained")):
            for name, color in (("A", "C1"), ("B", "C0")):
                variances = [point[f"{what}_variance_{name}"] for point in points]
                axes.plot(
                    DRAWS, variances, line, marker="o", color=color, label=f"SGVB-{name}, {when}"
                )
        axes.set(title=f"Variance {of}", xlabel="L, draws per example", xscale="log", yscale="log")
        axes.set_xticks(DRAWS, [str(n_draws) for n_draws in DRAWS])
        axes.minorticks_off()
    gradient.set_ylabel("(nats per unit of φ)²")
    value.set_ylabel("nats²")
    value.legend(fontsize="small")
    epochs = [point["epoch"] for point in history]
    for what, color in (("gradient", "C3"), ("value", "C2")):
        over_time.plot(
            epochs, [ratio(point, what) for point in history], "o-", color=color, label=what
        )
    over_time.axhline(1, color="k", ls=":", label="no difference")
    over_time.set(title="A's variance over B's, L = 1", xlabel="epoch", yscale="log")
    over_time.set_xscale("symlog", linthresh=1)
    over_time.xaxis.set_major_formatter("{x:g}")
    over_time.set_yticks(RATIO_TICKS, [str(tick) for tick in RATIO_TICKS])
    over_time.minorticks_off()
    over_time.set_xlim(left=0)
    over_time.legend()
    plots.save(
        figure,
        path,
        "Without the KL's closed form, the gradient's variance is "
        f"{ratios['gradient_start']:.2f} (start) and {ratios['gradient_end']:.2f} (trained) times "
        f"as large,\nand the value's {ratios['value_start']:.2f} (start) and "
        f"{ratios['value_end']:.2f} (trained) times",
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=30))
