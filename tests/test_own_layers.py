"""A reader's own layers and activations in the model; what cannot be trained is refused."""

import copy

import numpy as np
import pytest
from conftest import weights

from vae_np import VAE, Adam, BernoulliDecoder, GaussianDecoder, GaussianEncoder, Trainer
from vae_np.backend import to_device, to_numpy
from vae_np.checkpoints import CheckpointError
from vae_np.gradcheck import check_model
from vae_np.initialization import every_layer
from vae_np.layers import Linear, Sequential, Tanh


class PReLU:
    """y = x where x > 0, else slope · x, and the slope is learned."""

    def initial_values(self, generator):
        return {"slope": np.array([0.25])}

    def bind(self, value, grad):
        self.slope, self.dslope = value["slope"], grad["slope"]

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dy):
        self.dslope[...] = (dy * np.minimum(self.x, 0)).sum()
        return np.where(self.x > 0, dy, self.slope * dy)


class Scale:
    """y = a ⊙ x: a layer with as many parameters as inputs."""

    def __init__(self, width):
        self.width = width

    def __repr__(self):
        return f"Scale({self.width})"

    def initial_values(self, generator):
        return {"a": generator.uniform(0.5, 1.5, self.width)}

    def bind(self, value, grad):
        self.a, self.da = value["a"], grad["a"]

    def forward(self, x):
        self.x = x
        return self.a * x

    def backward(self, dy):
        self.da[...] = (dy * self.x).sum(axis=0)
        return self.a * dy


def prelu_model(dtype=np.float64):
    common = {"activation": PReLU, "dtype": dtype}
    return VAE(GaussianEncoder(6, [5], 3, **common), BernoulliDecoder(3, [5], 6, **common))


def encoder_of(*layers):
    return GaussianEncoder(6, n_latent=2, network=Sequential(list(layers)))


def own_network_model(dtype=np.float64):
    encoder = Sequential([Scale(6), Linear(6, 5), Tanh(), Linear(5, 4)])
    decoder = Sequential([Linear(2, 5), Tanh(), Scale(5), Linear(5, 6)])
    return VAE(
        GaussianEncoder(6, n_latent=2, network=encoder, dtype=dtype),
        GaussianDecoder(2, n_pixels=6, network=decoder, noise="learned", dtype=dtype),
    )


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (prelu_model, {"1.slope"}),
        (own_network_model, {"0.a", "2.a", "log_var"}),
    ],
)
def test_the_gradient_through_the_whole_model_is_right(rng, make, names):
    model = make()
    x, noise = rng.random((4, 6)), rng.standard_normal((2, 4, model.n_latent))
    checks = check_model(model, x, noise)
    assert all(check.passed for check in checks), checks
    assert names <= {check.name.split()[1] for check in checks}


@pytest.mark.parametrize("make", [prelu_model, own_network_model])
def test_it_trains_saves_and_resumes_bit_for_bit(make, images, tmp_path):
    def make_trainer():
        model = make(np.float32)
        return Trainer(model, Adam(model.parameters, 0.01), images, batch_size=10)

    straight, first, second = make_trainer(), make_trainer(), make_trainer()
    before = weights(straight)
    straight.fit(4, progress=False)
    first.fit(2, progress=False)
    first.save(tmp_path / "c.npz")
    second.load(tmp_path / "c.npz")
    second.fit(4, progress=False)
    np.testing.assert_array_equal(weights(straight), weights(second))
    own = slice(-1, None)  # a decoder's last parameter is one that the reader's layer declared
    if make is prelu_model:
        views = straight.model.parameters[0].views(straight.model.parameters[0].value)
        assert views["1.slope"] != 0.25
    else:
        assert (weights(straight)[own] != before[own]).all()
    assert straight.history[-1]["train_elbo"] > straight.history[0]["train_elbo"]


def test_a_copy_computes_with_its_own_parameters(rng):
    model, x = prelu_model(), rng.random((4, 6))
    twin = copy.deepcopy(model)
    expected = model.encode(x).mean
    twin.encoder.parameters.value += 1
    np.testing.assert_array_equal(model.encode(x).mean, expected)
    assert (twin.encode(x).mean != expected).all()


