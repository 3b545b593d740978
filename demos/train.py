"""Train a variational autoencoder and watch it learn: the bound goes up, digits appear.

Without options: the paper's model (784-500-20-500-784, tanh, Bernoulli) on 5,000 embedded digits.
What comes out is in a folder of its own, which the last line names: pictures, summary.json,
history.csv and a checkpoint that --resume goes on from. Ctrl-C stops after the step under way and
keeps everything so far.
"""

import csv
import math
import shlex
import sys
import time
from pathlib import Path

from tqdm import tqdm

from demos.common.command_line import (
    complain,
    discard_if_empty,
    make_folder,
    make_free_folder,
    prepare_streams,
    silence_stdout,
    write_json,
)
from demos.train_options import (
    CHECKPOINT,
    HISTORY,
    OBJECTIVES,
    PICTURES,
    RUNS,
    SUMMARY,
    parse,
    settings,
)
from vae_np import datasets, figures
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.evaluation import evaluate_elbo, importance_sampled_log_likelihood
from vae_np.networks import BernoulliDecoder, GaussianDecoder, GaussianEncoder
from vae_np.objectives import ELBO, ImportanceWeighted
from vae_np.optimizers import OPTIMIZERS
from vae_np.training.divergence import DivergenceError
from vae_np.training.trainer import Trainer
from vae_np.vae import VAE

LOG_LIKELIHOOD_SAMPLES = 100
SECONDS_BETWEEN_CHECKPOINTS = 5


def main(argv=None):
    out, own_folder = None, False
    try:
        args, out = parse(argv, description=__doc__)
        data = datasets.load(args.data)
        trainer = make_trainer(args, data)
        if args.resume:
            trainer.load(out / CHECKPOINT)
            if args.epochs <= trainer.epoch and (out / SUMMARY).exists():
                raise ValueError(
                    f"the run in {out} is complete: --epochs above {trainer.epoch} goes on"
                )
            args.epochs = max(args.epochs, trainer.epoch)
            print(f"Going on in {out} after {progress_of(trainer)}.")
        own_folder = out is None
        out = make_folder(out) if out else make_free_folder(RUNS / Path(args.data).stem)
    except (ValueError, OSError, MemoryError) as error:  # what was asked for cannot be had
        return complain("train.py", error)
    except KeyboardInterrupt:
        return interrupted(out)
    try:
        return run(args, out, data, trainer)
    except BrokenPipeError:  # nobody reads on: `| head`
        silence_stdout()
        return interrupted(out)
    except (DivergenceError, OSError, MemoryError) as error:  # anything else is a bug: show it
        saved = (out / CHECKPOINT).exists()
        kept = f"what was saved last is {out / CHECKPOINT}" if saved else "nothing was saved"
        return complain("train.py", f"{error}; {kept}")
    except KeyboardInterrupt:
        return interrupted(out)
    finally:
        if own_folder:
            discard_if_empty(out)


def interrupted(out):
    saved = out is not None and (out / CHECKPOINT).exists()
    rest = f": {resume_command(out)} goes on from what was saved" if saved else ""
    print(f"\nInterrupted{rest}.", file=sys.stderr)
    return 130


def resume_command(out):
    return f"python demos/train.py --resume --out {shlex.quote(str(out))}"


def run(args, out, data, trainer):
    if not args.resume:
        earlier = "" if args.out or out.name == Path(args.data).stem else ", beside an earlier run"
        print(f"Results go to {out}{earlier}.")
    finished = train(trainer, data, args, out)
    write_history(trainer.history, out / HISTORY)
    draw_pictures(trainer, data, out, args.seed)
    if not finished:
        print(
            f"\nStopped after {progress_of(trainer)}; the checkpoint and the pictures so far are "
            f"in {out}. To go on:\n  {resume_command(out)}"
        )
        return 130
    report(trainer, data, args, out)
    return 0


def progress_of(trainer):
    epochs = "1 epoch" if trainer.epoch == 1 else f"{trainer.epoch} epochs"
    return f"{epochs} and {trainer.step} of {trainer.steps_per_epoch} steps"


def train(trainer, data, args, out):
    """Train to the last epoch, or to Ctrl-C; save after an epoch, but not every second."""
    model = trainer.model
    print(
        f"{args.data}: {len(data.train):,} training and {len(data.test):,} test images of "
        f"{data.image_shape[0]} × {data.image_shape[1]} pixels\n"
        f"encoder q(z|x): {model.encoder}\ndecoder p(x|z): {model.decoder}\n\n"
        f"{'in nats per example':<20}{'training ELBO = reconstruction − KL':>40}"
        f"{'test ELBO = reconstruction − KL':>42}"
    )
    if is_importance_weighted(trainer):
        print("(what stands for the KL is reconstruction − bound, which is not the KL of q here)")
    saved_at = -math.inf

    def save():
        nonlocal saved_at
        trainer.save(out / CHECKPOINT, settings(args))
        if saved_at == -math.inf:  # what an earlier state left would now be of another one
            for name in (HISTORY, SUMMARY, *PICTURES):
                (out / name).unlink(missing_ok=True)
        saved_at = time.monotonic()

    def evaluate():
        bound = evaluate_elbo(
            model,
            data.test,
            binary=args.binarize,
            n_draws=args.samples,
            objective=trainer.objective,
        )
        return {
            "test_elbo": bound.value,
            "test_reconstruction": bound.reconstruction,
            "test_kl": bound.kl,
            "test_bound": bound.value,  # its earlier name
        }

    def after_epoch(row):
        train_part, test_part = (
            f"{row[f'{part}_elbo']:.2f} = {row[f'{part}_reconstruction']:8.2f} − "
            f"{row[f'{part}_kl']:6.2f}"
            for part in ("train", "test")
        )
        if time.monotonic() - saved_at > SECONDS_BETWEEN_CHECKPOINTS:
            save()
        tqdm.write(f"epoch {row['epoch']:<14}{train_part:>40}{test_part:>42}")

    finished = trainer.fit(args.epochs, evaluate, after_epoch)
    save()
    return finished


