"""The networks: what they start from, whose weights they use, and what backward fills."""

import ast
import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from conftest import make_model

import vae_np
from vae_np import BernoulliDecoder, GaussianDecoder, GaussianEncoder
from vae_np.layers import Linear, ReLU, Sequential, Tanh


def test_fixed_noise_is_no_parameter(rng):
    """Neither the optimizer nor the weight prior may move a σ that is fixed."""
    decoder = GaussianDecoder(3, [5], 6, noise="fixed", std=0.2)
    assert "log_var" not in decoder.parameters.shapes
    p = decoder.forward(rng.random((4, 3), dtype=np.float32))
    assert p.std == pytest.approx(0.2, rel=1e-6)
    learned = GaussianDecoder(3, [5], 6, noise="learned", std=0.2)
    assert learned.parameters.value[-1] == pytest.approx(2 * np.log(0.2))


class Promoting(Tanh):
    """An activation that returns float64 whatever it is given."""

    def forward(self, x):
        return super().forward(x).astype(np.float64)


@pytest.mark.parametrize(
    ("network", "narrow", "wide"),
    [(GaussianEncoder, 6, 4), (BernoulliDecoder, 2, 6), (GaussianDecoder, 2, 12)],
)
def test_own_layers_are_tried_in_every_network(network, narrow, wide):
    sizes = {"n_pixels": 6, "n_latent": 2}
    own = network(network=Sequential([Linear(narrow, wide)]), **sizes)
    assert own.parameters.value.size == (narrow + 1) * wide
    with pytest.raises(ValueError, match=f"network must lead from {narrow} to {wide} numbers"):
        network(network=Sequential([Linear(narrow, wide + 1)]), **sizes)
    with pytest.raises(ValueError, match="forward must keep the dtype float32, got float64"):
        network(hidden=[5], activation=Promoting, **sizes)


@pytest.mark.parametrize("network", [GaussianEncoder, BernoulliDecoder, GaussianDecoder])
def test_a_seed_is_one_start(network):
    first, again, *others = (
        network(n_pixels=6, n_latent=2, hidden=[5], seed=seed).parameters.value
        for seed in (3, 3, 4, 2**40 + 3)
    )
    np.testing.assert_array_equal(first, again)
    for other in others:
        assert (first != other).mean() > 0.5  # biases start at 0


def test_a_seed_is_the_start_of_layers_of_ones_own_too():
    first, again, other = (
        GaussianEncoder(6, n_latent=2, seed=seed, network=Sequential([Linear(6, 4, "paper")]))
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.parameters.value, again.parameters.value)
    assert (first.parameters.value != other.parameters.value).all()


@pytest.mark.parametrize("network", [GaussianEncoder, BernoulliDecoder, GaussianDecoder])
@pytest.mark.parametrize("name", ["n_pixels", "n_latent"])
def test_each_network_checks_its_own_widths(network, name):
    sizes = {"n_pixels": 6, "n_latent": 2, "hidden": [5]} | {name: 2.5}
    with pytest.raises(ValueError, match=f"^{name} must be a whole number >= 1, got 2.5"):
        network(**sizes)


def test_widths_may_be_an_array():
    assert repr(GaussianEncoder(6, np.array([4, 5, 3]), 2)) == (
        "GaussianEncoder(Linear(6, 4) -> Tanh -> Linear(4, 5) -> Tanh -> Linear(5, 3) -> Tanh -> "
        "Linear(3, 4))"
    )


@pytest.mark.parametrize("network", [GaussianEncoder, BernoulliDecoder, GaussianDecoder])
def test_every_hidden_layer_has_the_activation_that_is_named(network):
    own = network(n_pixels=6, n_latent=2, hidden=[5, 4, 3], activation="relu")
    assert [type(layer) for layer in own.network.layers[1::2]] == [ReLU] * 3


