"""The paper's figure 4: what a two-dimensional latent space has learned.

With two latents all of the latent space fits on a page. You will see faces turn and change their
mood, and digits change into one another, everywhere smoothly: neighbours in latent space are
decoded alike.

A model of Frey Face and one of MNIST are trained by AEVB, and the mean of p(x|z) is drawn at the
points to which the inverse Gaussian CDF takes an even grid on the unit square, so that each image
stands for the same share of the prior. It saves twice a minute; the same --out goes on where it
was.
"""

import sys

from demos.common import plots
from demos.common.findings import run
from demos.common.long_runs import side_by_side
from demos.paper.settings import NAMES, trained_model
from vae_np.backend import to_numpy
from vae_np.figures import latent_plane, tiled

DATA, SIDE = ("frey", "mnist"), 20


def errors(model, images):
    """The mean squared error of a reconstruction's pixels, alone and over the pixel's variance.

    The latter is 1 for a decoder that knows how far off it is, and more for one that is too sure.
    """
    x = model.as_pixels(images)
    p = model.decode(model.encode(x).mean)
    squared = (x - p.mean) ** 2
    return {
        "squared_error": float(squared.mean()),
        "error_over_variance": float((squared / p.variance).mean()),
    }


def learn(name, args, report):
    model, data, summary = trained_model(name, 2, args, report)
    if name == "frey":  # a Bernoulli pixel has no variance of its own
        summary |= {"train": errors(model, data.train), "test": errors(model, data.test)}
    images = to_numpy(model.decode(latent_plane(SIDE)).mean)
    return summary, tiled(images, data.image_shape, SIDE)


def experiment(args):
    trained = list(side_by_side(learn, DATA, args, len(DATA) * args.samples, DATA))
    tiles = {
        f"{NAMES[summary['data']]}, test ELBO {summary['test_elbo']:.1f} nats": picture
        for summary, picture in trained
    }
    title = (
        "The mean of p(x|z) over the latent plane, equal prior mass each: z₁ grows to the right, "
        "z₂ upwards"
    )
    plots.save_tiles(args.out / "figure_4.png", 11, 6.9, tiles, title)
    ends = " and ".join(
        f"{summary['test_elbo']:.1f} on {NAMES[summary['data']]} (after "
        f"{summary['samples']:,} training samples; on the training set "
        f"{summary['train_elbo']:.1f})"
        for summary, _ in trained
    )
    faces = trained[0][0]
    findings = (
        f"The ELBO on the test set, in nats per example, is {ends}. The pixels of test faces are "
        f"reconstructed with a squared error of {faces['test']['squared_error']:.4f}; over the "
        f"variance that p(x|z) gives each, that is {faces['test']['error_over_variance']:.2f}, "
        f"and on the training set {faces['train']['error_over_variance']:.2f}. 1 would be right."
    )
    return {"models": [summary for summary, _ in trained]}, findings


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, samples=1e6, resumes=True))
