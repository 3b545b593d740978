"""The rows of gradient_check.py's table, from single layers up to whole models."""

import numpy as np

from vae_np import bounds
from vae_np.distributions import (
    Bernoulli,
    DiagonalGaussian,
    standard_normal_log_prob,
    standard_normal_log_prob_backward,
)
from vae_np.gradcheck import check_gradient
from vae_np.inference import hmc, per_image
from vae_np.layers import Linear, ParameterVector, ReLU, Sequential, Sigmoid, Softplus, Tanh
from vae_np.networks import (
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    initialized_parameters,
)
from vae_np.objectives import score_function
from vae_np.objectives.full_bayes import FullBayesVAE
from vae_np.objectives.monte_carlo_em import MonteCarloEM
from vae_np.objectives.wake_sleep import WakeSleepVAE
from vae_np.optimizers import Adam
from vae_np.vae import VAE


def all_checks(rng):
    """Yield a `GradientCheck` per tensor."""
    for group in (
        layer_checks,
        distribution_checks,
        bound_checks,
        network_checks,
        model_checks,
        inference_checks,
        learning_checks,
    ):
        yield from group(rng)


def layer_checks(rng):
    for shape, axes in (((5, 4), ""), ((3, 5, 4), " on (L, N, D)")):
        network = Sequential([Linear(4, 3)])
        parameters = initialized_parameters(network, "fan-in", 0, np.float64, "cpu")
        x = rng.standard_normal(shape)
        yield from chain_checks(f"Linear{axes}", network, parameters, x, rng)
    for layer in (Tanh(), ReLU(), Softplus(), Sigmoid()):
        x = rng.standard_normal((5, 4))
        x += 0.1 * np.sign(x)  # away from ReLU's corner, where there is no derivative
        yield from chain_checks(type(layer).__name__, layer, None, x, rng)
    network = Sequential([Linear(4, 6), Tanh(), Linear(6, 5), Softplus(), Linear(5, 3)])
    parameters = initialized_parameters(network, "fan-in", 0, np.float64, "cpu")
    yield from chain_checks("Sequential", network, parameters, rng.standard_normal((5, 4)), rng)


def distribution_checks(rng):
    mean, x = rng.standard_normal((2, 5, 4))
    noise, dz = rng.standard_normal((2, 3, 5, 4))
    upstream = rng.standard_normal(5)
    for what, log_var in (("", rng.standard_normal((5, 4))), (", one σ", np.array(0.3))):

        def q(log_var=log_var):
            return DiagonalGaussian(mean, log_var)

        cases = {
            "sample": (lambda: (q().sample(noise) * dz).sum(), q().sample_backward(noise, dz)),
            "log_prob": (
                lambda: (q().log_prob(x) * upstream).sum(),
                q().log_prob_backward(x, upstream),
            ),
            "KL": (
                lambda: (q().kl_to_standard_normal() * upstream).sum(),
                q().kl_backward(upstream),
            ),
        }
        for name, (f, (dmean, dlog_var)) in cases.items():
            yield check_gradient(f"DiagonalGaussian.{name}{what}: mean", f, mean, dmean)
            yield check_gradient(f"DiagonalGaussian.{name}{what}: log_var", f, log_var, dlog_var)
        yield check_gradient(
            f"DiagonalGaussian.log_prob{what}: value",
            cases["log_prob"][0],
            x,
            q().log_prob_backward_to_value(x, upstream),
        )
    yield check_gradient(
        "Prior log p(z): z",
        lambda: (standard_normal_log_prob(x) * upstream).sum(),
        x,
        standard_normal_log_prob_backward(x, upstream),
    )

    logits, pixels = 3 * rng.standard_normal((5, 4)), rng.random((5, 4))
    yield check_gradient(
        "Bernoulli.log_prob: logits",
        lambda: (Bernoulli(logits).log_prob(pixels) * upstream).sum(),
        logits,
        Bernoulli(logits).log_prob_backward(pixels, upstream)[0],
    )


