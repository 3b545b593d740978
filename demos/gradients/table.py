"""The gradient table: all rows, from the lowest level of the stack to the highest.

Each level is built on those before it: where a row of a low level fails, rows of the higher ones
fail for it, by the chain rule.
"""

import numpy as np

from demos.gradients import distributions, layers, models, networks, objectives
from demos.gradients.row import Row

LEVELS = {
    "layers": (layers.linear, layers.activations, layers.your_own, layers.sequential),
    "distributions": (
        distributions.gaussian,
        distributions.gaussian_of_one_sigma,
        distributions.priors,
        distributions.bernoulli,
    ),
    "networks": (networks.encoder, networks.bernoulli_decoder, networks.gaussian_decoders),
    "the ELBO": (
        models.bernoulli,
        models.beta_vae,
        models.gaussian_of_one_sigma,
        models.your_own_layers,
    ),
    "other objectives": (
        objectives.sgvb_a,
        objectives.importance_weighted,
        objectives.doubly_reparameterized,
        objectives.score_function,
        objectives.wake_sleep,
        objectives.full_bayes,
        objectives.monte_carlo_em,
    ),
    "inference without an encoder": (objectives.hmc_force, objectives.q_per_image),
}


def table(seed=0):
    """The level and the `Row` of each tensor of derivatives, at random inputs; a list."""
    return [
        (level, row)
        for level, groups in LEVELS.items()
        for number, group in enumerate(groups)
        for row in rows_of(group, np.random.default_rng([seed, *level.encode(), number]))
    ]


def rows_of(group, rng):
    """A group's rows; if they cannot be made, one row that shows why, so that others are seen."""
    try:
        return list(group(rng))
    except Exception as error:

        def fail(error=error):
            raise error

        return [Row(group.__name__, fail, np.zeros(1), fail)]
