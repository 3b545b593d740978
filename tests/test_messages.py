"""What a refusal says, word for word: every value that it names stands where it belongs."""

import re
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import LATENT, PIXELS, make_model, make_trainer

from vae_np import (
    VAE,
    Adam,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    Trainer,
    datasets,
    downloads,
)
from vae_np.checkpoints import FORMAT, read_checkpoint, write_checkpoint
from vae_np.distributions import DiagonalGaussian
from vae_np.finite_differences import relative_error
from vae_np.gradcheck import check_gradient, check_layer
from vae_np.inference import linear_gaussian, per_image
from vae_np.layers import Linear, Sequential, Tanh
from vae_np.objectives import ELBO
from vae_np.parameters import ParameterVector

X = np.random.default_rng(0).random((4, 6), dtype=np.float32)
NOISE = np.random.default_rng(0)
SIZES = {"n_pixels": 6, "n_latent": 3}


def fit_q(mean, log_var):
    model = make_model()
    return per_image.fit(model.decoder, X, DiagonalGaussian(mean, log_var), NOISE)


def sweep(max_sweeps):
    decoder = GaussianDecoder(LATENT, [], PIXELS, noise="fixed", std=1.0, dtype=np.float64)
    decoder.network.layers[0].weight[...] = 1
    return linear_gaussian.mean_field(decoder, np.ones((1, PIXELS)), max_sweeps)


def twice():
    layer = Linear(3, 3)
    return Sequential([layer, Tanh(), layer])


def assigned(vector):
    vector.value = np.zeros(3)


class Sparse:
    """It makes an array of itself, as SciPy's matrices do."""

    def toarray(self):
        return X


class Silent(Tanh):
    def forward(self, x):
        super().forward(x)


def measure(found):
    make_trainer(X).fit(1, progress=False, evaluate=lambda: found)


REFUSED = {  # the call, and all that it says
    lambda: make_model().encode(Sparse()): (
        "images must be an array of NumPy or CuPy, got Sparse: images.toarray() makes one"
    ),
    lambda: GaussianEncoder(6, [5], 3, seed="no"): (
        "seed must be a whole number >= 0, or several, got 'no'"
    ),
    lambda: make_model().sample_mean(3, 7): (
        "generator must be of numpy.random.default_rng, got 7"
    ),
    lambda: make_trainer(X, schedule=[3, 4]): (
        "schedule must be a list of (epoch, learning rate) whose epochs start at 0 and rise, got "
        "[3, 4]"
    ),
    lambda: VAE("phi", make_model().decoder): "encoder must be an encoder q(z|x), got 'phi'",
    lambda: relative_error(np.ones(3), np.ones((1, 2))): (
        "shapes differ: analytic (3,), numeric (1, 2)"
    ),
    lambda: linear_gaussian.posterior(BernoulliDecoder(2, [], 3), X): (
        "decoder must be linear-Gaussian: a GaussianDecoder with no hidden layer, noise "
        '"fixed" or "learned" and no squash; got BernoulliDecoder(Linear(2, 3))'
    ),
    lambda: linear_gaussian.maximum_likelihood(np.ones((5, 2), int), 1): (
        "x must be of floats, got int64; VAE.as_pixels makes them"
    ),
    lambda: sweep(2): "coordinate ascent still moves by 1.2e-01 after 2 sweeps, more than 1e-10",
    lambda: per_image.fit(make_model().decoder, X, "q", NOISE): (
        "initial must be a DiagonalGaussian, got str"
    ),
    lambda: fit_q(np.zeros((4, 2)), np.zeros((4, 1))): (
        "initial must have a mean and log_var of shape (4, 3), got (4, 2) and (4, 1)"
    ),
    lambda: GaussianEncoder(
        network=twice(), hidden=[5], init="paper", activation="relu", **SIZES
    ): (
        "network= stands for hidden, activation and init: leave those three out, got hidden=[5], "
        "activation='relu', init='paper'"
    ),
    lambda: Sequential(Tanh()): "layers must be a list of layers, got Tanh",
    lambda: GaussianEncoder(network=Tanh(), **SIZES): (
        "network must be a Sequential of layers, got Tanh"
    ),
    lambda: GaussianEncoder(network=Sequential([]), **SIZES): (
        "network must be a Sequential of layers, got none"
    ),
    lambda: GaussianEncoder(network=[Tanh], **SIZES): (
        "network must be a Sequential of layers, got [<class 'vae_np.layers.Tanh'>]"
    ),
    lambda: GaussianEncoder(network=twice(), **SIZES): (
        "network has the same layer twice, make a new one: Linear(3, 3) -> Tanh -> Linear(3, 3)"
    ),
    lambda: GaussianEncoder(network=Sequential([Tanh()]), **SIZES): (
        "network must have parameters to learn, got Tanh"
    ),
    lambda: BernoulliDecoder(network=Sequential([Linear(3, 6), Tanh()]), **SIZES).start_at(X[0]): (
        "start_at needs a Linear as the last layer, got Tanh"
    ),
    lambda: Adam([ParameterVector({"w": X}), "w"]): (
        "vectors must be a list such as a VAE's parameters, got "
        "[ParameterVector({'w': (4, 6)}), 'w']"
    ),
    lambda: assigned(ParameterVector({"w": np.zeros(2)})): "value must have shape (2,), got (3,)",
    **{
        partial(measure, found): (
            "evaluate must return a dict of numbers, under names (str) other than epoch, "
            f"train_elbo, train_reconstruction, train_kl and seconds, got {found}"
        )
        for found in ({"a": 1.0, "train_kl": 2}, {1: 2.0}, {(1, 2): 3.0}, {"a": "b"}, [1.0])
    },
    lambda: Trainer(make_model(), Adam([]), X, ELBO): (
        "objective must be an object made from this model, as ELBO(model) is"
    ),
    lambda: check_layer(Silent(), X): "forward must return an array, got NoneType: no return?",
    lambda: BernoulliDecoder(2, n_pixels=2, network=Sequential([Sequential([Tanh()])])): (
        "network must have parameters to learn, got Tanh"
    ),
}


