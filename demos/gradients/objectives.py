"""Checks of the other objectives, and of what finds p(z|x) without the encoder.

Where an objective's gradient is that of its value, the table says so in one line. Wake-sleep and
the score function climb something else, and the doubly reparameterized gradient is that of its
value on average only: what is differentiated there is written out.
"""

from demos.gradients.models import EXAMPLES, LATENTS, PIXELS, common, minibatch, model
from vae_np.backend import array_module
from vae_np.gradcheck import check_gradient, check_vectors
from vae_np.inference import hmc, per_image
from vae_np.networks import BernoulliDecoder, GaussianDecoder
from vae_np.objectives import (
    SGVB_A,
    DoublyReparameterized,
    FullBayes,
    ImportanceWeighted,
    ScoreFunction,
    WakeSleep,
)
from vae_np.objectives.sgvb_a import forward, log_weight
from vae_np.optimizers import Adam
from vae_np.parameters import ParameterVector
from vae_np.training.monte_carlo_em import MonteCarloEM


def sgvb_a(rng):
    yield from value_checks("SGVB-A", SGVB_A(model(rng)), rng)


def importance_weighted(rng):
    yield from value_checks("Importance-weighted", ImportanceWeighted(model(rng)), rng)


def doubly_reparameterized(rng):
    """φ's is that of Σ v² log w, with the shares v held and q's density that of a fixed q."""
    objective = DoublyReparameterized(vae := model(rng))
    x, noise = minibatch(objective, rng)
    fixed_q, z, p = forward(vae, x, noise)
    w = array_module(x).exp(log_weight(x, fixed_q, p, z))
    shares = w / w.sum(axis=0)

    def backward():
        objective.value_and_gradient(x, noise)

    def encoder_loss():
        z = vae.encoder.forward(x).sample(noise)
        log_w = log_weight(x, fixed_q, vae.decoder.forward(z), z)
        return -(shares**2 * log_w).sum(axis=0).mean()

    def decoder_loss():
        return -objective.value(x, noise).value.mean()

    phi, theta = vae.parameters
    name = "Doubly reparameterized: "
    yield from check_vectors({f"{name}encoder ": phi}, encoder_loss, backward)
    yield from check_vectors({f"{name}decoder ": theta}, decoder_loss, backward)


def full_bayes(rng):
    """q(θ) has a mean and a log-variance for each weight; each example bears 1/N of its KL."""
    objective = FullBayes(model(rng), n_training=50)
    yield from value_checks("Full Bayes", objective, rng, lambda: objective.weight_kl() / 50)


def value_checks(name, objective, rng, extra=lambda: 0.0):
    x, noise = minibatch(objective, rng)

    def loss():
        return -objective.value(x, noise).value.mean() + extra()

    vectors = {f"{name}: {part} ": vector for part, vector in objective.vectors.items()}
    yield from check_vectors(vectors, loss, lambda: objective.value_and_gradient(x, noise))


def score_function(rng):
    yield from score_function_checks("none", rng)


def score_function_with_baseline(rng):
    yield from score_function_checks("leave-one-out", rng)


def score_function_checks(baseline, rng):
    """φ's gradient is that of Σ signal · log q(z|x), with the draws z and their signal held."""
    objective = ScoreFunction(vae := model(rng), baseline)
    x, noise = minibatch(objective, rng)
    q = vae.encoder.forward(x)
    z = q.sample(noise)
    log_w = log_weight(x, q, vae.decoder.forward(z), z)
    signal = log_w - log_w[::-1] if baseline == "leave-one-out" else log_w  # of two draws

    def encoder_loss():
        return -(signal * vae.encoder.forward(x).log_prob(z)).mean()

    def decoder_loss():
        return -vae.decoder.forward(z).log_prob(x).mean()

    def backward():
        objective.value_and_gradient(x, noise)

    name = f"Score function, baseline {baseline}"
    phi, theta = vae.parameters
    yield from check_vectors({f"{name}: encoder ": phi}, encoder_loss, backward)
    yield from check_vectors({f"{name}: decoder ": theta}, decoder_loss, backward)


def wake_sleep(rng):
    """Awake, θ climbs log p(x|z) at the encoder's z; asleep, φ climbs log q(z|x) on a dream."""
    objective = WakeSleep(vae := model(rng))
    x, (noise, dream_z, dream_noise) = minibatch(objective, rng)
    z = vae.encoder.forward(x).sample(noise)
    dream_x = vae.decoder.forward(dream_z).sample(dream_noise)

    def backward():
        objective.value_and_gradient(x, (noise, dream_z, dream_noise))

    def wake():
        return -vae.decoder.forward(z).log_prob(x).mean()

    def sleep():
        return -vae.encoder.forward(dream_x).log_prob(dream_z).mean()

    phi, theta = vae.parameters
    yield from check_vectors({"Wake: decoder ": theta}, wake, backward)
    yield from check_vectors({"Sleep: encoder ": phi}, sleep, backward)


def monte_carlo_em(rng):
    """The M step, with the paper's weight prior: θ climbs log p(x, z) at z from the posterior."""
    decoder, (x, z) = gaussian_decoder(rng), images_and_codes(rng)
    em = MonteCarloEM(decoder, Adam([decoder.parameters]), x, weight_prior=True)
    theta = decoder.parameters

    def loss():
        prior = 0.5 * (theta.value**2).sum() / len(x)
        return -hmc.log_joint(decoder, x, z).mean() + prior

    yield from check_vectors({"Monte Carlo EM: ": theta}, loss, lambda: em.fill_gradient(x, z))


def hmc_force(rng):
    """What drives HMC: the slope of log p(x, z) in z, which is that of log p(z|x)."""
    bernoulli = BernoulliDecoder(LATENTS, [5], PIXELS, **common(rng))
    for name, decoder in (("Bernoulli", bernoulli), ("Gaussian", gaussian_decoder(rng))):
        x, z = images_and_codes(rng)
        yield check_gradient(
            f"HMC log p(x,z), {name} dz",
            lambda decoder=decoder, x=x, z=z: hmc.log_joint(decoder, x, z).sum(),
            z,
            hmc.log_joint_and_gradient(decoder, x, z)[1],
        )


def q_per_image(rng):
    decoder, (x, mean) = gaussian_decoder(rng), images_and_codes(rng)
    log_var, noise = rng.standard_normal(mean.shape), rng.standard_normal((2, *mean.shape))
    q = ParameterVector({"mean": mean, "log_var": log_var}, **common(rng))

    def elbo():
        return per_image.elbo_and_gradient(q, decoder, x, noise).value.sum()

    yield from check_vectors({"q of each image d": q}, lambda: -elbo(), elbo)


def gaussian_decoder(rng):
    return GaussianDecoder(LATENTS, [5], PIXELS, **common(rng))


def images_and_codes(rng):
    return rng.random((EXAMPLES, PIXELS)), rng.standard_normal((EXAMPLES, LATENTS))
