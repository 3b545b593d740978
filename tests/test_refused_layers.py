"""The trial of a reader's own layers: what it refuses, and in which words; see test_tried_layers.py
for what it lets through."""

import numpy as np
import pytest
from test_own_layers import PReLU, Scale, encoder_of

from vae_np.layers import Linear, Sequential, Tanh


class Forgets(PReLU):
    def backward(self, dy):
        return np.where(self.x > 0, dy, self.slope * dy)


class Adds(PReLU):
    def backward(self, dy):
        self.dslope += (dy * np.minimum(self.x, 0)).sum()
        return np.where(self.x > 0, dy, self.slope * dy)


class Rebinds(PReLU):
    def backward(self, dy):
        self.dslope = np.array([(dy * np.minimum(self.x, 0)).sum()])
        return np.where(self.x > 0, dy, self.slope * dy)


class NoBackward:
    def forward(self, x):
        return x


class Undeclared(PReLU):
    initial_values = None


class Unbound(Tanh):
    def initial_values(self, generator):
        return {}


class Undrawn(Tanh):
    def bind(self, value, grad):
        pass


class Promotes(Tanh):
    def forward(self, x):
        return super().forward(x.astype(np.float64))


class Narrow(Tanh):
    def backward(self, dy):
        return super().backward(dy)[:, :-1]


class Halves(Tanh):
    def forward(self, x):
        return super().forward(x).astype(np.float16)


class Raises(Tanh):
    def forward(self, x):
        raise type("Oops", (Exception,), {})  # of the reader's own


class WritesIntoItsInput(NoBackward):
    def forward(self, x):
        x -= 0.5
        return x

    backward = Tanh.backward


class Copies(Scale):
    def bind(self, value, grad):
        super().bind({"a": np.array(value["a"])}, grad)


class CopiesItsBias(Linear):
    """It starts at 0."""

    def bind(self, value, grad):
        super().bind(value | {"bias": value["bias"].copy()}, grad)


class Later:
    """What begins with the second ``forward`` only."""

    times = 0

    def forward(self, x):
        self.times += 1
        return super().forward(x)


class WritesLater(Later, Tanh):
    def forward(self, x):
        y = super().forward(x)
        if self.times > 1:
            x -= 0.5
        return y


class PromotesLater(Later, Tanh):
    def forward(self, x):
        return super().forward(x).astype(np.float64 if self.times > 1 else x.dtype)


class AddsLater(Later, PReLU):
    def backward(self, dy):
        earlier = self.dslope.copy() if self.times > 1 else 0
        dx = super().backward(dy)
        self.dslope += earlier
        return dx


class OfFourRows(Tanh):
    def forward(self, x):
        return super().forward(x)[:4]


class Centred(Tanh):
    """By the batch, as batch norm does it."""

    def forward(self, x):
        return super().forward(x - x.mean(axis=0))


class CentredALittle(Tanh):
    """In one of its columns."""

    def forward(self, x):
        x = x.copy()
        x[:, 0] -= 0.1 * x[:, 0].mean()
        return super().forward(x)


class Reuses(Later, Tanh):
    """A network's last layer: its output is the q that the reader holds."""

    def forward(self, x):
        if self.times:
            self.y[0, 0] -= 1
        return super().forward(x)


class KeepsItsNoise(Tanh):
    """In one array, as only the network's last layer must not."""

    kept = np.zeros((5, 4), np.float32)

    def forward(self, x):
        kept = self.kept[: len(x)]
        kept[...] = super().forward(x) + np.random.default_rng().random(x.shape)
        return kept


class SparesMemory(Tanh):
    y = None

    def forward(self, x):
        self.y = np.tanh(x, out=self.y)
        return self.y


class Fades(Later, Tanh):
    def forward(self, x):
        return super().forward(x) / x.dtype.type(self.times)


class ReturnsNothing(Tanh):
    def forward(self, x):
        super().forward(x)


class ReturnsNothingBack(Tanh):
    def backward(self, dy):
        super().backward(dy)


class PromotesBack(Tanh):
    def backward(self, dy):
        return super().backward(dy).astype(np.float64)


class OneAxisTooMany(Tanh):
    def forward(self, x):
        return super().forward(x)[:, :, None]


class Dropout(Scale):
    def forward(self, x):
        return super().forward(x) * np.random.default_rng().integers(0, 2, x.shape).astype(x.dtype)


class Noisy(Tanh):
    def forward(self, x):
        return super().forward(x) + np.random.default_rng().random(x.shape, dtype=x.dtype)


class ReturnsAList(Scale):
    def initial_values(self, generator):
        return list(super().initial_values(generator).values())


