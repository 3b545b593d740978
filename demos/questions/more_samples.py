"""Do more samples help? L draws of z per image in training, and what to do with them.

The paper (section 2.3) finds that one draw is enough "as long as the minibatch size M was large
enough, e.g. M = 100": a step errs by the noise of z and by the choice of the minibatch, and more
draws help against the first only. You will see what draws buy, and that as much time spent on more
steps buys more.

Digit models train on the ELBO with L = 1, 5 and 50 draws, from the same initial weights, for the
same number of steps; one more with L = 1 makes ten times as many. The same draws can also be used
otherwise: the importance-weighted bound, log (1/K Σ w_k) instead of 1/L Σ log w_l, rises with K
towards log p(x), so that q may be a poorer posterior and p(x) a better model. All are compared by
log p(x) of test images (by importance sampling), their ELBO, and the seconds that training took.
Another --seed moves each result by up to about a nat.
"""

import sys

from demos.common import plots
from demos.common.findings import run
from demos.common.models import digit_model, train
from vae_np import datasets
from vae_np.evaluation import evaluate_elbo, importance_sampled_log_likelihood
from vae_np.objectives import ELBO, ImportanceWeighted

SIDE, LATENT, HIDDEN = 20, 10, 100
BATCH_SIZE, LEARNING_RATE = 100, 0.01
TEST_IMAGES, SAMPLES = 200, 500
LONGER = 10
RUNS = {  # label: objective, draws per image, times the epochs
    "L = 1": (ELBO, 1, 1),
    "L = 5": (ELBO, 5, 1),
    "L = 50": (ELBO, 50, 1),
    "importance-weighted, K = 5": (ImportanceWeighted, 5, 1),
    "importance-weighted, K = 50": (ImportanceWeighted, 50, 1),
    f"L = 1, {LONGER} times the steps": (ELBO, 1, LONGER),
}


def cropped(data):
    """The middle of each image, where the digit is: half the pixels, half the time."""
    edge = (28 - SIDE) // 2
    train, test = (
        part.reshape(-1, 28, 28)[:, edge:-edge, edge:-edge].reshape(-1, SIDE * SIDE)
        for part in (data.train, data.test)
    )
    return datasets.Dataset(train, test[:TEST_IMAGES], (SIDE, SIDE))


def measure(model, images, args):
    """The images' mean log p(x), its standard error, and their ELBO."""
    n_samples = min(SAMPLES, 100 * args.epochs)
    log_px = importance_sampled_log_likelihood(
        model, images, n_samples, seed=args.seed, progress=True
    )
    return {
        "log_px": log_px.mean,
        "log_px_standard_error": log_px.mean_standard_error,
        "elbo": evaluate_elbo(model, images, n_draws=50, seed=args.seed).value,
    }


def experiment(args):
    data = cropped(datasets.load("mnist5k"))
    results = {}
    for label, (objective, n_draws, times) in RUNS.items():
        model = digit_model(data, args, LATENT, HIDDEN)
        trainer = train(
            model,
            data.train,
            args,
            objective=objective(model),
            epochs=times * args.epochs,
            learning_rate=LEARNING_RATE,
            n_draws=n_draws,
            batch_size=BATCH_SIZE,
        )
        results[label] = {
            **measure(model, data.test, args),
            "steps": trainer.epoch * trainer.steps_per_epoch,
            "seconds": trainer.seconds,
        }

    one = next(iter(results.values()))
    gains = {label: result["log_px"] - one["log_px"] for label, result in results.items()}
    draw(results, gains, args.out / "more_samples.png")
    return {"runs": results, "gains_over_one_draw": gains}, describe(results)


def describe(results):
    one, five, fifty, iw_five, iw_fifty, longer = results.values()
    largest_error = max(result["log_px_standard_error"] for result in results.values())
    return (
        f"After {one['steps']} steps with M = {BATCH_SIZE}, log p(x) is {one['log_px']:.1f} nats "
        f"per example with L = 1, {five['log_px']:.1f} with L = 5 and {fifty['log_px']:.1f} with "
        f"L = 50, which took {fifty['seconds'] / one['seconds']:.0f} times as long as L = 1. "
        f"{LONGER} times the steps with L = 1 reach {longer['log_px']:.1f}, in "
        f"{longer['seconds'] / fifty['seconds']:.2f} times the time of L = 50. In that sense one "
        "draw is enough: a step errs by the noise of z and by the choice of the minibatch; more "
        "draws help against the first only, more steps against both, and the short runs have not "
        f"converged. The importance-weighted bound reaches {iw_five['log_px']:.1f} with K = 5 and "
        f"{iw_fifty['log_px']:.1f} with K = 50 in as many steps. It does not average the noise "
        "away, it has another aim, nearer to log p(x), and asks less of q: the gap from the ELBO "
        f"to log p(x) is {gap(iw_fifty):.1f} nats with K = 50 and {gap(iw_five):.1f} with K = 5, "
        f"against {gap(fifty):.1f} with the ELBO, L = 50. Standard errors of log p(x), for these "
        f"{TEST_IMAGES} test images, are {largest_error:.2f} nats or less."
    )


def gap(result):
    """log p(x) − ELBO = KL(q(z|x) ‖ p(z|x))."""
    return result["log_px"] - result["elbo"]


def draw(results, gains, path):
    figure, (nats, time) = plots.panels(11, 4, 2, sharey=True, width_ratios=(3, 2))
    labels = list(results)
    elbo, log_px, seconds = (
        [result[key] for result in results.values()] for key in ("elbo", "log_px", "seconds")
    )
    nats.hlines(labels, elbo, log_px, color="0.7", lw=4, label="the gap, KL(q ‖ posterior)")
    nats.plot(elbo, labels, "o", color="C1", label="ELBO")
    nats.plot(log_px, labels, "o", color="C0", label="log p(x)")
    nats.set(title="Test images", xlabel="nats per example")
    nats.legend(loc="lower left", fontsize="small")
    nats.invert_yaxis()
    bars = time.barh(labels, seconds, color="0.5")
    time.bar_label(bars, [f" {value:.1f} s" for value in seconds])
    time.set(title="Training", xlabel="seconds")
    time.grid(visible=False)
    time.margins(x=0.2)
    steps = next(iter(results.values()))["steps"]
    plots.save(
        figure,
        path,
        f"log p(x) after {steps} steps, against L = 1: with L = 50 {gains['L = 50']:+.1f} nats, "
        f"importance-weighted\nwith K = 50 {gains['importance-weighted, K = 50']:+.1f} nats; with "
        f"L = 1 and {LONGER} times the steps {list(gains.values())[-1]:+.1f} nats",
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=8))