def bound_checks(rng):
    """Each bound with L = 3 draws, z held fixed: its way through z is the models' to check."""
    mean, log_var = rng.standard_normal((2, 5, 3))
    z, logits = rng.standard_normal((3, 5, 3)), rng.standard_normal((3, 5, 4))
    x, upstream = rng.random((5, 4)), rng.standard_normal(5)
    q, p = DiagonalGaussian(mean, log_var), Bernoulli(logits)
    for name, (value, backward) in bounds.BOUNDS.items():
        kl_weight = 0.7 if name == "sgvb-b" else 1
        more = {"kl_weight": kl_weight} if name == "sgvb-b" else {}

        def f(value=value, kl_weight=kl_weight):
            bound = value(x, DiagonalGaussian(mean, log_var), Bernoulli(logits), z)
            return ((bound.reconstruction - kl_weight * bound.kl) * upstream).sum()

        (dlogits,), (dmean, dlog_var), dz = backward(x, q, p, z, upstream, **more)
        yield check_gradient(f"Bound {name}: p's logits", f, logits, dlogits)
        yield check_gradient(f"Bound {name}: q's mean", f, mean, dmean)
        yield check_gradient(f"Bound {name}: q's log_var", f, log_var, dlog_var)
        yield check_gradient(f"Bound {name}: z", f, z, dz + np.zeros_like(z))


def network_checks(rng):
    settings = {"dtype": np.float64, "activation": "softplus"}
    encoder = GaussianEncoder(6, [5], 3, **settings)
    yield from distribution_network_checks(
        "GaussianEncoder", encoder, rng.random((4, 6)), rng, input_gradient=False
    )
    z = rng.standard_normal((2, 4, 3))
    yield from distribution_network_checks(
        "BernoulliDecoder", BernoulliDecoder(3, [5], 6, **settings), z, rng
    )
    for noise, squash in (
        ("fixed", False),
        ("learned", False),
        ("per-output", False),
        ("per-output", True),
    ):
        decoder = GaussianDecoder(3, [5], 6, noise=noise, squash=squash, **settings)
        name = f"GaussianDecoder {noise}{', squashed' if squash else ''}"
        yield from distribution_network_checks(name, decoder, z, rng)


def model_checks(rng):
    settings = {"dtype": np.float64}
    bernoulli = BernoulliDecoder(3, [6, 5], 8, **settings)
    for name, decoder, activation, options, log_prior_scale in (
        ("VAE, Bernoulli", bernoulli, "tanh", {}, 0.0),
        ("VAE, SGVB-A", bernoulli, "tanh", {"bound": "sgvb-a"}, 0.0),
        ("VAE, importance-weighted", bernoulli, "tanh", {"bound": "importance-weighted"}, 0.0),
        (
            "VAE, Gaussian σ per output",
            GaussianDecoder(3, [5], 8, squash=True, activation="softplus", **settings),
            "softplus",
            {"kl_weight": 0.4},
            0.0,
        ),
        (
            "VAE, Gaussian one σ, MAP",
            GaussianDecoder(3, [5], 8, noise="learned", **settings),
            "tanh",
            {},
            0.1,
        ),
    ):
        encoder = GaussianEncoder(8, [7, 6], 3, activation=activation, **settings)
        model = VAE(encoder, decoder, **options)
        x, noise = rng.random((4, 8)), rng.standard_normal((2, 4, 3))
        theta = decoder.parameters.value

        def loss(model=model, x=x, noise=noise, theta=theta, log_prior_scale=log_prior_scale):
            bound = model.bound(x, noise)
            objective = (bound.reconstruction - model.kl_weight * bound.kl).mean()
            return -objective + log_prior_scale * 0.5 * (theta**2).sum()

        model.bound_and_gradient(x, noise, log_prior_scale)
        for part, network in (("encoder", encoder), ("decoder", decoder)):
            yield from parameter_checks(f"{name}: {part}", network.parameters, loss)


