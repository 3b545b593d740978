"""What does a step cost with K draws of q? Milliseconds against K, and its matrix products alone.

The K draws of an image share one pass of the encoder; from there on the decoder has K times as many
rows. So K draws cost less than K steps, and more than one: you will see how much, for the ELBO and
for the importance-weighted bound.

The model is the 784-200-200-50 of demos/paper/best_model.py, a minibatch 100 images, float32. Each
number is the best of a few repeats, on a CPU in milliseconds of a core. The products are those that
a step cannot do without, on arrays of the same shapes; the rest is tanh, the Bernoulli's
logarithms, sums, and Adam, which does not grow with K. Drawing the noise and gathering the
minibatch are left out: some 3 % more at 50 draws.
"""

import sys
import time
from itertools import pairwise

import numpy as np

from demos.common.findings import run
from demos.common.models import make_networks
from demos.common.plots import panels, save
from vae_np import VAE, Adam
from vae_np.backend import random_generator, to_device, to_numpy
from vae_np.objectives import ELBO, ImportanceWeighted

PIXELS, HIDDEN, LATENT, BATCH = 784, [200, 200], 50, 100
DRAWS = (1, 5, 10, 50)
REPEATS, SECONDS = 5, 0.4  # of each repeat, at least
OBJECTIVES = {"ELBO": ELBO, "importance-weighted": ImportanceWeighted}


def milliseconds(function, finish, device):
    """The best mean time of a call; ``finish`` waits until a GPU has done what it was told."""
    clock = time.perf_counter if device == "gpu" else time.process_time  # of a core
    function()
    best = float("inf")
    for _ in range(REPEATS):
        finish()
        calls, started = 0, clock()
        while not calls or clock() - started < SECONDS:
            function()
            finish()
            calls += 1
        best = min(best, (clock() - started) / calls)
    return 1000 * best


def products(n_draws, generator, device):
    """A function of no arguments that does a step's matrix products, and nothing else."""
    factors = []
    for rows, widths in (
        (BATCH, [PIXELS, *HIDDEN, 2 * LATENT]),
        (BATCH * n_draws, [LATENT, *HIDDEN[::-1], PIXELS]),
    ):
        for n_in, n_out in pairwise(widths):
            shapes = (rows, n_in), (n_in, n_out), (rows, n_out)
            x, weight, dy = (
                to_device(generator.standard_normal(shape, dtype=np.float32), device)
                for shape in shapes
            )
            factors += [(x, weight), (x.T, dy)]  # forward, and the weights' gradient
            if n_in != PIXELS:  # nobody asks for the derivative with respect to the data
                factors.append((dy, weight.T))
    return lambda: [left @ right for left, right in factors]


def measure(n_draws, args):
    model = VAE(*make_networks(args, PIXELS, HIDDEN, LATENT))
    generator = np.random.default_rng(args.seed)
    x = to_device((generator.random((BATCH, PIXELS)) < 0.2).astype(np.float32), args.device)
    noise = model.draw_noise(random_generator(args.seed, args.device), n_draws, BATCH)
    np.empty(31 << 20, dtype=np.uint8)  # as the Trainer does, see there

    def finish():
        to_numpy(model.encoder.parameters.value[:1])

    row = {
        "draws": n_draws,
        "products": milliseconds(products(n_draws, generator, args.device), finish, args.device),
    }
    for name, objective in OBJECTIVES.items():
        objective, optimizer = objective(model), Adam(model.parameters)

        def step(objective=objective, optimizer=optimizer):
            objective.value_and_gradient(x, noise)
            optimizer.step()

        row[name] = milliseconds(step, finish, args.device)
    return row


def experiment(args):
    rows = [measure(n_draws, args) for n_draws in DRAWS]
    draw(rows, args.out / "draws.png")
    of_each = "; ".join(
        f"K = {row['draws']}: {row['ELBO']:.1f}, {row['importance-weighted']:.1f} and "
        f"{row['products']:.1f}"
        for row in rows
    )
    first, last = rows[0], rows[-1]
    return {"steps": rows}, (
        "Milliseconds of a step by the ELBO, by the importance-weighted bound, and of the matrix "
        f"products alone: {of_each}. {last['draws']} draws cost "
        f"{last['importance-weighted'] / first['importance-weighted']:.0f} times as much as one, "
        f"not {last['draws']} times: they share the encoder's pass and Adam's."
    )


def draw(rows, path):
    figure, axes = panels(6.4, 4.2)
    draws = [row["draws"] for row in rows]
    for name in (*OBJECTIVES, "products"):
        label = "matrix products alone" if name == "products" else f"a step, {name}"
        axes.plot(draws, [row[name] for row in rows], "o-", label=label)
    axes.set(xscale="log", yscale="log", xlabel="K, draws of q for each image")
    axes.set(xticks=draws, xticklabels=draws, ylabel="milliseconds")
    axes.minorticks_off()
    axes.legend()
    save(figure, path, "A step with K draws: 784-200-200-50, minibatches of 100")


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__))
