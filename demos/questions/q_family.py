"""What does the family of q cost: one σ, a σ for each latent, or a full covariance?

The encoder names a Gaussian with a σ for each latent. The true posterior p(z|x) need not be one: it
may be tilted, bent, or in several pieces. What the best q of a family still lacks is the family's
price, in nats for each image: the gap log p(x) − ELBO = KL(q ‖ posterior).

Here each image gets the best q of three families, each larger than the one before:

    N(μ, σ² I)         round: one σ for all latents
    N(μ, diag(σ²))     an ellipse along the axes, as a VAE's encoder names it
    N(μ, Σ)            an ellipse in any direction: Σ = L Lᵀ, z = μ + L ε, with L a lower triangle

With 2 latents log p(x) and the KL are sums over a grid; with 20, log p(x) is from draws through the
best q. The encoder's q stands beside. Then the 20 latents are rotated: the prior is round, p(x) is
what it was, and only the axes are others. See what a q along them costs now.
"""

import sys

import numpy as np

from demos.common.findings import run
from demos.common.models import digit_model, train
from demos.common.plots import panels, save
from vae_np import Adam, datasets
from vae_np.backend import Stream, array_module, random_generator, to_device, to_numpy
from vae_np.distributions import log_mean_exp, log_sum_exp, standard_normal_log_prob
from vae_np.inference.grid import grid_log_joint, latent_grid
from vae_np.parameters import ParameterVector
from vae_np.progress import progress_bar

FAMILIES = {"round": "σ² I", "diagonal": "diag(σ²)", "full": "Σ"}
STEPS, FIT_DRAWS, LEARNING_RATE, START_STD, DRAWS = 400, 10, 0.03, 0.2, 4000
SPACING, LIMIT = 0.08, 6  # of the grid


def lower_triangle(T):
    """L, (N, Z, Z): T below the diagonal, exp(T) on it, so that it is positive, and 0 above."""
    xp = array_module(T)
    return xp.tril(T, -1) + xp.eye(T.shape[-1], dtype=T.dtype) * xp.exp(T)


def elbo_and_gradient(vector, decoder, x, noise):
    """The ELBO of each image, and the gradient of minus their sum to ``vector.grad``.

    ``vector`` holds "mean", (N, Z), and "T", (N, Z, Z). In closed form, as log det L = Σ T_ii,
    KL(N(μ, L Lᵀ) ‖ N(0, I)) = ½ [|μ|² + Σ L² − Z] − Σ T_ii.
    """
    (mean, T), (dmean, dT) = (vector.views(v).values() for v in (vector.value, vector.grad))
    xp, L = array_module(x), lower_triangle(T)
    eye = xp.eye(T.shape[-1], dtype=T.dtype)
    z = mean + xp.einsum("nij,lnj->lni", L, noise)  # z = μ + L ε
    p = decoder.forward(z)
    reconstruction = p.log_prob(x).mean(axis=0)
    kl = (0.5 * (mean**2 + (L**2).sum(axis=2) - 1) - (T * eye).sum(axis=2)).sum(axis=1)

    upstream = xp.full(len(x), -1 / len(noise), x.dtype)
    dz = decoder.backward_to_input(*p.log_prob_backward(x, upstream))
    dmean[...] = dz.sum(axis=0) + mean  # + mean, + L and − eye: the KL's own
    dL = xp.einsum("lni,lnj->nij", dz, noise) + L
    dT[...] = xp.tril(dL, -1) + eye * (dL * L) - eye
    return reconstruction - kl


