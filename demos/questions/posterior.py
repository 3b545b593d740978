"""How good is q(z|x)? Look at it beside the exact posterior, and beside draws of that by HMC.

The posterior p(z|x) is p(x|z) p(z) over p(x); with two latents p(x) is a sum over a grid, and every
z can be looked at. KL(q ‖ posterior) is small where the posterior has one round mode in the place
that the encoder names; it is large where the mode is bent, where there are several, or where the
encoder names the wrong place.

A model of digits is trained, and the two are shown side by side for test images from the one that q
fits best to the one that it fits worst. In each panel the shades are the exact posterior, the
ellipses are q (1 and 2 standard deviations), and the dots are draws of Hamiltonian Monte Carlo,
which knows neither the grid nor p(x). The KL is computed twice, as a sum over the grid and as
log p(x) − ELBO.

Whether the chains of HMC agree is said by R̂ (Gelman and Rubin 1992): near 1 they do, as far
as they have come. Above it they do not: they are too short, or they stay in the modes that they
reached first, and how many draws each mode gets is an accident of where the chains started.
"""

import sys

import numpy as np
from matplotlib.patches import Ellipse, Patch

from demos.common import plots
from demos.common.command_line import say
from demos.common.findings import run
from demos.common.models import digit_model, over_draws, standard_error, train
from demos.common.posteriors import exact_posterior, r_hat
from vae_np import datasets
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.distributions import DiagonalGaussian
from vae_np.evaluation import grid_log_likelihood
from vae_np.inference.hmc import sample_posterior

CANDIDATES, PANELS = 100, 6  # candidates: or 6 times the epochs, if that is fewer
CANDIDATE_DRAWS, ELBO_DRAWS = 1000, 10_000
CHAINS, CHAIN_DRAWS = 6, 100
AGREED = 1.1  # R̂
OFF = 1  # of the posterior's standard deviations
DISAGREE = (
    ": the further it is above 1, the less the chains agree. They start at draws from q, and "
    "between modes that lie far apart they seldom cross: then each mode's share of the draws is "
    "that of the starts, and not the posterior's."
)


def monte_carlo_elbo(model, images, generator, n_draws):
    """The ELBO of each image as an average over many draws, and its standard error."""
    x, q = model.as_pixels(images), model.encode(images)

    def log_px_given_z(z):
        return model.decoder.forward(z).log_prob(x)

    draws = over_draws(log_px_given_z, q, generator, n_draws, at_once=100)
    return draws.mean(axis=0) - to_numpy(q.kl_to_standard_normal()), standard_error(draws)


def choose(model, images, generator):
    """Which images to show, evenly from the smallest log p(x) − ELBO to the largest; all gaps."""
    log_px = grid_log_likelihood(model, images, spacing=0.1, limit=5).value
    gaps = log_px - monte_carlo_elbo(model, images, generator, CANDIDATE_DRAWS)[0]
    ranks = np.linspace(0, len(images) - 1, PANELS).round().astype(int)
    return np.argsort(gaps)[ranks], ranks, gaps


def experiment(args):
    data = datasets.load("mnist5k")
    model = digit_model(data, args, n_latent=2)
    train(model, data.train, args)
    generator = random_generator([args.seed, Stream.ELBO_NOISE], args.device)
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
        posterior = exact_posterior(model, image, q_i)
        chains = to_numpy(hmc.z)[:, :, i].astype(np.float64)
        draws = chains.reshape(-1, 2)
        panels.append((image.reshape(data.image_shape), posterior, q_i, draws))
        rows.append(
            {
                "rank": int(ranks[i]) + 1,
                "test_image": int(chosen[i]),
                "log_px": posterior["log_px"],
                "kl": posterior["kl"],
                "log_px_minus_elbo": posterior["log_px"] - elbo[i],
                "elbo_error": elbo_error[i],
                "hmc_acceptance": float(acceptance[i]),
                "exact_mean": posterior["mean"].tolist(),
                "exact_std": posterior["std"].tolist(),
                "hmc_mean": draws.mean(axis=0).tolist(),
                "hmc_std": draws.std(axis=0).tolist(),
                "hmc_shift": float(
                    (abs(draws.mean(axis=0) - posterior["mean"]) / posterior["std"]).max()
                ),
                "hmc_r_hat": r_hat(chains),
            }
        )
    print_table(rows)
    draw(rows, panels, gaps, args.out / "posterior.png")

    return {"gaps": sorted(gaps.tolist()), "images": rows}, describe(rows, gaps)


def describe(rows, gaps):
    checks = [abs(row["log_px_minus_elbo"] - row["kl"]) / row["elbo_error"] for row in rows]
    errors, accepted, shifts, r_hats = (
        [row[key] for row in rows]
        for key in ("elbo_error", "hmc_acceptance", "hmc_shift", "hmc_r_hat")
    )
    agreement = DISAGREE if max(r_hats) > AGREED else ": the chains agree."
    for row in rows:
        if row["hmc_r_hat"] <= AGREED and row["hmc_shift"] > OFF:
            agreement += f" Those of rank {row['rank']} agree on a mean that is off by "
            agreement += f"{row['hmc_shift']:.1f}: perhaps q, where they start, lies too far away."
    return (
        f"Of {len(gaps)} test images, q(z|x) is within {np.median(gaps):.2f} nats of the exact "
        f"posterior for half, and {rows[-1]['kl']:.2f} away for the worst. For the {PANELS} shown, "
        f"KL(q ‖ posterior) runs from {rows[0]['kl']:.3f} to {rows[-1]['kl']:.2f} nats on the "
        "grid. log p(x) − ELBO, with the ELBO from draws, should be the same, and differs by at "
        f"most {max(checks):.1f} standard errors (of {min(errors):.3f} to {max(errors):.3f} nats). "
        f"HMC accepts {min(accepted):.0%} to {max(accepted):.0%} of its proposals, and the mean of "
        f"its draws is off by {np.median(shifts):.2f} of the posterior's standard deviations for "
        f"the median image and {max(shifts):.2f} for the worst, rank "
        f"{rows[np.argmax(shifts)]['rank']}. R̂ is {np.median(r_hats):.2f} for the median image and "
        f"{max(r_hats):.2f} for the worst, rank {rows[np.argmax(r_hats)]['rank']}{agreement}"
    )


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
    figure, grid = plots.panels(12.5, 7, columns=6, rows=2, width_ratios=[1, 3.2] * 3)
    figure.get_layout_engine().set(h_pad=0.1)
    for (picture, axes), row, panel in zip(grid.reshape(PANELS, 2), rows, panels, strict=True):
        digit, exact, q, draws = panel
        picture.imshow(digit, cmap="gray_r")
        picture.set(xticks=[], yticks=[], title=f"rank {row['rank']}\nof {len(gaps)}")
        axes.grid(visible=False)
        shades = axes.pcolormesh(
            *exact["axes"], exact["density"].T, cmap="Blues", shading="gouraud"
        )
        axes.set_facecolor(shades.cmap(0))
        axes.plot(*draws.T, ".", color="k", ms=2.5, alpha=0.35, label="draws by HMC")
        for n_std in (1, 2):
            ellipse = Ellipse(q.mean, *(2 * n_std * q.std), fill=False, ec="tab:red", lw=1.5)
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
    plots.save(
        figure,
        path,
        f"For half of {len(gaps)} test images q is within {np.median(gaps):.2f} nats of the exact "
        f"posterior; for the worst it is {rows[-1]['kl']:.2f} away",
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=40))
