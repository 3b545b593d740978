"""The mistakes that `mutants.py` plants: what a learner might have written in one place."""

import ast
import sys
import types
from collections import Counter
from functools import cached_property
from inspect import unwrap
from pathlib import Path

from vae_np.checks import Checked

ROOT = Path(__file__).resolve().parent.parent
LISTED = ROOT / "tests" / "mutants_equivalent.txt"


def pairs(text):
    """The words "a b, c d" as {a: b, c: d}."""
    return dict(pair.split() for pair in text.split(", "))


def node_types(text):
    return {getattr(ast, a): getattr(ast, b) for a, b in pairs(text).items()}


TURNED = node_types(
    "Lt GtE, LtE Gt, Gt LtE, GtE Lt, Eq NotEq, NotEq Eq, Is IsNot, IsNot Is, In NotIn, NotIn In"
)
NEAR = node_types(
    "Add Sub, Sub Add, Mult Div, Div Mult, And Or, Or And, Lt LtE, LtE Lt, Gt GtE, GtE Gt"
)
OTHER_NAME = pairs(
    "sum mean, max min, maximum minimum, random standard_normal, normal uniform, std variance, "
    "mean sum, min max, minimum maximum, standard_normal random, uniform normal, variance std"
)
SYMMETRIC = "min max minimum maximum logaddexp array_module".split()
FORGOTTEN = "exp log sqrt abs log1p expm1 tanh sigmoid softplus reversed diag".split()


def changes(node):
    """What a learner might have written in this node's place."""
    match node:
        case ast.BinOp(left, op, right) if not isinstance(op, ast.BitOr | ast.BitAnd):
            if type(op) in NEAR:
                yield ast.BinOp(left, NEAR[type(op)](), right)
            if not isinstance(op, ast.Add | ast.Mult):
                yield ast.BinOp(right, op, left)
            if not isinstance(op, ast.MatMult):
                yield from (left, right)
        case ast.UnaryOp(ast.USub() | ast.Not(), operand):
            yield operand
        case ast.BoolOp(op, values):
            yield ast.BoolOp(NEAR[type(op)](), values)
            for i in range(len(values)):
                rest = values[:i] + values[i + 1 :]
                yield ast.BoolOp(op, rest) if len(rest) > 1 else rest[0]
        case ast.Compare(left, [op], right):
            yield ast.Compare(left, [TURNED[type(op)]()], right)
            if type(op) in NEAR:
                yield ast.Compare(left, [NEAR[type(op)]()], right)
        case ast.IfExp(_, body, orelse):
            yield from (body, orelse)
        case ast.If(_, body, orelse):
            yield ast.If(ast.Constant(False), body, orelse)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant({0: 1, 2: 1, 0.5: 1}.get(value, 2 * value))
        case ast.Attribute(value, "T"):
            yield value
        case ast.Attribute(value, name, context) if name in OTHER_NAME:
            yield ast.Attribute(value, OTHER_NAME[name], context)
        case ast.Name("noise" | "weight_noise", ast.Load()):
            yield ast.parse(f"{node.id}[..., ::-1]", mode="eval").body
        case ast.Call(function, [first, *rest], keywords):
            if ast.unparse(function).split(".")[-1] in FORGOTTEN:
                yield first
            if rest and ast.unparse(function).split(".")[-1] not in SYMMETRIC:
                yield ast.Call(function, [rest[0], first, *rest[1:]], keywords)
        case ast.AugAssign(target, op, value):
            if type(op) in NEAR:
                yield ast.AugAssign(target, NEAR[type(op)](), value)
            yield ast.Pass()
        case ast.Expr(ast.Call()) | ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


class Mutant:
    """One change in one place of a file's tree. ``lines`` are those whose tests may notice it."""

    def __init__(self, path, source, tree, place, new, lines):
        self.path, self.tree, self.place, self.new, self.lines = path, tree, place, new, lines
        parent, field, index = place
        node = getattr(parent, field) if index is None else getattr(parent, field)[index]
        heads = (n.test if isinstance(n, ast.If) else n for n in (node, new))
        before, after = map(ast.unparse, heads)
        self.key = path, source[node.lineno - 1].strip(), f"{before} → {after}"
        self.where = f"{path}:{node.lineno}"

    def number_among_equals(self, number):
        """Let its key differ from those of the same change elsewhere in the line."""
        if number > 1:
            path, line, change = self.key
            self.key = path, line, f"{change} (no. {number})"

    def may_be_noticed_by(self, reached):
        """Whether a test that reaches these lines, a dict of files and sets, runs it."""
        lines = reached.get(self.path, set())
        return bool(lines) if self.lines is None else not lines.isdisjoint(self.lines)

    def twin(self):
        """The module with the change in it, beside the imported one."""
        parent, field, index = self.place
        if index is None:
            setattr(parent, field, self.new)
        else:
            getattr(parent, field)[index] = self.new
        module = sys.modules[self.path.removesuffix(".py").replace("/", ".")]
        twin = types.ModuleType(module.__name__)
        twin.__file__ = module.__file__
        code = compile(ast.fix_missing_locations(self.tree), module.__file__, "exec")
        exec(code, vars(twin))
        return twin