def test_the_trial_leaves_a_network_where_its_layers_start_it(rng):
    """The trial moves the parameters for a moment, and its gradients are nobody's."""
    model = own_network_model()
    layers = Sequential([Scale(6), Linear(6, 5), Tanh(), Linear(5, 4)])
    drawn = layers.initial_values(np.random.default_rng(0)).values()
    expected = np.concatenate([values.ravel() for values in drawn])
    np.testing.assert_array_equal(model.encoder.parameters.value, expected)
    assert not model.encoder.parameters.grad.any()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_layer_serves_one_network(wrapped):
    """A second one would let the first compute with its own weights."""
    layers = [Linear(6, 5), Tanh()]
    networks = [Sequential([*layers, Linear(5, 4)]), Sequential([Linear(6, 6), *layers])]
    if wrapped:
        networks[1] = Sequential([Linear(2, 6), Sequential(layers), Linear(5, 6)])
    encoder = GaussianEncoder(6, n_latent=2, network=networks[0])
    before = encoder.forward(np.ones((1, 6), np.float32)).mean
    with pytest.raises(ValueError, match="is another's, or a copy of another's"):
        encoder_of(*networks[0].layers)
    with pytest.raises(ValueError, match="is another's, or a copy of another's"):
        BernoulliDecoder(2, n_pixels=6, network=networks[1])
    with pytest.raises(ValueError, match="is another's, or a copy of another's"):
        BernoulliDecoder(2, n_pixels=6, network=Sequential([Linear(2, 4), *networks[0].layers[2:]]))
    np.testing.assert_array_equal(encoder.forward(np.ones((1, 6), np.float32)).mean, before)


def test_a_network_that_was_refused_can_be_used_again():
    network = Sequential((Linear(6, 4),))
    with pytest.raises(ValueError, match="network must lead from 6 to 6 numbers"):
        GaussianEncoder(6, n_latent=3, network=network)
    encoder = GaussianEncoder(6, n_latent=2, network=network)
    layer, views = network.layers[0], encoder.parameters.views(encoder.parameters.value)
    assert np.shares_memory(layer.weight, views["0.weight"])


def test_a_decoder_needs_the_derivative_with_respect_to_z():
    network = Sequential([Linear(2, 6, input_gradient=False)])
    with pytest.raises(ValueError, match=r"backward must return shape \(5, 2\), got None"):
        BernoulliDecoder(2, n_pixels=6, network=network)
    encoder_of(Linear(6, 4, input_gradient=False))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": [5]}, "network= stands for hidden, activation and init"),
        ({"hidden": []}, r"leave those three out, got hidden=\[\]"),
        ({"init": "paper"}, "network= stands for hidden, activation and init"),
        ({"activation": "relu"}, "network= stands for hidden, activation and init"),
        ({"n_latent": None}, "n_latent must be a whole number >= 1, got None"),
        ({"network": [Linear(6, 4)]}, "network must be a Sequential"),
        ({"network": None}, r"hidden must be a list of widths such as \[500\], got None"),
    ],
)
def test_what_goes_with_a_network_of_ones_own(options, message):
    own = {"n_latent": 2, "network": Sequential([Linear(6, 4)])}
    with pytest.raises(ValueError, match=message):
        GaussianEncoder(6, **{**own, **options})


def test_start_at_wants_a_linear_layer_at_the_end():
    decoder = BernoulliDecoder(2, n_pixels=6, network=Sequential([Linear(2, 6), Tanh()]))
    with pytest.raises(ValueError, match="start_at needs a Linear as the last layer"):
        decoder.start_at(np.full(6, 0.5))
    other = Scale(6)
    other.bias = np.zeros(6, np.float32)  # whatever it does with it
    decoder = BernoulliDecoder(2, n_pixels=6, network=Sequential([Linear(2, 6), other]))
    with pytest.raises(ValueError, match="start_at needs a Linear as the last layer, got Scale"):
        decoder.start_at(np.full(6, 0.5))
    own = BernoulliDecoder(2, n_pixels=6, network=Sequential([Scaled(2, 6)]))
    own.start_at(np.full(6, 0.2))  # a Linear too
    np.testing.assert_allclose(own.network.layers[0].bias, np.log(0.2 / 0.8), rtol=1e-6)


def test_a_layers_name_is_part_of_a_checkpoints_identity():
    assert "Scale(6) -> Linear(6, 5) -> Tanh" in repr(own_network_model().encoder)
    assert "PReLU" in repr(prelu_model().encoder) and "0x" not in repr(prelu_model().encoder)


