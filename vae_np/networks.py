"""The encoder q_φ(z|x) and the decoders p_θ(x|z).

A network is not a distribution: it maps its input to the *parameters* of one. ``forward`` returns
that distribution; ``backward`` takes the derivatives of the loss with respect to the
distribution's parameters, in the same order, and fills the network's own gradient.
"""

import math
from itertools import pairwise

import numpy as np

from vae_np.backend import array_module, device_of, to_device, to_numpy
from vae_np.checks import positive_number, values_in, whole_number
from vae_np.distributions import Bernoulli, DiagonalGaussian
from vae_np.layers import Linear, ParameterVector, ReLU, Sequential, Sigmoid, Softplus, Tanh

ACTIVATIONS = {"tanh": Tanh, "relu": ReLU, "softplus": Softplus}
SQUARED_ERROR_STD = math.sqrt(0.5)  # log N(x; mean, ½) is −(x − mean)² plus a constant
NOISES = ("fixed", "learned", "per-output")


def mlp(widths, activation, input_gradient=True):
    """Build linear layers from each width to the next, with the activation between them."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
    layers = []
    for n_in, n_out in pairwise(widths):
        is_first = not layers
        layers += [Linear(n_in, n_out, input_gradient or not is_first), ACTIVATIONS[activation]()]
    return Sequential(layers[:-1])  # no activation at the end: a logit may be any number


def checked_widths(n_pixels, hidden, n_latent):
    """Return the three, as ints, or raise ValueError for one that is not a whole number ≥ 1."""
    if np.ndim(hidden) != 1:
        raise ValueError(f"hidden must be a list of widths such as [500], got {hidden!r}")
    hidden = [whole_number("each hidden width", width) for width in hidden]
    return whole_number("n_pixels", n_pixels), hidden, whole_number("n_latent", n_latent)


def initialized_parameters(network, init, seed, dtype, device, **more):
    """Draw a network's initial weights, join ``more`` parameters, and let the network use them."""
    try:
        generator = np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ValueError(
            f"seed must be a whole number ≥ 0, or a sequence of them, got {seed!r}"
        ) from None
    parameters = ParameterVector(network.initial_values(generator, init) | more, dtype, device)
    network.bind(parameters)
    return parameters


class _Network:
    """What the encoder and the decoders share: a deep copy computes with its own parameters."""

    def __setstate__(self, state):  # called by the copy module and by pickle
        self.__dict__.update(state)
        self._bind()

    def _bind(self):
        self.network.bind(self.parameters)


class GaussianEncoder(_Network):
    """q_φ(z|x) = N(z; mean(x), diag(σ²(x))) (the paper's eq. 9 and appendix C.2).

    Parameters
    ----------
    n_pixels : int
        Width D of the data.
    hidden : sequence of int
        Width of each hidden layer; the paper has one.
    n_latent : int
        Width Z of the latent space.
    activation : {"tanh", "relu", "softplus"}
    init : {"fan-in", "paper"}
        See `vae_np.layers.initial_weight`.
    seed : int
        For the initial weights.
    dtype : numpy.dtype
    device : {"cpu", "gpu"}

    Attributes
    ----------
    parameters : ParameterVector
        φ: all weights and biases.
    """

    def __init__(
        self,
        n_pixels,
        hidden,
        n_latent,
        activation="tanh",
        init="fan-in",
        seed=0,
        dtype=np.float32,
        device="cpu",
    ):
        n_pixels, hidden, n_latent = checked_widths(n_pixels, hidden, n_latent)
        self.n_pixels, self.n_latent = n_pixels, n_latent
        # The two heads, mean and log-variance, are one linear layer of width 2 Z.
        self.network = mlp([n_pixels, *hidden, 2 * n_latent], activation, input_gradient=False)
        self.parameters = initialized_parameters(self.network, init, seed, dtype, device)

    def __repr__(self):
        return f"GaussianEncoder({self.network})"

    def forward(self, x):
        """(N, D) data to q_φ(z|x), a `DiagonalGaussian` over (N, Z)."""
        heads = self.network.forward(x)
        return DiagonalGaussian(*_halves(heads))

    def backward(self, dmean, dlog_var):
        """Fill φ's gradient from the derivatives with respect to q's parameters."""
        self.network.backward(_joined(dmean, dlog_var))


class BernoulliDecoder(_Network):
    """p_θ(x|z) = Bernoulli(x; logits(z)) (appendix C.1).

    Parameters
    ----------
    n_latent, hidden, n_pixels, activation, init, seed, dtype, device
        As for `GaussianEncoder`, in the other direction.

    Attributes
    ----------
    parameters : ParameterVector
        θ: all weights and biases.
    """

    support = (0, 1)  # grey pixels too, see `Bernoulli.log_prob`

    def __init__(
        self,
        n_latent,
        hidden,
        n_pixels,
        activation="tanh",
        init="fan-in",
        seed=1,
        dtype=np.float32,
        device="cpu",
    ):
        n_pixels, hidden, n_latent = checked_widths(n_pixels, hidden, n_latent)
        self.n_pixels, self.n_latent = n_pixels, n_latent
        self.network = mlp([n_latent, *hidden, n_pixels], activation)
        self.parameters = initialized_parameters(self.network, init, seed, dtype, device)

    def __repr__(self):
        return f"BernoulliDecoder({self.network})"

    def forward(self, z):
        """(..., Z) latents to p_θ(x|z), a `Bernoulli` over (..., D)."""
        return Bernoulli(self.network.forward(z))

    def start_at(self, mean_image):
        """Set the output bias so that untrained, p_θ(x|z) has about this mean, (D,).

        Given the training set's mean, the latents need not learn what all images share. Without
        it they do, the codes drift off the prior, and many draws from the prior make no digit.
        ValueError if it has another shape or range.
        """
        bias = self.network.layers[-1].bias
        mean = _checked_mean(mean_image, self.n_pixels, self.support)
        bias[:] = to_device(_logit(mean), device_of(bias))

    def backward(self, dlogits):
        """Fill θ's gradient and return dz."""
        return self.network.backward(dlogits)

    def backward_to_input(self, dlogits):
        """Return dz alone; θ's gradient stays as it is."""
        return self.network.backward_to_input(dlogits)


