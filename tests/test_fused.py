"""The compiled updates against NumPy's lines: equal bits, and who chooses when.

What needs numba (the extra ``fast``) is skipped without it; the loops themselves run as Python.
"""

import importlib.util
import json
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
from conftest import make_model, make_trainer

from vae_np import SGD, Adagrad, Adam, Trainer, fused
from vae_np.backend import on_a_cache_line
from vae_np.parameters import ParameterVector
from vae_np.training.divergence import DivergenceError

HAS_NUMBA = importlib.util.find_spec("numba") is not None
WITH_NUMBA = pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed")
RUN_AS = ["Python", pytest.param("numba", marks=WITH_NUMBA)]
OPTIMIZERS = {fused.adam: Adam, fused.adagrad: Adagrad}


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch):
    """Let the loops run on the small vectors of tests, wherever numba is."""
    monkeypatch.setattr(fused, "LARGE", 1)
    monkeypatch.setattr(fused, "CHUNK", 64)
    monkeypatch.delenv("VAE_NP_FUSED", raising=False)


def special_gradients(dtype, n_steps=4):
    """Gradients with zeros, denormals, what overflows when squared, infinities and NaN."""
    rng = np.random.default_rng(0)
    info = np.finfo(dtype)
    small = [0, -0.0, info.smallest_subnormal, -info.tiny / 2, info.tiny, np.sqrt(info.tiny)]
    large = [np.sqrt(info.max), info.max, -info.max, np.inf, -np.inf, np.nan]
    special = np.array([*small, *large], dtype)
    for _ in range(n_steps):
        yield np.concatenate([rng.standard_normal(150), rng.permutation(special)]).astype(dtype)


def run(optimizer_class, dtype, use, monkeypatch):
    """The value and the state after steps on special gradients by NumPy's lines, or by loops."""
    if use == "NumPy":
        monkeypatch.setenv("VAE_NP_FUSED", "0")
    else:
        monkeypatch.delenv("VAE_NP_FUSED", raising=False)
    if use == "Python":
        monkeypatch.setattr(fused, "_compiled", lambda update, dtype: update)
    gradients = list(special_gradients(dtype))
    initial = {"a": np.linspace(-1, 1, gradients[0].size)}
    optimizer = optimizer_class([ParameterVector(initial, dtype)], 0.01)
    with np.errstate(all="ignore"):
        for gradient in gradients:
            optimizer.vectors[0].grad = gradient
            optimizer.step()
    return [optimizer.vectors[0].value, *optimizer.state[0]]


@pytest.mark.parametrize("use", RUN_AS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loop", OPTIMIZERS)
def test_a_loop_ends_with_the_bits_of_numpys_lines(loop, dtype, use, monkeypatch):
    used = []
    monkeypatch.setattr(fused, "one_pass", spy(fused.one_pass, used))
    by_loop = run(OPTIMIZERS[loop], dtype, use, monkeypatch)
    assert used and all(used)
    used.clear()
    by_lines = run(OPTIMIZERS[loop], dtype, "NumPy", monkeypatch)
    assert not any(used)
    for ours, theirs in zip(by_loop, by_lines, strict=True):
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours, theirs)  # NaN where NaN, and −0.0 equals 0.0
        np.testing.assert_array_equal(np.signbit(ours), np.signbit(theirs))
    finite = np.isfinite(by_lines[0])
    assert 150 <= finite.sum() < finite.size  # the special ones have been there


def spy(function, results):
    def spied(*arguments):
        results.append(function(*arguments))
        return results[-1]

    return spied


