"""The experiments' pictures that show a model's images, drawn with others in their place.

So they take a second and no training; all else in them is from what is recorded. For tests.
"""

from types import SimpleNamespace

import numpy as np

from demos.paper import figure_4, figure_5
from demos.questions import (
    collapse,
    conditional,
    convolution,
    posterior,
    q_family,
    tug_of_war,
    why_mse,
)
from vae_np import GaussianEncoder, datasets
from vae_np.distributions import DiagonalGaussian


def ramps(count, pixels=784):
    """So many images, each from white to black over another stretch."""
    return (np.linspace(0, 1, pixels) ** np.linspace(0.3, 3, count)[:, None]).astype(np.float32)


def rows(texts):
    """For `strips_over_panels`: of each (name, text), with its images."""
    images = np.reshape(ramps(14 * len(texts)), (len(texts), 2, 7, 784))
    return [(*text, *own) for text, own in zip(texts, images, strict=True)]


def draw_collapse(of, path):
    texts = [(name, f"KL {one['kl']:.1f}") for name, one in of["models"].items()]
    collapse.draw(datasets.load("mnist5k"), of["models"], rows(texts), path)


def draw_tug_of_war(of, path):
    texts = [(f"weight {one['kl_weight']}", "") for one in of["weights"]]
    tug_of_war.draw(of["weights"], rows(texts), datasets.load("mnist5k"), path)


def draw_why_mse(of, path):
    models, elbos = of["models"], of["training_elbos"]
    texts = [(why_mse.NAMES[kind], why_mse.caption(kind, one)) for kind, one in models.items()]
    std = 0.01 + ramps(7)
    why_mse.draw(models, rows(texts), datasets.load("mnist5k"), std, elbos, path)


def draw_posterior(of, path):
    axis, panels = np.linspace(-3, 3, 31), []
    for k, row in enumerate(of["images"]):
        density = np.exp(-0.5 * ((axis[:, None] - 1) ** 2 + 2 * (axis[None] + k / 3) ** 2))
        q = DiagonalGaussian(np.array(row["exact_mean"]), 2 * np.log(row["exact_std"]))
        draws = q.mean + q.std * np.transpose([np.sin(np.arange(50)), np.cos(2 * np.arange(50))])
        digit = ramps(1 + k)[k].reshape(28, 28)
        panels.append((digit, {"axes": (axis, axis), "density": density}, q, draws))
    posterior.draw(of["images"], panels, of["gaps"], path)


def draw_q_family(of, path):
    summary = {name: of[name] for name in ("2 latents", "20 latents", "20 latents, rotated")}
    points, _ = q_family.latent_grid(2, 0.5, 3)
    mean = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    L = np.array([[1, 0], [0.3, 0.5]]) * np.linspace(0.5, 1, 4)[:, None, None]
    qs = {name: (mean + k / 9, L) for k, name in enumerate(q_family.FAMILIES)}
    kls = {"round": [3.0, 2, 9, 1], "diagonal": [1.0, 1.9, 8.9, 0.9], "full": [0.9, 0.1, 8.8, 0.8]}
    kls = {name: np.array(each) for name, each in kls.items()}
    log_posterior = -0.5 * ((points[:, None] - mean) ** 2).sum(axis=2)
    q_family.draw(summary, qs, kls, points, log_posterior, path)


def draw_conditional(of, path):
    n, pixels = conditional.STYLES, ramps(conditional.LATENT + 10)

    def forward(joined):
        return SimpleNamespace(mean=1 / (1 + np.exp(-joined @ pixels)))

    codes = np.linspace(-2, 2, n)[:, None] * np.ones(conditional.LATENT)
    labels = [np.tile(np.eye(10)[k], (n, 1)) for k in range(10)]
    args = SimpleNamespace(seed=0, device="cpu", out=path.parent)
    decoder = SimpleNamespace(forward=forward)
    conditional.draw(datasets.load("mnist5k"), decoder, codes, labels, args)


def draw_convolution(of, path):
    network = convolution.convolutional()
    encoder = GaussianEncoder(784, n_latent=20, network=network, seed=0)
    convolution.draw(of["encoders"], encoder, ramps(1), path)


def draw_tiles(module, of, path):
    """Figure 4 or 5; its findings too."""
    shapes = {"frey": (280, 200), "mnist": (280, 280)}
    made = [
        (one, ramps(1, np.prod(shapes[one["data"]])).reshape(shapes[one["data"]]))
        for one in of["models"]
    ]
    side_by_side = module.side_by_side
    module.side_by_side = lambda *given, **more: made
    try:
        summary, said = module.experiment(SimpleNamespace(samples=1, out=path.parent))
    finally:
        module.side_by_side = side_by_side
    assert said == of["findings"] and summary["models"] == of["models"]


STAND_INS = {  # from a summary, into a file
    "collapse": draw_collapse,
    "conditional": draw_conditional,
    "convolution": draw_convolution,
    "figure_4": lambda of, path: draw_tiles(figure_4, of, path),
    "figure_5": lambda of, path: draw_tiles(figure_5, of, path),
    "posterior": draw_posterior,
    "q_family": draw_q_family,
    "tug_of_war": draw_tug_of_war,
    "why_mse": draw_why_mse,
}
