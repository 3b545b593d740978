"""Lower bounds on log p(x), per example and in nats, and their gradients.

The noise that made z = q.sample(noise) came from the caller, so the same noise gives the same bound
on every device, and finite differences of a bound are exact.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Bound:
    """A lower bound on log p(x), split as reconstruction − KL.

    Attributes
    ----------
    reconstruction : (N,) array
        E_q[log p(x|z)], estimated; nats.
    kl : (N,) array
        KL(q(z|x) ‖ p(z)); nats.
    """

    reconstruction: np.ndarray
    kl: np.ndarray

    @property
    def value(self):
        """The bound itself; (N,), nats."""
        return self.reconstruction - self.kl


def sgvb_b(x, q, p):
    """SGVB-B (eq. 7 and 10): the KL in closed form, the reconstruction averaged over L draws.

    Parameters
    ----------
    x : (N, D) array
    q : DiagonalGaussian
        q(z|x), over (N, Z).
    p : distribution
        p(x|z) at z = q.sample(noise), over (L, N, D): one for each of the L draws.

    Returns
    -------
    Bound
    """
    return Bound(reconstruction=p.log_prob(x).mean(axis=0), kl=q.kl_to_standard_normal())


def sgvb_b_backward(x, q, p, upstream, kl_weight=1.0):
    """Derivatives of reconstruction − kl_weight · KL, times ``upstream``.

    Parameters
    ----------
    x, q, p
        As for `sgvb_b`.
    upstream : (N,) array
    kl_weight : float
        1 for the bound itself; 0 leaves an autoencoder; other values are the β of a β-VAE.

    Returns
    -------
    dp : tuple of arrays
        With respect to p's parameters.
    dq : tuple of arrays
        With respect to q's mean and log_var, through the KL alone: what reaches q through z is
        `DiagonalGaussian.sample_backward`'s to say.
    """
    n_draws = p.mean.shape[0]
    dp = p.log_prob_backward(x, upstream / n_draws)
    dq = q.kl_backward(-kl_weight * upstream)
    return dp, dq
