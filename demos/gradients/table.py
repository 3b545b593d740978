"""The gradient table: all checks, from the lowest level of the stack to the highest.

Each level is built on those before it: where a check of a low level fails, those of the higher ones
fail for it, by the chain rule.
"""

from demos.gradients import distributions, full_size, layers, models, networks, objectives
from vae_np.backend import random_generator

LEVELS = {
    "layers": (layers.single, layers.sequential),
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
        objectives.score_function_with_baseline,
        objectives.wake_sleep,
        objectives.full_bayes,
        objectives.monte_carlo_em,
    ),
    "inference without an encoder": (objectives.hmc_force, objectives.q_per_image),
}


FULL_SIZE = {"the ELBO": (full_size.full_size,)}


def table(seed=0, levels=LEVELS, device="cpu"):
    """Yield the level and the `GradientCheck` of each tensor of derivatives, at random inputs.

    They are drawn on the device, where all is computed but the comparison.
    """
    for level, groups in levels.items():
        for number, group in enumerate(groups):
            for check in group(random_generator([seed, *level.encode(), number], device)):
                yield level, check
