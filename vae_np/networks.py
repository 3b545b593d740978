"""The encoder q_φ(z|x) and the decoders p_θ(x|z).

A network is not a distribution: it maps its input to the *parameters* of one. ``forward`` returns
that distribution; ``backward`` takes the derivatives of the loss with respect to the
distribution's parameters, in the same order, and fills the network's own gradient.
"""

import math

import numpy as np

from vae_np import checks
from vae_np.backend import array_module, device_of, to_device
from vae_np.checks import read_only
from vae_np.distributions import Bernoulli, DiagonalGaussian
from vae_np.initialization import built
from vae_np.layers import Linear, Sigmoid, backward_to_input

SQUARED_ERROR_STD = math.sqrt(0.5)  # log N(x; mean, ½) is −(x − mean)² plus a constant
NOISES = ("fixed", "learned", "per-output")


class GaussianEncoder:
    """q_φ(z|x) = N(z; μ(x), diag σ²(x)): the approximate posterior (eq. 9, appendix C.2).

    Parameters
    ----------
    n_pixels : int
        Width D of the data.
    hidden : sequence of int
        Width of each hidden layer; the paper has one.
    n_latent : int
        Width Z of the latent space.
    activation : {"tanh", "relu", "softplus"} or class
        Of the hidden layers. A class of your own is called without arguments, once a layer; see
        `vae_np.layers` for what it needs.
    init : {"fan-in", "paper"}
        See `vae_np.layers.Linear`.
    seed : int
        For the initial weights.
    dtype : numpy.dtype
    device : {"cpu", "gpu"}
    network : Sequential, optional
        Layers of your own from D to 2 Z numbers, the means before the log-variances, instead of
        ``hidden``, ``activation`` and ``init``: ``GaussianEncoder(784, n_latent=20, network=…)``.

    Attributes
    ----------
    parameters : ParameterVector
        φ: all weights and biases.

    Raises
    ------
    ValueError
        If an argument is out of range, or the layers do not fit or could not be trained.
    """

    def __init__(
        self,
        n_pixels,
        hidden=None,
        n_latent=None,
        activation="tanh",
        init="fan-in",
        seed=0,
        dtype=np.float32,
        device="cpu",
        network=None,
    ):
        self._n_pixels = checks.whole_number("n_pixels", n_pixels)
        self._n_latent = checks.whole_number("n_latent", n_latent)
        # The two heads, mean and log-variance, are one linear layer of width 2 Z.
        ends = self.n_pixels, 2 * self.n_latent
        self._network, self._parameters = built(
            network, ends, hidden, activation, init, seed, dtype, device, input_gradient=False
        )

    # `self.network` reads `self._network`, and cannot be set: it holds views of the parameters.
    n_pixels, n_latent, network, parameters = read_only("n_pixels n_latent network parameters")

    def __repr__(self):
        return f"{type(self).__name__}({self.network})"

    def forward(self, x):
        """(N, D) data to q_φ(z|x), a `DiagonalGaussian` over (N, Z)."""
        mean, log_var = _halves(self.network.forward(x))
        return DiagonalGaussian(mean, log_var)

    def backward(self, dmean, dlog_var):
        """Fill φ's gradient from the derivatives with respect to q's parameters."""
        self.network.backward(_joined(dmean, dlog_var))


class BernoulliDecoder:
    """p_θ(x|z) = Bernoulli(x; logits(z)): the likelihood of black and white pixels (appendix C.1).

    Parameters
    ----------
    n_latent, hidden, n_pixels, activation, init, seed, dtype, device, network
        As for `GaussianEncoder`, in the other direction: layers of your own lead from Z to D.

    Attributes
    ----------
    parameters : ParameterVector
        θ: all weights and biases.
    """

    support = (0, 1)  # grey pixels too, see `Bernoulli.log_prob`

    def __init__(
        self,
        n_latent,
        hidden=None,
        n_pixels=None,
        activation="tanh",
        init="fan-in",
        seed=1,
        dtype=np.float32,
        device="cpu",
        network=None,
    ):
        self._n_pixels = checks.whole_number("n_pixels", n_pixels)
        self._n_latent = checks.whole_number("n_latent", n_latent)
        ends = self.n_latent, self.n_pixels
        self._network, self._parameters = built(
            network, ends, hidden, activation, init, seed, dtype, device
        )

    n_pixels, n_latent, network, parameters = read_only("n_pixels n_latent network parameters")

    def __repr__(self):
        return f"{type(self).__name__}({self.network})"

    def forward(self, z):
        """(..., Z) latents to p_θ(x|z), a `Bernoulli` over (..., D)."""
        return Bernoulli(self.network.forward(z))

    def backward(self, dlogits):
        """Fill θ's gradient and return dz."""
        return self.network.backward(dlogits)

    def backward_to_input(self, dlogits):
        """Return dz alone, where θ is held."""
        return backward_to_input(self.network, dlogits)

    def start_at(self, mean_image):
        """Set the output bias so that untrained, p_θ(x|z) has about this mean, (D,).

        Given the training set's mean, the latents need not learn what all images share. Without
        it they do, the codes drift off the prior, and many draws from the prior make no digit.
        ValueError if it has another shape or range, or the network does not end in a `Linear`.
        """
        mean = checks.mean_of_images(mean_image, self.n_pixels, self.support)
        bias = _output_bias(self.network)
        bias[:] = to_device(_logit(mean), device_of(bias))