def fit_families(decoder, x, mean, args):
    """The best q of each family, in turn: a larger one goes on where the smaller one ended."""
    generator, qs = random_generator([args.seed, Stream.POSTERIOR], args.device), {}
    eye = np.eye(mean.shape[1], dtype=np.float32)
    start = {"mean": mean, "T": np.log(START_STD) * eye + np.zeros((len(mean), 1, 1))}
    vector, eye = ParameterVector(start, np.float32, args.device), to_device(eye, args.device)
    dT = vector.views(vector.grad)["T"]
    for family, name in FAMILIES.items():
        optimizer = Adam([vector])
        for step in progress_bar(True, iterable=range(STEPS), desc=name, leave=False):
            noise = generator.standard_normal((FIT_DRAWS, *mean.shape), dtype=np.float32)
            elbo_and_gradient(vector, decoder, x, noise)
            if family != "full":
                dT *= eye  # L stays diagonal
            if family == "round":
                dT[...] = eye * dT.sum(axis=(1, 2), keepdims=True)  # and one σ stays one
            optimizer.learning_rate = LEARNING_RATE * min(1, 2 * (1 - step / STEPS))
            optimizer.step()
        mean, T = vector.views(vector.value.copy()).values()
        qs[family] = mean, lower_triangle(T)
    return qs


