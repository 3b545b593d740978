"""What happens while a VAE learns? A moving picture of one with two latents.

Each frame is a moment of training: first epoch by epoch, then at longer and longer steps. On the
left is the latent plane. A dot is where the encoder puts a test digit, the mean of q(z|x), in the
digit's colour; for the ten digits at the top right the ellipse, at 2 σ, is q(z|x) itself. Dashed
are the rings that hold half and 95 % of the prior. On the right are the ten digits over what the
decoder makes of their codes, and below them what it makes of codes drawn from the prior.

Untrained, every q is nearly the prior and every code gives nearly the same grey image. Then the
reconstruction pulls the codes of different digits apart and narrows each q, while the KL holds them
all near the prior: so that codes drawn from the prior come to be digits too.
"""

import sys

from demos.common.findings import run  # first: it says what is not installed

# isort: split
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse
from PIL import Image

from demos.common.models import digit_model, train
from vae_np import datasets
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.checkpoints import whole_file
from vae_np.figures import prior_radius

N_FRAMES, SAMPLE_ROWS = 36, 5
FRAME_MS, FIRST_MS, LAST_MS = 260, 900, 4000
BACKGROUND, TEXT, FAINT = "#0d1117", "#f0f6fc", "#9198a1"  # GitHub's own in the dark
COLOURS = (  # of the ten digits
    "#58a6ff", "#ff7b72", "#3fb950", "#ffa657", "#d2a8ff",
    "#f2cc60", "#ff9bce", "#39d0d8", "#b08863", "#c9d1d9",
)  # fmt: skip


def experiment(args):
    data = datasets.load("mnist5k")
    model = digit_model(data, args, n_latent=2)
    x = model.as_pixels(data.test)
    generator = random_generator([args.seed, Stream.PICTURES], args.device)
    noise = model.draw_noise(generator, 1, len(x))
    prior_draws = generator.standard_normal((10 * SAMPLE_ROWS, 2), dtype=model.dtype)
    shown = [int(np.flatnonzero(data.test_labels == digit)[0]) for digit in range(10)]
    moments = {0, *np.geomspace(1, args.epochs, N_FRAMES).round().astype(int).tolist()}
    frames, points = [], []

    def look(epoch):
        if epoch not in moments:
            return
        estimate = model.elbo(x, noise)
        q = model.encode(data.test)
        elbo, kl = float(estimate.value.mean()), float(estimate.kl.mean())
        points.append({"epoch": epoch, "elbo": elbo, "kl": kl})
        pixels = model.reconstruct_mean(data.test[shown]), model.decode(prior_draws).mean
        arrays = map(to_numpy, (q.mean, q.std, *pixels))
        frames.append(frame(points[-1], data, shown, *arrays))

    look(0)
    train(model, data.train, args, after_epoch=lambda row: look(row["epoch"]))
    save_gif(frames, args.out / "watch_it_learn.gif")
    (_, low, kl_before), (last, high, kl_after) = (tuple(points[i].values()) for i in (0, -1))
    halfway = next(point["epoch"] for point in points if point["elbo"] >= (low + high) / 2)
    return {"points": points}, (
        f"The ELBO of the test digits rises from {low:.1f} to {high:.1f} nats by epoch {last}, "
        f"half of that by epoch {halfway}. The KL rises with it, from {kl_before:.2f} to "
        f"{kl_after:.2f} nats: that is mostly what the codes come to say about the digits, and no "
        "sign that anything goes wrong."
    )


def frame(point, data, shown, means, stds, reconstructed, samples):
    """One moment, as a Pillow image."""
    figure = Figure(figsize=(8, 4.1), dpi=100, facecolor=BACKGROUND)
    heading = {"color": TEXT, "size": 15, "weight": "bold", "va": "top"}
    figure.text(0.025, 0.965, f"epoch {point['epoch']}", **heading)
    elbo = f"{point['elbo']:.1f}".replace("-", "−")
    figure.text(0.46, 0.965, f"ELBO {elbo} nats per test digit", **heading)

    plane = figure.add_axes((0.025, 0.04, 0.41, 0.80), facecolor=BACKGROUND)
    plane.set_title(
        "the latent plane: q(z|x), and the prior (dashed)", color=FAINT, size=10, loc="left", pad=5
    )
    for share in (0.5, 0.95):
        plane.add_patch(
            Circle((0, 0), prior_radius(share), fill=False, ec=FAINT, ls=(0, (4, 4)), lw=1)
        )
    plane.scatter(*means.T, c=[COLOURS[label] for label in data.test_labels], s=7, lw=0)
    for mean, std, colour in zip(means[shown], stds[shown], COLOURS, strict=True):
        plane.add_patch(Ellipse(mean, *(4 * std), fill=False, ec=colour, lw=2))
    plane.set(xlim=(-5, 5), ylim=(-5, 5), xticks=[], yticks=[])
    plane.spines[:].set_color(FAINT)

    pairs = np.concatenate([data.test[shown] / 255, reconstructed])
    for images, bottom, title in (
        (pairs, 0.64, "test digits, reconstructed"),
        (samples, 0.04, "codes drawn from the prior, decoded"),
    ):
        rows = len(images) // 10
        picture = images.reshape(rows, 10, 28, 28).swapaxes(1, 2).reshape(28 * rows, 280)
        axes = figure.add_axes((0.46, bottom, 0.515, 0.1 * rows))
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, aspect="auto")
        axes.set_title(title, color=FAINT, size=10, loc="left", pad=5)
        axes.set_axis_off()
    reconstructions = figure.axes[1]
    for digit, colour in enumerate(COLOURS):  # whose ellipse is whose
        reconstructions.plot([28 * digit + 4, 28 * digit + 23], [0, 0], color=colour, lw=4)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])


def save_gif(frames, path):
    """Write the frames, which play again and again, with one palette, so that nothing flickers."""
    shades = [np.linspace(0, 255, 96)[:, None] * np.ones(3)]  # the digits' greys
    for colour in (*COLOURS, TEXT, FAINT):  # which fade into the background at their edges
        shades.append(np.linspace(to_rgb(BACKGROUND), to_rgb(colour), 12) * 255)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate(shades).round().astype(np.uint8).tobytes())
    first, *rest = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in frames)
    durations = [FIRST_MS, *[FRAME_MS] * (len(frames) - 2), LAST_MS]
    with whole_file(path) as file:
        first.save(file, "GIF", save_all=True, append_images=rest, duration=durations, loop=0)


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=200))
