"""What is the ELBO, and what is the gap to log p(x)? A model in which all three are known.

The ELBO is log p(x) − KL(q(z|x) ‖ p(z|x)), so whoever raises it raises log p(x) or closes the gap.
In a linear-Gaussian VAE, x = z W + b + σ ε, all three have closed forms: you will see that the
identity holds for every example while it trains, that the gap closes, and that log p(x) reaches its
maximum.

The maximum-likelihood solution of such a model is known too: probabilistic PCA. And so is the best
factorized q(z|x), that of classical mean field, with which the encoder's variances are compared.
"""

import sys

import numpy as np

from demos.common import plots
from demos.common.findings import run
from demos.common.models import train
from vae_np import VAE, GaussianDecoder, GaussianEncoder
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.inference import linear_gaussian

PIXELS, LATENT, EXAMPLES, STD = 10, 3, 1000, 0.5


def toy_data(seed):
    """Draws of a linear-Gaussian model; (N, D) float64."""
    generator = random_generator([seed, Stream.DATA])
    weight = generator.standard_normal((LATENT, PIXELS))
    z = generator.standard_normal((EXAMPLES, LATENT))
    return z @ weight + STD * generator.standard_normal((EXAMPLES, PIXELS))


def make_model(args):
    common = {"dtype": np.float64, "device": args.device}
    encoder = GaussianEncoder(PIXELS, [], LATENT, seed=[args.seed, Stream.ENCODER], **common)
    decoder = GaussianDecoder(
        LATENT, [], PIXELS, noise="learned", std=1.0, seed=[args.seed, Stream.DECODER], **common
    )
    return VAE(encoder, decoder)


def measure(model, x):
    """log p(x), the ELBO and the gap, each computed by itself, and whether they add up."""
    q = model.encode(x)
    log_px = linear_gaussian.log_likelihood(model.decoder, x)
    elbo = linear_gaussian.expected_elbo(q, model.decoder, x)
    gap = linear_gaussian.kl_to_posterior(q, model.decoder, x)
    return {
        "log_px": log_px.mean(),
        "elbo": elbo.mean(),
        "gap": gap.mean(),
        "identity_error": np.abs(log_px - elbo - gap).max(),
    }


def experiment(args):
    x = toy_data(args.seed)
    model = make_model(args)
    points = [{"epoch": 0, **measure(model, x)}]

    def after_epoch(row):
        points.append({"epoch": row["epoch"], **measure(model, x)})

    train(model, x, args, learning_rate=0.01, after_epoch=after_epoch, n_draws=50, batch_size=200)
    weight, bias, variance = linear_gaussian.maximum_likelihood(x, LATENT)
    best = GaussianDecoder(
        LATENT, [], PIXELS, noise="fixed", std=np.sqrt(variance), dtype=np.float64
    )
    best.network.layers[0].weight[:], best.network.layers[0].bias[:] = weight, bias
    optimum = linear_gaussian.log_likelihood(best, x).mean()

    q, factorized = model.encode(x), linear_gaussian.mean_field(model.decoder, x)
    variance_error = np.abs(np.exp(to_numpy(q.log_var) - factorized.log_var) - 1).max()
    draw(points, optimum, args.out / "the_gap.png")
    summary = {
        "points": points,
        "maximum_log_likelihood": optimum,
        "largest_identity_error": max(point["identity_error"] for point in points),
        "largest_relative_variance_error": variance_error,
    }
    return summary, describe(summary)


def describe(summary):
    points, optimum = summary["points"], summary["maximum_log_likelihood"]
    first, last, off = points[0], points[-1], summary["largest_relative_variance_error"]
    return (
        f"At all {len(points)} points drawn, log p(x) = ELBO + KL(q ‖ posterior) for every one of "
        f"the {EXAMPLES} examples, to {summary['largest_identity_error']:.0e} nats. At the start "
        f"the gap was {first['gap']:.2f} nats, at the end it is {last['gap']:.2g}. "
        f"log p(x) rose from {first['log_px']:.2f} to {last['log_px']:.3f} nats per example; the "
        f"best possible, probabilistic PCA, is {optimum:.3f}. The encoder's variances are off "
        f"those of the classical mean-field solution by at most {off:.1%}. Maximizing "
        "the ELBO does two things at once: the encoder moves q towards the posterior, and the "
        "decoder turns its axes, until a factorized q can be the posterior."
    )


def draw(points, optimum, path):
    figure, (levels, gaps) = plots.panels(10, 4, 2)
    epochs = [point["epoch"] for point in points]
    for key, label in (("log_px", "log p(x)"), ("elbo", "ELBO")):
        levels.plot(epochs, [point[key] for point in points], label=label)
    levels.axhline(optimum, color="k", ls=":", label="maximum likelihood")
    levels.fill_between(
        epochs,
        [point["elbo"] for point in points],
        [point["log_px"] for point in points],
        alpha=0.2,
        label="the gap",
    )
    levels.set(
        title="Both rise towards the maximum-likelihood solution",
        xlabel="epoch",
        ylabel="nats per example",
        xscale="symlog",
    )
    levels.legend()
    gaps.plot(epochs, [point["gap"] for point in points], label="KL(q(z|x) ‖ p(z|x))")
    gaps.plot(
        epochs,
        [point["log_px"] - point["elbo"] for point in points],
        "k:",
        label="log p(x) − ELBO",
    )
    gaps.set(title="What lies between them is a KL", xlabel="epoch", yscale="log", xscale="symlog")
    gaps.set_xlim(left=0)
    gaps.legend()
    plots.save(figure, path, "log p(x) = ELBO + KL(q ‖ posterior), at every point of training")


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=400))
