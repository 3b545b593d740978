"""Networks of a reader's own: a `Sequential` that does more than to call its layers, and numbers
that are none."""

import numpy as np
import pytest

from vae_np import BernoulliDecoder, GaussianDecoder, GaussianEncoder
from vae_np.initialization import generator_of_weights
from vae_np.layers import Linear, Sequential, Tanh


class Dropout(Sequential):
    generator = np.random.default_rng(0)

    def forward(self, x):
        return super().forward(x * (self.generator.random(x.shape) < 0.5))


class BatchNorm(Sequential):
    def forward(self, x):
        return super().forward(x - x.mean(axis=0))


class WritesIntoX(Sequential):
    def forward(self, x):
        x -= 0.5
        return super().forward(x)


class Cuts(Sequential):
    def forward(self, x):
        return super().forward(x)[..., :-1]


class Halves:
    """It writes into its input."""

    def forward(self, x):
        x *= 0.5
        return x.copy()

    def backward(self, dy):
        return 0.5 * dy


class Residual(Sequential):
    """y = x + f(x); where ``scaled`` is set, times a factor whose gradient nobody writes."""

    def __init__(self, layers, scaled=False):
        super().__init__(layers)
        self.scaled, self.scale = scaled, 1.0

    def forward(self, x):
        return self.scale * (x + super().forward(x))

    def backward(self, dy):
        return self.scale * (dy + super().backward(dy))

    def initial_values(self, generator):
        own = {"scale": np.ones(())} if self.scaled else {}
        return super().initial_values(generator) | own

    def bind(self, value, grad):
        super().bind(value, grad)
        self.scale = value["scale"] if self.scaled else 1.0


class Doubles(Sequential):
    """dx of another shape."""

    def backward(self, dy):
        dx = super().backward(dy)
        return np.concatenate([dx, dx], axis=-1)


class Log:
    def forward(self, x):
        self.x = x
        with np.errstate(all="ignore"):
            return np.log(x)

    def backward(self, dy):
        return dy / self.x


class SquareRoot(Log):
    """Finite at 0, where its derivative is not."""

    def forward(self, x):
        self.y = np.sqrt(np.maximum(x, 0))
        return self.y

    def backward(self, dy):
        with np.errstate(all="ignore"):
            return dy / (2 * self.y)


class Undefined(Linear):
    def initial_values(self, generator):
        return {name: value * np.nan for name, value in super().initial_values(generator).items()}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Dropout, r"layer 0 \(Dropout\(.*\)\): forward must return the same for the same x"),
        (BatchNorm, r"layer 0 \(BatchNorm\(.*\)\): forward must treat each row by itself"),
        (WritesIntoX, r"layer 0 \(WritesIntoX\(.*\)\): forward fails on .* read-only"),
        (Cuts, r"network must lead from 6 to 4 numbers, got \(3,\)"),
        (Doubles, r"layer 0 \(Doubles\(.*\)\): backward must return shape \(5, 6\), got \(5, 12\)"),
    ],
)
def test_a_network_that_does_more_than_call_its_layers_is_tried_whole(kind, message):
    GaussianEncoder(6, n_latent=2, network=Sequential([Linear(6, 4)]))
    with pytest.raises(ValueError, match=message):
        GaussianEncoder(6, n_latent=2, network=kind([Linear(6, 4)]))


def test_the_layers_of_such_a_network_are_tried_one_by_one_as_well():
    """So that the one at fault is named."""
    BernoulliDecoder(4, n_pixels=4, network=Residual([Linear(4, 4), Tanh(), Linear(4, 4)]))
    with pytest.raises(ValueError, match=r"layer 1 \(Halves\): forward fails .* read-only"):
        BernoulliDecoder(4, n_pixels=4, network=Residual([Linear(4, 4), Halves()]))
    with pytest.raises(ValueError, match="must write all of the gradient of scale"):
        BernoulliDecoder(4, n_pixels=4, network=Residual([Linear(4, 4)], scaled=True))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Linear(6, 5), Log(), Linear(5, 4)], r"layer 1 \(Log\): forward makes NaN or infinity"),
        (
            [Linear(6, 5), SquareRoot(), Linear(5, 4)],
            r"1 \(SquareRoot\): backward makes NaN",
        ),
        (
            [Undefined(6, 4), Tanh()],
            r"0 \(Undefined\(6, 4.*\): forward makes NaN",
        ),
    ],
)
def test_a_layer_that_is_not_finite_is_named_and_no_other(layers, message):
    with pytest.raises(ValueError, match=message):
        GaussianEncoder(6, n_latent=2, network=Sequential(layers))


def test_a_decoder_knows_its_dtype_before_it_needs_it():
    for noise in ("fixed", "learned"):
        with pytest.raises(ValueError, match="dtype must be float32 or float64, got floaty"):
            GaussianDecoder(2, [3], 4, noise=noise, dtype="floaty")
        assert GaussianDecoder(2, [3], 4, noise=noise, dtype="float64").log_var.dtype == np.float64


def test_a_sigma_whose_precision_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="std must be a finite number > 1e-18, got 1e-25"):
        GaussianDecoder(2, [3], 4, noise="fixed", std=1e-25)


@pytest.mark.parametrize("wrong", [-1, 1.5, "a", [0, -1], {}])
def test_a_seed_is_a_whole_number_or_several(wrong):
    for seed in (3, (3, 4)):
        same = np.random.default_rng(seed).random()
        assert generator_of_weights(seed).random() == same
    with pytest.raises(ValueError, match="seed must be a whole number >= 0, or several"):
        generator_of_weights(wrong)
