"""Eight derivatives of a VAE to write yourself, and to have graded.

Each function below says what goes forward; write what comes back, in place of its `raise`. Then

    python demos/exercises.py

compares what you return with finite differences, at two sets of numbers and sizes, says what a
wrong answer looks like, and how many are left. It reads this file and never changes it. Or write in
a copy, anywhere, and name it:

    python demos/exercises.py FILE

Where each answer stands in vae_np: python demos/exercises.py --solutions

In all of them, `dy` is the derivative of the loss with respect to y. It has y's shape; so has `dx`
x's. By the chain rule, dx = dy · ∂y/∂x. Where the result is one number per example, its derivative
is called `upstream`; `upstream[..., None]` lines it up with arrays that have one axis more at the
end. The first function is done, as an example.
"""

import sys

from demos.exercising.exercise_grader import main  # first: it says what is not installed

# isort: split
import numpy as np


def sigmoid_backward(y, dy):
    """y = 1 / (1 + exp(−x)), elementwise. Return dx.

    ∂y/∂x = exp(−x) / (1 + exp(−x))² = y (1 − y): y is all that one has to know of x.
    """
    return dy * y * (1 - y)


def tanh_backward(y, dy):
    """1. The activation: y = tanh(x), elementwise. Return dx.

    tanh = sinh / cosh, and cosh² − sinh² = 1. Again y says enough.
    """
    raise NotImplementedError("write dx")


def kl_backward(mean, log_var, upstream):
    """2. How far q is from the prior (appendix B): return dmean, dlog_var.

        kl = ½ Σ [mean² + σ² − 1 − log σ²],  with σ² = exp(log_var)

    The sum is over the last axis: mean and log_var are (N, Z), kl and upstream are (N,).
    """
    raise NotImplementedError("write dmean and dlog_var")


def bernoulli_backward(logits, x, upstream):
    """3. How well black-and-white pixels are explained (eq. 11): return dlogits.

        log_prob = Σ [x log y + (1 − x) log(1 − y)] = Σ [x a − log(1 + exp(a))]

    with the logits a and y = 1 / (1 + exp(−a)), the probability of white. Logits are (..., D),
    upstream is (...,), and x, (N, D), broadcasts.
    """
    raise NotImplementedError("write dlogits")


def sample_backward(log_var, noise, dz):
    """4. The reparameterization (eq. 4): return dmean, dlog_var.

        z = mean + σ ⊙ noise,  with σ = exp(½ log_var)

    Each example is drawn L times: noise and dz are (L, N, Z), mean and log_var are (N, Z). A number
    that is used L times collects L derivatives: they add up.
    """
    raise NotImplementedError("write dmean and dlog_var")


def linear_backward(x, weight, dy):
    """5. A linear layer: y = x W + b. Return dx, dweight, dbias.

    In numbers, y[n, j] = Σᵢ x[n, i] W[i, j] + b[j]: x is (N, I), W is (I, J), b is (J,). Each
    weight is used for all N examples. Shapes allow hardly any product but the right one.
    """
    raise NotImplementedError("write dx, dweight and dbias")


def gaussian_backward(mean, log_var, x, upstream):
    """6. How well grey pixels are explained (eq. 12): return dmean, dlog_var.

        log_prob = −½ Σ [(x − mean)² / σ² + log σ² + log 2π],  with σ² = exp(log_var)

    mean, log_var and x are (N, D), upstream is (N,).
    """
    raise NotImplementedError("write dmean and dlog_var")


def importance_weighted_backward(log_w, upstream):
    """7. The importance-weighted bound (1509.00519, equation 8): return dlog_w.

        bound = log (1/K Σₖ wₖ)

    log_w is (K, N), the sum is over the first axis; bound and upstream are (N,), and line up with
    it. log w may be −1000 or +1000, where exp(log_w) is 0 or infinite, and of one image far from
    that of another: what can be subtracted first?
    """
    raise NotImplementedError("write dlog_w")


def elbo_backward(encoder, decoder, x, noise):
    """8. The gradient of a VAE. The loss is −elbo, averaged over the N examples:

        elbo = (1/L) Σ log p(x|z) − KL(q(z|x) ‖ p(z))   (eq. 10), with L draws of z for each x

    The way forward is written out. Go back, with the functions above. On that way
    `decoder.backward(dlogits)` fills θ's gradient and returns dz, and
    `encoder.backward(dmean, dlog_var)` fills φ's; return nothing.
    """
    q = encoder.forward(x)  # q.mean and q.log_var are (N, Z)
    z = q.mean + np.exp(0.5 * q.log_var) * noise  # (L, N, Z)
    p = decoder.forward(z)  # p.logits is (L, N, D)
    raise NotImplementedError(f"write the way back from p.logits, {p.logits.shape}, to encoder")


if __name__ == "__main__":
    sys.exit(main(sys.modules[__name__]))
