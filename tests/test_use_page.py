"""The recipes of docs/use.md: what they compute, and PyTorch's twelve lines beside ours."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from doc_checks import run_examples
from doc_numbers import sources
from documents import ROOT, Document

from demos.common.models import kl_of_each_latent
from vae_np import VAE, Adam, BernoulliDecoder, GaussianEncoder

ENGLISH, CHINESE = (Document(ROOT / "docs" / name) for name in ("use.md", "use.zh-CN.md"))
WITHOUT_CODE = ["which-decoder", "pytorch"]


def test_both_languages_have_the_same_recipes_in_the_same_order():
    assert ENGLISH.explicit_anchors == CHINESE.explicit_anchors
    for (anchor, english), (_, chinese) in zip(ENGLISH.sections(), CHINESE.sections(), strict=True):
        codes = [[(b.text, out) for b, out in page.examples()] for page in (english, chinese)]
        assert codes[0] == codes[1]
        assert bool(codes[0]) == (anchor not in WITHOUT_CODE)
        numbers = [
            sorted((s.file, s.expression, s.format) for _, s in sources(page))
            for page in (english, chinese)
        ]
        assert numbers[0] == numbers[1]
        assert twelve_lines(english) == twelve_lines(chinese)


@pytest.mark.slow
def test_the_recipes_compute_what_they_say():
    found, results = run_examples(ENGLISH)
    assert [printed for _, wanted, printed in results if wanted is not None] == [
        wanted for _, wanted, _ in results if wanted is not None
    ]
    now = SimpleNamespace(**found)
    assert now.x.shape == (3, 28, 28)
    assert now.objective.kl_weight == 0.1  # after its one epoch
    q = now.q  # of the model before it trained on
    assert now.kl.sum() == pytest.approx(float(q.kl_to_standard_normal().mean()), rel=1e-5)
    fake = SimpleNamespace(encode=lambda images: q)
    np.testing.assert_allclose(now.kl, kl_of_each_latent(fake, None), rtol=1e-4)
    assert now.way.shape == (11, 784) and now.pictures.shape == (11, 784)
    ends = now.model.decode(now.model.encode(now.data.test[:2]).mean).mean
    np.testing.assert_allclose(now.way[[0, -1]], ends, rtol=1e-4, atol=1e-5)
    assert now.log_px.argmin() == np.flatnonzero((now.data.test == now.ten_most_unusual[0]).all(1))
    assert np.bincount(now.data.train_labels[now.labelled]).tolist() == [10] * 10
    assert 0.1 < now.right < 1  # above chance after an epoch
    scaled = (now.new_rows - now.mean) / now.std
    assert abs(scaled.mean()) < 0.5 and 0.3 < scaled.std() < 3


def twelve_lines(page):
    """(PyTorch's, ours) of each row of the table."""
    rows = re.findall(r"^\| \d+ \| `(.+?)` \| `(.+?)` \|$", page.text, re.MULTILINE)
    return [(theirs, ours) for theirs, ours in rows]


def test_pytorchs_twelve_lines_and_ours_take_the_same_step(rng):
    torch = pytest.importorskip("torch")
    rows = twelve_lines(ENGLISH)
    assert len(rows) == 12
    x = rng.random((10, 784)).astype(np.float32)
    names = {"GaussianEncoder": GaussianEncoder, "BernoulliDecoder": BernoulliDecoder}
    ours = {**names, "Adam": Adam, "VAE": VAE, "x": x, "generator": rng}
    theirs = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "x": torch.tensor(x)}
    for number, (their_line, our_line) in enumerate(rows, 1):
        exec(their_line, theirs)
        exec(our_line, ours)
        if number == 3:
            for network in ("encoder", "decoder"):
                for layer, own in linear_layers(theirs[network], ours[network]):
                    layer.weight.data = torch.tensor(own.weight.T.copy())
                    layer.bias.data = torch.tensor(own.bias.copy())
        if number == 5:
            assert theirs["noise"].shape == ours["noise"][0].shape
            theirs["noise"] = torch.tensor(ours["noise"][0])
    assert float(theirs["loss"].detach()) == pytest.approx(float(ours["loss"]), rel=1e-5)
    for network in ("encoder", "decoder"):
        for layer, own in linear_layers(theirs[network], ours[network]):
            for name in ("weight", "bias"):
                their, our = getattr(layer, name), getattr(own, name)
                their_gradient, gradient = their.grad.numpy().T, getattr(own, f"d{name}")
                np.testing.assert_allclose(their_gradient, gradient, rtol=1e-3, atol=1e-6)
                np.testing.assert_allclose(
                    their.detach().numpy().T, our, atol=2e-4
                )  # of a step of 1e-3


def linear_layers(theirs, ours):
    return zip(theirs[::2], ours.network.layers[::2], strict=True)
