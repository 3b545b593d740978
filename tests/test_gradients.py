"""The gradient suite: every tensor of derivatives that is written by hand, a test for each group.

    python -m pytest tests/test_gradients.py -v

runs in seconds. Read the first failure first: the order is that of the stack, in which each level
is built on those before it. The checks are in demos/gradients.
"""

import importlib
import inspect
import pkgutil
import sys

import pytest

import vae_np
from demos.gradients import distributions, full_size, models, networks, objectives
from demos.gradients.table import LEVELS, table
from vae_np import gradcheck
from vae_np.backend import random_generator
from vae_np.distributions import Bernoulli, DiagonalGaussian
from vae_np.layers import Sigmoid
from vae_np.networks import BernoulliDecoder, GaussianEncoder
from vae_np.objectives import ELBO, SGVB_A
from vae_np.parameters import ParameterVector
from vae_np.training.monte_carlo_em import MonteCarloEM
from vae_np.vae import VAE

GROUPS = [group for groups in LEVELS.values() for group in groups]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_gradients(group, rng):
    wrong = [str(check) for check in group(rng) if not check.passed]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.mark.slow
@pytest.mark.parametrize("group", [*GROUPS, full_size.full_size], ids=lambda group: group.__name__)
def test_gradients_on_a_gpu(group, gpu):
    """Its products and kernels are its own; the differences of what it computes judge them."""
    wrong = [str(check) for check in group(random_generator(0, gpu)) if not check.passed]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


# Each is right at inputs of some kind (an upstream of 1, logits of 0, images all the same): there
# no check of it would say a thing.
MISTAKES = {
    "the KL's upstream is forgotten": (
        *(distributions.gaussian, DiagonalGaussian, "kl_backward"),
        lambda right: lambda q, upstream: right(q, upstream**0),
    ),
    "log p(x)'s upstream is forgotten": (
        *(distributions.gaussian, DiagonalGaussian, "log_prob_backward"),
        lambda right: lambda p, x, upstream: right(p, x, upstream**0),
    ),
    "the prior's upstream is forgotten": (
        *(distributions.priors, distributions, "standard_normal_log_prob_backward"),
        lambda right: lambda z, upstream: right(z, upstream**0),
    ),
    "the weight prior adds nothing": (
        *(distributions.priors, ParameterVector, "add_weight_prior"),
        lambda right: lambda theta, scale: None,
    ),
    "Bernoulli's upstream is forgotten": (
        *(distributions.bernoulli, Bernoulli, "log_prob_backward"),
        lambda right: lambda p, x, upstream: right(p, x, upstream**0),
    ),
    "Bernoulli's logits are forgotten": (
        *(distributions.bernoulli, Bernoulli, "log_prob_backward"),
        lambda right: lambda p, x, upstream: right(Bernoulli(0 * p.logits), x, upstream),
    ),
    "all pixels count as grey": (
        *(distributions.bernoulli, Bernoulli, "log_prob_backward"),
        lambda right: lambda p, x, upstream: right(p, x**0 / 2, upstream),
    ),
    "the encoder's upstream is forgotten": (
        *(networks.encoder, GaussianEncoder, "backward"),
        lambda right: lambda network, *upstream: right(network, *(d**0 for d in upstream)),
    ),
    "the decoder's upstream is forgotten": (
        *(networks.bernoulli_decoder, BernoulliDecoder, "backward"),
        lambda right: lambda network, *upstream: right(network, *(d**0 for d in upstream)),
    ),
    "the squashed mean's slope is forgotten": (
        *(networks.gaussian_decoders, Sigmoid, "backward"),
        lambda right: lambda layer, dy: dy,
    ),
    "the ELBO sees grey images": (
        *(models.bernoulli, VAE, "elbo_and_gradient"),
        lambda right: lambda vae, x, noise: right(vae, x**0 / 2, noise),
    ),
    "the KL's weight is forgotten": (
        *(models.beta_vae, ELBO, "value_and_gradient"),
        lambda right: lambda elbo, x, noise: elbo.model.elbo_and_gradient(x, noise),
    ),
    "the noise is forgotten": (
        *(objectives.sgvb_a, SGVB_A, "value_and_gradient"),
        lambda right: lambda objective, x, noise: right(objective, x, 0 * noise),
    ),
    "each image has another's code": (
        *(objectives.monte_carlo_em, MonteCarloEM, "fill_gradient"),
        lambda right: lambda em, x, z: right(em, x[::-1], z),
    ),
    "each image has the code 0": (
        *(objectives.monte_carlo_em, MonteCarloEM, "fill_gradient"),
        lambda right: lambda em, x, z: right(em, x, 0 * z),
    ),
    "each q's sigma counts as 1": (
        *(objectives.q_per_image, DiagonalGaussian, "sample_backward"),
        lambda right: lambda q, *given: right(DiagonalGaussian(q.mean, 0 * q.log_var), *given),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_mistake_hides_behind_the_inputs(mistake, rng, monkeypatch):
    group, owner, name, spoil = MISTAKES[mistake]
    assert all(check.passed for check in group(rng))
    monkeypatch.setattr(owner, name, spoil(getattr(owner, name)))
    assert not all(check.passed for check in group(rng))


@pytest.fixture
def no_differences(monkeypatch):
    """Only what is written by hand runs."""
    monkeypatch.setattr(gradcheck, "_compared", lambda check, *_: check(0.0, "right"))


def test_every_name_is_readable_and_there_once(no_differences):
    names = [check.name for _, check in table()]
    assert len(names) > 150
    assert len(set(names)) == len(names)
    assert all(name.isascii() for name in names)  # some terminals print others as "?"


def test_every_function_that_derives_is_checked(no_differences):
    """What is called backward or gradient in the package is called by some check."""
    called = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: called.add(frame.f_code) if event == "call" else None)
    try:
        list(table())
    finally:
        sys.setprofile(before)
    derive = {
        f"{module.__name__}.{function.__qualname__}": function.__code__
        for module in modules()
        for owner in (module, *classes(module))
        for name, function in vars(owner).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__
        if "backward" in name or "gradient" in name or name == "add_weight_prior"
    }
    assert len(derive) > 30
    assert [name for name, code in derive.items() if code not in called] == []


def modules():
    """All of the package but what judges gradients."""
    for found in pkgutil.walk_packages(vae_np.__path__, "vae_np."):
        if found.name not in ("vae_np.gradcheck", "vae_np.finite_differences"):
            yield importlib.import_module(found.name)


def classes(module):
    return [
        member
        for member in vars(module).values()
        if inspect.isclass(member) and member.__module__ == module.__name__
    ]


def test_another_seed_has_other_inputs():
    one, other, again = (next(table(seed))[1] for seed in (0, 1, 0))
    assert one != other
    assert one == again
