"""What parts that do not fit are told, word for word; see test_messages.py for the rest."""

import numpy as np
import pytest
from conftest import make_model, make_trainer
from test_messages import X, said

from vae_np import (
    VAE,
    Adam,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    Trainer,
    evaluation,
    figures,
)
from vae_np.checks import pixels_of
from vae_np.finite_differences import numerical_gradient
from vae_np.inference import appendix_d, hmc, linear_gaussian
from vae_np.layers import Linear, Sequential, Tanh
from vae_np.objectives import FullBayes, ScoreFunction
from vae_np.parameters import ParameterVector

RNG = np.random.default_rng(0)
Z = RNG.standard_normal((2, 4, 3)).astype(np.float32)


def infinite():
    model = make_model()
    model.decoder.parameters.value[:] = np.nan
    return model


def changed_images():
    trainer = make_trainer(X.copy())
    trainer.images[0] += 0.1
    trainer.save("never.npz")


class Keeps(Tanh):
    """It returns the same array each time."""

    def forward(self, x):
        if not hasattr(self, "kept") or self.kept.shape != x.shape:
            self.kept = np.empty_like(x)
        self.kept[...] = super().forward(x)
        return self.kept


class HalfWritten(Linear):
    def backward(self, dy):
        bias = self.dbias.copy()
        dx = super().backward(dy)
        self.dbias[...] = bias
        return dx


def with_network(*layers):
    return BernoulliDecoder(2, n_pixels=6, network=Sequential(list(layers)))


class LayersAlone:
    """It has layers, and is no network of them."""

    layers = (Linear(2, 6),)

    def __repr__(self):
        return "LayersAlone"


def parts_of(objective):
    return objective.value(X, (Z[:1], np.zeros(3, np.float32)))


REFUSED = {  # the call, and all that it says
    lambda: make_model().encode(X.reshape(4, 2, 3)): (
        "images must have shape (N, 6) with N >= 1, got (4, 2, 3): images.reshape(-1, 6) makes it "
        "so"
    ),
    lambda: make_model().encode((X > 0.5).astype(np.uint8)): (
        "images of uint8 run to 255, got none above 1: give 0 and 1 as float"
    ),
    lambda: hmc.sample_posterior(make_model().decoder, X.astype(float), 2, RNG, Z): (
        "x must be float32 on cpu as the decoder is, got float64 on cpu; VAE.as_pixels makes it so"
    ),
    lambda: make_model().elbo(X.astype(np.float64), Z): (
        "x must be float32 as the model is, got float64; VAE.as_pixels and VAE.draw_noise make "
        "them so"
    ),
    lambda: parts_of(FullBayes(make_model(), 4)): "noise must have a part of shape (56,), got (3,)",
    lambda: Trainer(make_model(), Adam(make_model().parameters), X): (
        "optimizer must be made from this model's parameters, or from the objective's vectors if "
        "it has its own, got others"
    ),
    lambda: VAE(GaussianEncoder(6, [5], 3), BernoulliDecoder(3, [5], 6, dtype=np.float64)): (
        "encoder and decoder must share dtype and device: encoder float32 on cpu, decoder float64 "
        "on cpu"
    ),
    lambda: evaluation.importance_sampled_log_likelihood(infinite(), X, 2): (
        "log p(x) of image 0 is nan: are the weights finite?"
    ),
    lambda: evaluation.evaluate_elbo(make_model(decoder="fixed"), X, binary=True): (
        "binary makes binary images, which need a Bernoulli decoder"
    ),
    lambda: figures.learning_curves([], "never.png"): (
        "history must hold at least one epoch, got none"
    ),
    lambda: figures.reconstructions(X, {"mean": X, "draw": X[1:]}, (2, 3), "never.png"): (
        f"'draw' must be of {len(X)} images as the first row is, got {len(X) - 1}"
    ),
    lambda: numerical_gradient(lambda: 0.0, np.ones(2, np.float32)): (
        "array must be writeable float64 of NumPy or CuPy, not empty, got float32 (2,)"
    ),
    lambda: numerical_gradient(lambda: None, np.ones(2)): (
        "f must return one real number of float64, got object (): no return, no sum?"
    ),
    lambda: appendix_d.fitted_gaussian_log_prob(np.zeros((2, 1, 1, 2)), np.ones((1, 1, 1, 2)), 3): (
        "the posterior draws of image 3 lie in a plane: they are too few, or their chains hardly "
        "move"
    ),
    lambda: pixels_of(np.eye(3, 6, dtype=np.uint8), make_model().decoder): (
        "images of uint8 run to 255, got none above 1: give 0 and 1 as float"
    ),
    lambda: hmc.sample_posterior(make_model().decoder, X, 2, RNG, Z.astype(complex)): (
        "initial must be a plain array of numbers, got ndarray of complex128"
    ),
    lambda: hmc.sample_posterior(infinite().decoder, X, 2, RNG, Z): (
        "log p(x, z) is not finite as a chain starts: check x, initial, weights"
    ),
    lambda: linear_gaussian.maximum_likelihood(np.eye(9)[:, :5], 6): (
        "6 latents need at least 8 examples of 7 numbers, so that noise is left over, "
        "got x of shape (9, 5)"
    ),
    lambda: linear_gaussian.maximum_likelihood(np.outer(np.arange(9.0), np.ones(4)), 2): (
        "n_latent must leave noise over: 2 dimensions hold all the data"
    ),
    lambda: GaussianEncoder(6, [5], 3, activation=Tanh()): (
        "activation must be a name or a class, of which each hidden layer makes its own, got an "
        "object: Tanh"
    ),
    lambda: with_network(*make_model().decoder.network.layers): (
        "a layer of network is another's, or a copy of another's: make a new one"
    ),
    lambda: BernoulliDecoder(2, n_pixels=6, network=LayersAlone()): (
        "network must be a Sequential of layers, got LayersAlone"
    ),
    lambda: Linear(2, 3, init=""): "init must be one of fan-in, paper, got ''",
    lambda: make_model(activation=""): ("activation must be one of tanh, relu, softplus, got ''"),
    lambda: GaussianDecoder(3, [5], 6, noise=""): (
        "noise must be one of fixed, learned, per-output, got ''"
    ),
    lambda: ScoreFunction(make_model(), baseline=""): (
        "baseline must be one of none, leave-one-out, got ''"
    ),
    lambda: with_network(Linear(2, 6), Keeps()): (
        "forward of Keeps must return a new array: it wrote into an earlier one"
    ),
    lambda: with_network(HalfWritten(2, 6)): (
        "backward must write all of the gradient of 0.bias, with grad[...] = ...: it left a part "
        "as it was, or added to it"
    ),
    lambda: GaussianDecoder(3, [5], 6, std=1.0): (
        'std is for noise "fixed" or "learned": "per-output" has its own'
    ),
    lambda: ScoreFunction(make_model(), baseline="leave-one-out").value_and_gradient(X, Z[:1]): (
        'baseline "leave-one-out" needs noise of L >= 2 draws, got 1'
    ),
    lambda: Adam([vector := ParameterVector({"w": X}), vector]): (
        "vectors must hold each ParameterVector once: one stands there twice"
    ),
    lambda: setattr(make_model().decoder.parameters, "value", np.float32(0)): (
        "value must have shape (56,), got ()"
    ),
    lambda: setattr(make_model().decoder.parameters, "grad", 0): (
        "grad must have shape (56,), got int"
    ),
    changed_images: "the training images have changed since the Trainer was made",
}


@pytest.mark.parametrize("call", REFUSED)
def test_a_part_that_does_not_fit_is_named(call):
    assert said(call) == REFUSED[call]
