"""What a checkpoint must refuse, and what a crash must leave as it was."""

import io
import json
import zipfile

import numpy as np
import pytest
from conftest import make_model, make_trainer, weights

from vae_np import VAE, Adam, GaussianDecoder, GaussianEncoder, Trainer
from vae_np.checkpoints import CheckpointError, read_checkpoint, write_checkpoint
from vae_np.objectives import ELBO, SGVB_A, ScoreFunction
from vae_np.optimizers import SGD

ROW = {"epoch": 1, "train_elbo": 1.0, "train_reconstruction": 1.0, "train_kl": 1.0, "seconds": 1.0}
SECOND, NAN = ROW | {"epoch": 2}, {"train_elbo": np.nan}
REFUSED = "does not say where|is of another run|is not of the format"


def test_checkpoint_of_another_run_is_refused_and_changes_nothing(images, tmp_path):
    path = tmp_path / "checkpoint.npz"
    trainer = make_trainer(images)
    trainer.fit(1, progress=False)
    trainer.save(path)
    for other, message in (
        (make_trainer(images, decoder="per-output"), "its decoder is BernoulliDecoder"),
        (make_trainer(images, SGD), "its optimizer is Adam, not SGD"),
        (make_trainer(images, seed=1), "its seed is 0, not 1"),
        (make_trainer(images[:20]), "number of training images is 38, not 20"),
    ):
        before = weights(other)
        with pytest.raises(CheckpointError, match=message):
            other.load(path)
        np.testing.assert_array_equal(weights(other), before)
        assert other.epoch == 0


def test_checkpoint_of_other_data_or_another_sigma_is_refused(images, tmp_path):
    trainer = make_trainer(images)
    trainer.save(tmp_path / "checkpoint.npz")
    with pytest.raises(CheckpointError, match="its checksum of the training images is"):
        make_trainer(images[::-1]).load(tmp_path / "checkpoint.npz")
    sigmas = []
    for std in (0.12341, 0.12344):
        decoder = GaussianDecoder(3, (5,), 6, noise="fixed", std=std)
        model = VAE(GaussianEncoder(6, (5,), 3), decoder)
        sigmas.append(Trainer(model, Adam(model.parameters), images))
    sigmas[0].save(tmp_path / "sigma.npz")
    with pytest.raises(CheckpointError, match=r"at sigma 0\.12341\), not .*at sigma 0\.12344\)"):
        sigmas[1].load(tmp_path / "sigma.npz")


def test_a_checkpoint_with_a_member_more_is_refused(images, tmp_path):
    path = tmp_path / "checkpoint.npz"
    make_trainer(images).save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", "mine")
    with pytest.raises(CheckpointError, match="does not hold this model's arrays"):
        make_trainer(images).load(path)


def test_the_arrays_of_a_checkpoint_are_what_their_names_say(images, tmp_path):
    """Or what another version saved could not be gone on from."""
    trainer = make_trainer(images)
    trainer.fit(1, progress=False)
    trainer.save(tmp_path / "checkpoint.npz")
    m, v = ([state[k] for state in trainer.optimizer.state] for k in (0, 1))
    known = {"sums": trainer.sums}
    for k, (name, vector) in enumerate(trainer.objective.vectors.items()):
        known |= {name: vector.value, f"{name}_optimizer_0": m[k], f"{name}_optimizer_1": v[k]}
    _, arrays = read_checkpoint(tmp_path / "checkpoint.npz")
    assert arrays.keys() == known.keys() and (m[0] != 0).all()
    for name in known:
        np.testing.assert_array_equal(arrays[name], known[name])


@pytest.mark.parametrize("network", ["encoder", "decoder"])
def test_weights_that_are_not_finite_are_not_saved(network, tmp_path):
    model = make_model()
    getattr(model, network).parameters.value[3] = np.nan
    with pytest.raises(ValueError, match=f"weights of the {network} must be finite, got"):
        model.save(tmp_path / "weights.npz")
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_knows_its_objective(images, tmp_path):
    make_trainer(images, objective=SGVB_A).save(tmp_path / "a.npz")
    for objective, name in ((ELBO, "elbo"), (ScoreFunction, "score-function")):
        with pytest.raises(CheckpointError, match=f"its objective is sgvb-a, not {name}"):
            make_trainer(images, objective=objective).load(tmp_path / "a.npz")
    make_trainer(images, objective=ScoreFunction).save(tmp_path / "s.npz")
    without = make_trainer(images, objective=lambda model: ScoreFunction(model, "none"))
    with pytest.raises(CheckpointError, match="its baseline is leave-one-out, not none"):
        without.load(tmp_path / "s.npz")