def log_weights(mean, L, decoder, x, args):
    """log w = log p(x|z) + log p(z) − log q(z|x) of draws z ~ q; (DRAWS, N), NumPy."""
    generator = random_generator([args.seed, Stream.ELBO_NOISE], args.device)
    xp, parts = array_module(x), []
    log_det = xp.log(xp.einsum("nii->ni", L)).sum(axis=1)
    for _ in range(DRAWS // 20):  # twenty at a time, for the memory
        noise = generator.standard_normal((20, *mean.shape), dtype=np.float32)
        z = mean + xp.einsum("nij,lnj->lni", L, noise)
        log_q = standard_normal_log_prob(noise) - log_det
        log_w = decoder.forward(z).log_prob(x) + standard_normal_log_prob(z) - log_q
        parts.append(to_numpy(log_w).astype(np.float64))
    return np.concatenate(parts)


def prices(decoder, x, qs, args, log_px=None):
    """Mean log p(x) − ELBO for each q. Where log p(x) is not given, it is through the full q."""
    log_w = {name: log_weights(*q, decoder, x, args) for name, q in qs.items()}
    log_px = log_mean_exp(log_w["full"]) if log_px is None else log_px
    price = {name: float((log_px - w).mean()) for name, w in log_w.items()}
    return {"images": len(x), "log_px": float(log_px.mean()), "price": price}


def kl_on_grid(mean, L, points, log_posterior):
    """KL(q ‖ posterior) = Σ q (log q − log p(z|x)) over the grid's cells; (N,)."""
    mean, L = (to_numpy(part).astype(np.float64) for part in (mean, L))
    noise = np.einsum("nij,gnj->gni", np.linalg.inv(L), points[:, None] - mean)
    log_q = standard_normal_log_prob(noise) - np.log(np.linalg.det(L))
    return (np.exp(log_q) * (log_q - log_posterior)).sum(axis=0) * SPACING**2


def trained(n_latent, n_images, data, args):
    """A model, some test images, and the mean and L of the encoder's q for them."""
    model = digit_model(data, args, n_latent)
    train(model, data.train, args)
    x = model.as_pixels(data.test[: min(n_images, 2 * args.epochs)])
    q = model.encoder.forward(x)
    return model, x, (q.mean, q.std[:, None] * array_module(x).eye(n_latent, dtype=x.dtype))


def experiment(args):
    data = datasets.load("mnist5k")
    model, x, encoded = trained(2, 80, data, args)
    points, _ = latent_grid(2, SPACING, LIMIT)
    log_joint = to_numpy(grid_log_joint(model, x, points)).astype(np.float64)
    log_px = log_sum_exp(log_joint) + 2 * np.log(SPACING)
    decoder, highest = model.decoder, points[log_joint.argmax(axis=0)]  # fits start at the top
    qs = {"encoder": encoded} | fit_families(decoder, x, highest, args)
    two = prices(decoder, x, qs, args, log_px)
    kls = {name: kl_on_grid(*q, points, log_joint - log_px) for name, q in qs.items()}
    two["kl_on_grid"] = {name: float(kl.mean()) for name, kl in kls.items()}
    model, x, encoded = trained(20, 50, data, args)
    decoder, mean = model.decoder, to_numpy(encoded[0])
    twenty = prices(decoder, x, {"encoder": encoded} | fit_families(decoder, x, mean, args), args)
    R, _ = np.linalg.qr(random_generator([args.seed, Stream.DATA]).standard_normal((20, 20)))
    weight = decoder.network.layers[0].weight  # of z R it shall make what it makes of z
    weight[...] = to_device(R.T.astype(np.float32), args.device) @ weight
    rotated = prices(decoder, x, fit_families(decoder, x, mean @ R, args), args)
    summary = {"2 latents": two, "20 latents": twenty, "20 latents, rotated": rotated}
    draw(summary, qs, kls, points, log_joint - log_px, args.out / "q_family.png")
    return summary, describe(two, twenty, rotated)


def describe(two, twenty, rotated):
    def told(of):
        return ", ".join(f"{name} {of['price'][key]:.2f}" for key, name in FAMILIES.items())

    off = max(abs(kl - two["price"][name]) for name, kl in two["kl_on_grid"].items())
    better = [of["price"]["round"] - of["price"]["diagonal"] for of in (twenty, rotated)]
    return (
        f"What each q costs, in nats for an image. {two['images']} test images, 2 latents: "
        f"{told(two)}; the encoder's q {two['price']['encoder']:.2f}. (That is log p(x) − ELBO, "
        f"from draws; the KL summed over the grid is the same, to {off:.3f}.) {twenty['images']} "
        f"images, 20 latents: {told(twenty)}; the encoder's {twenty['price']['encoder']:.2f}. "
        f"Rotated: {told(rotated)}. log p(x) is {twenty['log_px']:.2f} before and "
        f"{rotated['log_px']:.2f} after; but of the {better[0]:.2f} nats by which diag(σ²) was "
        f"better than σ² I, {better[1]:.2f} are left: training turns the latents to suit it."
    )


def draw(summary, qs, kls, points, log_posterior, path):
    figure, axes = panels(12.5, 8.4, 3, rows=2)
    side, angle = np.unique(points), np.linspace(0, 2 * np.pi, 100)
    chosen = {
        "A σ for each latent gains most": kls["round"] - kls["diagonal"],
        "A full covariance gains most": kls["diagonal"] - kls["full"],
        "A Gaussian fits worst": kls["full"],
    }
    for panel, (title, gain) in zip(axes[0], chosen.items(), strict=True):
        i = gain.argmax()
        density = np.exp(log_posterior[:, i])
        likely, square = points[density > 0.003 * density.max()], density.reshape(len(side), -1)
        panel.pcolormesh(side, side, square.T, cmap="Greys", shading="gouraud")
        for key, name in FAMILIES.items():
            mean, L = (to_numpy(part)[i] for part in qs[key])
            ellipse = mean[:, None] + 2 * L @ [np.cos(angle), np.sin(angle)]
            panel.plot(*ellipse, label=f"{name}: {kls[key][i]:.2f} nats")
        centre, half = likely.mean(axis=0), 0.6 * np.ptp(likely, axis=0).max()
        panel.set(xlim=centre[0] + [-half, half], ylim=centre[1] + [-half, half], aspect="equal")
        panel.set(title=f"{title}: test image {i}", xlabel="$z_1$", ylabel="$z_2$")
        panel.legend(fontsize=8)
    for panel, (name, of) in zip(axes[1], summary.items(), strict=True):
        names = [FAMILIES.get(key, f"{key}'s q") for key in of["price"]]
        panel.bar_label(panel.bar(names, of["price"].values()), fmt="%.2f")
        panel.set(title=f"{name}: what q costs", ylabel="log p(x) − ELBO, nats", ymargin=0.1)
    axes[1, 2].sharey(axes[1, 1])
    cost = [summary[name]["price"]["diagonal"] for name in list(summary)[1:]]
    title = "Exact posteriors, grey, and the best q of each family, at 2 standard deviations\n"
    end = f"20 latents: diag(σ²) costs {cost[0]:.1f} nats, and {cost[1]:.1f} once they are rotated"
    save(figure, path, title + end)


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=40))
