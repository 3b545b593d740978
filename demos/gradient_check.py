"""Prove every hand-written gradient: compare it with finite differences, in float64.

Each row is one tensor of derivatives. Its relative error is ‖analytic − numeric‖ / (‖analytic‖ +
‖numeric‖). A right formula leaves about 1e-11, which is rounding; a wrong sign leaves 1, a dropped
½ leaves ⅓. --break plants such an error, so that you can see the checks catch it.
"""

import argparse
import json
import signal
import sys
from contextlib import nullcontext
from dataclasses import asdict
from unittest.mock import patch

import numpy as np

from demos.common.command_line import complain, prepare_streams
from demos.common.findings import natural
from demos.gradient_rows import all_checks
from vae_np import bounds
from vae_np.distributions import Bernoulli, DiagonalGaussian
from vae_np.gradcheck import TOLERANCE
from vae_np.inference import hmc
from vae_np.layers import Linear, ReLU, Sigmoid, Softplus, Tanh
from vae_np.objectives import score_function

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
        bounds.BOUNDS,
        "sgvb-b",
        "the KL added instead of subtracted",
        lambda d: (d[0], tuple(-x for x in d[1]), d[2]),
    ),
    "log-weight": (
        bounds,
        "log_weight_backward",
        "z's own place in p(z) and q(z|x) forgotten",
        lambda d: (d[0], d[1], 0 * d[2]),
    ),
    "importance-weighted": (
        bounds,
        "normalized_weights",
        "the normalized weights w_k / Σ w squared",
        lambda weights: weights**2,
    ),
    "log-joint": (
        hmc,
        "log_joint_and_gradient",
        "the gradient with the wrong sign",
        lambda d: (d[0], -d[1]),
    ),
    "score-function": (
        score_function,
        "score_signal",
        "the signal with the wrong sign",
        lambda signal: -signal,
    ),
}


def main(argv=None):
    args = make_parser().parse_args(argv)
    with planted(args.broken) if args.broken else nullcontext():
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
        try:
            with open(args.json, "w", encoding="utf-8") as file:
                json.dump([asdict(row) for row in rows], file, indent=1)
        except OSError as error:
            return complain("gradient_check.py", error)
    return 1 if failed else 0


def planted(name):
    """Say what is planted, and return the context in which it is."""
    owner, attribute, error, change = BREAKS[name]
    if isinstance(owner, dict):  # bounds: a value and its derivative by name
        value, right = owner[attribute]
        print(f"Planted in the derivative of the bound {attribute}: {error}.\n")
        wrong = {attribute: (value, lambda *inputs, **more: change(right(*inputs, **more)))}
        return patch.dict(owner, wrong)
    right = getattr(owner, attribute)
    print(f"Planted in {owner.__name__}.{attribute}: {error}.\n")
    return patch.object(owner, attribute, lambda *inputs: change(right(*inputs)))


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
        "--seed", type=natural, default=0, metavar="N", help="for the random inputs (default: 0)"
    )
    return parser


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
    prepare_streams()
    sys.exit(main())
