"""The importance-weighted bound log (1/K Σ w_k) of K = L draws (1509.00519, equation 8).

Each draw of q counts by its weight w = p(x|z) p(z) / q(z|x). The bound's expectation rises with K,
from the ELBO at K = 1 to log p(x).
"""

from vae_np.checks import model_of, read_only
from vae_np.distributions import log_mean_exp, normalized_weights
from vae_np.objectives.sgvb_a import forward, log_ratio, log_weight_backward
from vae_np.vae import Bound


class ImportanceWeighted:
    """Climb the importance-weighted bound; see `vae_np.objectives` for what an objective has.

    What it reports as ``reconstruction`` is the average of log p(x|z) in which each draw counts by
    its share of Σ w; ``kl`` is what is left to the bound, and not the KL of q.

    Parameters
    ----------
    model : VAE
    """

    def __init__(self, model):
        self._model = model_of(model)
        self._vectors = {"encoder": model.encoder.parameters, "decoder": model.decoder.parameters}

    model, vectors = read_only("model vectors")

    def settings(self):
        return {"objective": "importance-weighted"}

    def draw_noise(self, generator, n_draws, n_examples):
        return self.model.draw_noise(generator, n_draws, n_examples)

    def value(self, x, noise):
        return bound_and_shares(*forward(self.model, x, noise), x)[0]

    def value_and_gradient(self, x, noise):
        """∂ log (1/K Σ w)/∂ log w_k = w_k / Σ w: the gradient of log w, by each draw's share."""
        q, z, p = forward(self.model, x, noise)
        bound, shares = bound_and_shares(q, z, p, x)
        log_weight_backward(self.model, x, noise, q, z, p, shares * (-1 / len(x)))
        return bound


def bound_and_shares(q, z, p, x):
    """The bound of each example, and each draw's share w_k / Σ w, (K, N)."""
    log_px_given_z = p.log_prob(x)
    log_w = log_px_given_z - log_ratio(q, z)
    shares = normalized_weights(log_w)
    reconstruction = (shares * log_px_given_z).sum(axis=0)
    return Bound(reconstruction, reconstruction - log_mean_exp(log_w)), shares
