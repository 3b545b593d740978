"""Why does my VAE's KL fall to 0, and is it bad when the KL rises?

Posterior collapse: q(z|x) is the prior for every image, its KL is 0, z says nothing, and the
decoder draws one mean image. But a KL that rises is no illness: at the start q is nearly the prior,
and all that z ever says about x is paid for with KL. Look at the ELBO: does it rise too? And count
the latents in use, those that carry a KL of more than 0.01 nats.

Two things bring the KL to 0, and they are not the same:

- The loss wants it so. Whoever averages the squared error or the cross-entropy over D pixels, but
  sums the KL over the latents, has put the weight D on the KL. Here that is 784. A warm-up, in
  which the weight rises from 0, only puts it off.
- The loss does not want it, and yet most latents are given up. You will see it in networks of
  three layers of ReLU (the others have one of tanh). Often the start is blamed: as long as the
  decoder cannot read z, a latent costs its KL and earns nothing. But count the latents in use on
  the way: all come into use, and with most seeds most are given up later. A warm-up, in which the
  decoder learns to read z while z is free, ends at a better ELBO, even with fewer latents in use.

Six models learn the digits. All the ELBOs printed have the weight 1, whatever the loss had.
"""

import sys

import numpy as np

from demos.common.command_line import say
from demos.common.findings import run
from demos.common.models import (
    kl_of_each_latent,
    make_networks,
    reconstructed_and_drawn,
    train,
)
from demos.common.plots import epochs_axis, save, strips_over_panels
from vae_np import VAE, datasets
from vae_np.evaluation import evaluate_elbo
from vae_np.objectives.elbo import ELBO

LATENT, PIXELS, IMAGES = 20, 784, 7
IN_USE = 0.01  # nats
SHALLOW = {"hidden": [200], "activation": "tanh"}
DEEP = {"hidden": [200] * 3, "activation": "relu"}
RUNS = {  # the networks; the KL's weight; whether it is warmed up, from 0, in half of the epochs
    "KL weight 1: the ELBO": (SHALLOW, 1, False),
    "KL weight 10": (SHALLOW, 10, False),
    "Pixels averaged: KL weight 784": (SHALLOW, PIXELS, False),
    "Pixels averaged, warm-up": (SHALLOW, PIXELS, True),
    "Three layers deep, KL weight 1": (DEEP, 1, False),
    "Three layers deep, warm-up": (DEEP, 1, True),
}


