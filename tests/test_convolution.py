"""The convolution of `demos/questions/convolution.py`."""

import numpy as np
import pytest

from demos.questions import convolution
from vae_np import VAE, BernoulliDecoder, GaussianEncoder
from vae_np.backend import to_device, to_numpy
from vae_np.layers import Linear, Sequential
from vae_np.parameters import ParameterVector

# convolution.py


def bound_convolution(rng, shape=(6, 7, 2), n_out=3, size=3, stride=2):
    layer = convolution.Convolution(shape, n_out, size, stride)
    vector = ParameterVector(layer.initial_values(rng), np.float64)
    vector.value[:] = rng.standard_normal(vector.value.shape)
    layer.bind(vector.views(vector.value), vector.views(vector.grad))
    return layer


def test_a_convolution_is_what_its_equation_says(rng):
    layer, x = bound_convolution(rng), rng.standard_normal((2, 6, 7, 2))
    weight = layer.weight.reshape(3, 3, 2, 3)
    y = np.zeros((2, 2, 3, 3))  # the last row of the image is left over
    for m, i, j, k in np.ndindex(y.shape):
        y[m, i, j, k] = layer.bias[k]
        for a, b, c in np.ndindex(3, 3, 2):
            y[m, i, j, k] += x[m, 2 * i + a, 2 * j + b, c] * weight[a, b, c, k]
    np.testing.assert_allclose(layer.forward(x.reshape(2, -1)), y.reshape(2, -1), rtol=1e-12)


@pytest.mark.slow
def test_a_convolution_agrees_with_pytorch(rng):
    torch = pytest.importorskip("torch")
    layer, x = bound_convolution(rng), rng.standard_normal((2, 6, 7, 2))
    y = layer.forward(x.reshape(2, -1))
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy)

    theirs = [
        torch.tensor(array, requires_grad=True)
        for array in (x.transpose(0, 3, 1, 2), layer.weight.reshape(3, 3, 2, 3), layer.bias)
    ]
    images, weight, bias = theirs
    out = torch.nn.functional.conv2d(images, weight.permute(3, 2, 0, 1), bias, stride=2)
    np.testing.assert_allclose(y, out.detach().permute(0, 2, 3, 1).reshape(2, -1), rtol=1e-12)
    out.backward(torch.tensor(dy.reshape(2, 2, 3, 3).transpose(0, 3, 1, 2)))
    images, weight, bias = (tensor.grad.numpy() for tensor in theirs)
    np.testing.assert_allclose(dx, images.transpose(0, 2, 3, 1).reshape(2, -1), rtol=1e-11)
    np.testing.assert_allclose(layer.dweight, weight.reshape(18, 3), rtol=1e-11)
    np.testing.assert_allclose(layer.dbias, bias, rtol=1e-11)


def test_the_table_of_the_convolution_is_all_right(rng):
    checks = list(convolution.gradient_checks(rng))
    assert len(checks) == 3 + 6  # a convolution and its two parameters; three layers' parameters
    assert all(check.passed and not check.shortened for check in checks), checks


def test_a_convolution_that_forgets_to_add_up_overlapping_patches_is_caught(rng, monkeypatch):
    def backward(self, dy):  # writes where it should add
        height, width, n_out = self.out_shape
        rows = dy.reshape(-1, n_out)
        self.dweight[...], self.dbias[...] = self.patches.T @ rows, rows.sum(axis=0)
        dpatches = (rows @ self.weight.T).reshape(len(dy), height, width, -1, self.channels)
        dx = np.zeros((len(dy), *self.in_shape))
        for k, seen in enumerate(self.views(dx)):
            seen[...] = dpatches[:, :, :, k]
        return dx.reshape(len(dy), -1)

    monkeypatch.setattr(convolution.Convolution, "backward", backward)
    checks = {check.name: check for check in convolution.gradient_checks(rng)}
    assert not checks["Convolution dx"].passed
    assert checks["Convolution dweight"].passed
    assert not checks["The encoder: 0.weight"].passed


def test_a_convolution_trains_on_both_devices(gpu, rng):
    """The encoder of images of 6 × 6, with the same initial weights, gives the same gradient."""
    x = rng.random((4, 36)).astype(np.float32)
    gradients = []
    for device in ("cpu", gpu):
        layer = convolution.Convolution((6, 6, 1), 2, size=4, stride=2)
        network = Sequential([layer, Linear(8, 4)])
        encoder = GaussianEncoder(36, n_latent=2, network=network, device=device)
        decoder = BernoulliDecoder(2, [5], 36, device=device)
        model = VAE(encoder, decoder)
        noise = to_device(np.ones((1, 4, 2), np.float32), device)
        model.elbo_and_gradient(model.as_pixels(x), noise)
        gradients.append(to_numpy(encoder.parameters.grad))
    np.testing.assert_allclose(*gradients, rtol=1e-5, atol=1e-6)


def test_two_strides_that_lead_to_one_shape_are_told_apart():
    """On 6 x 6 pixels strides 2 and 3 do: a checkpoint knows a layer by its repr."""
    two, three = (convolution.Convolution((6, 6, 1), 4, 3, stride) for stride in (2, 3))
    assert two.out_shape == three.out_shape and repr(two) != repr(three)