class GaussianDecoder(_Network):
    """p_θ(x|z) = N(x; mean(z), diag(σ²)) (appendix C.2).

    Parameters
    ----------
    n_latent, hidden, n_pixels, activation, init, seed, dtype, device
        As for `GaussianEncoder`, in the other direction.
    noise : {"fixed", "learned", "per-output"}
        σ is ``std`` and stays so; or one number, learned, that starts at ``std``; or one number
        per output, from the network, as in the paper.
    std : float, optional
        Not for "per-output". The default 1/√2, if fixed, makes log p(x|z) minus the squared error
        plus a constant.
    squash : bool
        Squash the mean into (0, 1) by a sigmoid, as the paper does for Frey Face.

    Attributes
    ----------
    parameters : ParameterVector
        θ: all weights and biases, and log σ² too if ``noise`` is "learned".
    """

    support = (-math.inf, math.inf)

    def __init__(
        self,
        n_latent,
        hidden,
        n_pixels,
        noise="per-output",
        std=None,
        squash=False,
        activation="tanh",
        init="fan-in",
        seed=1,
        dtype=np.float32,
        device="cpu",
    ):
        if noise not in NOISES:
            raise ValueError(f"noise must be one of {', '.join(NOISES)}, got {noise!r}")
        if noise == "per-output" and std is not None:
            raise ValueError(
                'std is for noise "fixed" or "learned"; "per-output" has the network\'s'
            )
        std = positive_number("std", SQUARED_ERROR_STD if std is None else std)
        n_pixels, hidden, n_latent = checked_widths(n_pixels, hidden, n_latent)
        self.n_pixels, self.n_latent, self.noise = n_pixels, n_latent, noise
        outputs = 2 * n_pixels if noise == "per-output" else n_pixels
        self.network = mlp([n_latent, *hidden, outputs], activation)
        self.squashing = Sigmoid() if squash else None

        log_var = np.array(2 * math.log(std), dtype)
        self.log_var = to_device(log_var, device) if noise == "fixed" else None
        learned = {"log_var": log_var} if noise == "learned" else {}
        self.parameters = initialized_parameters(self.network, init, seed, dtype, device, **learned)
        self._bind()

    def _bind(self):
        super()._bind()
        if self.noise == "learned":
            self.log_var = self.parameters.views(self.parameters.value)["log_var"]
            self.dlog_var = self.parameters.views(self.parameters.grad)["log_var"]

    def __repr__(self):
        squashed = ", mean squashed" if self.squashing else ""
        std = ""
        if self.noise == "fixed":
            std = f" at σ {math.exp(0.5 * to_numpy(self.log_var)):.4g}"
        return f"GaussianDecoder({self.network}; noise {self.noise}{std}{squashed})"

    def forward(self, z):
        """(..., Z) latents to p_θ(x|z), a `DiagonalGaussian` over (..., D)."""
        outputs = self.network.forward(z)
        mean, log_var = _halves(outputs) if self.noise == "per-output" else (outputs, self.log_var)
        if self.squashing:
            mean = self.squashing.forward(mean)
        return DiagonalGaussian(mean, log_var)

    def start_at(self, mean_image):
        """As `BernoulliDecoder.start_at`."""
        mean = _checked_mean(mean_image, self.n_pixels, (0, 1) if self.squashing else self.support)
        bias = self.network.layers[-1].bias[: self.n_pixels]
        bias[:] = to_device(_logit(mean) if self.squashing else mean, device_of(bias))

    def backward(self, dmean, dlog_var):
        """Fill θ's gradient and return dz."""
        if self.noise == "learned":
            self.dlog_var[...] = dlog_var
        return self.network.backward(self._doutputs(dmean, dlog_var))

    def backward_to_input(self, dmean, dlog_var):
        """Return dz alone; θ's gradient stays as it is."""
        return self.network.backward_to_input(self._doutputs(dmean, dlog_var))

    def _doutputs(self, dmean, dlog_var):
        if self.squashing:
            dmean = self.squashing.backward(dmean)
        return _joined(dmean, dlog_var) if self.noise == "per-output" else dmean


def _halves(outputs):
    """Cut the last axis in two."""
    width = outputs.shape[-1] // 2
    return outputs[..., :width], outputs[..., width:]


def _joined(left, right):
    """Undo `_halves`."""
    return array_module(left).concatenate([left, right], axis=-1)


def _checked_mean(mean_image, n_pixels, support):
    mean_image = to_numpy(mean_image)
    if mean_image.shape != (n_pixels,):
        raise ValueError(f"mean_image must have shape ({n_pixels},), got {mean_image.shape}")
    values_in("mean_image", mean_image, support)
    return mean_image


def _logit(mean_image):
    """The inverse of the sigmoid; no pixel starts out as certain."""
    p = np.clip(mean_image, 0.001, 0.999)
    return np.log(p / (1 - p))