@pytest.mark.parametrize("network", [GaussianEncoder, BernoulliDecoder, GaussianDecoder])
def test_initial_weights_as_in_the_paper_are_small_and_the_biases_too(network):
    own = network(n_pixels=6, n_latent=2, hidden=[40, 40], init="paper").parameters
    for part in own.views(own.value).values():
        assert 0.002 < part.std() < 0.02


def test_a_decoder_says_whether_its_mean_is_squashed():
    """As a checkpoint's identity it tells such networks apart."""
    plain, squashed = (repr(GaussianDecoder(2, [], 6, squash=squash)) for squash in (False, True))
    assert plain == "GaussianDecoder(Linear(2, 12); noise per-output)"
    assert squashed == "GaussianDecoder(Linear(2, 12); noise per-output, mean squashed)"
    learned = [repr(GaussianDecoder(2, [], 6, "learned", std, True)) for std in (0.2, 0.3)]
    assert learned == ["GaussianDecoder(Linear(2, 6); noise learned, mean squashed)"] * 2


@pytest.mark.parametrize("noise", ["fixed", "learned"])
def test_the_std_that_is_not_given_makes_a_squared_error(noise, rng):
    decoder = GaussianDecoder(3, [5], 6, noise=noise, dtype=np.float64)
    p = decoder.forward(rng.standard_normal((4, 3)))
    x = rng.random((4, 6))
    squared_error = ((x - p.mean) ** 2).sum(axis=1)
    np.testing.assert_allclose(p.log_prob(x), -squared_error - 6 / 2 * np.log(np.pi))


@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus"])
@pytest.mark.parametrize("decoder", ["bernoulli", "fixed", "learned", "per-output"])
def test_backward_to_input_returns_the_same_dz_and_leaves_the_gradient(rng, decoder, activation):
    more = {"activation": activation, "dtype": np.float64}
    if decoder == "bernoulli":
        decoder = BernoulliDecoder(2, [4, 3], 5, **more)
    else:
        decoder = GaussianDecoder(2, [4, 3], 5, noise=decoder, squash=True, **more)
    p = decoder.forward(rng.standard_normal((2, 6, 2)))
    dp = p.log_prob_backward(rng.random((6, 5)), rng.random((2, 6)))
    dz = decoder.backward(*dp)
    decoder.parameters.grad[:] = 7
    np.testing.assert_array_equal(decoder.backward_to_input(*dp), dz)
    assert (decoder.parameters.grad == 7).all()


def test_a_gaussian_mean_that_is_not_squashed_may_start_anywhere():
    decoder = GaussianDecoder(2, [4], 6)
    decoder.start_at(np.full(6, -3.0))
    np.testing.assert_array_equal(decoder.network.layers[-1].bias[:6], -3)
    with pytest.raises(ValueError, match=r"mean_image must lie in \[0, 1\]"):
        GaussianDecoder(2, [4], 6, squash=True).start_at(np.full(6, -3.0))


@pytest.mark.parametrize("squash", [False, True])
def test_a_decoder_can_start_at_the_mean_image(rng, squash):
    image = np.linspace(0.1, 0.9, 6)
    for decoder in (BernoulliDecoder(3, [5], 6), GaussianDecoder(3, [5], 6, squash=squash)):
        for start in (image[::-1], image):  # the later one counts
            decoder.start_at(start)
        p = decoder.forward(np.zeros((1, 3), np.float32))
        np.testing.assert_allclose(
            p.mean[0], image, atol=1e-6
        )  # tanh(0) = 0: only the bias is left
    np.testing.assert_array_equal(p.log_var, 0)
    decoder = BernoulliDecoder(3, [5], 6)
    decoder.start_at(np.array([0, 0, 0, 1, 1, 1.0]))
    p = decoder.forward(np.zeros((1, 3), np.float32))
    np.testing.assert_allclose(p.mean[0], [0.001] * 3 + [0.999] * 3, rtol=1e-4)  # none is certain


