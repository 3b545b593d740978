"""The trial of a reader's own layers: what it lets through, and whose error it shows."""

import traceback

import numpy as np
import pytest
from test_own_layers import Scale, encoder_of

from vae_np import GaussianEncoder
from vae_np.layers import Linear, ReLU, Tanh


class Logit:
    """y = log(x / (1 − x)), which pixels between 0 and 1 have."""

    def forward(self, x):
        self.x = x
        return np.log(x / (1 - x))

    def backward(self, dy):
        return dy / (self.x * (1 - self.x))


class Rounds(Tanh):
    """Otherwise for other numbers of rows, as a matrix product may."""

    def __init__(self, size):
        self.size = size

    def forward(self, x):
        return super().forward(x) * x.dtype.type(self.size * (1 + 2e-6 / len(x)))


class Centred(Tanh):
    """By the batch, as batch norm does it."""

    def __init__(self, size):
        self.size = size

    def forward(self, x):
        return super().forward(x - x.mean(axis=0)) * x.dtype.type(self.size)


class OfTheSum(Tanh):
    """Of a minibatch's sum: all that it returns grows with the rows, or falls."""

    def __init__(self, sign):
        self.sign = sign

    def forward(self, x):
        return super().forward(x) + self.sign * len(x)


class RoundsWhatIsPositive(ReLU):
    """Otherwise for other numbers of rows; what is 0 stays so."""

    def forward(self, x):
        return super().forward(x) * x.dtype.type(1 + 2e-6 / len(x))


class Silent(Tanh):
    def forward(self, x):
        return 0 * super().forward(x)


class WritesOnTheWayBack(Tanh):
    """That is its own affair: nobody else looks at dy any more."""

    def backward(self, dy):
        dy *= 1 - self.y**2
        return dy


class UsesUpItsOutput(Tanh):
    def backward(self, dy):
        self.y *= self.y
        return dy * (1 - self.y)


class FailsForward(Tanh):
    def forward(self, x):
        return x.no_such_method()


class FailsBackward(Tanh):
    def backward(self, dy):
        return dy.no_such_method()


class FailsToDraw(Scale):
    def initial_values(self, generator):
        return generator.no_such_method()


class FailsToBeMade(Tanh):
    def __init__(self):
        self.no_such_method()


def test_a_first_layer_is_tried_on_numbers_such_as_pixels_are():
    encoder_of(Logit(), Linear(6, 4))


def test_a_layer_may_write_into_what_comes_back():
    encoder_of(Linear(6, 4), WritesOnTheWayBack(), Linear(4, 4))
    encoder_of(Linear(6, 4), UsesUpItsOutput(), Linear(4, 4))


@pytest.mark.parametrize("size", [1e-6, 1, 1e6])
def test_a_layer_may_round_otherwise_for_fewer_rows_whatever_its_outputs_size(size):
    encoder_of(Linear(6, 4), Rounds(size))
    with pytest.raises(ValueError, match="forward must treat each row by itself"):
        encoder_of(Linear(6, 4), Centred(size))


def test_rows_that_are_not_by_themselves_are_heard_whether_they_grow_or_fall():
    for sign in (1, -1):
        with pytest.raises(ValueError, match="forward must treat each row by itself"):
            encoder_of(Linear(6, 4), OfTheSum(sign))


def test_outputs_of_0_are_no_reason_to_refuse_a_layer():
    encoder_of(Linear(6, 4), Silent())
    encoder_of(Linear(6, 5), RoundsWhatIsPositive(), Linear(5, 4))


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoder_of(Linear(6, 4), FailsForward()),
        lambda: encoder_of(Linear(6, 4), FailsBackward()),
        lambda: encoder_of(FailsToDraw(6), Linear(6, 4)),
        lambda: GaussianEncoder(6, [5], 2, activation=FailsToBeMade),
    ],
)
def test_the_traceback_leads_to_the_line_of_the_readers_own_layer(make):
    with pytest.raises(ValueError, match=r"AttributeError: .*no_such_method") as raised:
        make()
    shown = "".join(traceback.format_exception(raised.value))
    assert ".no_such_method()\n" in shown
