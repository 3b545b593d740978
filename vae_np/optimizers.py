"""Optimizers: from a gradient to a step. All update a `ParameterVector` in place."""

import math

from vae_np import fused
from vae_np.backend import in_one_pass, on_a_cache_line
from vae_np.checks import Checked, number_from_0, positive_number, read_only, whole_number


class Optimizer:
    """What the optimizers share: the vectors to update, the step size and the state.

    Parameters
    ----------
    vectors : list of ParameterVector
        `VAE.parameters`: φ and θ.
    learning_rate : float, optional
        The class's ``default_learning_rate`` where it is left out.

    Attributes
    ----------
    state : list of list of arrays
        For each vector, ``n_state_arrays`` running sums of its size: what a checkpoint must hold.
    steps : int
        How many steps have been taken.
    """

    default_learning_rate = 0.01
    n_state_arrays = 0
    numbers = ()  # the names of its other ones
    loop = None  # its `update` over one number after the other, in `vae_np.fused`
    learning_rate, steps = Checked(positive_number), Checked(whole_number, 0)
    vectors, state = read_only("vectors state")

    def __init__(self, vectors, learning_rate=None):
        if learning_rate is None:
            learning_rate = self.default_learning_rate
        self.learning_rate = learning_rate
        if not isinstance(vectors, list | tuple) or not all(hasattr(v, "grad") for v in vectors):
            raise ValueError(f"vectors must be a list such as a VAE's parameters, got {vectors!r}")
        if len({id(vector) for vector in vectors}) < len(vectors):
            raise ValueError("vectors must hold each ParameterVector once: one stands there twice")
        self._vectors, self.steps = tuple(vectors), 0
        self._state = [
            [on_a_cache_line(0 * vector.value) for _ in range(self.n_state_arrays)]
            for vector in vectors
        ]

    def settings(self):
        """Its name and its numbers but the learning rate, part of a checkpoint's identity."""
        numbers = {name: float(getattr(self, name)) for name in self.numbers}
        return {"optimizer": type(self).__name__, **numbers}

    def rates(self):
        """The numbers of `update` that change from step to step, or from epoch to epoch."""
        return (self.learning_rate,)

    def step(self):
        """Update every vector from its gradient."""
        self.steps += 1
        for vector, state in zip(self.vectors, self.state, strict=True):
            for part in fused.parts(self.loop, vector.value):
                self.update(vector.value[part], vector.grad[part], *(a[part] for a in state))


class SGD(Optimizer):
    """θ ← θ − η g."""

    default_learning_rate = 0.001

    def update(self, value, grad):
        sgd(value, grad, *self.rates())


class Adagrad(Optimizer):
    """θ ← θ − η g / (√(Σ g²) + ε) (Duchi et al. 2011); the paper's η are {0.01, 0.02, 0.1}."""

    default_learning_rate = 0.02
    n_state_arrays = 1
    numbers = ("epsilon",)
    epsilon = Checked(positive_number, default=1e-8)
    loop = staticmethod(fused.adagrad)

    def update(self, value, grad, sum_of_squares):
        update = fused.one_pass(self.loop, value) or adagrad  # the same, compiled
        update(value, grad, sum_of_squares, self.epsilon, *self.rates())


class Adam(Optimizer):
    """θ ← θ − η m̂ / (√v̂ + ε), with running means m̂ of g and v̂ of g² (1412.6980, Algorithm 1).

    With m = Σ β₁ᵏ g and v = Σ β₂ᵏ g² over the steps so far (k = 0 is the newest), the means are
    m̂ = m (1 − β₁)/(1 − β₁ᵗ) and v̂ = v (1 − β₂)/(1 − β₂ᵗ) after t steps.
    """

    default_learning_rate = 0.001
    n_state_arrays = 2
    numbers = ("beta1", "beta2", "epsilon")
    beta1 = Checked(number_from_0, 1, default=0.9)
    beta2 = Checked(number_from_0, 1, default=0.999)
    epsilon = Checked(positive_number, default=1e-8)
    loop = staticmethod(fused.adam)

    def rates(self):
        """ε and η as they stand in η m̂ / (√v̂ + ε) once the scales of m̂ and v̂ are taken out."""
        beta1, beta2, t = self.beta1, self.beta2, self.steps
        m_scale = (1 - beta1) / (1 - beta1**t)
        root_v_scale = math.sqrt((1 - beta2) / (1 - beta2**t))
        return self.epsilon / root_v_scale, self.learning_rate * m_scale / root_v_scale

    def update(self, value, grad, m, v):
        update = fused.one_pass(self.loop, value) or adam  # the same, compiled
        update(value, grad, m, v, self.beta1, self.beta2, *self.rates())


# The updates, in place: with temporary arrays Adam takes 1.5 times as long.


@in_one_pass
def sgd(xp, value, grad, rate):
    """θ ← θ − η g."""
    value -= rate * grad


@in_one_pass
def adagrad(xp, value, grad, sum_of_squares, epsilon, rate):
    """θ ← θ − η g / (√(Σ g²) + ε)."""
    change = grad * grad
    sum_of_squares += change
    xp.sqrt(sum_of_squares, out=change)
    change += epsilon
    xp.divide(grad, change, out=change)
    change *= rate
    value -= change


@in_one_pass
def adam(xp, value, grad, m, v, beta1, beta2, epsilon, rate):
    """m ← β₁ m + g and v ← β₂ v + g²; θ ← θ − η m / (√v + ε), with `Adam.rates` for η and ε."""
    m *= beta1
    m += grad
    v *= beta2
    change = grad * grad
    v += change
    xp.sqrt(v, out=change)
    change += epsilon
    xp.divide(m, change, out=change)
    change *= rate
    value -= change


OPTIMIZERS = {"sgd": SGD, "adagrad": Adagrad, "adam": Adam}
