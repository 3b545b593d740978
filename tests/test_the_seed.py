"""An experiment's --seed reaches all that is drawn in it."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("common", "paper", "questions", "training", "using")
FILES = [
    path.relative_to(ROOT)
    for files in (*(f"{folder}/*.py" for folder in FOLDERS), "train.py", "use_it.py")
    for path in sorted((ROOT / "demos").glob(files))
]
SAME = "every run of train.py is judged by the same draws"
WITHOUT = {  # and why: what it would decide is not drawn, or
    "evaluate_elbo(trainer.model, data.test, binary=args.binarize, n_draws=args.samples, "
    "objective=trainer.objective)": SAME,
    "importance_sampled_log_likelihood(trainer.model, data.test, LOG_LIKELIHOOD_SAMPLES, "
    "binary=args.binarize, progress=True)": SAME,
    "grid_log_likelihood(model, images)": "grey images",
    "grid_log_likelihood(model, images, spacing=0.1, limit=5)": "grey images",
    "GaussianDecoder(LATENT, [], PIXELS, noise='fixed', std=np.sqrt(variance), dtype=np.float64)": (
        "its weights are set"
    ),
    "GaussianEncoder(784, n_latent=LATENT, network=convolutional(), dtype=np.float64)": (
        "its gradient is checked, whatever its weights are"
    ),
}


def seeds(source, names):
    """(call, the expression given as its seed, or None) of each call that takes one."""
    tree = ast.parse(source)
    options = {
        node.targets[0].id: seed
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        for seed in seed_in(node.value)
    }
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = named(call.func, names)
        try:
            place = list(inspect.signature(function).parameters).index("seed")
        except (TypeError, ValueError):
            continue  # it takes none, or is a local variable
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        seed = ast.unparse(call.args[place]) if len(call.args) > place else given.get("seed")
        yield ast.unparse(call), seed or options.get(given.get(None))


def seed_in(node):
    """What a dict, as it is written, holds as its "seed", if anything."""
    for key, value in (
        zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ()
    ):
        if isinstance(key, ast.Constant) and key.value == "seed":
            yield ast.unparse(value)


def named(node, names):
    """What an expression such as `function` or `module.function` stands for, or None."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    return (
        getattr(named(node.value, names), node.attr, None)
        if isinstance(node, ast.Attribute)
        else None
    )


@pytest.mark.parametrize("path", FILES, ids=str)
def test_what_is_drawn_is_drawn_by_the_seed(path):
    module = importlib.import_module(".".join(path.with_suffix("").parts))
    for call, seed in seeds((ROOT / path).read_text(encoding="utf-8"), vars(module)):
        if call not in WITHOUT:
            assert seed and "seed" in seed, call


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_stream_of_random_numbers_begins_with_the_seed(path):
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.List) and "Stream." in "".join(map(ast.unparse, node.elts)):
            assert ast.unparse(node.elts[0]) in ("seed", "args.seed", "trainer.seed"), ast.unparse(
                node
            )


def test_a_seed_that_is_left_out_or_fixed_is_seen():
    names = {"draw": lambda n, seed=0: n, "other": len}
    source = "draw(1); draw(2, 3); draw(4, seed=[0, 1]); draw(5, args.seed); other(6)"
    source += "; how = {'seed': 7}; draw(**how); draw(**others)"
    expected = [None, "3", "[0, 1]", "args.seed", "7", None]
    assert [seed for _, seed in seeds(source, names)] == expected