def test_a_models_weights_are_saved_and_loaded(images, rng, tmp_path):
    """From a file of its own, or from a Trainer's checkpoint."""
    trainer, x = make_trainer(images), rng.random((4, 6), dtype=np.float32)
    trainer.fit(1, progress=False)
    trainer.save(tmp_path / "trainer.npz")
    trainer.model.save(str(tmp_path / "model.npz"))  # a Path or a str
    expected = trainer.model.reconstruct_mean(x)
    for name in ("trainer.npz", "model.npz"):
        model = make_model()
        assert (model.reconstruct_mean(x) != expected).any()
        model.load(str(tmp_path / name))
        np.testing.assert_array_equal(model.reconstruct_mean(x), expected)
    before = [vector.value.copy() for vector in make_model(hidden=(4,)).parameters]
    other = make_model(hidden=(4,))
    with pytest.raises(CheckpointError, match=r"its encoder is .*Linear\(6, 5\).*, not .*6, 4"):
        other.load(tmp_path / "model.npz")
    for vector, value in zip(other.parameters, before, strict=True):
        np.testing.assert_array_equal(vector.value, value)
    with pytest.raises(CheckpointError, match="is of another run"):
        trainer.load(tmp_path / "model.npz")


def test_numpy_numbers_as_settings_can_be_saved(images, tmp_path):
    model = make_model()
    optimizer, objective = Adam(model.parameters, np.float32(0.01)), ELBO(model, np.float32(0.5))
    schedule = [(np.int64(0), np.float32(0.5))]
    numbers = {"batch_size": np.int64(10), "seed": np.int64(3), "schedule": schedule}
    trainer = Trainer(model, optimizer, images, objective, **numbers)
    trainer.save(tmp_path / "checkpoint.npz")
    trainer.load(tmp_path / "checkpoint.npz")


def test_what_json_cannot_hold_is_named(images, tmp_path):
    trainer = make_trainer(images)
    could = r"\(None, bool, int, float, str, and lists and dicts of them\)"
    message = rf"settings must be what JSON can hold {could}: 'lr' is (np.float32\(1.0\)|1.0)"
    with pytest.raises(ValueError, match=message):
        trainer.save(tmp_path / "c.npz", {"a": [1], "lr": np.float32(1)})
    with pytest.raises(ValueError, match=r"settings must be .*: 'settings' is \{1\}"):
        trainer.save(tmp_path / "c.npz", {1})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [None, io.BytesIO(), 3, b"c.npz"])
def test_a_path_that_is_none_is_named(path, images):
    for saver in (make_model(), make_trainer(images)):
        with pytest.raises(ValueError, match="path must be the name of a file, got "):
            saver.save(path)


def test_settings_of_an_own_objective_may_hold_tuples(images, tmp_path):
    class Own(ELBO):
        def settings(self):
            return {"objective": "own", "shape": (1, 2), "by epoch": {3: (4,)}}

    trainer = make_trainer(images, objective=Own)
    trainer.save(tmp_path / "c.npz")
    trainer.load(tmp_path / "c.npz")