def is_importance_weighted(trainer):
    return isinstance(trainer.objective, ImportanceWeighted)


def report(trainer, data, args, out):
    """Estimate the test log p(x), print the result and write the summary."""
    log_likelihood = importance_sampled_log_likelihood(
        trainer.model, data.test, LOG_LIKELIHOOD_SAMPLES, binary=args.binarize, progress=True
    )
    last = trainer.history[-1]
    grey = "\n               (a grey pixel stands for the average over black and white)"
    if args.binarize or args.decoder == "gaussian":
        grey = ""
    summary = {
        "settings": settings(args),
        "epochs": trainer.epoch,
        "train_elbo": last["train_elbo"],
        "test_elbo": last["test_elbo"],
        "test_log_likelihood": log_likelihood.mean,
        "test_log_likelihood_standard_error": log_likelihood.mean_standard_error,
        "log_likelihood_samples": LOG_LIKELIHOOD_SAMPLES,
        "seconds": trainer.seconds,
        "examples_per_second": trainer.epoch * len(trainer.images) / trainer.seconds,
    }
    write_json(out / SUMMARY, summary)
    print(
        f"\ntest ELBO      {summary['test_elbo']:10.2f} nats per example"
        f"\ntest log p(x)  {summary['test_log_likelihood']:10.2f} nats per example, estimated by "
        f"importance sampling with {LOG_LIKELIHOOD_SAMPLES} samples per image{grey}"
        f"\ntraining       {summary['seconds']:10.1f} s, "
        f"{summary['examples_per_second']:,.0f} examples per second"
        f"\n\nPictures, {SUMMARY}, {HISTORY} and {CHECKPOINT} are in {out}"
    )


def make_trainer(args, data):
    pixels = data.train.shape[1]
    common = {"activation": args.activation, "init": args.init, "device": args.device}
    encoder = GaussianEncoder(
        pixels, args.hidden, args.latent, seed=[args.seed, Stream.ENCODER], **common
    )
    common["seed"] = [args.seed, Stream.DECODER]
    widths = args.latent, args.hidden[::-1], pixels
    if args.decoder == "bernoulli":
        decoder = BernoulliDecoder(*widths, **common)
    else:
        decoder = GaussianDecoder(*widths, noise=args.noise, squash=True, **common)
    if args.init == "fan-in":  # the paper's starts every bias near 0
        decoder.start_at(data.mean_image)
    model = VAE(encoder, decoder)
    make_objective = OBJECTIVES[args.objective]
    weight = {"kl_weight": args.kl_weight} if make_objective is ELBO else {}
    optimizer = OPTIMIZERS[args.optimizer](model.parameters, args.learning_rate)
    return Trainer(
        model,
        optimizer,
        data.train,
        make_objective(model, **weight),
        batch_size=args.batch_size,
        n_draws=args.samples,
        binarize=args.binarize,
        weight_prior=args.weight_prior,
        seed=args.seed,
    )


def write_history(history, path):
    if history:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(history[0]))
            writer.writeheader()
            writer.writerows(history)


def draw_pictures(trainer, data, out, seed):
    model, history = trainer.model, trainer.history
    generator = random_generator([seed, Stream.PICTURES], model.device)
    if history:
        weighted = {"kl": "Reconstruction − bound"} if is_importance_weighted(trainer) else {}
        figures.learning_curves(history, out / "learning_curves.png", **weighted)
    some = data.test[:12]
    figures.reconstructions(
        to_numpy(model.as_pixels(some)),
        {
            "reconstructions: the mean of p(x|z) at the mean of q(z|x)": model.reconstruct_mean(
                some
            ),
            "reconstructions: z drawn from q(z|x), then x from p(x|z)": model.reconstruct_draw(
                some, generator
            ),
        },
        data.image_shape,
        out / "reconstructions.png",
    )
    figures.image_grid(
        model.sample_mean(100, generator),
        data.image_shape,
        out / "samples.png",
        title="New images: the mean of p(x|z) for z drawn from the prior",
    )
    if model.n_latent == 2:
        figures.manifold(lambda z: model.decode(z).mean, data.image_shape, out / "manifold.png")
        figures.latent_scatter(
            model.encode(data.test).mean, data.test_labels, out / "latent_space.png"
        )


if __name__ == "__main__":
    prepare_streams()
    sys.exit(main())
