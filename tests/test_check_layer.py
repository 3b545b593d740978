"""check_layer and check_model: nothing of the user's changes, and what is wrong is named."""

import numpy as np
import pytest
from conftest import make_model
from documents import ROOT

from vae_np import distributions, gradcheck
from vae_np.backend import device_of, to_device
from vae_np.gradcheck import check_layer, check_model
from vae_np.layers import Linear, Sequential, Tanh


class Affine:
    """y = a ⊙ x + b; at first a is 1 and b is 0, where many a mistake does not show."""

    def initial_values(self, generator):
        return {"a": np.ones(3), "b": np.zeros(3)}

    def bind(self, value, grad):
        self.a, self.b, self.da, self.db = value["a"], value["b"], grad["a"], grad["b"]

    def forward(self, x):
        self.x, self.da[...], self.db[...] = x, 0, 0  # which backward fills
        return self.a * x + self.b

    def backward(self, dy):
        self.da[...], self.db[...] = (dy * self.x).sum(axis=0), dy.sum(axis=0)
        return self.a * dy


def weights(model):
    return np.concatenate([vector.value for vector in model.parameters])


def failed(checks):
    return [check.name for check in checks if not check.passed]


def test_a_right_layer_is_right_and_all_of_it_is_checked(rng):
    checks = check_layer(Affine(), rng.standard_normal((5, 3)))
    assert [(check.name, check.derivatives) for check in checks] == [
        ("Affine dx", 15),
        ("Affine da", 3),
        ("Affine db", 3),
    ]
    assert failed(checks) == []
    assert [check.name for check in check_layer(Tanh(), [[1, 2]])] == ["Tanh dx"]  # x: a list


def test_parameters_are_near_their_initial_values_and_hide_nothing(rng, monkeypatch):
    seen, forward = [], Affine.forward
    monkeypatch.setattr(
        Affine,
        "forward",
        lambda layer, x: seen.append([*layer.a - 1, *layer.b]) or forward(layer, x),
    )
    check_layer(Affine(), rng.standard_normal((5, 3)))
    assert 0 < min(seen[0]) < max(seen[0]) < 0.2
    assert len(set(seen[0])) == 6 and max(seen[0]) > 0.1


@pytest.mark.parametrize(
    ("layer", "shape", "directions"), [(Affine, (1665, 3), 5), (Tanh, (1000, 5), 0)]
)
def test_more_than_5000_numbers_of_all_tensors_are_checked_along_directions(
    rng, monkeypatch, layer, shape, directions
):
    monkeypatch.setattr(gradcheck, "check_gradient", lambda *_, directions: directions)
    checks = check_layer(layer(), rng.standard_normal(shape))  # Affine's a and b have 3 each
    assert set(checks) == {directions}


def test_a_layer_is_checked_on_a_gpu(gpu, rng, monkeypatch):
    seen, forward = set(), Linear.forward
    monkeypatch.setattr(
        Linear, "forward", lambda layer, x: seen.add(device_of(x)) or forward(layer, x)
    )
    checks = check_layer(Linear(3, 2), to_device(rng.standard_normal((5, 3)), gpu))
    assert len(checks) == 3 and failed(checks) == [] and seen == {gpu}
    model = make_model(pixels=2, hidden=(), latent=1, device=gpu)
    x, noise = rng.random((3, 2)), rng.standard_normal((2, 3, 1))  # from either side
    for arrays in ((x, noise), (to_device(x, gpu), to_device(noise, gpu))):
        checks = check_model(model, *arrays)
        assert len(checks) == 4 and failed(checks) == []


@pytest.mark.parametrize(("y", "got"), [(1.0, "float"), ([1.0], "list"), (None, "NoneType")])
def test_a_forward_that_returns_no_array_is_told_what_it_returns(rng, monkeypatch, y, got):
    monkeypatch.setattr(Affine, "forward", lambda layer, x: y)
    with pytest.raises(ValueError, match=f"forward must return an array, got {got}: no return"):
        check_layer(Affine(), rng.standard_normal((5, 3)))


class Square:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dy):
        return 2 * dy * dy


