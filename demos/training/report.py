"""What train.py says and draws at its end: the numbers, the pictures, and what it has noticed."""

import csv
import io
import sys
import textwrap
from contextlib import suppress

from demos.common.command_line import FolderMoved, say, write_json
from demos.common.findings import WIDTH
from demos.common.machine import cores
from demos.training.noticed import largest_rate, what_it_noticed
from demos.training.run import CHECKPOINT, HISTORY, SUMMARY, resume_command, settings
from vae_np import figures
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.checkpoints import whole_file
from vae_np.evaluation import importance_sampled_log_likelihood
from vae_np.objectives import DoublyReparameterized, ImportanceWeighted
from vae_np.training.divergence import DivergenceError
from vae_np.training.threads import product_threads

LOG_LIKELIHOOD_SAMPLES = 100


def what_is_climbed(trainer):
    """The name of what the trainer's objective reports."""
    weighted = ImportanceWeighted, DoublyReparameterized
    return "bound" if isinstance(trainer.objective, weighted) else "ELBO"


def announce(trainer, data, args):
    """Say what is trained on what, and what the columns to come are."""
    model, name = trainer.model, what_is_climbed(trainer)
    say(
        f"{args.data}: {len(data.train):,} training and {len(data.test):,} test images of "
        f"{data.image_shape[0]} × {data.image_shape[1]} pixels\n"
        f"encoder q(z|x): {model.encoder}: {args.latent} means and log-variances\n"
        f"decoder p(x|z): {model.decoder}\n"
        + "".join(f"note: {note}\n" for note in [*data.notes, *too_many_threads(trainer)])
        + warming_up(args)
        + "\n"
        f"{'in nats per example':<20}{f'training {name} = reconstruction − KL':>40}"
        f"{f'test {name} = reconstruction − KL':>42}"
    )
    if name != "ELBO":
        say("(what stands for the KL is reconstruction − bound, which is not the KL of q here)")
    if name != "ELBO" and args.samples == 1:
        say("(of one draw this bound is the ELBO, as SGVB-A estimates it: add --samples 5, say)")


def warming_up(args):
    if not args.kl_warm_up:
        return ""
    epochs = f"{args.kl_warm_up} epochs" if args.kl_warm_up > 1 else "1 epoch"
    return (
        f"the KL's weight rises from 0 to {args.kl_weight:g} over {epochs}; the ELBO has it at 1\n"
    )


def too_many_threads(trainer):
    """A note where the threads outnumber the cores; a list of str."""
    if trainer.threads <= cores():
        return []
    return [f"--threads {trainer.threads} on {cores()} cores wait for each other: far slower"]


def interrupted(out, still_ours=lambda: None):
    rest = ""
    if out is not None and (out / CHECKPOINT).exists():
        with suppress(FolderMoved):
            still_ours()
            rest = f": {resume_command(out)} goes on from what was saved"
    say(f"\nInterrupted{rest}.", sys.stderr)
    return 130


def what_was_saved(out, still_ours):
    try:
        still_ours()
    except FolderMoved as error:
        return error
    saved = (out / CHECKPOINT).exists()
    return f"what was saved last is {out / CHECKPOINT}" if saved else "nothing was saved"


def report(trainer, data, args, out):
    """Estimate the test log p(x), print the result and write the summary."""
    try:
        with product_threads(trainer.threads):
            log_likelihood = importance_sampled_log_likelihood(
                trainer.model,
                data.test,
                LOG_LIKELIHOOD_SAMPLES,
                binary=args.binarize,
                progress=True,
            )
    except ValueError as error:  # q or p(x|z) is too narrow to be computed with
        raise DivergenceError(
            f"{error} Training has all but diverged; a learning rate below "
            f"{largest_rate(trainer):g} may help"
        ) from None
    last = trainer.history[-1]
    grey = "\n               (a grey pixel counts as the average over black and white ones)"
    if args.binarize or args.decoder == "gaussian":
        grey = ""
    to_go_on = (
        f"To go on:\n  {resume_command(out)} --epochs {2 * max(trainer.epoch, args.kl_warm_up)}"
    )
    with product_threads(trainer.threads):
        notes = what_it_noticed(trainer, data, to_go_on)
    if trainer.epoch < args.kl_warm_up:
        said = any(to_go_on in note for note in notes)
        notes.append(
            f"The warm-up of the KL's weight takes {args.kl_warm_up} epochs, and this run had "
            f"{trainer.epoch}." + f" {to_go_on}" * (not said)
        )
    summary = {
        "settings": settings(args),
        "epochs": trainer.epoch,
        "train_elbo": last["train_elbo"],
        "test_elbo": last["test_elbo"],
        "test_log_likelihood": log_likelihood.mean,
        "test_log_likelihood_standard_error": log_likelihood.mean_standard_error,
        "log_likelihood_samples": LOG_LIKELIHOOD_SAMPLES,
        "seconds": trainer.seconds,
        "threads": trainer.threads,
        "examples_per_second": trainer.epoch * len(trainer.images) / trainer.seconds,
        "notes": notes,
    }
    write_json(out / SUMMARY, summary)
    say(
        f"\n{f'test {what_is_climbed(trainer)}':<13}{summary['test_elbo']:12.2f} nats per example"
        f"\ntest log p(x) {summary['test_log_likelihood']:11.2f} nats per example, estimated by "
        f"importance sampling with {LOG_LIKELIHOOD_SAMPLES} samples per image{grey}"
        f"\ntraining      {summary['seconds']:11.1f} s, "
        f"{summary['examples_per_second']:,.0f} examples per second, "
        f"{trainer.threads} thread{'s' if trainer.threads > 1 else ''}"
    )
    for note in notes:
        sentence, *command = note.split("\n")
        say("\n".join(["", textwrap.fill(sentence, WIDTH), *command]))
    say(f"\nPictures, {SUMMARY}, {HISTORY} and {CHECKPOINT} are in {out}")


def draw_pictures(trainer, data, out, seed):
    model = trainer.model
    generator = random_generator([seed, Stream.PICTURES], model.device)
    if trainer.history:
        weighted = {} if what_is_climbed(trainer) == "ELBO" else {"kl": "Reconstruction − bound"}
        figures.learning_curves(trainer.history, out / "learning_curves.png", **weighted)
    some = data.test[:12]
    figures.reconstructions(
        to_numpy(model.as_pixels(some)),
        {
            "reconstructions: the mean of p(x|z) at the mean of q(z|x); a mean is smoother than "
            "any image": model.reconstruct_mean(some),
            "reconstructions: z drawn from q(z|x), then x from p(x|z); grainy, as each pixel is "
            "drawn by itself": model.reconstruct_draw(some, generator),
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


def write_history(history, path):
    if history:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=list(history[-1]))
        writer.writeheader()
        writer.writerows(history)
        with whole_file(path) as file:
            file.write(text.getvalue().encode())