def own(**arrays):
    """What `datasets.load` says of a file that holds these arrays."""
    np.savez("own.npz", **arrays)
    datasets.load("own.npz")


def array(x):
    np.save("own.npy", x, allow_pickle=True)
    datasets.load("own.npy")


def checkpoint(about, **arrays):
    """What a model says of a checkpoint that holds this."""
    model = make_model()
    whole = {"encoder": model.encoder.parameters.value, "decoder": model.decoder.parameters.value}
    write_checkpoint("c.npz", {"identity": model.identity()} | about, whole | arrays)
    model.load("c.npz")


def written(name, content):
    Path(name).write_bytes(content)
    return name


def placed(content=None):
    """What is said where a file of MNIST is another one, or its folder is a file."""
    folder = Path("data/mnist")
    if content is None:
        folder.parent.touch()
    else:
        folder.mkdir(parents=True)
        (folder / "t.gz").write_bytes(content)
    downloads.fetch("mnist/t.gz", ["https://one/", "https://two/"])


FILES = {  # the call, in an empty folder, and all that it says
    lambda: datasets.load(3): "data must be a name or a path, got int",
    lambda: datasets.load("digits.csv"): (
        "data must be one of mnist5k, mnist, frey or the path of an .npz or .npy file, got "
        "'digits.csv'"
    ),
    lambda: own(x=np.zeros((1, 4))): (
        "own.npz must hold at least 2 images, one of them to test on, got 1"
    ),
    lambda: own(x=np.zeros((5, 4)), y=np.zeros(3)): (
        '"y" in own.npz must hold a label for each image, got (3,)'
    ),
    lambda: own(y=np.zeros(3), z=X): "own.npz must hold an array \"x\", got ['y', 'z']",
    lambda: array(np.array([{}])): (
        "own.npy holds Python objects: save images as an array of numbers, labels as y.astype(str)"
    ),
    lambda: array(np.zeros((5, 2, 2, 3))): (
        "own.npy must hold images of shape (N, D) or (N, height, width), got (5, 2, 2, 3); "
        "x.mean(axis=-1).astype(x.dtype) makes colours grey"
    ),
    lambda: array(np.zeros((5, 4, 8, 8))): (
        "own.npy must hold images of shape (N, D) or (N, height, width), got (5, 4, 8, 8); "
        "x.mean(axis=1).astype(x.dtype) makes colours grey"
    ),
    lambda: array(np.zeros((5, 4), np.int16)): (
        "own.npy must hold bool, uint8 or float pixels, got int16"
    ),
    lambda: datasets.load(written("own.npz", b"PK")): (
        "own.npz is cut short, no NumPy file or too large (ValueError)"
    ),
    lambda: read_checkpoint("."): "cannot read .: Is a directory",
    lambda: read_checkpoint(written("c.npz", b"PK")): (
        "c.npz is cut short or not a vae_np checkpoint (ValueError)"
    ),
    lambda: checkpoint({"format": "vae_np 0"}): f'c.npz is not of the format "{FORMAT}"',
    lambda: checkpoint({}, encoder=np.ones(3)): "c.npz does not hold this model's arrays",
    lambda: checkpoint({}, decoder=np.full(56, np.nan, np.float32)): (
        "c.npz holds numbers that are not finite"
    ),
    lambda: placed(): "cannot use data/mnist/t.gz for mnist/t.gz: Not a directory",
    lambda: placed(b"no digits"): (
        "data/mnist/t.gz is not mnist/t.gz of the data set, its SHA-256 is another: move it away, "
        "and the right one is downloaded, or let VAE_NP_DATA name another folder"
    ),
}