def mutants_of(path):
    """All of a file's: of its functions' and classes' code, not of defaults, which are choices."""
    source = (ROOT / path).read_text(encoding="utf-8")
    tree, found, seen = ast.parse(source), [], Counter()

    def visit(parent, lines, in_function=False):
        for field, value in ast.iter_fields(parent):
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(node, ast.AST) or passed_over(field, node):
                    continue
                own = lines
                if in_function and isinstance(node, ast.stmt):
                    body = getattr(node, "body", None)
                    own = range(node.lineno, body[0].lineno if body else node.end_lineno + 1)
                for new in changes(node):
                    if ast.unparse(new) == ast.unparse(node):  # two equal operands, swapped
                        continue
                    place = parent, field, index
                    mutant = Mutant(path, source.splitlines(), tree, place, new, own)
                    seen[mutant.where, mutant.key] += 1
                    mutant.number_among_equals(seen[mutant.where, mutant.key])
                    found.append(mutant)
                visit(node, own, in_function or isinstance(node, ast.FunctionDef))

    visit(tree, None)
    return found


def passed_over(field, node):
    """Decorators, annotations, messages, defaults, a script's lines, and a progress bar's."""
    if field in ("decorator_list", "annotation", "returns"):
        return True
    if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
        return True
    if isinstance(node, ast.Expr | ast.Call):
        return "bar" in ast.unparse(node).split("(")[0]
    return isinstance(node, ast.Raise | ast.JoinedStr | ast.arguments)


def plant(twin):
    """Let the imported module run its twin's code: in a fork, for it cannot be taken back."""
    graft(sys.modules[twin.__name__], twin)


def graft(module, changed):
    """Give a module's, or a class's, functions the code of those of its changed twin.

    And its numbers, its enumerations and what its `Checked` attributes allow.
    """
    for name, new in list(vars(changed).items()):
        old = vars(module).get(name)
        for here, there in zip(functions(old), functions(new), strict=True):
            here.__code__ = there.__code__
        ours, theirs = (getattr(thing, "__members__", thing) for thing in (old, new))
        if isinstance(ours, type) and ours.__module__ == name_of(changed):
            graft(old, new)
        elif isinstance(new, Checked):
            vars(old).update(vars(new))
        elif isinstance(theirs, int | float | tuple | types.MappingProxyType) and theirs != ours:
            # a constant or an enumeration, wherever it is
            owners = [m for n, m in sys.modules.items() if n.startswith(("vae_np", "demos"))]
            for owner in owners if isinstance(module, types.ModuleType) else [module]:
                if vars(owner).get(name) is old:
                    setattr(owner, name, new)


def name_of(module_or_class):
    return getattr(module_or_class, "__module__", None) or module_or_class.__name__


def functions(thing):
    """What is code in an attribute of a module or a class."""
    if callable(thing) and isinstance(unwrap(thing), types.FunctionType):  # within its decorators
        return [unwrap(thing)]
    if isinstance(thing, property):
        return [f for f in (thing.fget, thing.fset) if isinstance(f, types.FunctionType)]
    if isinstance(thing, cached_property):
        return [thing.func]
    return [thing.__func__] if isinstance(thing, staticmethod | classmethod) else []


def listed():
    """The keys of mutants_equivalent.txt: a line for the file, one for the code, the changes."""
    keys = set()
    for line in LISTED.read_text(encoding="utf-8").splitlines():
        text, depth = line.strip(), len(line) - len(line.lstrip())
        if not text or text.startswith("#"):
            continue
        if depth == 0:
            path = text
        elif depth == 4:
            code = text
        else:
            change, _, reason = text.partition(" because ")
            if not reason:
                raise SystemExit(f"{LISTED.name}: no reason is given for {text!r}")
            keys.add((path, code, change))
    return keys