@pytest.mark.parametrize("decoder", ["bernoulli", "fixed", "learned", "per-output"])
@pytest.mark.parametrize("how", ["copy", "pickle"])
def test_a_copied_model_learns_by_itself(rng, decoder, how):
    model = make_model(decoder, dtype=np.float64)
    twin = copy.deepcopy(model) if how == "copy" else pickle.loads(pickle.dumps(model))
    x, noise = rng.random((4, 6)), rng.standard_normal((1, 4, 3))
    elbo = model.elbo(x, noise).value
    for vector in twin.parameters:
        vector.value[:] += 0.1
    np.testing.assert_array_equal(model.elbo(x, noise).value, elbo)
    assert (twin.elbo(x, noise).value != elbo).all()
    twin.elbo_and_gradient(x, noise)
    assert all((vector.grad != 0).any() for vector in twin.parameters)
    assert not any(vector.grad.any() for vector in model.parameters)
    if decoder == "learned":
        parameters = twin.decoder.parameters
        elbo = twin.elbo(x, noise).value
        parameters.views(parameters.value)["log_var"] += 1
        assert (twin.elbo(x, noise).value != elbo).all()
        assert parameters.views(parameters.grad)["log_var"] != 0


def test_weights_can_be_put_back(rng):
    model = make_model(dtype=np.float64)
    x, noise = rng.random((4, 6)), rng.standard_normal((1, 4, 3))
    elbo = model.elbo(x, noise).value
    kept = [vector.value.copy() for vector in model.parameters]
    for vector in model.parameters:
        vector.value[:] += 0.1
    for vector, value in zip(model.parameters, kept, strict=True):
        vector.value = value
        memory, vector.grad = vector.grad, value
        assert vector.grad is memory and (memory == value).all()
        vector.grad += 1
        assert vector.grad is memory and (memory == value + 1).all()
        for name, wrong in (("value", 0), ("grad", [1.0]), ("value", value[:1])):
            with pytest.raises(ValueError, match=rf"{name} must have shape \({value.size},\), got"):
                setattr(vector, name, wrong)
    np.testing.assert_array_equal(model.elbo(x, noise).value, elbo)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("std", [0.5, 0.500004, 0.1, 0.7071, 1 / 3, 1e-3, 1e5])
def test_two_sigmas_have_two_texts(std, dtype):
    """A checkpoint tells them apart by the text."""

    def text(std):
        return repr(GaussianDecoder(3, (5,), 6, noise="fixed", std=std, dtype=dtype))

    assert f"noise fixed at sigma {std})" in text(std)
    assert text(std) != text(np.nextafter(std, 1))
    assert text(np.float64(std)) == text(std)


PACKAGE = Path(vae_np.__file__).parent
DRAWN = {"figures.py"}  # its texts are in pictures


@pytest.mark.parametrize("path", [str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")])
def test_what_the_package_says_is_ascii(path):
    """A Windows terminal's cp1252 and gbk have no arrow and no ≥: print(error) would fail there."""
    if path in DRAWN:
        return
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert node.value.isascii() or id(node) in docstrings, node.value


def test_repr_and_str_are_ascii():
    """They are printed, and the repr is in a checkpoint."""
    for decoder in ("bernoulli", "fixed", "learned", "per-output"):
        model = make_model(decoder)
        for part in (model, model.encoder, model.decoder, *model.encoder.network.layers):
            assert repr(part).isascii() and str(part).isascii()


def test_a_network_of_ones_own_is_told_from_what_it_inherits():
    """A checkpoint knows the parts by their repr."""

    class Poisson(BernoulliDecoder):
        pass

    class Other(GaussianEncoder):
        pass

    class Narrow(GaussianDecoder):
        pass

    for kind, sizes in ((Poisson, (2, [3], 4)), (Other, (4, [3], 2)), (Narrow, (2, [3], 4))):
        own, plain = repr(kind(*sizes)), repr(kind.__bases__[0](*sizes))
        assert own == plain.replace(kind.__bases__[0].__name__, kind.__name__) != plain
