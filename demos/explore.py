"""Write a page for the browser on which every quantity of the paper lies under your finger.

Draw a digit, drag z, and see the encoder's q(z|x) over the exact posterior p(z|x), the ELBO's
parts, and the gap between the ELBO and log p(x). The page is one file and needs no network.

Without options a model of two latents is trained on the embedded digits, in half a minute or so. A
run of your own comes onto a page by --checkpoint FOLDER, after: train.py --latent 2 --out FOLDER
"""

import sys
import time
import webbrowser
from pathlib import Path

from demos.common.command_line import Parser, complain, make_folder, named_path, prepare_streams
from demos.page.fill import IMAGES, LIMIT, SPACINGS, contents, fill_template
from demos.training.making import make_trainer
from demos.training.run import CHECKPOINT, load, parse
from vae_np import datasets
from vae_np.checkpoints import read_checkpoint, whole_file
from vae_np.inference.grid import grid_log_joint, latent_grid
from vae_np.training.divergence import DivergenceError

PAGE = "explore.html"
HIDDEN, EPOCHS = 200, 80  # of the model that is trained here; more epochs fit the 4,000 images only


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument(
        "--checkpoint", type=named_path, metavar="FOLDER", help="of a run of train.py --latent 2"
    )
    parser.add_argument(
        "--out",
        type=named_path,
        metavar="FILE",
        help=f"the page (default: {PAGE} in FOLDER, or in runs)",
    )
    parser.add_argument("--no-open", action="store_true", help="write the page, do not open it")
    args = parser.parse_args(argv)
    out = args.out or (args.checkpoint or Path("runs")) / PAGE
    try:
        if out.is_dir():
            raise ValueError(f"--out {out} is a folder: name a file, such as {out / PAGE}")
        if args.out or not args.checkpoint:
            make_folder(out.parent)
        settings, data, trainer = trained(args.checkpoint)
        say_how_long(trainer.model, data.test[:IMAGES])
        html = fill_template(contents(settings, data, trainer))
        with whole_file(out) as file:
            file.write(html.encode())
    except (ValueError, OSError, MemoryError, DivergenceError) as error:
        return complain("explore.py", error)
    except KeyboardInterrupt:
        print("\nInterrupted: no page was written.", file=sys.stderr)
        return 130
    print(f"The page is {out}, {out.stat().st_size / 1e6:.2f} MB.")
    if not args.no_open:
        webbrowser.open(out.resolve().as_uri())
    return 0


def trained(folder):
    """The settings, the data and the trainer of a run of train.py, or of one that is made here."""
    if folder is None:
        options = ["--latent", "2", "--hidden", str(HIDDEN), "--epochs", str(EPOCHS)]
    else:
        options = ["--resume", str(folder), "--device", "cpu"]
        path = folder / CHECKPOINT
        saved = read_checkpoint(path)[0].get("settings")
        if not isinstance(saved, dict) or "latent" not in saved:
            raise ValueError(f"{path} is not of a run of train.py, which the page wants")
        if saved["latent"] != 2:
            raise ValueError(
                f"{path} is of a model of {saved['latent']} latents; the page draws a plane and "
                "wants 2: train.py --latent 2"
            )
    settings, _ = parse(options, description=__doc__)
    data = datasets.load(settings.data)
    trainer = make_trainer(settings, data)
    if folder is not None:
        load(trainer, settings, path)
    else:
        print(f"Training a model of two latents, {EPOCHS} epochs.")
        if not trainer.fit(EPOCHS):
            raise KeyboardInterrupt
    return settings, data, trainer


def say_how_long(model, images):
    """How long the page's grids will take, before they do: of large images, minutes.

    From the time of a few points. The first grid is summed twice, with weights as they are and
    rounded, a finer one once, and then the page gets a number for each point of the first.
    """
    x, (spacing, finer, *_) = model.as_pixels(images), SPACINGS
    points, _ = latent_grid(2, spacing, LIMIT)
    some, times = points[:: len(points) // 100], []
    total = 3 * len(points) + len(latent_grid(2, finer, LIMIT)[0])
    for _ in range(3):  # the first is slower
        started = time.perf_counter()
        grid_log_joint(model, x, some)
        times.append(time.perf_counter() - started)
    print(
        f"log p(x|z) of {len(x)} images of {x.shape[1]:,} pixels at {total:,} z, of grids, takes "
        f"about {min(times) * total / len(some):.0f} s; it is more where finer grids are needed."
    )
    sys.stdout.flush()


if __name__ == "__main__":
    prepare_streams()
    sys.exit(main())