class GaussianDecoder:
    """p_θ(x|z) = N(x; μ(z), diag σ²): the likelihood of real-valued pixels (appendix C.2).

    Parameters
    ----------
    n_latent, hidden, n_pixels, activation, init, seed, dtype, device, network
        As for `BernoulliDecoder`; with "per-output" noise, layers of your own lead to 2 D numbers,
        the means before the log-variances.
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
        hidden=None,
        n_pixels=None,
        noise="per-output",
        std=None,
        squash=False,
        activation="tanh",
        init="fan-in",
        seed=1,
        dtype=np.float32,
        device="cpu",
        network=None,
    ):
        checks.one_of("noise", noise, NOISES)
        if noise == "per-output" and std is not None:
            raise ValueError('std is for noise "fixed" or "learned": "per-output" has its own')
        # Above 1e-18 σ⁻² is finite in float32.
        self._std = checks.positive_number("std", SQUARED_ERROR_STD if std is None else std, 1e-18)
        self._n_pixels = checks.whole_number("n_pixels", n_pixels)
        self._n_latent = checks.whole_number("n_latent", n_latent)
        self._noise = noise
        self._squashing = Sigmoid() if checks.true_or_false("squash", squash) else None

        log_var = np.array(2 * math.log(self._std))
        learned = {"log_var": log_var} if noise == "learned" else {}
        n_outputs = 2 * self.n_pixels if noise == "per-output" else self.n_pixels
        ends = self.n_latent, n_outputs
        self._network, self._parameters = built(
            network, ends, hidden, activation, init, seed, dtype, device, **learned
        )
        self._fixed_log_var = to_device(log_var.astype(self.parameters.value.dtype), device)

    n_pixels, n_latent, network, parameters = read_only("n_pixels n_latent network parameters")
    noise, squashing = read_only("noise squashing")

    def __repr__(self):
        fixed = f" at sigma {self._std!r}" if self.noise == "fixed" else ""  # a checkpoint's too
        squashed = ", mean squashed" if self.squashing else ""
        return f"{type(self).__name__}({self.network}; noise {self.noise}{fixed}{squashed})"

    @property
    def log_var(self):
        """log σ², shape (), where it is one number: fixed, or a view of θ."""
        if self.noise == "learned":
            return self.parameters.views(self.parameters.value)["log_var"]
        fixed = self._fixed_log_var
        return array_module(fixed).broadcast_to(fixed, ())  # NumPy's is read-only, as repr is

    def forward(self, z):
        """(..., Z) latents to p_θ(x|z), a `DiagonalGaussian` over (..., D)."""
        outputs = self.network.forward(z)
        mean, log_var = _halves(outputs) if self.noise == "per-output" else (outputs, self.log_var)
        if self.squashing:
            mean = self.squashing.forward(mean)
        return DiagonalGaussian(mean, log_var)

    def backward(self, dmean, dlog_var):
        """Fill θ's gradient and return dz."""
        if self.noise == "learned":
            self.parameters.views(self.parameters.grad)["log_var"][...] = dlog_var
        return self.network.backward(self._doutputs(dmean, dlog_var))

    def backward_to_input(self, dmean, dlog_var):
        """Return dz alone, where θ is held."""
        return backward_to_input(self.network, self._doutputs(dmean, dlog_var))

    def _doutputs(self, dmean, dlog_var):
        if self.squashing:
            dmean = self.squashing.backward(dmean)
        return _joined(dmean, dlog_var) if self.noise == "per-output" else dmean

    def start_at(self, mean_image):
        """As `BernoulliDecoder.start_at`."""
        support = (0, 1) if self.squashing else self.support
        mean = checks.mean_of_images(mean_image, self.n_pixels, support)
        bias = _output_bias(self.network)[: self.n_pixels]
        bias[:] = to_device(_logit(mean) if self.squashing else mean, device_of(bias))


def _halves(outputs):
    """Cut the last axis in two."""
    width = outputs.shape[-1] // 2
    return outputs[..., :width], outputs[..., width:]


def _joined(left, right):
    """Undo `_halves`."""
    return array_module(left).concatenate([left, right], axis=-1)


def _output_bias(network):
    last = network.layers[-1]
    if not isinstance(last, Linear):
        raise ValueError(f"start_at needs a Linear as the last layer, got {type(last).__name__}")
    return last.bias


def _logit(mean_image):
    """The inverse of the sigmoid; no pixel starts out as certain."""
    p = np.clip(mean_image, 0.001, 0.999)
    return np.log(p / (1 - p))
