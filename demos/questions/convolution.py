"""How do I write a layer of my own? A convolution by hand, checked, and put into the encoder.

A layer is a class with `forward` and `backward`; one with parameters also says how they start, and
takes the slices of φ that are to hold them (see `vae_np.layers`). A convolution is a linear layer
that sees a patch of the image at a time, and treats all patches alike.

    patches = each patch of x, copied out as a row        y = patches W + b

So it is one matrix product. Backward is a linear layer's too, dW = patchesᵀ dy, dpatches = dy Wᵀ.
Then each pixel collects the derivatives of all the patches that it was copied into: what forward
copies, backward adds.

The layer is checked against finite differences first; the table is printed. Then three encoders
learn the digits beside the same decoder: a convolutional one, a fully connected one of as many
parameters, and a fully connected one of the usual width. The picture shows what the filters have
become and what they see in a digit.
"""

import math
import sys

import numpy as np

from demos.common.command_line import say
from demos.common.findings import run
from demos.common.models import digit_networks, train
from demos.common.plots import epochs_axis, panels, run_curves, save
from vae_np import VAE, GaussianEncoder, datasets
from vae_np.backend import Stream, array_module, random_generator, to_numpy
from vae_np.evaluation import evaluate_elbo
from vae_np.figures import show, tiled
from vae_np.gradcheck import check_layer, check_vectors
from vae_np.layers import Linear, Sequential, Tanh

LATENT = 20
FILTERS = 16, 32  # of the first and the second convolution


class Convolution:
    """y[i, j] = Σ x[stride·i + a, stride·j + b] W[a, b] + bias, with a and b from 0 to size − 1.

    Parameters
    ----------
    shape : (height, width, channels)
        Of an image, which is a row of x.
    n_out : int
        Channels of y: how many filters look at each patch.
    size : int
        Of a patch, which is size × size pixels.
    stride : int
        Pixels from one patch to the next. What is left at the edge is not looked at.
    """

    def __init__(self, shape, n_out, size, stride):
        height, width, self.channels = shape
        self.in_shape, self.size, self.stride = shape, size, stride
        self.out_shape = (height - size) // stride + 1, (width - size) // stride + 1, n_out

    def __repr__(self):
        size = f"{self.size}×{self.size}, stride {self.stride}"
        return f"Convolution({self.in_shape} to {self.out_shape}, {size})"

    def initial_values(self, generator):
        n_in, n_out = self.size**2 * self.channels, self.out_shape[2]
        limit = 1 / math.sqrt(n_in)  # as `Linear` does
        return {"weight": generator.uniform(-limit, limit, (n_in, n_out)), "bias": np.zeros(n_out)}

    def bind(self, value, grad):
        self.weight, self.bias = value["weight"], value["bias"]
        self.dweight, self.dbias = grad["weight"], grad["bias"]

    def forward(self, x):
        xp, images = array_module(x), x.reshape(-1, *self.in_shape)
        height, width, _ = self.out_shape
        patches = xp.empty((len(x), height, width, self.size**2, self.channels), x.dtype)
        for k, seen in enumerate(self.views(images)):
            patches[:, :, :, k] = seen
        self.patches = patches.reshape(-1, self.size**2 * self.channels)
        return (self.patches @ self.weight + self.bias).reshape(len(x), -1)

    def backward(self, dy):
        """dW = patchesᵀ dy and db = Σ dy; dx adds up what forward has copied."""
        xp, (height, width, n_out) = array_module(dy), self.out_shape
        dy_rows = dy.reshape(-1, n_out)
        xp.matmul(self.patches.T, dy_rows, out=self.dweight)
        xp.sum(dy_rows, axis=0, out=self.dbias)
        dpatches = (dy_rows @ self.weight.T).reshape(len(dy), height, width, -1, self.channels)
        dx = xp.zeros((len(dy), *self.in_shape), dy.dtype)
        for k, seen in enumerate(self.views(dx)):
            seen += dpatches[:, :, :, k]
        return dx.reshape(len(dy), -1)

    def views(self, images):
        """For each place (a, b) in a patch, that pixel of all patches: a view, (M, H', W', C)."""
        height, width, _ = self.out_shape
        for a in range(self.size):
            for b in range(self.size):
                rows = slice(a, a + self.stride * height, self.stride)
                columns = slice(b, b + self.stride * width, self.stride)
                yield images[:, rows, columns]


