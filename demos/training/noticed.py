"""What a person should know about a run of train.py before believing its numbers.

Each note is about what was looked at: whether reconstructions differ from image to image, and new
images from draw to draw. A cause is a guess, and says so.
"""

import numpy as np

from demos.common.models import active_latents
from vae_np.backend import Stream, random_generator, to_numpy
from vae_np.evaluation import evaluate_elbo
from vae_np.layers import ReLU
from vae_np.networks import GaussianDecoder

COLLAPSED = 0.1  # nats of KL, with all latents together
ALIKE = 0.02  # the spread of reconstructions, as a share of the images' own
CLIMBING = 0.005  # the last tenth's rise, as a share of what all epochs have gained,
LEAST_RISE = 0.05  # and in nats
LEAST_FALL = 0.5  # nats, from the best epoch to the last
SOME, DRAWS = 500, 10  # images that are looked at, and draws of the z of each


def what_it_noticed(trainer, data, to_go_on):
    """A list of str; ``to_go_on`` says how, to where the run still climbs."""
    model, notes = trainer.model, []
    values = [row["test_elbo"] for row in trainer.history]
    rise, epochs = last_rise(trainer.history)
    at_its_best = max(values[-epochs:]) == max(values)
    climbs = at_its_best and rise > max(LEAST_RISE, CLIMBING * (values[-1] - values[0]))
    alike = alike_images(trainer, data.test[:SOME], climbs or len(values) == 1)
    if alike:
        notes.append(alike)
    elif unused := unused_latents(model, data.test):
        notes.append(unused)
    if not at_its_best and (fallen := fall_since_the_best(trainer)):
        notes.append(fallen)
    if isinstance(model.decoder, GaussianDecoder):
        notes.append(
            "These pixels are real numbers, so p(x|z) and p(x) are densities: above 0 is no error, "
            "and the numbers compare only with those of the same pixels in the same units."
        )
    if climbs and not alike:
        notes.append(
            f"It still climbs: by {rise:.2g} nats on the test set over the last "
            f"{'epoch' if epochs == 1 else f'{epochs} epochs'}. {to_go_on}"
        )
    return notes


def spread(images):
    """By how much images differ from each other: a pixel's standard deviation, root mean square."""
    return float(np.sqrt(to_numpy(images).astype(np.float64).var(axis=0).mean()))


def alike_images(trainer, images, may_go_on):
    """That all reconstructions are alike, with what fits as a cause; "" where they differ.

    ``may_go_on`` says that the ELBO still climbs, or that one epoch does not tell.
    """
    model = trainer.model
    generator = random_generator([trainer.seed, Stream.PICTURES], model.device)
    drawn = spread(model.sample_mean(len(images), generator))
    seen, q = spread(model.reconstruct_mean(images)), model.encode(images)
    own = spread(model.as_pixels(images))
    if seen >= ALIKE * own or len(images) == 1:
        return ""
    kl = float(q.kl_to_standard_normal().mean())
    what = (
        f"All reconstructions are alike: from image to image a pixel varies by {seen:.1g} in them, "
        f"in new images by {drawn:.1g}, in the data by {own:.2g}. "
    )
    rate = largest_rate(trainer)
    small = rate < type(trainer.optimizer).default_learning_rate / 10
    if kl < COLLAPSED:
        never = all(row.get("test_kl", 0) < COLLAPSED for row in trainer.history)
        never &= getattr(trainer.objective, "kl_weight", 1) <= 1  # or that would be why
        begun = ""
        if never or may_go_on:
            larger = f", or a --learning-rate above {rate:g}" if small else ""
            begun = f" Or training has hardly begun: try more epochs first{larger}."
        return (
            f"Posterior collapse. {what}The KL is {kl:.3f} nats: q(z|x) is the prior whatever x "
            f"is, and z says nothing about x. See docs/symptoms.md for its causes.{begun}"
        )
    dead = dead_units(model, q, generator)
    if dead > 0.5:
        why = f"{dead:.0%} of the ReLU units of a layer are 0 for every image that was tried"
    elif drawn >= ALIKE * own:
        why = "the decoder uses z, but the codes of all images lead to nearly one picture"
    else:
        own_part = (
            "the decoder's mean" if isinstance(model.decoder, GaussianDecoder) else "the decoder"
        )
        why = f"{own_part} makes nothing of z"
    size, other = ("small", "above") if small and dead <= 0.5 else ("large", "below")
    guess = f"Perhaps the step was too {size}"
    if may_go_on and dead <= 0.5:
        guess = f"Perhaps it needs more epochs; if they do not help, the step may be too {size}"
    return (
        f"{what}The KL is {kl:.3g} nats all the same; {why}. {guess}: try a --learning-rate "
        f"{other} {rate:g}, or another seed."
    )


