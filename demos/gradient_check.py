"""Prove every hand-written gradient: compare it with finite differences, in float64.

Each row is one tensor of derivatives. Its relative error is ‖analytic − numeric‖ / (‖analytic‖ +
‖numeric‖). A right formula leaves about 1e-11, which is rounding; a wrong sign leaves 1, a dropped
½ leaves ⅓. --break plants such an error, so that you can see the checks catch it.
"""

import argparse
import json
import signal
import sys
from dataclasses import asdict
from unittest.mock import patch

import numpy as np

from vae_np import vae
from vae_np.bounds import sgvb_b
from vae_np.distributions import Bernoulli, DiagonalGaussian
from vae_np.gradcheck import TOLERANCE, check_gradient
from vae_np.layers import Linear, ReLU, Sequential, Sigmoid, Softplus, Tanh
from vae_np.networks import (
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    initialized_parameters,
)

# Where each planted error goes, and what it makes of the right derivative.
BREAKS = {
    "linear": (Linear, "backward", "dx with the wrong sign", lambda dx: dx if dx is None else -dx),
    "tanh": (Tanh, "backward", "dx with the wrong sign", lambda dx: -dx),
    "relu": (ReLU, "backward", "dx with the wrong sign", lambda dx: -dx),
    "softplus": (Softplus, "backward", "dx with the wrong sign", lambda dx: -dx),
    "sigmoid": (Sigmoid, "backward", "dx with the wrong sign", lambda dx: -dx),
    "reparameterization": (
        DiagonalGaussian,
        "sample_backward",
        "dlog_var without its ½",
        lambda d: (d[0], 2 * d[1]),
    ),
    "gaussian-log-prob": (
        DiagonalGaussian,
        "log_prob_backward",
        "dlog_var without its ½",
        lambda d: (d[0], 2 * d[1]),
    ),
    "bernoulli-log-prob": (
        Bernoulli,
        "log_prob_backward",
        "dlogits with the wrong sign",
        lambda d: (-d[0],),
    ),
    "kl": (DiagonalGaussian, "kl_backward", "dlog_var without its ½", lambda d: (d[0], 2 * d[1])),
    "sgvb-b": (
        vae,
        "sgvb_b_backward",
        "the KL added instead of subtracted",
        lambda d: (d[0], tuple(-x for x in d[1])),
    ),
}


def main(argv=None):
    args = make_parser().parse_args(argv)
    if args.broken:
        owner, name, error, change = BREAKS[args.broken]
        right = getattr(owner, name)
        print(f"Planted in {owner.__name__}.{name}: {error}.\n")
        with patch.object(owner, name, lambda *values: change(right(*values))):
            rows = list(all_checks(np.random.default_rng(args.seed)))
    else:
        rows = list(all_checks(np.random.default_rng(args.seed)))

    width = max(len(row.name) for row in rows)
    print(f"{'derivative of':<{width}}  {'numbers':>7}  {'relative error':>14}")
    for row in rows:
        print(
            f"{row.name:<{width}}  {row.derivatives:7}  {row.relative_error:14.1e}  "
            f"{'pass' if row.passed else 'FAIL'}"
        )
    failed = [row.name for row in rows if not row.passed]
    derivatives = sum(row.derivatives for row in rows)
    print(
        f"\n{len(rows)} tensors, {derivatives:,} derivatives: {len(rows) - len(failed)} pass "
        f"(relative error below {TOLERANCE:g}), {len(failed)} fail"
        + "".join(f"\n  FAIL {name}" for name in failed)
    )
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump([asdict(row) for row in rows], file, indent=1)
    return 1 if failed else 0


def all_checks(rng):
    """Yield a `GradientCheck` per tensor, from single layers up to whole models."""
    checks = (layer_checks, distribution_checks, bound_checks, network_checks, model_checks)
    for group in checks:
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

    logits, pixels = 3 * rng.standard_normal((5, 4)), rng.random((5, 4))
    yield check_gradient(
        "Bernoulli.log_prob: logits",
        lambda: (Bernoulli(logits).log_prob(pixels) * upstream).sum(),
        logits,
        Bernoulli(logits).log_prob_backward(pixels, upstream)[0],
    )


def bound_checks(rng):
    q_mean, q_log_var = rng.standard_normal((2, 5, 3))
    logits, x, upstream = rng.standard_normal((2, 5, 4)), rng.random((5, 4)), rng.standard_normal(5)
    kl_weight = 0.7

    def f():
        bound = sgvb_b(x, DiagonalGaussian(q_mean, q_log_var), Bernoulli(logits))
        return ((bound.reconstruction - kl_weight * bound.kl) * upstream).sum()

    q, p = DiagonalGaussian(q_mean, q_log_var), Bernoulli(logits)
    (dlogits,), (dmean, dlog_var) = vae.sgvb_b_backward(x, q, p, upstream, kl_weight)
    yield check_gradient("SGVB-B: p's logits", f, logits, dlogits)
    yield check_gradient("SGVB-B: q's mean", f, q_mean, dmean)
    yield check_gradient("SGVB-B: q's log_var", f, q_log_var, dlog_var)


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
    for name, decoder, activation, kl_weight, log_prior_scale in (
        ("VAE, Bernoulli", BernoulliDecoder(3, [6, 5], 8, **settings), "tanh", 1.0, 0.0),
        (
            "VAE, Gaussian σ per output",
            GaussianDecoder(3, [5], 8, squash=True, activation="softplus", **settings),
            "softplus",
            0.4,
            0.0,
        ),
        (
            "VAE, Gaussian one σ, MAP",
            GaussianDecoder(3, [5], 8, noise="learned", **settings),
            "tanh",
            1.0,
            0.1,
        ),
    ):
        encoder = GaussianEncoder(8, [7, 6], 3, activation=activation, **settings)
        model = vae.VAE(encoder, decoder, kl_weight)
        x, noise = rng.random((4, 8)), rng.standard_normal((2, 4, 3))
        theta = decoder.parameters.value

        def loss(model=model, x=x, noise=noise, theta=theta, log_prior_scale=log_prior_scale):
            bound = model.bound(x, noise)
            objective = (bound.reconstruction - model.kl_weight * bound.kl).mean()
            return -objective + log_prior_scale * 0.5 * (theta**2).sum()

        model.bound_and_gradient(x, noise, log_prior_scale)
        for part, network in (("encoder", encoder), ("decoder", decoder)):
            yield from parameter_checks(f"{name}: {part}", network.parameters, loss)


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
    values, grads = parameters.views(parameters.value), parameters.views(parameters.grad)
    for part, value in values.items():
        yield check_gradient(f"{name} {part}", f, value, grads[part])


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--break",
        dest="broken",
        choices=list(BREAKS),
        metavar="NAME",
        help="plant an error in this derivative: " + ", ".join(BREAKS),
    )
    parser.add_argument("--json", metavar="FILE", help="write the table there as well")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="for the random inputs (default: 0)"
    )
    return parser


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal that cannot write ½ shows a "?"
    sys.exit(main())
