"""SGVB-A, the paper's first estimator of the ELBO (eq. 6): no closed form, all terms by draws.

::

    ELBO = E_q[log w] with w = p(x|z) p(z) / q(z|x)

Averaging log w over L draws of q needs the densities alone, so that q and the prior may be any.
Its ``kl`` is an estimate too. Its gradient has more variance for that, above all while q is near
the prior; its value need not (``demos/questions/two_estimators.py``).
"""

from vae_np.backend import array_module
from vae_np.checks import minibatch, model_of, read_only
from vae_np.distributions import standard_normal_log_prob, standard_normal_log_prob_backward
from vae_np.vae import Bound


class SGVB_A:
    """Climb the ELBO by SGVB-A; see `vae_np.objectives` for what an objective has.

    Parameters
    ----------
    model : VAE
    """

    def __init__(self, model):
        self._model = model_of(model)
        self._vectors = {"encoder": model.encoder.parameters, "decoder": model.decoder.parameters}

    model, vectors = read_only("model vectors")

    def settings(self):
        return {"objective": "sgvb-a"}

    def draw_noise(self, generator, n_draws, n_examples):
        return self.model.draw_noise(generator, n_draws, n_examples)

    def value(self, x, noise):
        q, z, p = forward(self.model, x, noise)
        return Bound(reconstruction=p.log_prob(x).mean(axis=0), kl=log_ratio(q, z).mean(axis=0))

    def value_and_gradient(self, x, noise):
        q, z, p = forward(self.model, x, noise)
        log_px_given_z, ratio = p.log_prob(x), log_ratio(q, z)
        upstream = array_module(x).full_like(ratio, -1 / ratio.size)
        log_weight_backward(self.model, x, noise, q, z, p, upstream)
        return Bound(reconstruction=log_px_given_z.mean(axis=0), kl=ratio.mean(axis=0))


def forward(model, x, noise):
    """q(z|x), its draws z = μ + σ ⊙ noise (eq. 4), and p(x|z) there."""
    x, noise = minibatch(x, noise, model)
    q = model.encoder.forward(x)
    z = q.sample(noise)
    return q, z, model.decoder.forward(z)


def log_ratio(q, z):
    """log q(z|x) − log p(z), whose expectation under q is the KL; (L, N), nats."""
    return q.log_prob(z) - standard_normal_log_prob(z)


def log_weight(x, q, p, z):
    """log w = log p(x|z) + log p(z) − log q(z|x); (L, N), nats."""
    return p.log_prob(x) - log_ratio(q, z)


def log_weight_backward(model, x, noise, q, z, p, upstream):
    """Fill θ's and φ's gradient with that of log w, times ``upstream``, (L, N).

    z depends on μ and σ, and q's density does so directly too.
    """
    dz = log_weight_backward_to_draws(model, x, q, z, p, upstream)
    dmean, dlog_var = q.sample_backward(noise, dz)
    dmean_q, dlog_var_q = q.log_prob_backward(z, -upstream)
    model.encoder.backward(dmean + dmean_q, dlog_var + dlog_var_q)  # fills φ's


def log_weight_backward_to_draws(model, x, q, z, p, upstream):
    """Fill θ's gradient with that of log w, times ``upstream``, and return dz, (L, N, Z).

    log w depends on z in three places; q's density is that of a fixed q here.
    """
    dz = model.decoder.backward(*p.log_prob_backward(x, upstream))  # in p(x|z); fills θ's
    dz = dz + standard_normal_log_prob_backward(z, upstream)  # in p(z)
    dz += q.log_prob_backward_to_value(z, -upstream)  # in q(z|x)
    return dz