def convolutional():
    """784 pixels to 20 means and 20 log-variances."""
    first = Convolution((28, 28, 1), FILTERS[0], size=4, stride=2)
    second = Convolution(first.out_shape, FILTERS[1], size=3, stride=2)
    head = Linear(math.prod(second.out_shape), 2 * LATENT)
    return Sequential([first, Tanh(), second, Tanh(), head])


def gradient_checks(rng):
    """Of a small convolution, number by number; of the whole encoder, along random directions."""
    layer = Convolution((6, 7, 2), 3, size=3, stride=2)
    yield from check_layer(layer, rng.standard_normal((4, 6 * 7 * 2)))

    encoder = GaussianEncoder(784, n_latent=LATENT, network=convolutional(), dtype=np.float64)
    x, dmean, dlog_var = rng.random((4, 784)), *rng.standard_normal((2, 4, LATENT))

    def f():
        q = encoder.forward(x)
        return (q.mean * dmean + q.log_var * dlog_var).sum()

    def backward():
        encoder.forward(x)
        encoder.backward(dmean, dlog_var)

    yield from check_vectors({"The encoder: ": encoder.parameters}, f, backward)


def experiment(args):
    checks = list(gradient_checks(random_generator([args.seed, Stream.DATA])))
    for check in checks:
        say(str(check))
    data, results = datasets.load("mnist5k"), {}
    options = {"seed": [args.seed, Stream.ENCODER], "device": args.device}
    encoders = {
        "fully connected, 200 wide": GaussianEncoder(784, [200], LATENT, **options),
        "fully connected, 62 wide": GaussianEncoder(784, [62], LATENT, **options),
        "convolutional": GaussianEncoder(784, n_latent=LATENT, network=convolutional(), **options),
    }
    for name, encoder in encoders.items():
        say(f"\n{name}: {encoder}")
        model = VAE(encoder, digit_networks(data, args, LATENT)[1])

        def evaluate(model=model):
            return {"test_elbo": evaluate_elbo(model, data.test, seed=args.seed).value}

        trainer = train(model, data.train, args, learning_rate=2e-3, evaluate=evaluate)
        results[name] = {"parameters": encoder.parameters.value.size, "history": trainer.history}
    draw(results, encoder, model.as_pixels(data.test[:1]), args.out / "convolution.png")
    error = max(check.relative_error for check in checks)
    return {"largest_error": error, "encoders": results}, describe(results, error)


def describe(results, error):
    wide, narrow, own = (in_words(result) for result in results.values())
    return (
        f"The gradients written by hand are right to {error:.0e}. Three encoders, one decoder. "
        f"Convolutional: {own}. Fully connected, of the same size: {narrow}. Fully connected, 200 "
        f"wide: {wide}. As many parameters go further where a filter serves for all patches. "
        "The price is time, as each pixel is copied into all patches that see it."
    )


def in_words(result):
    last = result["history"][-1]
    return (
        f"{result['parameters']:,} parameters, test ELBO {last['test_elbo']:.1f} nats per image, "
        f"training {last['train_elbo']:.1f}, {last['seconds']:.1f} s"
    )


def draw(results, encoder, x, path):
    figure, axes = panels(14, 4.6, 4, width_ratios=[4, 2, 3, 3])
    for name, result in results.items():
        parts = {"test_elbo": ("-", f"{result['parameters']:,} parameters")}
        run_curves(axes[0], result["history"], "epoch", None, name, parts)
    _, narrow, own = ends = [result["history"][-1]["test_elbo"] for result in results.values()]
    axes[0].set(title="ELBO on the test set", ylabel="nats", ylim=(min(ends) - 20, max(ends) + 2))
    axes[0].legend(fontsize=8)
    epochs_axis(axes[0])
    first = encoder.network.layers[0]
    weight, maps = to_numpy(first.weight).T.copy(), np.tanh(to_numpy(first.forward(x)))
    weight /= np.abs(weight).max(axis=1, keepdims=True)
    filters = np.kron(weight.reshape(-1, 4, 4), np.ones((7, 7)))
    grey, maps = 0.5 + 0.5 * filters.reshape(-1, 784), 0.5 + 0.5 * maps.reshape(-1, FILTERS[0]).T
    show(axes[1], to_numpy(x).reshape(28, 28), "A test image")
    show(axes[2], tiled(grey, (28, 28), 4), "The filters; grey is 0")
    show(axes[3], tiled(maps, first.out_shape[:2], 4), "What each makes of it, after tanh")
    save(figure, path, f"Of equal size: {own:.1f} nats with convolutions, {narrow:.1f} without")


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=30))
