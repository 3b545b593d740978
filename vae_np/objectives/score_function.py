"""The score-function gradient (REINFORCE): learning φ without differentiating through z.

∇φ E_q[f(z)] = E_q[(f(z) − b) ∇φ log q(z|x)] for any f into which φ enters through z alone, and any
b that does not depend on that z, because E_q[∇φ log q] = 0. For that reason f may be log w too: φ
also stands in its −log q(z|x), but what that adds is −E_q[∇φ log q], which is 0. The score function
needs no derivative with respect to z, so that z may be discrete, and has far more variance than the
reparameterization gradient (section 2.2).
"""

from vae_np.backend import array_module
from vae_np.bounds import log_weight, sgvb_a
from vae_np.vae import VAE

BASELINES = ("none", "leave-one-out")


class ScoreFunctionVAE(VAE):
    """A `VAE` whose encoder learns from the score function. Its bound is SGVB-A.

    Parameters
    ----------
    encoder, decoder
        As for `VAE`.
    baseline : {"none", "leave-one-out"}
        What is subtracted from each draw's log w: nothing, or the mean of the image's other draws,
        which leaves the expectation and removes most of the variance. It needs L ≥ 2 draws.
    """

    def __init__(self, encoder, decoder, baseline="leave-one-out"):
        super().__init__(encoder, decoder, bound="sgvb-a")
        if baseline not in BASELINES:
            raise ValueError(f"baseline must be one of {', '.join(BASELINES)}, got {baseline!r}")
        self.baseline = baseline
        self.bound_name = f"sgvb-a by the score function, baseline {baseline}"

    def bound_and_gradient(self, x, noise, log_prior_scale=0.0):
        """As `VAE.bound_and_gradient`; θ's gradient is the same, φ's is the score function's."""
        self._check_step(x, noise)
        if self.baseline == "leave-one-out" and len(noise) < 2:
            raise ValueError('baseline "leave-one-out" needs noise of L ≥ 2 draws, got 1')
        q = self.encoder.forward(x)
        z = q.sample(noise)
        p = self.decoder.forward(z)
        log_w = log_weight(x, q, p, z)

        upstream = array_module(x).full(log_w.shape, -1 / log_w.size, x.dtype)
        self.decoder.backward(*p.log_prob_backward(x, upstream))  # θ: no draw depends on it
        signal = score_signal(log_w, self.baseline)
        self.encoder.backward(*q.log_prob_backward(z, upstream * signal))
        self.decoder.parameters.add_weight_prior(log_prior_scale)
        return sgvb_a(x, q, p, z)


def score_signal(log_w, baseline):
    """What ∇φ log q(z|x) of each draw is multiplied by: log w − b; (L, N)."""
    if baseline == "none":
        return log_w
    mean_of_others = (log_w.sum(axis=0) - log_w) / (len(log_w) - 1)
    return log_w - mean_of_others
