"""The importance-weighted bound, with a gradient of φ that more draws do not drown (1810.04152).

A draw's share v_k = w_k / Σ w weighs its gradient of log w_k, in which φ stands twice: in the draw
z_k itself, and in the density −log q_φ(z_k|x). What the density adds is noise, a score function::

    E[Σ v_k (−∇φ log q(z_k|x))] = −E[Σ (∂v_k/∂z_k) ∇φ z_k]         the reparameterization again
                                = −E[Σ (v_k − v_k²) (∂log w_k/∂z_k) ∇φ z_k]

The first line reads the score function's identity (`score_function`) backwards. Together with the
draw's own path, v_k (∂log w_k/∂z_k) ∇φ z_k, all that is left is::

    ∇φ = E[Σ v_k² (∂log w_k/∂z_k) ∇φ z_k]

The bound and θ's gradient stay as they are. Where q is the posterior, w does not depend on z, and
this gradient is 0 for every draw, not only on average. At K = 1 it climbs the ELBO (1703.09194).
"""

from vae_np.checks import model_of, read_only
from vae_np.objectives.importance_weighted import bound_and_shares
from vae_np.objectives.sgvb_a import forward, log_weight_backward_to_draws


class DoublyReparameterized:
    """Climb the importance-weighted bound; see `vae_np.objectives` for what an objective has.

    Its value is that of `ImportanceWeighted`, whose gradient it has on average: for a single noise
    φ's is not the derivative of the value.

    Parameters
    ----------
    model : VAE
    """

    def __init__(self, model):
        self._model = model_of(model)
        self._vectors = {"encoder": model.encoder.parameters, "decoder": model.decoder.parameters}

    model, vectors = read_only("model vectors")

    def settings(self):
        return {"objective": "doubly-reparameterized"}

    def draw_noise(self, generator, n_draws, n_examples):
        return self.model.draw_noise(generator, n_draws, n_examples)

    def value(self, x, noise):
        return bound_and_shares(*forward(self.model, x, noise), x)[0]

    def value_and_gradient(self, x, noise):
        q, z, p = forward(self.model, x, noise)
        bound, shares = bound_and_shares(q, z, p, x)
        dz = log_weight_backward_to_draws(self.model, x, q, z, p, shares * (-1 / len(x)))  # and θ's
        dz *= shares[..., None]  # v_k has become v_k²
        self.model.encoder.backward(*q.sample_backward(noise, dz))  # φ's, q's density held
        return bound
