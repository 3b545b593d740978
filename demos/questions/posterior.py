"""How good is q(z|x)? Look at it beside the exact posterior, and beside draws of that by HMC.

The posterior p(z|x) is p(x|z) p(z) over p(x). With two latents every z can be looked at: on a grid
p(x) is a sum. So a model of digits is trained, and the two are shown side by side for test images
from the one that q fits best to the one that it fits worst. In each panel the shades are the exact
posterior, the ellipses are q (1 and 2 standard deviations), and the dots are draws of Hamiltonian
Monte Carlo, which knows neither the grid nor p(x).

KL(q ‖ posterior) is computed twice, as a sum over the grid and as log p(x) − ELBO. It is small
where the posterior has one round mode in the place that the encoder names; it is large where the
mode is bent, where there are several, or where the encoder names the wrong place.

Whether the chains of HMC agree is said by R̂ (Gelman and Rubin 1992): near 1 they do. Above it, they
stay in the modes that they reached first, and how many draws each mode gets is an accident of where
the chains started.
"""

import math
import sys

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Patch

from demos.common.command_line import say
from demos.common.findings import run
from demos.common.models import digit_model, train
from vae_np import datasets
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.distributions import DiagonalGaussian
from vae_np.evaluation import grid_log_likelihood
from vae_np.inference.grid import grid_log_joint, latent_grid
from vae_np.inference.hmc import sample_posterior

CANDIDATES, PANELS = 100, 6  # candidates: or 6 times the epochs, if that is fewer
CANDIDATE_DRAWS, ELBO_DRAWS = 1000, 10_000
CHAINS, CHAIN_DRAWS = 6, 100
POINTS = 81  # of the fine grid, along each axis


