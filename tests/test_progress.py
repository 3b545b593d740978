"""Every progress bar of the library is full when what it counts is done."""

import numpy as np
import pytest
from conftest import LATENT, PIXELS, make_trainer
from tqdm import tqdm

from vae_np import Adam, progress
from vae_np.evaluation import importance_sampled_log_likelihood, reciprocal_log_likelihood
from vae_np.inference import per_image
from vae_np.inference.hmc import sample_posterior
from vae_np.training.monte_carlo_em import MonteCarloEM

X = np.random.default_rng(1).standard_normal((7, PIXELS))
LONG = {
    "HMC": lambda model, rng, shown: sample_posterior(
        model.decoder, X, 3, rng, np.zeros((1, 7, LATENT)), n_warmup=5, progress=shown
    ),
    "a q for each image": lambda model, rng, shown: per_image.fit(
        model.decoder, X, model.encode(X), rng, n_steps=4, progress=shown
    ),
    "importance sampling": lambda model, rng, shown: importance_sampled_log_likelihood(
        model, X, 5, batch_size=3, progress=shown
    ),
    "appendix D": lambda model, rng, shown: reciprocal_log_likelihood(
        model, X, 20, batch_size=3, progress=shown
    ),
    "training": lambda model, rng, shown: make_trainer(rng.random((38, 6), np.float32)).fit(
        2, progress=shown
    ),
    "Monte Carlo EM": lambda model, rng, shown: MonteCarloEM(
        model.decoder, Adam([model.decoder.parameters]), X, batch_size=3
    ).fit(2, progress=shown),
}


LABELS = {  # and whether it stays on the terminal
    "HMC": ("HMC", "draw", False),
    "a q for each image": ("fitting q", "step", False),
    "importance sampling": ("log p(x)", "sample", False),
    "appendix D": ("log p(x)", "image", False),
    "training": (None, "step", True),
    "Monte Carlo EM": (None, "example", True),
}


@pytest.mark.parametrize("name", LONG)
def test_a_bar_ends_full_where_it_is_asked_for(name, linear, rng, monkeypatch):
    bars, labels = [], []

    def shown(disable, **options):
        bar = tqdm(disable=disable is True, **options)  # None: on a terminal
        labels.append((options.get("desc"), options["unit"], options.get("leave", True)))
        bars.extend([bar] * (disable is None))
        return bar

    monkeypatch.setattr(progress, "tqdm", shown)
    LONG[name](linear, rng, False)
    assert not bars
    LONG[name](linear, rng, True)
    (bar,) = bars
    assert bar.n == bar.total > 1
    assert labels[0] == LABELS[name]  # appendix D: those of its HMC are not shown


@pytest.mark.parametrize("wrong", ["no", 0, None])
@pytest.mark.parametrize("name", LONG)
def test_whether_a_bar_is_shown_is_no_word(name, wrong, linear, rng):
    with pytest.raises(ValueError, match=f"progress must be True or False, got {wrong!r}"):
        LONG[name](linear, rng, wrong)