@pytest.mark.parametrize("optimizer_class", [SGD, Adagrad, Adam])
def test_chunks_end_with_the_bits_of_one_whole_update(optimizer_class, monkeypatch):
    in_chunks = run(optimizer_class, np.float32, "NumPy", monkeypatch)
    monkeypatch.setattr(fused, "CHUNK", 1000)
    whole = run(optimizer_class, np.float32, "NumPy", monkeypatch)
    for ours, theirs in zip(in_chunks, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("sizes", [(10, 300), (300, 10)])
@pytest.mark.parametrize("optimizer_class", [SGD, Adagrad, Adam])
def test_each_vector_is_updated_to_its_end(optimizer_class, sizes, monkeypatch):
    monkeypatch.setenv("VAE_NP_FUSED", "0")
    vectors = [ParameterVector({"w": np.ones(size)}) for size in sizes]
    for vector in vectors:
        vector.grad[:] = 2
    optimizer_class(vectors, 0.5).step()
    values = np.concatenate([vector.value for vector in vectors])
    assert (values < 1).all() and np.ptp(values) < 1e-6


@pytest.mark.parametrize("use", RUN_AS)
@pytest.mark.parametrize("optimizer_class", [Adagrad, Adam])
def test_an_epsilon_that_rounds_to_0_divides_as_numpys_lines_do(optimizer_class, use, monkeypatch):
    if use == "Python":
        monkeypatch.setattr(fused, "_compiled", lambda update, dtype: update)
    vector = ParameterVector({"w": np.ones(200)}, np.float32)
    vector.grad[100:] = 2
    optimizer = optimizer_class([vector], 0.5)
    optimizer.epsilon = 1e-60
    with np.errstate(all="ignore"):
        optimizer.step()
    np.testing.assert_allclose(vector.value, [np.nan] * 100 + [0.5] * 100)  # 0/0, and 1 − 0.5


def test_who_is_updated_in_one_pass(monkeypatch):
    monkeypatch.setattr(fused, "_compiled", lambda update, dtype: update)
    monkeypatch.setattr(fused, "LARGE", 100)
    small, large = np.zeros(99), np.zeros(100)
    assert fused.one_pass(fused.adam, small) is None
    assert fused.one_pass(fused.adam, large) is fused.adam
    assert fused.parts(fused.adam, large) == [slice(None)]
    monkeypatch.setenv("VAE_NP_FUSED", "0")
    assert fused.one_pass(fused.adam, large) is None
    assert fused.parts(fused.adam, large) == [slice(0, 64), slice(64, 128)]


def test_what_has_no_loop_is_updated_by_numpys_lines():
    vector = ParameterVector({"w": np.ones(200)}, np.float64)
    vector.grad[:] = np.arange(200)
    SGD([vector], 0.5).step()
    np.testing.assert_array_equal(vector.value, 1 - 0.5 * np.arange(200))


@WITH_NUMBA
@pytest.mark.parametrize("loop", OPTIMIZERS)
def test_a_loop_is_compiled_once_where_errors_are_caught(loop):
    """A step compiles no more: what fails there would be an error, not a warning."""
    vector = ParameterVector({"w": np.ones(200)}, np.float32)
    compiled = fused.one_pass(loop, vector.value)
    (signature,) = compiled.signatures
    OPTIMIZERS[loop]([vector], 0.1).step()
    assert compiled.signatures == [signature]


def test_a_gpus_vector_is_updated_whole_by_cupys_lines(gpu):
    vector = ParameterVector({"a": np.ones(200)}, np.float32, gpu)
    assert fused.one_pass(fused.adam, vector.value) is None
    assert fused.parts(fused.adam, vector.value) == [slice(None)]


@pytest.mark.parametrize("error", [ImportError, RuntimeError])
def test_a_numba_that_cannot_be_used_is_done_without(error, monkeypatch):
    class Broken:
        def __getattr__(self, name):
            raise error("Numba needs NumPy 1.0 or less")

    monkeypatch.setitem(sys.modules, "numba", Broken())
    said = (
        nullcontext() if error is ImportError else pytest.warns(UserWarning, match="numba cannot")
    )
    fused._compiled.cache_clear()
    try:
        with said:
            assert fused.one_pass(fused.adam, np.zeros(100)) is None
    finally:
        fused._compiled.cache_clear()


def test_an_optimizer_of_ones_own_is_never_replaced(monkeypatch):
    class Decayed(Adam):
        """Adam with decoupled weight decay: its `update` calls Adam's."""

        def update(self, value, grad, m, v):
            value *= 0.5
            super().update(value, grad, m, v)

    for use in ("NumPy", "Python"):
        ours = run(Decayed, np.float64, use, monkeypatch)[0]
        adam = run(Adam, np.float64, use, monkeypatch)[0]
        assert abs(ours[0]) < 0.2 < abs(adam[0])


def trained(images, path, switch, monkeypatch, epochs=2, resumed_from=None):
    monkeypatch.setenv("VAE_NP_FUSED", switch)
    model = make_model()
    trainer = Trainer(model, Adam(model.parameters, 0.01), images, batch_size=10)
    if resumed_from:
        trainer.load(resumed_from)
    trainer.fit(epochs, progress=False)
    trainer.save(path)
    return np.concatenate([vector.value for vector in model.parameters])


@pytest.mark.parametrize("use", RUN_AS)
@pytest.mark.parametrize("first", ["0", "1"])
@pytest.mark.parametrize("then", ["0", "1"])
def test_a_checkpoint_goes_on_either_way_with_equal_bits(
    images, tmp_path, first, then, use, monkeypatch
):
    if use == "Python":
        monkeypatch.setattr(fused, "_compiled", lambda update, dtype: update)
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    straight = trained(images, one, first, monkeypatch, epochs=2)
    trained(images, one, first, monkeypatch, epochs=1)
    resumed = trained(images, two, then, monkeypatch, epochs=2, resumed_from=one)
    np.testing.assert_array_equal(resumed, straight)


@pytest.mark.parametrize("use", RUN_AS)
def test_divergence_is_noticed_at_its_step(images, use, monkeypatch):
    if use == "Python":
        monkeypatch.setattr(fused, "_compiled", lambda update, dtype: update)
    messages = []
    for switch in ("0", "1"):
        monkeypatch.setenv("VAE_NP_FUSED", switch)
        model = make_model(decoder="per-output")
        trainer = Trainer(model, Adam(model.parameters, 1e6), images, batch_size=10)
        with pytest.raises(DivergenceError, match="is not finite at step") as raised:
            trainer.fit(3, progress=False)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


@WITH_NUMBA
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("error", [EOFError, PermissionError, OSError, ValueError])
def test_where_numba_fails_numpys_lines_run_and_it_is_said_once(dtype, error, monkeypatch):
    """As with a cache that is damaged, another user's, or on a full disk."""
    import numba

    def fails(*arguments, **options):
        def compiled(*arguments):
            raise error("no")

        return lambda update: compiled

    expected = run(Adam, dtype, "NumPy", monkeypatch)
    fused._compiled.cache_clear()
    monkeypatch.setattr(numba, "njit", fails)
    said = f"NumPy's lines update the weights: numba cannot .{error.__name__}: no"
    with pytest.warns(UserWarning, match=said):
        ours = run(Adam, dtype, "numba", monkeypatch)
    for array, other in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(array, other)
    run(Adam, dtype, "numba", monkeypatch)  # in silence: a warning would be an error
    fused._compiled.cache_clear()


def test_the_switch_is_0_or_1(images, monkeypatch):
    monkeypatch.setenv("VAE_NP_FUSED", "no")
    with pytest.raises(ValueError, match="VAE_NP_FUSED must be one of 0, 1, got 'no'"):
        make_trainer(images).fit(1, progress=False)
    monkeypatch.setenv("VAE_NP_FUSED", "")  # unset
    make_trainer(images).fit(1, progress=False)


def loaded_modules(code):
    """Which of the modules that take long to import a new Python has after ``code``."""
    code += "\nimport sys, json; print(json.dumps([m for m in ('numba',) if m in sys.modules]))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


STEP = """
import numpy as np
from vae_np import Adam
from vae_np.parameters import ParameterVector
Adam([ParameterVector({{"a": np.zeros({})}})]).step()
"""


def test_numba_is_imported_for_large_vectors_alone():
    assert loaded_modules("import vae_np") == []
    assert loaded_modules(STEP.format(99_999)) == []
    assert loaded_modules(STEP.format(100_000).replace("Adam", "SGD")) == []
    if HAS_NUMBA:
        assert loaded_modules(STEP.format(100_000)) == ["numba"]


def test_vectors_and_state_start_on_a_cache_line():
    vector = ParameterVector({"a": np.arange(7.0)}, np.float32)
    optimizer = Adam([vector])
    for array in (vector.value, vector.grad, *optimizer.state[0]):
        assert array.ctypes.data % 64 == 0
    copy = on_a_cache_line(vector.value)
    np.testing.assert_array_equal(copy, np.arange(7))
    assert copy.base is not vector.value.base
    np.testing.assert_array_equal(on_a_cache_line(np.eye(2)), np.eye(2))
