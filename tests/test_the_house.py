"""The package is a stair: each room imports only from those above it in CONTRIBUTING.md's table."""

import ast
import inspect
import re

import pytest
from documents import ROOT

import vae_np
import vae_np.objectives

PACKAGE = ROOT / "vae_np"


def stair():
    """The rooms of `vae_np`, files and folders, from the ground up."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("| in the package |")[1].split("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    names = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    return [name.removeprefix("vae_np/").removesuffix("/").removesuffix(".py") for name in names]


def imported(source):
    """The modules of the package that a source imports, but for what it does as a program."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if "__main__" not in ast.unparse(node).split("\n")[0]]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "vae_np":
            yield from (f"vae_np.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vae_np."):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("vae_np."))


def climbing(own, source, rooms):
    """The modules that the source, of the room ``own``, imports from rooms below its own."""
    for module in imported(source):
        room = module.split(".")[1]
        if room != own and rooms.index(room) > rooms.index(own):
            yield module


def files():
    """(path, its room) of each file of the package but `__init__.py`."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path != PACKAGE / "__init__.py":
            yield path, path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_the_table_names_every_room_once():
    assert sorted(stair()) == sorted({room for _, room in files()})


def test_a_room_imports_only_from_those_above_it():
    rooms = stair()
    wrong = [
        f"{path.relative_to(ROOT).as_posix()} imports {module}, which stands below it"
        for path, room in files()
        for module in climbing(room, path.read_text(encoding="utf-8"), rooms)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "source",
    [
        "from vae_np import training",
        "import vae_np.training.aevb",
        "def f():\n    from vae_np.training.aevb import step",
    ],
)
def test_an_import_that_climbs_is_found(source):
    assert list(climbing("objectives", source, ["objectives", "training"]))
    assert not list(climbing("objectives", source, ["training", "objectives"]))
    program = f"if __name__ == '__main__':\n    {source.splitlines()[-1].strip()}"
    assert not list(climbing("objectives", program, ["objectives", "training"]))


@pytest.mark.parametrize("package", [vae_np, vae_np.objectives])
def test_a_star_imports_all_that_a_package_offers(package):
    """Its classes, and of its modules `datasets`."""
    classes = {name for name, thing in vars(package).items() if inspect.isclass(thing)}
    assert set(package.__all__) - {"datasets"} == classes
    assert len(package.__all__) == len(set(package.__all__))