def test_what_the_layer_is_given_is_not_the_readers_x():
    """The random numbers of a seed that everybody takes; 2 dy² would be right for dy = x."""
    for seed in range(5):
        (check,) = check_layer(Square(), np.random.default_rng(seed).standard_normal((5, 3)))
        assert check.verdict == "WRONG"


def backward_with(**wrong):
    """`Affine.backward` with some of its three derivatives replaced: functions of (layer, dy)."""

    def backward(layer, dy):
        right = {"da": (dy * layer.x).sum(axis=0), "db": dy.sum(axis=0), "dx": layer.a * dy}
        parts = right | {name: f(layer, dy) for name, f in wrong.items()}
        layer.da[...], layer.db[...] = parts["da"], parts["db"]
        return parts["dx"]

    return backward


@pytest.mark.parametrize(
    ("backward", "wrong", "cause"),
    [
        (backward_with(), [], ""),
        (backward_with(da=lambda layer, dy: -(dy * layer.x).sum(axis=0)), ["Affine da"], "a sign"),
        (backward_with(db=lambda layer, dy: dy.mean(axis=0)), ["Affine db"], "over 5"),
        (backward_with(dx=lambda layer, dy: dy), ["Affine dx"], "depends on axis 1 alone"),
        (
            backward_with(da=lambda layer, dy: layer.da + (dy * layer.x).sum(axis=0)),
            ["Affine da"],
            "a grad not written by grad[...] = ...",
        ),
    ],
)
def test_what_is_wrong_is_named(rng, monkeypatch, backward, wrong, cause):
    monkeypatch.setattr(Affine, "backward", backward)
    checks = check_layer(Affine(), rng.standard_normal((5, 3)))
    assert failed(checks) == wrong
    assert all(cause in check.seen + check.suggests for check in checks if not check.passed)


def test_a_gradient_that_is_left_as_it_was_is_wrong(rng, monkeypatch):
    def backward(self, dy):  # at 0, where a buffer starts, half of this would be right
        self.da[0], self.db[...] = (dy * self.x)[:, 0].sum(), dy.sum(axis=0)
        return self.a * dy

    monkeypatch.setattr(Affine, "backward", backward)
    x = rng.standard_normal((5, 3))
    x[:, 1:] = 0
    assert failed(check_layer(Affine(), x)) == ["Affine da"]


class Adding(Linear):
    """A mistake: it adds to a gradient that is to be written."""

    def backward(self, dy):
        self.dweight[...] += self.x.T @ dy
        self.dbias[...] += dy.sum(axis=0)
        return dy @ self.weight.T


def test_a_gradient_that_is_added_to_is_wrong_in_a_model_too(rng):
    model = make_model(dtype=np.float64)
    model.decoder.network.layers[0].__class__ = Adding
    checks = check_model(model, rng.random((4, 6)), rng.standard_normal((2, 4, 3)))
    assert failed(checks) == ["decoder 0.weight", "decoder 0.bias"]


def test_each_layer_of_a_sequential_gives_dx(rng):
    inner = Sequential([Tanh(), Linear(3, 2, input_gradient=False)])
    assert failed(check_layer(inner, rng.standard_normal((5, 3)))) == []


def test_a_layer_of_a_model_stays_the_model_s(rng):
    model = make_model()  # float32
    network = model.encoder.network
    x, before = rng.random((4, 6)).astype(np.float32), weights(model)
    mean = model.encode(x).mean
    for layer, width in ((network, 6), (network.layers[0], 6), (network.layers[2], 5)):
        inputs = rng.random((3, width))
        kept = inputs.copy()
        checks = check_layer(layer, inputs)
        assert len(checks) == (5 if layer is network else 3)
        assert failed(checks) == []
        np.testing.assert_array_equal(inputs, kept)
    np.testing.assert_array_equal(weights(model), before)
    np.testing.assert_array_equal(model.encode(x).mean, mean)
    model.encoder.parameters.value[:] = 0  # which its layers still use
    assert not model.encode(x).mean.any()
    assert not network.layers[0].input_gradient


def test_an_unbound_layer_stays_unbound(rng):
    for layer in (Linear(3, 2), type("Own", (Linear,), {})(3, 2)):
        checks = check_layer(layer, rng.random((4, 3)))
        assert len(checks) == 3 and failed(checks) == []
        assert not hasattr(layer, "weight")


