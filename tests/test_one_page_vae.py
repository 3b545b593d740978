"""The page computes what the package computes, and stands on NumPy and Matplotlib alone."""

import ast
import json
import re
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
from as_recorded import RECORDED, check_picture, check_text
from conftest import DEMOS, run
from recorded_tolerances import SHARE

from demos.documents import make_notebook
from vae_np import VAE, Adam, BernoulliDecoder, GaussianEncoder
from vae_np.evaluation import grid_log_likelihood

PATH = DEMOS / "one_page_vae.py"


def definitions(path):
    """What the page imports, its constants and its functions: a module, without what it runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef)
    tree.body = [
        node
        for node in tree.body
        if isinstance(node, kept)
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets).isupper())
    ]
    module = types.ModuleType(path.stem)
    exec(compile(tree, path, "exec"), vars(module))
    return module


page = definitions(PATH)


@pytest.fixture
def networks(rng):
    """φ and θ in float64, at weights where nothing is 0."""
    sizes = (page.N_PIXELS, 2 * page.N_LATENT), (page.N_LATENT, page.N_PIXELS)
    return [
        [w + 0.1 * rng.standard_normal(w.shape) for w in page.network(rng, *size)] for size in sizes
    ]


@pytest.fixture
def digits(rng):
    blobs = rng.random((60, 28, 28)) * np.eye(28)[:, ::-1]
    return blobs.reshape(60, -1)


def package_model(phi, theta):
    """The package's model, with the page's weights."""
    widths = page.N_PIXELS, [page.N_HIDDEN], page.N_LATENT
    encoder = GaussianEncoder(*widths, dtype=np.float64)
    decoder = BernoulliDecoder(*widths[::-1], dtype=np.float64)
    encoder.parameters.value[:], decoder.parameters.value[:] = flat(phi), flat(theta)
    return VAE(encoder, decoder)


def flat(weights):
    return np.concatenate([w.ravel() for w in weights])


def test_elbo_and_gradient_are_those_of_the_package(networks, digits, rng):
    noise = rng.standard_normal((len(digits), page.N_LATENT))
    elbo, dphi, dtheta = page.elbo_and_gradient(*networks, digits, noise)

    model = package_model(*networks)
    value = model.elbo_and_gradient(digits, noise[None])
    np.testing.assert_allclose(elbo, value.value, rtol=1e-12)
    for ours, theirs in ((dphi, model.encoder), (dtheta, model.decoder)):
        np.testing.assert_allclose(flat(ours), theirs.parameters.grad, rtol=1e-9, atol=1e-12)


def test_training_is_that_of_the_package(networks, digits, monkeypatch):
    model, start = package_model(*networks), [flat(weights) for weights in networks]
    optimizer = Adam(model.parameters, page.LEARNING_RATE)
    monkeypatch.setattr(page, "BATCH_SIZE", 20)
    epochs = list(page.train(*networks, digits, np.random.default_rng(1), epochs=2))

    rng = np.random.default_rng(1)
    for epoch, elbo in epochs:
        elbos = []
        for x in np.split(rng.permutation(digits), 3):
            noise = rng.standard_normal((len(x), page.N_LATENT), dtype=np.float32)
            value = model.elbo_and_gradient(x, noise[None].astype(np.float64)).value
            elbos.append(value.mean())
            optimizer.step()
        assert elbo == pytest.approx(np.mean(elbos), abs=0.05), epoch
    assert [epoch for epoch, _ in epochs] == [1, 2]
    for before, ours, theirs in zip(start, networks, model.parameters, strict=True):
        moved, difference = theirs.value - before, theirs.value - flat(ours)
        # Not less: the page adds Adam's ε to √v before its correction, as Adam's section 2 allows.
        assert np.linalg.norm(difference) < 1e-3 * np.linalg.norm(moved)


def test_slope_shows_a_wrong_derivative(networks, digits, rng, monkeypatch):
    noise = rng.standard_normal((len(digits), page.N_LATENT))
    by_hand, by_differences = page.slopes(*networks, digits, noise, rng)
    assert by_hand == pytest.approx(by_differences, rel=1e-6)

    def without_tanh(weights, x, hidden, dy):
        return right(weights, x, 0 * hidden, dy)

    right = page.backward
    monkeypatch.setattr(page, "backward", without_tanh)
    by_hand, by_differences = page.slopes(*networks, digits, noise, rng)
    assert by_hand != pytest.approx(by_differences, rel=1e-2)


@pytest.mark.slow
def test_the_posterior_is_bayes_rule_on_a_grid(networks, digits):
    _, theta = networks
    x, axis = digits[:3], np.linspace(-6, 6, 241)
    log_px, log_posterior = page.exact_posterior(theta, x, np.stack(np.meshgrid(axis, axis), -1))

    model = package_model(*networks)
    np.testing.assert_allclose(log_px, grid_log_likelihood(model, x).value, rtol=1e-5)
    z = np.array([axis[50], axis[180]])  # the first latent varies along the columns
    log_joint = model.decode(z[None]).log_prob(x) - 0.5 * (z**2).sum() - np.log(2 * np.pi)
    np.testing.assert_allclose(log_posterior[180, 50], log_joint - log_px, rtol=1e-9)


def test_tiles_show_the_digits_in_order(digits):
    axes = types.SimpleNamespace(imshow=lambda image, cmap: shown.append(image), set=lambda **_: 0)
    shown = []
    page.tile(axes, digits[:10], "ten")
    assert shown[0].shape == (2 * 28, 5 * 28)
    np.testing.assert_array_equal(shown[0][:28, 28:56], digits[1].reshape(28, 28))
    np.testing.assert_array_equal(shown[0][28:, :28], digits[5].reshape(28, 28))


def test_page_needs_numpy_and_matplotlib_alone():
    imports = set()
    for node in ast.walk(ast.parse(PATH.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imports |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imports.add(node.module.split(".")[0])
    assert imports - set(sys.stdlib_module_names) == {"numpy", "matplotlib"}


# The notebook, and the whole of it


@pytest.fixture(scope="module")
def notebook():
    return json.loads(PATH.with_suffix(".ipynb").read_text(encoding="utf-8"))


def as_script(cells):
    """The cells of a notebook as the script has them."""
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield "# %% [markdown]\n" + re.sub("^", "# ", text, flags=re.MULTILINE)
        else:
            yield "# %%\n" + text


def test_the_notebook_is_the_script(notebook):
    wanted = re.split(r"\n+(?=# %%)", PATH.read_text(encoding="utf-8").rstrip())
    ours = [re.sub(r"^# $", "#", text, flags=re.MULTILINE) for text in as_script(notebook["cells"])]
    assert ours == wanted


def test_the_notebook_was_run_from_the_first_cell_to_the_last(notebook):
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} == {"stream", "display_data"}
    assert {output.get("name") for output in outputs} == {"stdout", None}  # no warning
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    printed = "".join("".join(output.get("text", "")) for output in outputs)
    check_what_is_printed(printed)
    assert PATH.with_suffix(".ipynb").stat().st_size < 1_000_000


def check_what_is_printed(printed):
    by_hand, by_differences = map(float, re.findall(r"(-?[\d.]+) by", printed))
    assert by_hand == pytest.approx(by_differences, abs=1e-4)
    (elbo,) = map(float, re.findall(r"not seen: ELBO (-[\d.]+)", printed))
    assert -162 < elbo < -150
    accounts = re.findall(r"ELBO (-[\d.]+) \+ KL ([\d.]+) = .* log p\(x\) = (-[\d.]+)", printed)
    assert len(accounts) == 3
    for account in accounts:
        elbo, kl, log_px = map(float, account)
        assert elbo + kl == pytest.approx(log_px, abs=0.5)  # the ELBO is of 1,000 draws


def test_the_notebook_is_where_it_is_said_to_be(tmp_path, monkeypatch, capsys):
    nbformat = pytest.importorskip("nbformat")

    def executed(script, folder):
        return nbformat.v4.new_notebook(metadata={"of": script.name})

    monkeypatch.setattr(make_notebook, "executed", executed)
    own = tmp_path / "own.ipynb"
    assert make_notebook.main(["--out", str(own)]) == 0
    assert capsys.readouterr().out == f"{own}\n"
    assert nbformat.read(own, as_version=4).metadata["of"] == PATH.name


@pytest.mark.slow
def test_page_learns_digits(tmp_path):
    printed = run(tmp_path, "one_page_vae").stdout
    check_what_is_printed(printed)
    (tmp_path / "one_page_vae.txt").write_text(printed, encoding="utf-8")
    check_text(tmp_path / "one_page_vae.txt", RECORDED / "one_page_vae.txt", 0.02, absolute=0.5)
    pictures = sorted((tmp_path / "runs").iterdir())
    assert [path.name for path in pictures] == [f"one_page_vae_{k}.png" for k in (1, 2, 3)]
    for path in pictures:
        check_picture(path, RECORDED / path.name, SHARE)


@pytest.mark.slow
def test_ten_latents_win_what_the_answer_says(tmp_path):
    """The last exercise as it asks: one constant changed, and the last part left out."""
    text = PATH.read_text(encoding="utf-8")
    (answer,) = map(int, re.findall(r"`N_LATENT = 10` and run all but.*\n.*About (\d+) nats", text))
    before, _ = text.split("# ## The posterior that nobody computed")
    constants = f"{page.N_PIXELS // 28} * 28, {page.N_HIDDEN}, "
    assert before.count(f"{constants}2 ") == 1
    script = before.replace(f"{constants}2 ", f"{constants}10 ")
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    recorded = (RECORDED / "one_page_vae.txt").read_text(encoding="utf-8")
    ten, two = (
        float(*re.findall(r"not seen: ELBO (-[\d.]+)", printed))
        for printed in (result.stdout, recorded)
    )
    assert ten - two == pytest.approx(answer, abs=1)


@pytest.mark.slow
def test_without_the_package_the_file_of_digits_is_enough(tmp_path):
    first_cell = PATH.read_text(encoding="utf-8").split("# %%\n")[1].split("# %% [markdown]")[0]
    without = (
        "from importlib import util; spec_of = util.find_spec\n"
        "util.find_spec = lambda name: None if name == 'vae_np' else spec_of(name)\n"
    )
    command = [sys.executable, "-c", without + first_cell + "print(training.shape)"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    shutil.copy(DEMOS.parent / "vae_np" / "data" / "mnist5k.npz", tmp_path)
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout == "(4000, 784)\n", result.stderr
