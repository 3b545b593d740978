"""The exercises of exercises.py: inputs, a loss, and the arrays to differentiate it by."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from vae_np import VAE, BernoulliDecoder, GaussianEncoder, distributions, layers
from vae_np.distributions import Bernoulli, DiagonalGaussian, log_mean_exp, normalized_weights


@dataclass
class Exercise:
    """One derivative, or a few, to be written.

    Attributes
    ----------
    arguments : dict
        What the learner's function is called with.
    loss : callable
        A number, from the arrays as they stand.
    answers : dict of str to array
        What is asked for, by name, and the array that each is the derivative with respect to.
    hint : str
        For an answer that is wrong.
    solution : tuple of callable
        Where the package has it, and what that calls.
    grads : dict of str to array
        Where the answers are written, if the function does not return them.
    """

    arguments: dict
    loss: Callable
    answers: dict
    hint: str
    solution: tuple
    grads: dict = field(default_factory=dict)


def make_exercises(rng, n=5, width=3, n_draws=4, hard=False):
    """The exercises by name, in their order, at random inputs; ``hard`` ones may overflow."""
    x, dy, mean, log_var = rng.standard_normal((4, n, width))
    upstream, pixels = rng.standard_normal(n), rng.random((n, width))
    noise, dz = rng.standard_normal((2, n_draws, n, width))
    weight, bias, dout = (rng.standard_normal(shape) for shape in ((width, 2), (2,), (n, 2)))
    logits, of_draws = rng.normal(0, 3, (2, n, width)), rng.standard_normal((2, n))
    offset = np.full(n, -1000.0)
    log_w = rng.standard_normal((n_draws, n))
    if hard:
        logits.flat[:2] = 40, -40
        offset = np.linspace(1000, -1000, n)
        log_w[0] -= 800
    log_w += offset
    y = np.tanh(x)

    def q():
        return DiagonalGaussian(mean, log_var)

    return {
        "tanh_backward": Exercise(
            {"y": y, "dy": dy},
            lambda: (np.tanh(x) * dy).sum(),
            {"dx": x},
            "∂y/∂x = 1 / cosh²(x) is a function of y; and the chain rule needs dy",
            (layers.Tanh.backward, layers.tanh_backward),
        ),
        "kl_backward": Exercise(
            {"mean": mean, "log_var": log_var, "upstream": upstream},
            lambda: (q().kl_to_standard_normal() * upstream).sum(),
            {"dmean": mean, "dlog_var": log_var},
            "all terms stand behind the ½; log_var occurs twice, and σ² = exp(log_var)",
            (DiagonalGaussian.kl_backward, distributions.gaussian_kl_backward),
        ),
        "bernoulli_backward": Exercise(
            {"logits": logits, "x": pixels, "upstream": of_draws},
            lambda: (Bernoulli(logits).log_prob(pixels) * of_draws).sum(),
            {"dlogits": logits},
            "what is ∂ log(1 + exp(a)) / ∂a? More white than expected must raise the logit",
            (Bernoulli.log_prob_backward, distributions.bernoulli_log_prob_backward),
        ),
        "sample_backward": Exercise(
            {"log_var": log_var, "noise": noise, "dz": dz},
            lambda: (q().sample(noise) * dz).sum(),
            {"dmean": mean, "dlog_var": log_var},
            "σ = exp(½ log_var), so what is ∂σ/∂log_var? And the draws add up",
            (DiagonalGaussian.sample_backward, distributions.gaussian_sample_backward),
        ),
        "linear_backward": Exercise(
            {"x": x, "weight": weight, "dy": dout},
            lambda: ((x @ weight + bias) * dout).sum(),
            {"dx": x, "dweight": weight, "dbias": bias},
            "write ∂y[n, j]/∂W[i, j], and sum over all that W[i, j] does not know of",
            (layers.Linear.backward, layers.Linear.backward_to_input),
        ),
        "gaussian_backward": Exercise(
            {"mean": mean, "log_var": log_var, "x": x, "upstream": upstream},
            lambda: (q().log_prob(x) * upstream).sum(),
            {"dmean": mean, "dlog_var": log_var},
            "log_var occurs twice, in 1/σ² = exp(−log_var) and alone; a mean nearer x is better",
            (DiagonalGaussian.log_prob_backward,),
        ),
        "importance_weighted_backward": Exercise(
            {"log_w": log_w, "upstream": upstream},
            lambda: (log_mean_exp(log_w - offset) * upstream).sum(),  # constants less, to be exact
            {"dlog_w": log_w},
            "upstream times each draw's share of Σ w, a softmax along the first axis",
            (share_of_each_draw, normalized_weights),
        ),
        "elbo_backward": elbo_exercise(rng, n, 2 * width, n_draws - 1),
    }


def share_of_each_draw(log_w, upstream):
    return upstream * normalized_weights(log_w)


def elbo_exercise(rng, n, pixels, n_draws, hidden=8, n_latent=2):
    """A whole model, small enough to check every weight."""
    encoder = GaussianEncoder(pixels, [hidden], n_latent, dtype=np.float64)
    model = VAE(encoder, BernoulliDecoder(n_latent, [hidden], pixels, dtype=np.float64))
    for vector in model.parameters:
        vector.value[:] = 0.5 * rng.standard_normal(vector.value.shape)
    x, noise = rng.random((n, pixels)), rng.standard_normal((n_draws, n, n_latent))

    def parts(flat):  # those next to the loss first: their mistakes are in the others too
        return {
            f"{part} {name}": array
            for part, network in (("decoder", model.decoder), ("encoder", model.encoder))
            for name, array in network.parameters.views(getattr(network.parameters, flat)).items()
        }

    return Exercise(
        {"encoder": model.encoder, "decoder": model.decoder, "x": x, "noise": noise},
        lambda: -model.elbo(x, noise).value.mean(),
        parts("value"),
        "upstream is −1/(L N) for log p(x|z) and +1/N for the KL; q's mean and log_var are reached "
        "through z and from the KL, and the two add up",
        (VAE.elbo_and_gradient,),
        parts("grad"),
    )