def test_a_backward_may_use_dy_as_its_own(rng, monkeypatch):
    def backward(self, dy):
        dy *= 1 - self.y**2
        return dy

    monkeypatch.setattr(Tanh, "backward", backward)
    network = Sequential([Tanh(), Tanh()])
    assert failed(check_layer(network, rng.standard_normal((4, 3)))) == []


def test_a_large_layer_is_checked_along_directions(rng, monkeypatch):
    x = rng.standard_normal((4, 100))
    checks = check_layer(Linear(100, 60), x)
    assert [(check.derivatives, check.directions) for check in checks] == [
        (400, 5),
        (6000, 5),
        (60, 5),
    ]
    assert failed(checks) == []
    monkeypatch.setattr(Linear, "backward_to_input", lambda self, dy: dy @ -self.weight.T)
    assert failed(check_layer(Linear(100, 60), x)) == ["Linear dx"]


class Forgetful(Tanh):
    def backward(self, dy):
        super().backward(dy)


class Transposing(Tanh):
    def backward(self, dy):
        return super().backward(dy).T


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Tanh, r"layer is a class: make a layer of it, as in Tanh\(\)"),
        (np.tanh, r"layer \(.*tanh.*\) has no forward and no backward"),
        (Forgetful(), r"a gradient must be .* \(5, 3\), got None: no return\?"),
        (Transposing(), r"a gradient must be .* \(5, 3\), got float64 \(3, 5\)"),
    ],
)
def test_what_is_no_layer_is_refused(rng, layer, message):
    with pytest.raises(ValueError, match=message):
        check_layer(layer, rng.random((5, 3)))


@pytest.mark.parametrize("decoder", ["bernoulli", "learned", "per-output"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_right_model_is_right_and_stays_as_it_is(rng, decoder, dtype):
    model = make_model(decoder, dtype=dtype)
    before = weights(model)
    checks = check_model(model, rng.random((4, 6), dtype), model.draw_noise(rng, 2, 4))
    assert failed(checks) == []
    assert [(check.name, check.derivatives) for check in checks] == [
        (f"{part} {name}", int(np.prod(shape)))
        for part, vector in zip(("encoder", "decoder"), model.parameters, strict=True)
        for name, shape in vector.shapes.items()
    ]
    np.testing.assert_array_equal(weights(model), before)
    assert model.dtype == dtype


def test_a_model_is_checked_at_its_own_weights_and_at_pixels_from_0_to_1(rng):
    model = make_model()
    x, noise = rng.integers(0, 256, (4, 6), np.uint8), rng.standard_normal((1, 4, 3))
    assert check_model(model, x, noise) == check_model(model, x / 255, noise)
    model.encoder.parameters.value[:] = np.nan
    wrong = check_model(model, x, noise)
    assert len(failed(wrong)) == len(wrong)
    assert all("not finite" in check.seen for check in wrong)


def test_a_wrong_term_of_the_elbo_is_seen_where_it_goes(rng, monkeypatch):
    right = distributions.DiagonalGaussian.kl_backward
    monkeypatch.setattr(
        distributions.DiagonalGaussian, "kl_backward", lambda q, upstream: right(q, -upstream)
    )
    checks = check_model(make_model(), rng.random((4, 6)), rng.standard_normal((2, 4, 3)))
    assert failed(checks) == [check.name for check in checks if check.name.startswith("encoder")]


def test_what_is_no_model_is_refused(rng):
    x, noise = rng.random((4, 6)), rng.standard_normal((2, 4, 3))
    with pytest.raises(ValueError, match="model must be a VAE, got GaussianEncoder"):
        check_model(make_model().encoder, x, noise)
    with pytest.raises(ValueError, match=r"noise must have shape \(L, 4, 3\)"):
        check_model(make_model(), x, noise[0])


def test_the_example_in_the_readme_prints_what_it_says(capsys):
    section = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("## Check your own layer")[2]
    )
    code = section.partition("```python\n")[2].partition("```")[0]
    exec(code, {})
    assert section.partition("```text\n")[2].startswith(f"{capsys.readouterr().out}```")