def weight_at(epoch, weight, warm_up, epochs):
    """The KL's weight in the epoch, counted from 0; a warm-up takes the first half of them."""
    return weight * min(1, epoch / max(1, epochs // 2)) if warm_up else weight


def train_one(data, name, args):
    networks, weight, warm_up = RUNS[name]
    encoder, decoder = make_networks(args, PIXELS, n_latent=LATENT, **networks)
    decoder.start_at(data.mean_image)
    model = VAE(encoder, decoder)
    objective = ELBO(model, weight_at(0, weight, warm_up, args.epochs))
    course = {"kl": [], "elbo": [], "latents_in_use": []}

    def look(row=None):
        elbo = evaluate_elbo(model, data.test, seed=args.seed)
        course["kl"].append(elbo.kl)
        course["elbo"].append(elbo.value)
        course["latents_in_use"].append(int((kl_of_each_latent(model, data.test) > IN_USE).sum()))
        if row:
            objective.kl_weight = weight_at(row["epoch"], weight, warm_up, args.epochs)

    say(name)
    look()
    train(model, data.train, args, objective=objective, learning_rate=2e-3, after_epoch=look)
    kls = kl_of_each_latent(model, data.test)
    return model, {
        "kl_weight": weight,
        "warm_up": warm_up,
        "elbo": course["elbo"][-1],
        "kl": course["kl"][-1],
        "latents_in_use": course["latents_in_use"][-1],
        "kl_of_each_latent": np.sort(kls)[::-1].tolist(),
        "course": course,
    }


def experiment(args):
    data = datasets.load("mnist5k")
    results, rows = {}, []
    for name in RUNS:
        model, result = train_one(data, name, args)
        text = (
            f"ELBO {result['elbo']:.1f} nats, KL {result['kl']:.2g}\n"
            f"{result['latents_in_use']} of {LATENT} latents in use"
        )
        rows.append((name, text, *reconstructed_and_drawn(model, data.test[:IMAGES], args)))
        results[name] = result
    draw(data, results, rows, args.out / "collapse.png")
    return {"models": results}, describe(*results.values())


def describe(elbo, strong, averaged, warmed, deep, deep_warmed):
    first = {name: course[0] for name, course in elbo["course"].items()}
    on_the_way, warm = (run["course"]["latents_in_use"] for run in (deep, deep_warmed))
    return (
        f"In nats per test image. Climbing the ELBO, the KL rises from {first['kl']:.1f} to "
        f"{elbo['kl']:.1f}, the ELBO from {first['elbo']:.0f} to {elbo['elbo']:.1f}; "
        f"{elbo['latents_in_use']} of {LATENT} latents are in use. With KL weight 10 there are "
        f"{strong['latents_in_use']}. With the pixels averaged, which is weight {PIXELS}, there "
        f"are {averaged['latents_in_use']}, the KL is {averaged['kl']:.1g}, and the ELBO "
        f"{averaged['elbo']:.0f}, as of the mean image that training starts with. Warmed up, the "
        f"KL rises to {max(warmed['course']['kl']):.0f} first and ends at {warmed['kl']:.1g} under "
        f"the full weight, with {warmed['latents_in_use']} in use. The networks of three layers "
        f"have the right weight: {deep['latents_in_use']} latents are in use, at most "
        f"{max(on_the_way)} were on the way, and the ELBO is {deep['elbo']:.1f}. Warmed up, "
        f"{deep_warmed['latents_in_use']} are, {warm[(len(warm) - 1) // 2]} were when the weight "
        f"reached 1, and the ELBO is {deep_warmed['elbo']:.1f}, though the KL falls in that run, "
        f"from {max(deep_warmed['course']['kl']):.0f} to {deep_warmed['kl']:.1f}. So whether the "
        "KL rises or falls tells nothing by itself: look at the ELBO."
    )


def draw(data, results, rows, path):
    title = "Draws from the prior, the same z for all"
    figure, (kls, elbos, latents) = strips_over_panels(12, data, rows, title, 3)
    for name, result in results.items():
        course, line = result["course"], "--" if result["warm_up"] else "-"
        kls.plot(course["kl"], line, label=name)
        elbos.plot(course["elbo"], line)
        latents.plot(range(1, LATENT + 1), result["kl_of_each_latent"], line, marker=".")
    kls.set(title="KL on the test set", ylabel="nats per image")
    kls.set_yscale("symlog", linthresh=1)
    ends = [value for result in results.values() for value in result["course"]["elbo"][-1:]]
    elbos.set(title="ELBO on the test set", ylim=(min(ends) - 10, max(ends) + 5))
    latents.set(title="KL of each latent; in use above the line", yscale="log")
    latents.set_xlabel("latents, the largest KL first")
    latents.axhline(IN_USE, color="k", ls=":")
    for axes in (kls, elbos):
        epochs_axis(axes)
    figure.legend(*kls.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    averaged, averaged_warmed, deep, warmed = list(results.values())[2:]
    save(
        figure,
        path,
        f"Pixels averaged, KL summed: {averaged['latents_in_use']} of {LATENT} latents are in use, "
        f"with a warm-up {averaged_warmed['latents_in_use']}.\n"
        f"Three layers deep: {deep['latents_in_use']} in use, ELBO {deep['elbo']:.0f} nats; with a "
        f"warm-up {warmed['latents_in_use']}, and {warmed['elbo']:.0f} nats",
    )


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=30))