def inference_checks(rng):
    settings = {"dtype": np.float64}
    encoder, decoder = (
        GaussianEncoder(6, [5], 3, **settings),
        BernoulliDecoder(3, [5], 6, **settings),
    )
    x, z, noise = rng.random((4, 6)), rng.standard_normal((2, 4, 3)), rng.standard_normal((2, 4, 3))
    _, gradient = hmc.log_joint_and_gradient(decoder, x, z)
    yield check_gradient(
        "HMC log p(x, z): z", lambda: hmc.log_joint(decoder, x, z).sum(), z, gradient
    )

    start = dict(zip(("mean", "log_var"), rng.standard_normal((2, 4, 3)), strict=True))
    variational = ParameterVector(start, np.float64)

    def loss():
        return -per_image.bound_and_gradient(variational, decoder, x, noise).value.sum()

    loss()
    yield from parameter_checks("Mean field q", variational, loss)

    # The score function's gradient is that of Σ signal · log q(z|x), with z and the signal held.
    for baseline in score_function.BASELINES:
        model = score_function.ScoreFunctionVAE(encoder, decoder, baseline)
        q = encoder.forward(x)
        z = q.sample(noise)
        log_w = bounds.log_weight(x, q, decoder.forward(z), z)
        signal = log_w - log_w[::-1] if baseline == "leave-one-out" else log_w  # of two draws

        def surrogate(z=z, signal=signal):
            return -(signal * encoder.forward(x).log_prob(z)).mean()

        model.bound_and_gradient(x, noise)
        yield from parameter_checks(f"Score function, {baseline}", encoder.parameters, surrogate)


def learning_checks(rng):
    settings = {"dtype": np.float64}
    encoder, x = GaussianEncoder(6, [5], 3, **settings), rng.random((4, 6))
    decoder = GaussianDecoder(3, [5], 6, **settings)

    model = WakeSleepVAE(encoder, decoder)
    noise, dream_z, dream_noise = model.draw_noise(rng, 2, 4)
    z = encoder.forward(x).sample(noise)
    dream_x = decoder.forward(dream_z).sample(dream_noise)
    model.bound_and_gradient(x, (noise, dream_z, dream_noise))
    yield from parameter_checks(
        "Wake: decoder", decoder.parameters, lambda: -decoder.forward(z).log_prob(x).mean()
    )
    yield from parameter_checks(
        "Sleep: encoder",
        encoder.parameters,
        lambda: -encoder.forward(dream_x).log_prob(dream_z).mean(),
    )

    em = MonteCarloEM(decoder, Adam([decoder.parameters]), x, weight_prior=True)
    z, theta = rng.standard_normal((4, 3)), decoder.parameters.value
    em.fill_gradient(x, z)
    yield from parameter_checks(
        "Monte Carlo EM",
        decoder.parameters,
        lambda: -hmc.log_joint(decoder, x, z).mean() + 0.5 * (theta**2).sum() / len(x),
    )

    model = FullBayesVAE(encoder, decoder, n_training=50)
    noise, weight_noise = model.draw_noise(rng, 2, 4)

    def loss():
        decoder.parameters.value[:] = model.weight_posterior.sample(weight_noise)
        return -model.bound(x, noise).value.mean() + model.weight_kl() / 50

    model.bound_and_gradient(x, (noise, weight_noise))
    yield from parameter_checks("Full Bayes: encoder", encoder.parameters, loss)
    yield from parameter_checks("Full Bayes: q(θ)", model.weight_parameters, loss)


def chain_checks(name, layer, parameters, x, rng):
    """Check dx and every parameter of something with forward(x) and backward(dy)."""
    dy = rng.standard_normal(layer.forward(x).shape)
    dx = layer.backward(dy)

    def f():
        return (layer.forward(x) * dy).sum()

    yield check_gradient(f"{name}: x", f, x, dx)
    if parameters:
        yield from parameter_checks(name, parameters, f)


def distribution_network_checks(name, network, x, rng, input_gradient=True):
    """Check a network through the parameters of the distribution that it returns."""

    def outputs():
        p = network.forward(x)
        return (p.logits,) if isinstance(p, Bernoulli) else (p.mean, p.log_var)

    upstream = [rng.standard_normal(np.shape(output)) for output in outputs()]

    def f():
        return sum((output * d).sum() for output, d in zip(outputs(), upstream, strict=True))

    dx = network.backward(*upstream)
    if input_gradient:
        yield check_gradient(f"{name}: z", f, x, dx)
    yield from parameter_checks(name, network.parameters, f)


def parameter_checks(name, parameters, f):
    values = parameters.views(parameters.value)
    grads = parameters.views(parameters.grad.copy())  # f may write new ones
    for part, value in values.items():
        yield check_gradient(f"{name} {part}", f, value, grads[part])