def said(call):
    with pytest.raises(ValueError) as refused:
        call()
    return re.sub(" at 0x[0-9a-f]+", "", str(refused.value))


@pytest.mark.parametrize("call", REFUSED)
def test_what_is_refused_is_named(call):
    assert said(call) == REFUSED[call]


@pytest.mark.parametrize("call", FILES)
def test_the_file_that_is_refused_is_named(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(downloads, "data_folder", lambda: Path("data"))
    monkeypatch.setitem(downloads.SHA256, "mnist/t.gz", "0" * 64)
    assert said(call) == FILES[call]


def test_what_could_not_be_downloaded_is_told_by_mirror(tmp_path, monkeypatch):
    def download(url):
        if "one" in url:
            raise OSError("no route")
        return b"no digits"

    monkeypatch.setattr(downloads, "data_folder", lambda: Path("data"))
    monkeypatch.setattr(downloads, "download", download)
    monkeypatch.setitem(downloads.SHA256, "mnist/t.gz", "0" * 64)
    monkeypatch.chdir(tmp_path)
    mirrors = ["https://one/", "https://two/", "https://none/"]
    assert said(lambda: downloads.fetch("mnist/t.gz", mirrors)) == (
        "cannot get mnist/t.gz.\n  https://one/t.gz: no route\n  https://two/t.gz: "
        f"{downloads.ALTERED}; not kept\n  https://none/t.gz: no route\nTo place it by hand, "
        "download it elsewhere and save it as data/mnist/t.gz,\nor let VAE_NP_DATA name a folder "
        f"that holds mnist/t.gz\n(SHA-256 {'0' * 64})."
    )


def test_a_missing_cupy_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert said(lambda: make_model(device="gpu")) == (
        'device "gpu" needs CuPy, which cannot be imported here (import of cupy halted; None in '
        "sys.modules). Install it for your driver's CUDA version: python -m pip install -e "
        '".[cuda12]" or ".[cuda13]" (nvidia-smi shows the version)'
    )


def test_a_decoder_s_name_holds_its_network():
    assert (
        repr(BernoulliDecoder(2, [4], 6))
        == "BernoulliDecoder(Linear(2, 4) -> Tanh -> Linear(4, 6))"
    )


def test_a_history_holds_all_that_is_measured():
    trainer = make_trainer(X)
    trainer.fit(1, progress=False, evaluate=lambda: {"one": 1, "two": 2})
    assert (trainer.history[0]["one"], trainer.history[0]["two"]) == (1, 2)


def test_what_is_seen_of_a_bad_f_or_step_has_its_numbers():
    x = np.array([2e7])
    assert check_gradient("x", lambda: np.inf, x, x).seen == "f is not finite: it gave inf"
    seen = check_gradient("x", lambda: x.sum(), x, x, step=2**-45).seen
    assert seen == "a step of 2.8e-14 vanishes beside numbers as large as 2e+07"
