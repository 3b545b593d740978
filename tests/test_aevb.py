"""Algorithm 1 by itself, and beside the Trainer that runs it."""

import runpy

import numpy as np
import pytest
from conftest import make_model, make_trainer, weights

from vae_np import VAE, Adam, BernoulliDecoder, GaussianEncoder, datasets
from vae_np.backend import Stream, random_generator
from vae_np.objectives import ELBO, SGVB_A, WakeSleep
from vae_np.training import aevb

USES = Stream.SHUFFLE, Stream.TRAINING_NOISE  # of an epoch's random numbers


@pytest.mark.parametrize("objective", [ELBO, SGVB_A, WakeSleep])
def test_algorithm_1_and_the_trainer_end_with_equal_bits(images, objective):
    seed = 2**40 + 3
    trainer = make_trainer(images, objective=objective, n_draws=2, seed=seed)
    trainer.fit(3, progress=False)
    model = make_model()
    values = aevb.train(
        objective(model),
        Adam(model.parameters, 0.01),
        images,
        epochs=3,
        batch_size=10,
        n_draws=2,
        seed=seed,
    )
    expected = [row["train_elbo"] for row in trainer.history]
    assert list(values) == pytest.approx(expected, rel=1e-6)
    ours = np.concatenate([vector.value for vector in model.parameters])
    np.testing.assert_array_equal(ours, weights(trainer))


def test_every_image_comes_once_and_the_last_minibatch_takes_what_is_left():
    rows = [rows for rows, _ in aevb.minibatches(38, 10, seed=0, epoch=1, device="cpu")]
    assert [len(part) for part in rows] == [10, 10, 10, 8]
    assert sorted(np.concatenate(rows)) == list(range(38))
    other = [rows for rows, _ in aevb.minibatches(38, 10, seed=0, epoch=2, device="cpu")]
    assert (np.concatenate(rows) != np.concatenate(other)).any()


def test_each_seed_and_each_epoch_has_its_own_order_and_noise():
    seeds = ((0, 0), (0, 1), (1, 0))
    drawn = [aevb.shuffled(38, *seed, "cpu") for seed in seeds]
    for (seed, epoch), (order, generator) in zip(seeds, drawn, strict=True):
        shuffle, noise = (random_generator([seed, use, epoch]) for use in USES)
        np.testing.assert_array_equal(order, shuffle.permutation(38))
        assert generator.bit_generator.state == noise.bit_generator.state
    assert len({tuple(order) for order, _ in drawn}) == 3
    assert len({generator.random() for _, generator in drawn}) == 3


def test_it_runs_by_itself(monkeypatch, capsys, images):
    """On the embedded digits, which need no download, with the networks of its page."""
    few = datasets.load("mnist5k")
    few = {"mnist5k": datasets.Dataset(few.train[:200], few.test, few.image_shape)}
    monkeypatch.setattr(datasets, "load", lambda name: few[name])
    runpy.run_path(aevb.__file__, run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    vae = VAE(GaussianEncoder(784, [500], 20), BernoulliDecoder(20, [500], 784))
    vae.decoder.start_at(few["mnist5k"].mean_image)
    elbo = list(aevb.train(ELBO(vae), Adam(vae.parameters), few["mnist5k"].train, epochs=20))
    assert lines == [
        f"epoch {number:2}: training ELBO {value:.2f} nats per digit"
        for number, value in enumerate(elbo, 1)
    ]
    assert elbo[-1] > elbo[0] + 50
    assert elbo[0] > -400  # it starts at the mean image: from grey it would be -543


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": -5}, "batch_size must be a whole number .* 1, got -5"),
        ({"epochs": -1}, "epochs must be a whole number .* 0, got -1"),
        ({"optimizer": Adam(make_model().parameters)}, "optimizer must be made from this model's"),
    ],
)
def test_what_would_train_nothing_is_refused(images, wrong, message):
    model = make_model()
    options = {"optimizer": Adam(model.parameters), "images": images, "epochs": 1, **wrong}
    with pytest.raises(ValueError, match=message):
        list(aevb.train(ELBO(model), **options))