def test_an_activation_is_a_class_as_each_hidden_layer_needs_its_own():
    with pytest.raises(ValueError, match=r"activation must be a name or a class.*object: PReLU"):
        GaussianEncoder(6, [5], 3, activation=PReLU())
    said = "activation must be a name, or a class that is called without arguments: TypeError"
    for wrong in (np.tanh, lambda x: x, Scale):
        with pytest.raises(ValueError, match=said):
            GaussianEncoder(6, [5], 3, activation=wrong)


@pytest.mark.parametrize("sizes", [(10, 8), (13, 8), (12, 7), (12, 9)])
def test_layers_that_do_not_fit_are_refused_on_a_gpu_too(gpu, sizes):
    layers = Sequential([Linear(*sizes, input_gradient=False), Tanh(), Linear(8, 6)])
    with pytest.raises(ValueError, match=r"layer [02] \(Linear\(\d+, \d\)\): forward fails"):
        GaussianEncoder(12, n_latent=3, network=layers, device=gpu)


def test_a_network_of_ones_own_is_tried_on_a_gpu_too(gpu):
    ends = []
    for device in ("cpu", gpu):
        network = Sequential([Scale(6), Linear(6, 5), Tanh(), Linear(5, 4)])
        encoder = GaussianEncoder(6, n_latent=2, network=network, device=device)
        ends.append(to_numpy(encoder.forward(to_device(np.ones((1, 6), np.float32), device)).mean))
    np.testing.assert_allclose(*ends, rtol=1e-6)


class Scaled(Linear):
    """y = 3 (x W + b)."""

    def forward(self, x):
        return 3 * super().forward(x)

    def backward(self, dy):
        return super().backward(3 * dy)


class Named(Linear):
    """It differs by its name."""


class Residual(Sequential):
    """y = x + f(x)."""

    def forward(self, x):
        return x + super().forward(x)

    def backward(self, dy):
        return dy + super().backward(dy)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sequential([Linear(3, 4), Tanh(), Scaled(4, 3)]),
        lambda: Sequential([Residual([Linear(3, 3), Tanh()]), Linear(3, 3)]),
        lambda: Residual([Linear(3, 3), Tanh()]),
    ],
    ids=["Linear", "Sequential", "the network itself"],
)
def test_a_subclass_with_its_own_backward_does_not_inherit_a_rule_for_dx(rng, make):
    decoder = BernoulliDecoder(3, n_pixels=3, dtype=np.float64, network=make())
    p = decoder.forward(rng.standard_normal((4, 3)))
    dp = p.log_prob_backward(rng.random((4, 3)), np.ones(4))
    np.testing.assert_array_equal(decoder.backward_to_input(*dp), decoder.backward(*dp))


def test_a_subclass_that_changes_no_derivative_keeps_the_rule_for_dx(rng):
    decoder = BernoulliDecoder(3, n_pixels=3, network=Sequential([Named(3, 3)]))
    p = decoder.forward(rng.standard_normal((4, 3), np.float32))
    decoder.backward_to_input(*p.log_prob_backward(np.ones_like(p.mean), np.ones(4, np.float32)))
    assert not decoder.parameters.grad.any()


def test_a_subclass_is_told_from_what_it_inherits(tmp_path):
    def model(third):
        layers = [Linear(2, 4), third([Linear(4, 4), Tanh()]), Scaled(4, 6)]
        encoder = GaussianEncoder(6, [4], 2)
        return VAE(encoder, BernoulliDecoder(2, n_pixels=6, network=Sequential(layers)))

    assert repr(model(Residual).decoder.network) == (
        "Linear(2, 4) -> Residual(Linear(4, 4) -> Tanh) -> Scaled(4, 6)"
    )
    model(Residual).save(tmp_path / "weights.npz")
    model(Residual).load(tmp_path / "weights.npz")
    with pytest.raises(CheckpointError, match="is of another run"):
        model(Sequential).load(tmp_path / "weights.npz")


def test_a_layer_is_known_however_deep_it_lies():
    inner = Linear(2, 6)
    deep = Sequential([Sequential([Sequential([inner, Tanh()])]), Linear(6, 6)])
    assert [type(layer) for layer in every_layer(deep)] == [Linear, Tanh, Linear]
    assert every_layer(Sequential([Residual([inner])])) == [inner]
    BernoulliDecoder(2, n_pixels=6, network=deep)
    with pytest.raises(ValueError, match="is another's, or a copy of another's"):
        BernoulliDecoder(2, n_pixels=6, network=Sequential([inner]))