TWICE = Tanh()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Linear(6, 4), Forgets()], r"backward must write all of the gradient of 1\.slope"),
        (
            [Linear(6, 4), Adds()],
            r"of 1\.slope, with grad\[\.\.\.\] = \.\.\.: it left a part as it was",
        ),
        ([Linear(6, 4), Rebinds()], r"backward must write all of the gradient of 1\.slope"),
        ([Forgets(), Linear(6, 4)], r"backward must write all of the gradient of 0\.slope"),
        ([Linear(6, 4), NoBackward()], r"layer 1 \(NoBackward\) has no backward"),
        ([Linear(6, 4), Undeclared()], r"layer 1 \(Undeclared\) has no initial_values"),
        ([Linear(6, 4), Promotes()], "forward must keep the dtype float32, got float64"),
        ([Linear(6, 4), Halves()], "forward must keep the dtype float32, got float16"),
        (
            [Sequential([Linear(6, 4), Promotes()])],
            r"layer 0 \(Linear\(6, 4\) -> Promotes\): forward must keep the dtype float32, got",
        ),
        (
            [Linear(6, 4), Narrow(), Linear(4, 4)],
            r"layer 1 \(Narrow\): backward must return shape \(5, 4\), got \(5, 3\)",
        ),
        ([Linear(6, 4), Raises()], r"layer 1 \(Raises\): forward fails on an array \(5, 4\): Oops"),
        ([Linear(6, 7), Linear(7, 3)], r"network must lead from 6 to 4 numbers, got \(3,\)"),
        ([Linear(5, 4)], r"layer 0 \(Linear\(5, 4\)\): forward fails on an array \(5, 6\)"),
        ([Tanh()], "network must have parameters to learn"),
        ([], "network must be a Sequential of layers"),
        ([Linear(6, 4), *[Tanh()] * 2], "network has the same layer twice"),
        (
            [Linear(6, 4), Sequential([TWICE]), Sequential([TWICE])],
            "network has the same layer twice",
        ),
        ([Linear(6, 4), Tanh], r"layer 1 is a class: make a layer of it, as in Tanh\(\)"),
        (
            [Linear(6, 4), Sequential([Sequential([Tanh])])],
            r"layer 1 is a class: make a layer of it, as in Tanh\(\)",
        ),
        ([Linear(6, 4), Sequential([NoBackward()])], r"layer 1 \(NoBackward\) has no backward"),
        ([Tanh, Linear(6, 5), Linear(5, 4)], r"layer 0 is a class: make a layer of it"),
        ([Linear(6, 4), object()], r"layer 1 \(object\) has no forward and no backward$"),
        ([WritesIntoItsInput(), Linear(6, 4)], r"layer 0 \(Writes.*forward fails.*read-only"),
        (
            [Copies(6), Linear(6, 4)],
            r"layer 0 \(Scale\(6\)\): bind must keep the arrays that it is given, not copies: its "
            "output does not follow them$",
        ),
        ([CopiesItsBias(6, 4)], "bind must keep the arrays that it is given, not copies"),
        ([Linear(6, 4), WritesLater()], r"layer 1 \(WritesLater\): forward fails.*read-only"),
        ([Linear(6, 4), PromotesLater()], "forward must keep the dtype float32, got float64"),
        ([Linear(6, 4), AddsLater()], r"backward must write all of the gradient of 1\.slope"),
        ([Linear(6, 4), OfFourRows()], r"forward must return 5 rows, got \(4, 4\)"),
        (
            [Linear(6, 4), Centred()],
            r"layer 1 \(Centred\): forward must treat each row by itself, got another result for "
            "two rows than for the same two of five: with batch norm, say, a code depends on the "
            "images beside it; layer norm is by rows$",
        ),
        ([CentredALittle(), Linear(6, 4)], r"layer 0 \(CentredALittle\): forward must treat each"),
        (
            [Linear(6, 4), Tanh(), Reuses()],
            "forward of Reuses must return a new array: it wrote into",
        ),
        ([Linear(6, 4), SparesMemory()], "forward of SparesMemory must return a new array"),
        ([Dropout(6), Linear(6, 4)], r"layer 0 \(Scale\(6\)\): forward must return the same for"),
        (
            [Linear(6, 4), Noisy()],
            r"layer 1 \(Noisy\): forward must return the same for the same x and parameters, got "
            r"two results: does it draw noise, or keep a state\?$",
        ),
        (
            [Linear(6, 4), KeepsItsNoise(), Linear(4, 4)],
            r"layer 1 \(KeepsItsNoise\): forward must return the same for the same x",
        ),
        ([Fades(), Linear(6, 4)], r"layer 0 \(Fades\): forward must return the same for the same"),
        ([ReturnsNothing(), Linear(6, 4)], "forward must return 5 rows, got NoneType"),
        ([Linear(6, 4), ReturnsNothingBack()], "backward must return 5 rows, got NoneType"),
        ([Linear(6, 4), PromotesBack()], "backward must keep the dtype float32, got float64"),
        (
            [Linear(6, 4), Sequential([PromotesBack()])],
            r"layer 1 \(PromotesBack\): backward must keep the dtype float32, got float64",
        ),
        ([Linear(6, 4), OneAxisTooMany()], r"forward must return 5 rows, got \(5, 4, 1\)"),
        ([Linear(6, 4), Unbound()], r"layer 1 \(Unbound\) has no bind"),
        ([Linear(6, 4), Undrawn()], r"layer 1 \(Undrawn\) has no initial_values"),
        ([ReturnsAList(6), Linear(6, 4)], "initial_values fails in a layer of Scale.*no attribute"),
    ],
)
def test_layers_that_could_not_be_trained_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        encoder_of(*layers)
