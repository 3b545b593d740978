"""Other things to climb with the same two networks, under one contract.

An objective says how the two networks learn; the model does not know it. It has

- ``model``, and ``vectors``: what it learns, a dict of names and `ParameterVector`;
- ``settings()``: a dict of its name and numbers, part of a checkpoint's identity;
- ``draw_noise(generator, n_draws, n_examples)``: all the randomness of a step, an array or a tuple;
- ``value(x, noise)``: a `Bound`, nats per example;
- ``value_and_gradient(x, noise)``: the same, and the vectors' ``grad``, which it fills with that of
  minus the mean over the examples.

Monte Carlo EM has no encoder, and so is no objective: see `vae_np.training.monte_carlo_em`.
"""

from vae_np.objectives.doubly_reparameterized import DoublyReparameterized
from vae_np.objectives.elbo import ELBO
from vae_np.objectives.full_bayes import FullBayes
from vae_np.objectives.importance_weighted import ImportanceWeighted
from vae_np.objectives.score_function import ScoreFunction
from vae_np.objectives.sgvb_a import SGVB_A
from vae_np.objectives.wake_sleep import WakeSleep

__all__ = [
    "ELBO",
    "SGVB_A",
    "DoublyReparameterized",
    "FullBayes",
    "ImportanceWeighted",
    "ScoreFunction",
    "WakeSleep",
]
