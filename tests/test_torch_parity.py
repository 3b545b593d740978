"""Agreement with PyTorch's autograd and optimizers, in float64; skipped where it is missing."""

import math

import numpy as np
import pytest
from conftest import make_model

from vae_np import SGD, Adagrad, Adam
from vae_np.gradcheck import relative_error
from vae_np.objectives import DoublyReparameterized

torch = pytest.importorskip("torch")

ACTIVATIONS = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "softplus": torch.nn.functional.softplus,
}
MODELS = [
    ("bernoulli", "tanh"),
    ("bernoulli", "relu"),
    ("fixed", "softplus"),
    ("learned", "tanh"),
    ("per-output", "softplus"),
]

KL_WEIGHT = 0.8


class TorchVAE:
    """The same model written independently, with torch.distributions."""

    def __init__(self, model, decoder, activation):
        self.parts = {}
        for name, network in (("encoder", model.encoder), ("decoder", model.decoder)):
            views = network.parameters.views(network.parameters.value)
            self.parts[name] = {
                key: torch.tensor(view, requires_grad=True) for key, view in views.items()
            }
        self.decoder, self.activation = decoder, ACTIVATIONS[activation]

    def parameters(self):
        return [tensor for part in self.parts.values() for tensor in part.values()]

    def flat(self, gradients=False):
        """φ and θ, or their gradients, in vae_np's order."""
        tensors = [(t.grad if gradients else t).detach() for t in self.parameters()]
        return np.concatenate([t.numpy().ravel() for t in tensors])

    def mlp(self, part, x):
        weights = self.parts[part]
        hidden = self.activation(x @ weights["0.weight"] + weights["0.bias"])
        hidden = self.activation(hidden @ weights["2.weight"] + weights["2.bias"])
        return hidden @ weights["4.weight"] + weights["4.bias"]

    def loss(self, x, noise, log_prior_scale):
        x, noise = torch.tensor(x), torch.tensor(noise)
        mean, log_var = self.mlp("encoder", x).chunk(2, dim=-1)
        q = torch.distributions.Normal(mean, torch.exp(log_var / 2))
        prior = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
        outputs = self.mlp("decoder", mean + torch.exp(log_var / 2) * noise)
        if self.decoder == "bernoulli":
            log_px = -torch.nn.functional.binary_cross_entropy_with_logits(
                outputs, x.expand(outputs.shape), reduction="none"
            )
        else:
            log_var_x = torch.tensor(math.log(0.5), dtype=torch.float64)
            if self.decoder == "learned":
                log_var_x = self.parts["decoder"]["log_var"]
            elif self.decoder == "per-output":
                outputs, log_var_x = outputs.chunk(2, dim=-1)
            p = torch.distributions.Normal(torch.sigmoid(outputs), torch.exp(log_var_x / 2))
            log_px = p.log_prob(x)
        kl = torch.distributions.kl_divergence(q, prior).sum(-1)
        loss = -(log_px.sum(-1).mean(0) - KL_WEIGHT * kl).mean()
        theta = torch.cat([t.ravel() for t in self.parts["decoder"].values()])
        return loss + log_prior_scale * 0.5 * (theta**2).sum()


def twins(decoder, activation):
    model = make_model(decoder, pixels=7, hidden=(6, 5), activation=activation, dtype=np.float64)
    return model, TorchVAE(model, decoder, activation)


def flat(model, gradients=False):
    return np.concatenate([v.grad if gradients else v.value for v in model.parameters])


@pytest.mark.parametrize(("decoder", "activation"), MODELS)
def test_loss_and_gradient(rng, decoder, activation):
    model, twin = twins(decoder, activation)
    x, noise = rng.random((4, 7)), rng.standard_normal((3, 4, 3))
    value = model.elbo_and_gradient(x, noise, KL_WEIGHT)
    model.decoder.parameters.add_weight_prior(0.05)
    loss = twin.loss(x, noise, log_prior_scale=0.05)
    loss.backward()
    theta = model.decoder.parameters.value
    objective = (value.reconstruction - KL_WEIGHT * value.kl).mean()
    assert -objective + 0.05 * 0.5 * (theta**2).sum() == pytest.approx(loss.item(), rel=1e-13)
    assert relative_error(flat(model, gradients=True), twin.flat(gradients=True)) < 1e-12


def test_the_doubly_reparameterized_gradient(rng):
    """By the recipe of 1810.04152: what φ must not be differentiated through is detached."""
    model, twin = twins("bernoulli", "tanh")
    x, noise = rng.random((4, 7)), rng.standard_normal((5, 4, 3))
    bound = DoublyReparameterized(model).value_and_gradient(x, noise)
    mean, log_var = twin.mlp("encoder", torch.tensor(x)).chunk(2, dim=-1)
    z = mean + torch.exp(log_var / 2) * torch.tensor(noise)
    q = torch.distributions.Normal(mean.detach(), torch.exp(log_var / 2).detach())
    prior = torch.distributions.Normal(0.0, 1.0)
    pixels = torch.distributions.Bernoulli(logits=twin.mlp("decoder", z), validate_args=False)
    log_px_given_z = pixels.log_prob(torch.tensor(x).expand(5, 4, 7)).sum(-1)
    log_w = log_px_given_z + (prior.log_prob(z) - q.log_prob(z)).sum(-1)
    value = torch.logsumexp(log_w, 0) - math.log(5)
    shares = torch.softmax(log_w, 0).detach()
    gradient = {"encoder": (shares**2 * log_w).sum(0), "decoder": value}
    for name, climbed in gradient.items():
        tensors = list(twin.parts[name].values())
        slopes = torch.autograd.grad(-climbed.mean(), tensors, retain_graph=True)
        expected = np.concatenate([slope.numpy().ravel() for slope in slopes])
        assert relative_error(getattr(model, name).parameters.grad, expected) < 1e-12
    np.testing.assert_allclose(bound.value, value.detach().numpy(), rtol=1e-13)


@pytest.mark.parametrize(("decoder", "activation"), MODELS)
@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam"])
def test_twenty_steps_reach_the_same_parameters(rng, decoder, activation, optimizer):
    model, twin = twins(decoder, activation)
    ours, theirs = {
        "sgd": (SGD(model.parameters, 0.01), torch.optim.SGD(twin.parameters(), 0.01)),
        "adagrad": (
            Adagrad(model.parameters, 0.02),
            torch.optim.Adagrad(twin.parameters(), 0.02, eps=Adagrad.epsilon),
        ),
        "adam": (Adam(model.parameters, 0.01), torch.optim.Adam(twin.parameters(), 0.01)),
    }[optimizer]
    start = flat(model)
    for _ in range(20):
        x, noise = rng.random((4, 7)), rng.standard_normal((1, 4, 3))
        model.elbo_and_gradient(x, noise, KL_WEIGHT)
        ours.step()
        theirs.zero_grad()
        twin.loss(x, noise, log_prior_scale=0).backward()
        theirs.step()
    assert relative_error(flat(model), twin.flat()) < 1e-9
    assert np.abs(flat(model) - start).max() > 0.01