def largest_rate(trainer):
    """The largest learning rate that the run has had."""
    rates = [rate for epoch, rate in trainer.schedule or [] if epoch < trainer.epoch]
    return max(rates, default=trainer.optimizer.learning_rate)


def fall_since_the_best(trainer):
    """That the test set's ELBO was better before, and what the training set's did; or ""."""
    tests = [row["test_elbo"] for row in trainer.history]
    best = int(np.argmax(tests))
    fall = tests[best] - tests[-1]
    if fall < max(LEAST_FALL, CLIMBING * (tests[best] - tests[0])):
        return ""
    if getattr(trainer.objective, "kl_weight", 1) != 1:  # something else is climbed
        return ""
    then, trained = trainer.history[best]["train_elbo"], elbo_of_training_set(trainer)
    why = (
        "that is hardly overfitting. Perhaps the step is too large: try a --learning-rate below "
        f"{largest_rate(trainer):g}."
    )
    if trained > max(then, tests[best]):
        why = "the model overfits. See docs/symptoms.md."
        if getattr(trainer.model.decoder, "noise", "") == "per-output":
            why += " One sigma for all pixels, --noise learned, is safer."
    return (
        f"On the test set the best was {tests[best]:.6g} nats, after epoch {best + 1}; now it is "
        f"{tests[-1]:.6g}. On the training set it was {then:.6g} in that epoch and is "
        f"{trained:.6g} now: {why}"
    )


def elbo_of_training_set(trainer):
    """With the weights as they are: what the history has of an epoch is a running mean."""
    return evaluate_elbo(
        trainer.model,
        trainer.images,
        binary=trainer.binarize,
        n_draws=trainer.n_draws,
        seed=trainer.seed,
        objective=trainer.objective,
    ).value


def dead_units(model, q, generator):
    """The largest share of a layer's ReLU units that are 0 in every row of its latest forward.

    The encoder's is the one that gave q. The decoder gets one here, of some draws of each z: at the
    means alone, which may be nearly alike, units are 0 that a draw wakes.
    """
    model.decoder.forward(q.sample(model.draw_noise(generator, DRAWS, len(q.mean))))
    layers = [*model.encoder.network.layers, *model.decoder.network.layers]
    alive = [to_numpy(x.positive).any(axis=0).mean() for x in layers if isinstance(x, ReLU)]
    return float(1 - min(alive, default=1))


def unused_latents(model, images):
    """How many latents no image uses, and what they cost; "" where all are, or cannot be told."""
    if len(images) == 1:
        return ""
    q, active = model.encode(images), active_latents(model, images)
    each = q.mean**2 + q.variance - 1 - q.log_var  # twice each latent's KL
    cost, n = float((0.5 * to_numpy(each)[:, ~active]).sum(axis=1).mean()), int(active.sum())
    if n == model.n_latent:
        return ""
    rest = model.n_latent - n
    others = f"means of the other {rest} hardly differ"
    if rest == 1:
        others = "mean of the other one hardly differs"
    costs = "nothing" if cost < COLLAPSED else f"{cost:.2g} nats of KL"
    return (
        f"{n} of {model.n_latent} latents are in use: the {others} from image to image. That costs "
        f"{costs}; longer training may bring more into use."
    )


def last_rise(history):
    """By how much the test set's number has risen over the last tenth of the epochs; their count.

    From the mean of the tenth before to the mean of the last one.
    """
    epochs = max(1, len(history) // 10)
    values = [row["test_elbo"] for row in history[-2 * epochs :]]
    if len(values) < 2 * epochs:
        return 0.0, epochs
    return float(np.mean(values[epochs:]) - np.mean(values[:epochs])), epochs
