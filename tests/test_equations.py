"""Every equation of the paper stands in the package, where it is said to stand."""

import ast
import re
from pathlib import Path

import pytest

import vae_np

PACKAGE = Path(vae_np.__file__).parent

# The function (or the module's docstring) that computes or derives each of them.
EQUATIONS = {
    "eq. 1": ("vae.py", None),  # log p(x) = KL + ELBO: derived
    "eq. 2": ("vae.py", None),
    "eq. 3": ("vae.py", None),
    "eq. 4": ("distributions.py", "DiagonalGaussian.sample"),  # z = g(ε, x)
    "eq. 5": ("vae.py", "VAE.elbo"),  # an expectation by L draws
    "eq. 6": ("objectives/sgvb_a.py", None),
    "eq. 7": ("vae.py", "VAE.elbo"),
    "eq. 8": ("training/aevb.py", "step"),  # the minibatch estimator
    "eq. 9": ("networks.py", "GaussianEncoder"),
    "eq. 10": ("vae.py", "VAE.elbo"),
    "appendix A": ("figures.py", "latent_plane"),
    "appendix B": ("distributions.py", "DiagonalGaussian.kl_to_standard_normal"),
    "appendix C": ("networks.py", "GaussianEncoder"),
    "appendix D": ("inference/appendix_d.py", None),
    "appendix E": ("training/monte_carlo_em.py", None),
    "appendix F": ("objectives/full_bayes.py", None),
    "Algorithm 1": ("training/aevb.py", "train"),
}
WORDS = ("ELBO", "evidence", "prior", "likelihood", "posterior")


def text_of(path, name):
    """The source of a function, of a class, or the module's docstring."""
    source = (PACKAGE / path).read_text(encoding="utf-8")
    node = ast.parse(source)
    if name is None:
        return ast.get_docstring(node)
    for part in name.split("."):
        node = next(child for child in node.body if getattr(child, "name", None) == part)
    return "\n".join(source.splitlines()[node.lineno - 1 : node.end_lineno])


def cited(text):
    """The paper's equations that a text names: (eq. 7 and 10), (eq. 5, 7) or (eq. 1 to 3)."""
    numbers = set()
    for group in re.findall(r"\beq\. (\d+(?:(?:, | and | to )\d+)*)", text):
        first, *rest = re.split(r"(, | and | to )", group)
        numbers.add(int(first))
        for joint, number in zip(rest[::2], rest[1::2], strict=True):
            start = max(numbers) if joint == " to " else int(number)
            numbers |= set(range(start, int(number) + 1))
    return numbers


@pytest.mark.parametrize("equation", EQUATIONS)
def test_the_equation_is_cited_where_it_is_computed(equation):
    text = text_of(*EQUATIONS[equation])
    if equation.startswith("eq. "):
        assert int(equation.removeprefix("eq. ")) in cited(text)
    else:
        assert equation in text


def test_no_other_equations_are_cited_as_the_papers():
    for path in PACKAGE.rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert cited(line) <= set(range(1, 11)), f"{path.name}: {line}"
            assert not re.search(r"\d{4}\.\d{4,5}, eq\. ", line), f"{path.name}: {line}"


@pytest.mark.parametrize("word", WORDS)
def test_each_word_is_defined_once_where_it_is_first_met(word):
    """In the central page's docstring, between asterisks."""
    definitions = re.findall(rf"\*{word}\*", text_of("vae.py", None))
    assert definitions == [f"*{word}*"]
    for path in PACKAGE.rglob("*.py"):
        if path.name != "vae.py":
            assert f"*{word}*" not in path.read_text(encoding="utf-8"), path


def test_the_model_the_elbo_and_its_gradient_stand_on_the_first_screens():
    source = (PACKAGE / "vae.py").read_text(encoding="utf-8")
    vae = next(node for node in ast.parse(source).body if getattr(node, "name", "") == "VAE")
    methods = {node.name: node for node in vae.body if isinstance(node, ast.FunctionDef)}
    both = methods["elbo_and_gradient"]
    assert both.end_lineno <= 120
    code = ast.get_source_segment(source, both).replace(ast.get_docstring(both, clean=False), "")
    lines = [line for line in code.splitlines() if line.strip(' "')]
    assert len(lines) <= 25
