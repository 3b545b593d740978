"""How good does a plain VAE get? Two larger models of MNIST, trained long, by their test log p(x).

The paper's model has one hidden layer; a second one gets nearer to what a plain VAE can do. Burda,
Grosse and Salakhutdinov (1509.00519) report -86.76 nats for two layers of 200 tanh units and 50
latents. You will see where this one comes to, and whether a larger model, two layers of 500
softplus units, is any better on images that it has not seen.

    --score --images 200                           no training: judges published weights, 10 s
    --objective importance-weighted --draws 5      trains the smaller model by another bound
    --schedule stages                              a run that a later one can lengthen

Both train on images that are drawn anew from the grey ones each epoch, white with the pixel's value
as the probability, and climb the ELBO by Adam, whose step falls in a straight line to 0 at the end:
decide how long to train before you start. By stages, as in 1509.00519, it falls after 1, 4, 13, 40,
... epochs, wherever the run ends; the weights of each stage are kept, and more --samples go on from
the last. log p(x) at the end is by importance sampling with 5,000 samples per test image: the
longer the run, the more test images are judged. The larger model trains for a third of the epochs,
about as long in time. A long run saves twice a minute; the same --out goes on where it was.
"""

import math
import sys
import time
from pathlib import Path

from demos.common.command_line import named_path, number, say
from demos.common.experiment_options import positive
from demos.common.findings import run
from demos.common.long_runs import side_by_side
from demos.paper.best_model_picture import describe, draw
from demos.paper.best_model_training import (
    IMPORTANCE_SAMPLES,
    LATENT,
    OBJECTIVES,
    SETTINGS,
    active_units,
    count_epochs,
    judged_images,
    learn,
    make_model,
)
from vae_np import datasets
from vae_np.evaluation import evaluate_elbo, importance_sampled_log_likelihood

PUBLISHED = Path(__file__).parent.parent / "results" / "best_model_200_tanh.npz"


def experiment(args):
    if args.score:
        return None, score(args)
    usual = (args.objective, args.draws, args.schedule) == ("elbo", 1, "line")
    settings = SETTINGS if usual else SETTINGS[:1]
    results, data = [], datasets.load("mnist")
    total = len(settings) * len(judged_images(data, args.samples)) * IMPORTANCE_SAMPLES
    total += len(data.train) * sum(count_epochs(setting, data, args) for setting in settings)
    for result in side_by_side(learn, settings, args, total):
        say(f"{result['setting']}: test log p(x) {result['test_log_px']:.2f}")
        results.append(result)
    draw(results, args)
    return {"models": results}, describe(results, args)


def score(args):
    """``args.score``, weights of the first setting, judged by the first ``args.images`` images."""
    data, started = datasets.load("mnist"), time.perf_counter()
    model, test = make_model(SETTINGS[0], data, args), data.test[: args.images]
    model.load(args.score)
    elbo = evaluate_elbo(model, test, binary=True, seed=args.seed).value
    log_px = importance_sampled_log_likelihood(
        model, test, IMPORTANCE_SAMPLES, binary=True, seed=args.seed, progress=True
    )
    spread, active = log_px.value.std() / math.sqrt(len(test)), active_units(model, test, args)
    return (
        f"{args.score.name}, weights of {SETTINGS[0]}: log p(x) of the first {len(test):,} test "
        f"images with {IMPORTANCE_SAMPLES:,} importance samples each is {log_px.mean:.3f} nats per "
        f"example (± {log_px.mean_standard_error:.3f} by the samples, ± {spread:.1f} by the choice "
        f"of images), and their ELBO {elbo:.2f}; {active} of {LATENT} latents are active on them. "
        f"It took {time.perf_counter() - started:.0f} s."
    )


def add_options(parser):
    parser.add_argument(
        "--objective",
        choices=OBJECTIVES,
        default="elbo",
        help="another than the ELBO, several draws and stages train the smaller model alone",
    )
    add = parser.add_argument
    add(
        "--schedule",
        choices=("line", "stages"),
        default="line",
        help="how the step size falls: to 0 at the end, or by stages, which can be lengthened",
    )
    add("--draws", type=positive, default=1, metavar="K", help="of q, for each image (default: 1)")
    add(
        "--score",
        nargs="?",
        const=PUBLISHED,
        type=named_path,
        metavar="WEIGHTS",
        help="train nothing: log p(x) by these weights, or by the published ones",
    )
    images = number(int, 1, 10_000)
    add("--images", type=images, default=200, metavar="N", help="for --score (default: 200)")


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, samples=6e6, resumes=True, add_options=add_options))