def monte_carlo_elbo(model, images, generator, n_draws):
    """The ELBO of each image as an average over many draws, and its standard error."""
    x, q = model.as_pixels(images), model.encode(images)
    log_px_given_z = []
    for _ in range(n_draws // 100):
        noise = generator.standard_normal((100, *q.mean.shape), dtype=model.dtype)
        log_px_given_z.append(to_numpy(model.decoder.forward(q.sample(noise)).log_prob(x)))
    draws = np.concatenate(log_px_given_z).astype(np.float64)
    elbo = draws.mean(axis=0) - to_numpy(q.kl_to_standard_normal())
    return elbo, draws.std(axis=0) / math.sqrt(len(draws))


def choose(model, images, generator):
    """Which images to show, evenly from the smallest log p(x) − ELBO to the largest; all gaps."""
    log_px = grid_log_likelihood(model, images, spacing=0.1, limit=5).value
    gaps = log_px - monte_carlo_elbo(model, images, generator, CANDIDATE_DRAWS)[0]
    ranks = np.linspace(0, len(images) - 1, PANELS).round().astype(int)
    return np.argsort(gaps)[ranks], ranks, gaps


def exact_posterior(model, image, q):
    """p(z|x) on a fine grid that covers it and q, and what follows from it."""
    x = model.as_pixels(image[None])
    coarse, _ = latent_grid(2, 0.2, 5)
    log_joint = to_numpy(grid_log_joint(model, x, coarse))[:, 0]
    likely = coarse[log_joint > log_joint.max() - 12]
    low = np.minimum(likely.min(axis=0) - 0.3, q.mean - 5 * q.std)
    high = np.maximum(likely.max(axis=0) + 0.3, q.mean + 5 * q.std)
    axes = np.linspace(low, high, POINTS).T
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    cell = ((high - low) / (POINTS - 1)).prod()

    log_joint = to_numpy(grid_log_joint(model, x, points))[:, 0].astype(np.float64)
    largest = log_joint.max()
    log_px = largest + math.log(np.exp(log_joint - largest).sum() * cell)
    log_posterior = log_joint - log_px
    weight, log_q = np.exp(log_posterior) * cell, q.log_prob(points)
    mean = weight @ points
    return {
        "axes": axes,
        "density": np.exp(log_posterior).reshape(POINTS, POINTS),
        "log_px": log_px,
        "kl": float((np.exp(log_q) * (log_q - log_posterior)).sum() * cell),
        "mean": mean,
        "std": np.sqrt(weight @ (points - mean) ** 2),
    }


def r_hat(draws):
    """Gelman and Rubin's R̂ of the worst latent, from the (S, C, Z) draws of C chains.

    The root of an estimate of the variance that counts the spread between the chains' means, over
    the variance within the chains.
    """
    n_draws = len(draws)
    within = draws.var(axis=0, ddof=1).mean(axis=0)
    between = draws.mean(axis=0).var(axis=0, ddof=1)
    return float(np.sqrt((n_draws - 1) / n_draws + between / within).max())


def experiment(args):
    data = datasets.load("mnist5k")
    model = digit_model(data, args, n_latent=2)
    train(model, data.train, args)
    generator = random_generator([args.seed, Stream.BOUND_NOISE], args.device)
    candidates = data.test[: min(CANDIDATES, PANELS * args.epochs)]
    chosen, ranks, gaps = choose(model, candidates, generator)
    images = candidates[chosen]

    x, q = model.as_pixels(images), model.encode(images)
    elbo, elbo_error = monte_carlo_elbo(model, images, generator, ELBO_DRAWS)
    generator = random_generator([args.seed, Stream.POSTERIOR], args.device)
    noise = generator.standard_normal((CHAINS, *q.mean.shape), dtype=model.dtype)
    hmc = sample_posterior(model.decoder, x, CHAIN_DRAWS, generator, q.sample(noise), progress=True)
    acceptance = to_numpy(hmc.acceptance).mean(axis=0)

    panels, rows = [], []
    for i, image in enumerate(images):
        q_i = DiagonalGaussian(
            *(to_numpy(array)[i].astype(np.float64) for array in (q.mean, q.log_var))
        )
        exact = exact_posterior(model, image, q_i)
        chains = to_numpy(hmc.z)[:, :, i].astype(np.float64)
        draws = chains.reshape(-1, 2)
        shift = np.abs(draws.mean(axis=0) - exact["mean"]) / exact["std"]
        rows.append(
            {
                "rank": int(ranks[i]) + 1,
                "test_image": int(chosen[i]),
                "log_px": exact["log_px"],
                "kl": exact["kl"],
                "log_px_minus_elbo": exact["log_px"] - elbo[i],
                "elbo_error": elbo_error[i],
                "hmc_acceptance": float(acceptance[i]),
                "exact_mean": exact["mean"].tolist(),
                "exact_std": exact["std"].tolist(),
                "hmc_mean": draws.mean(axis=0).tolist(),
                "hmc_std": draws.std(axis=0).tolist(),
                "hmc_shift": float(shift.max()),
                "hmc_r_hat": r_hat(chains),
            }
        )
        panels.append((image.reshape(data.image_shape), exact, q_i, draws))
    print_table(rows)
    draw(rows, panels, gaps, args.out / "posterior.png")

    best, worst = rows[0], rows[-1]
    checks = [abs(row["log_px_minus_elbo"] - row["kl"]) / row["elbo_error"] for row in rows]
    shifts = [row["hmc_shift"] for row in rows]
    apart = max(rows, key=lambda row: row["hmc_r_hat"])
    findings = (
        f"Of {len(gaps)} test images, q(z|x) is within {np.median(gaps):.2f} nats of the exact "
        f"posterior for half, and {gaps.max():.2f} away for the worst. For the {PANELS} shown, "
        f"KL(q ‖ posterior) runs from {best['kl']:.3f} to {worst['kl']:.2f} nats on the grid. "
        "log p(x) − ELBO, with the ELBO from draws, should be the same, and differs by at most "
        f"{max(checks):.1f} standard errors (of {min(row['elbo_error'] for row in rows):.3f} to "
        f"{max(row['elbo_error'] for row in rows):.3f} nats). HMC accepts {acceptance.min():.0%} "
        f"to {acceptance.max():.0%} of its proposals, and the mean of its draws is off by "
        f"{np.median(shifts):.2f} of the posterior's standard deviations for the median image. "
        f"R̂ is {np.median([row['hmc_r_hat'] for row in rows]):.2f} for the median image and "
        f"{apart['hmc_r_hat']:.2f} for the worst, rank {apart['rank']}: the further it is above 1, "
        "the less the chains agree. They start at draws from q, and between modes that lie far "
        "apart they seldom cross: then each mode's share of the draws is that of the starts, and "
        "not the posterior's."
    )
    return {"gaps": sorted(gaps.tolist()), "images": rows}, findings


def print_table(rows):
    say("\nrank  KL on the grid   log p(x) − ELBO  HMC accepts    R̂  exact mean, std      HMC's")
    for row in rows:
        exact, hmc = (
            " ".join(f"{value:5.2f}" for value in row[f"{which}_mean"] + row[f"{which}_std"])
            for which in ("exact", "hmc")
        )
        say(
            f"{row['rank']:4d} {row['kl']:12.3f} {row['log_px_minus_elbo']:13.3f} ± "
            f"{row['elbo_error']:.3f} {row['hmc_acceptance']:10.2f} {row['hmc_r_hat']:7.2f}  "
            f"{exact}  {hmc}"
        )


def draw(rows, panels, gaps, path):
    figure = Figure(figsize=(12.5, 7), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.1)
    axes = figure.subplots(2, 6, width_ratios=[1, 3.2] * 3)
    pairs = axes.reshape(PANELS, 2)
    for (picture, axes), row, panel in zip(pairs, rows, panels, strict=True):
        digit, exact, q, draws = panel
        picture.imshow(digit, cmap="gray_r")
        picture.set(xticks=[], yticks=[], title=f"rank {row['rank']}\nof {len(gaps)}")

        shades = axes.pcolormesh(
            *exact["axes"], exact["density"].T, cmap="Blues", shading="gouraud"
        )
        axes.set_facecolor(shades.cmap(0))
        axes.plot(*draws.T, ".", color="k", ms=2.5, alpha=0.35, label="draws by HMC")
        for n_std in (1, 2):
            width, height = 2 * n_std * q.std
            ellipse = Ellipse(q.mean, width, height, fill=False, ec="tab:red", lw=1.5)
            axes.add_patch(ellipse).set_label("q(z|x), 1 and 2 standard deviations")
        seen = np.concatenate([draws, q.mean + 2.5 * q.std * [[-1, -1], [1, 1]]])
        centre = (seen.min(axis=0) + seen.max(axis=0)) / 2
        half = 0.55 * np.ptp(seen, axis=0).max()
        axes.set(
            title=f"KL(q ‖ posterior) = {row['kl']:.2f} nats",
            xlim=(centre[0] - half, centre[0] + half),
            ylim=(centre[1] - half, centre[1] + half),
            xlabel="$z_1$",
            ylabel="$z_2$",
            aspect="equal",
        )
        axes.locator_params(nbins=5)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        [Patch(color=shades.cmap(0.7)), *handles[:2]],
        ["exact posterior p(z|x)", *labels[:2]],
        loc="outside lower center",
        ncols=3,
    )
    figure.suptitle(
        f"For half of {len(gaps)} test images q is within {np.median(gaps):.2f} nats of the exact "
        f"posterior; for the worst it is {gaps.max():.1f} away"
    )
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=40))