def test_broken_checkpoints_are_refused(images, tmp_path):
    trainer = make_trainer(images)
    good = tmp_path / "good.npz"
    trainer.save(good)
    whole = good.read_bytes()
    cases = {
        "empty.npz": b"",
        "cut.npz": whole[: len(whole) // 2],
        "altered.npz": whole[:900] + bytes(100) + whole[1000:],
        "text.npz": b"not a checkpoint at all",
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    np.savez(tmp_path / "foreign.npz", x=np.ones(3))
    np.save(tmp_path / "array.npy", np.ones(3))
    np.savez(tmp_path / "json.npz", about=json.dumps([1]))
    np.savez(tmp_path / "version.npz", about=json.dumps({"format": "vae_np checkpoint 99"}))
    np.savez(tmp_path / "pickle.npz", about=np.array([{}], dtype=object))
    write_checkpoint(tmp_path / "incomplete.npz", {}, {})
    for path in [*(set(tmp_path.iterdir()) - {good}), tmp_path, tmp_path / "missing.npz"]:
        start = "" if path.exists() else "^there is no checkpoint at .*"
        with pytest.raises(CheckpointError, match=start + path.name):
            trainer.load(path)
    trainer.load(good)


def test_crash_while_saving_leaves_the_old_checkpoint(images, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.npz"
    trainer = make_trainer(images)
    trainer.save(path)
    before = path.read_bytes()

    def crash(file, **arrays):
        file.write(b"half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", crash)
    with pytest.raises(OSError, match="no space"):
        trainer.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "altered",
    [
        *({name: None} for name in "epoch step optimizer_steps seconds history threads".split()),
        *({"step": step} for step in (5, "a")),  # of 4
        {"threads": 0},
        {"epoch": -1},
        {"optimizer_steps": -1},
        *({"seconds": seconds} for seconds in (-1.0, np.inf, 1, True)),
        *({"history": history} for history in ([], [1])),
        {"epoch": 2, "history": [SECOND, ROW]},
        *({"history": [{k: ROW[k] for k in ROW if k != lacking}]} for lacking in ROW),
        *({"history": [ROW | {number: np.nan}]} for number in ("train_elbo", "seconds", "last")),
        *({"epoch": 2, "history": [ROW, row]} for row in (1, {"epoch": 2}, SECOND | NAN)),
        *({"epoch": 2, "history": [row, SECOND]} for row in (1, {"epoch": 1}, ROW | NAN)),
        {"format": "vae_np checkpoint 99"},
        {"identity": None},
        {"identity": ["encoder"]},
    ],
)
def test_an_altered_checkpoint_is_refused_and_changes_nothing(images, tmp_path, altered):
    trainer = make_trainer(images)
    trainer.fit(1, progress=False)
    trainer.save(tmp_path / "good.npz")
    about, arrays = read_checkpoint(tmp_path / "good.npz")
    write_checkpoint(tmp_path / "altered.npz", about | altered, arrays)
    other = make_trainer(images)
    before = weights(other)
    with pytest.raises(CheckpointError, match=REFUSED):
        other.load(tmp_path / "altered.npz")
    np.testing.assert_array_equal(weights(other), before)
    assert (other.epoch, other.step, other.history) == (0, 0, [])


def test_arrays_that_cannot_be_weights_are_refused(images, tmp_path):
    trainer, trained = make_trainer(images), make_trainer(images)
    before = weights(trainer)
    trained.fit(1, progress=False)
    trained.save(tmp_path / "good.npz")
    about, arrays = read_checkpoint(tmp_path / "good.npz")
    text = arrays["encoder"].astype(str)
    lacking = [{name: arrays[name] for name in arrays if name != lost} for lost in arrays]
    for wrong in (arrays | {"encoder": text}, *lacking):
        write_checkpoint(tmp_path / "wrong.npz", about, wrong)
        with pytest.raises(CheckpointError, match="does not hold this model's arrays"):
            trainer.load(tmp_path / "wrong.npz")
    for name, array in {name: array.copy() for name, array in arrays.items()}.items():
        array.flat[-1] = np.inf
        write_checkpoint(tmp_path / "nan.npz", about, arrays | {name: array})
        for load in (trainer.load, *[trainer.model.load] * (name == "encoder")):
            with pytest.raises(CheckpointError, match="holds numbers that are not finite"):
                load(tmp_path / "nan.npz")
    np.testing.assert_array_equal(weights(trainer), before)
    assert trainer.epoch == trainer.optimizer.steps == len(trainer.history) == 0


def test_an_epoch_whose_evaluation_failed_can_be_saved_and_gone_on_from(images, tmp_path):
    def fail():
        raise KeyboardInterrupt

    trainer, other = make_trainer(images), make_trainer(images)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(1, fail, progress=False)
    trainer.save(tmp_path / "whole.npz")
    other.load(tmp_path / "whole.npz")
    for unfinished in (trainer, other):
        unfinished.fit(2, progress=False)
    np.testing.assert_array_equal(weights(other), weights(trainer))
    assert [row["epoch"] for row in other.history] == [1, 2]


def test_a_number_is_no_path(images):
    """open(3) would read from whatever file the process has there."""
    trainer = make_trainer(images)
    for call in (trainer.load, trainer.save, trainer.model.load, trainer.model.save):
        with pytest.raises(ValueError, match="path must be the name of a file, got 3"):
            call(3)


@pytest.mark.parametrize("wrong", [2**31, 2**53, 2**63, 10**400, -1, True, 1.0])
@pytest.mark.parametrize("name", ["epoch", "step", "optimizer_steps", "threads", "row", "elbo"])
def test_a_number_that_no_run_has_is_refused_at_once(images, tmp_path, name, wrong):
    trainer, path = make_trainer(images), tmp_path / "c.npz"
    trainer.fit(1, progress=False)
    trainer.save(path)
    about, arrays = read_checkpoint(path)
    if name == "row":
        about["history"][0]["epoch"] = wrong
    elif name == "elbo":
        about["history"][0]["train_elbo"] = wrong
    else:
        about[name] = wrong
    write_checkpoint(path, about, arrays)
    could_be = {"optimizer_steps": (2**31, 2**53), "elbo": (2**31, 2**53, 1.0), "row": (1.0,)}
    if type(wrong) is not bool and wrong in could_be.get(name, ()):
        return trainer.load(path)
    said = r"/c\.npz does not say where in its run it was saved$"
    with pytest.raises(CheckpointError, match=said):
        trainer.load(path)
