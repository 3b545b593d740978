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


def learn(name, args, report):
    model, data, summary = trained_model(name, 2, args, report)
    images = to_numpy(model.decode(latent_plane(SIDE)).mean)
    return summary, tiled(images, data.image_shape, SIDE)


def experiment(args):
    trained = list(side_by_side(learn, DATA, args, len(DATA) * args.samples, DATA))
    tiles = {
        f"{NAMES[summary['data']]}, test ELBO {summary['test_bound']:.1f} nats": picture
        for summary, picture in trained
    }
    title = (
        "The mean of p(x|z) over the latent plane, equal prior mass each: z₁ grows to the right, "
        "z₂ upwards"
    )
    plots.save_tiles(args.out / "figure_4.png", 11, 6.9, tiles, title)
    ends = " and ".join(
        f"{summary['test_bound']:.1f} on {NAMES[summary['data']]} (after "
        f"{summary['samples']:,} training samples)"
        for summary, _ in trained
    )
    findings = f"The ELBO on the test set, in nats per example, is {ends}."
    return {"models": [summary for summary, _ in trained]}, findings


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, samples=1e6, resumes=True))
