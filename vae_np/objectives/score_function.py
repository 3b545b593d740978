"""The score-function gradient (REINFORCE): learning φ without differentiating through z.

∇∫ q f dz = ∫ f ∇q dz, and ∇q = q ∇log q. So ∇φ E_q[f(z)] = E_q[(f(z) − b) ∇φ log q(z|x)] for any f
into which φ enters through z alone, and any b that does not depend on that z, because E_q[∇φ log q]
= 0. For that reason f may be log w too: φ also stands in its −log q(z|x), but what that adds is
−E_q[∇φ log q], which is 0. The score function needs no derivative with respect to z, so that z may
be discrete, and has far more variance than the reparameterization gradient (section 2.2).
"""

from vae_np.backend import array_module
from vae_np.checks import Checked, model_of, one_of, read_only
from vae_np.objectives.sgvb_a import forward, log_ratio
from vae_np.vae import Bound

BASELINES = ("none", "leave-one-out")


class ScoreFunction:
    """Climb SGVB-A by the score function; see `vae_np.objectives` for what an objective has.

    Parameters
    ----------
    model : VAE
    baseline : {"leave-one-out", "none"}
        b, which is subtracted from each draw's log w: the mean of the image's other draws, which
        leaves the expectation and removes most of the variance; or nothing. The first needs L ≥ 2
        draws: ValueError otherwise.
    """

    def __init__(self, model, baseline="leave-one-out"):
        self._model, self.baseline = model_of(model), baseline
        self._vectors = {"encoder": model.encoder.parameters, "decoder": model.decoder.parameters}

    model, vectors = read_only("model vectors")
    baseline = Checked(one_of, BASELINES)

    def settings(self):
        return {"objective": "score-function", "baseline": self.baseline}

    def draw_noise(self, generator, n_draws, n_examples):
        return self.model.draw_noise(generator, n_draws, n_examples)

    def value(self, x, noise):
        q, z, p = forward(self.model, x, noise)
        return Bound(reconstruction=p.log_prob(x).mean(axis=0), kl=log_ratio(q, z).mean(axis=0))

    def value_and_gradient(self, x, noise):
        q, z, p = forward(self.model, x, noise)
        log_px_given_z, ratio = p.log_prob(x), log_ratio(q, z)
        signal = score_signal(log_px_given_z - ratio, self.baseline)
        upstream = array_module(x).full_like(signal, -1 / signal.size)
        self.model.decoder.backward(*p.log_prob_backward(x, upstream))  # θ: no draw depends on it
        self.model.encoder.backward(*q.log_prob_backward(z, upstream * signal))  # φ, z held
        return Bound(reconstruction=log_px_given_z.mean(axis=0), kl=ratio.mean(axis=0))


def score_signal(log_w, baseline):
    """What ∇φ log q(z|x) of each draw is multiplied by: log w − b; (L, N)."""
    if baseline == "none":
        return log_w
    if len(log_w) < 2:
        raise ValueError('baseline "leave-one-out" needs noise of L >= 2 draws, got 1')
    mean_of_others = (log_w.sum(axis=0) - log_w) / (len(log_w) - 1)
    return log_w - mean_of_others
