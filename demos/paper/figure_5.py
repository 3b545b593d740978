"""The paper's figure 5: digits drawn from models with 2, 5, 10 and 20 latents.

z is drawn from the prior, and what is shown is the mean of p(x|z), as in the paper. You will see
the strokes get sharper as latents are added, and more draws that are no digit: in more dimensions
the codes of the data leave more of the prior empty.

Each model of MNIST is trained by AEVB. It saves twice a minute; the same --out goes on where it
was.
"""

import sys

from demos.common import plots
from demos.common.findings import run
from demos.common.long_runs import side_by_side
from demos.paper.settings import trained_model
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.figures import tiled

LATENTS, SIDE = (2, 5, 10, 20), 10


def learn(n_latent, args, report):
    model, data, summary = trained_model("mnist", n_latent, args, report)
    generator = random_generator([args.seed, Stream.PICTURES], args.device)
    images = to_numpy(model.sample_mean(SIDE * SIDE, generator))
    return summary, tiled(images, data.image_shape, SIDE)


def experiment(args):
    trained = list(side_by_side(learn, LATENTS, args, total=len(LATENTS) * args.samples))
    tiles = {
        f"{summary['latents']} latents, test ELBO {summary['test_elbo']:.1f} nats": picture
        for summary, picture in trained
    }
    title = "The mean of p(x|z) at draws of z from the prior"
    plots.save_tiles(args.out / "figure_5.png", 14, 4.1, tiles, title)
    elbos = ", ".join(
        f"{summary['test_elbo']:.1f} with {summary['latents']}" for summary, _ in trained
    )
    findings = (
        f"After {trained[0][0]['samples']:,} training samples the ELBO on the test set is, in "
        f"nats per example by the number of latents: {elbos}."
    )
    return {"models": [summary for summary, _ in trained]}, findings


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, samples=1e6, resumes=True))
