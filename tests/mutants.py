"""Is there a test for every line of the mathematics? Plant a mistake in it, and see one fail.

    python tests/mutants.py                          # all of the mathematics
    python tests/mutants.py vae_np/layers.py         # one file

Each mistake (a *mutant*) is one that a learner makes, in one place: a sign, a dropped ½, a sum for a
mean, σ² for σ, other noise on the way back, swapped operands, a missing term, a uniform draw for a
normal one, a comparison turned. The fast tests that reach its line run, the quickest first. If one
fails, the mutant is *killed*; one that *survives* shows what no test would notice.

Some change nothing that can be seen. These *equivalents* are listed in mutants_equivalent.txt, each
with its reason, and are not run, unless --all asks which of them a test kills after all.

It is a pytest run of its own kind: the tests are collected once, and each mutant lives in a fork of
that process, in which the functions of one file get the mutated code. Not on Windows.
"""

import argparse
import ast
import os
import pickle
import resource
import signal
import sys
import tempfile
import time
import types
from collections import Counter
from functools import cached_property
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported: a fork has one thread
import pytest
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
LISTED = Path(__file__).with_name("mutants_equivalent.txt")
MATHEMATICS = (
    "layers distributions networks vae optimizers objectives/elbo objectives/sgvb_a "
    "objectives/importance_weighted objectives/score_function objectives/wake_sleep "
    "objectives/full_bayes objectives/monte_carlo_em inference/hmc inference/grid "
    "inference/appendix_d inference/importance_sampling inference/per_image "
    "inference/linear_gaussian"
)
TESTS = (
    "gradients layers distributions networks own_layers vae draws hmc weights_of_draws objectives "
    "rival_objectives optimizers inference extremes evaluation aevb training checkpoints schedule "
    "stale_parts device the_door mutants_found"
)
SECONDS = 30  # of a processor's time, for one mutant's tests: an endless loop is killed too

TURNED = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
NEAR = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.And: ast.Or,
    ast.Or: ast.And, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
PAIRS = "sum mean, max min, maximum minimum, random standard_normal, normal uniform, std variance"
OTHER_NAME = dict(pair.split() for pair in PAIRS.split(", "))
OTHER_NAME |= {right: left for left, right in OTHER_NAME.items()}
FORGOTTEN = "exp log sqrt abs log1p expm1 tanh sigmoid softplus reversed diag exp_neg_abs".split()


def changes(node):
    """What a learner might have written in this node's place."""
    match node:
        case ast.BinOp(left, op, right):
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
            if rest:
                yield ast.Call(function, [rest[0], first, *rest[1:]], keywords)
        case ast.AugAssign(target, op, value):
            if type(op) in NEAR:
                yield ast.AugAssign(target, NEAR[type(op)](), value)
            yield ast.Pass()
        case ast.Expr(ast.Call()):
            yield ast.Pass()


class Mutant:
    """One change in one place of a file's tree. ``lines`` are those whose tests may notice."""

    def __init__(self, path, source, tree, place, new, lines):
        self.path, self.tree, self.place, self.new, self.lines = path, tree, place, new, lines
        parent, field, index = place
        node = getattr(parent, field) if index is None else getattr(parent, field)[index]
        heads = (n.test if isinstance(n, ast.If) else n for n in (node, new))
        before, after = map(ast.unparse, heads)
        self.key = path, source[node.lineno - 1].strip(), f"{before} → {after}"
        self.where = f"{path}:{node.lineno}"

    def plant(self):
        """Let the imported module run the changed code."""
        parent, field, index = self.place
        if index is None:
            setattr(parent, field, self.new)
        else:
            getattr(parent, field)[index] = self.new
        module = sys.modules[self.path.removesuffix(".py").replace("/", ".")]
        changed = types.ModuleType(module.__name__)
        code = compile(ast.fix_missing_locations(self.tree), module.__file__, "exec")
        exec(code, vars(changed))
        graft(module, changed)


def mutants_of(path):
    source = (ROOT / path).read_text(encoding="utf-8")
    tree, found = ast.parse(source), []

    def visit(parent, lines, in_function=False):
        for field, value in ast.iter_fields(parent):
            if field in ("decorator_list", "annotation", "returns"):
                continue
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(node, ast.AST):
                    continue
                if isinstance(node, ast.Raise | ast.JoinedStr | ast.arguments):
                    continue  # messages; and defaults, which are choices
                if (
                    isinstance(node, ast.Expr | ast.Call)
                    and "bar" in ast.unparse(node).split("(")[0]
                ):
                    continue  # of progress
                own = lines
                if in_function and isinstance(node, ast.stmt):
                    body = getattr(node, "body", None)
                    own = range(node.lineno, body[0].lineno if body else node.end_lineno + 1)
                for new in changes(node):
                    found.append(
                        Mutant(path, source.splitlines(), tree, (parent, field, index), new, own)
                    )
                visit(node, own, in_function or isinstance(node, ast.FunctionDef))

    visit(tree, None)
    return found


def graft(module, changed):
    """Give a module's, or a class's, functions the code of those of its changed twin."""
    for name, new in list(vars(changed).items()):
        old = vars(module).get(name)
        for here, there in zip(functions(old), functions(new), strict=True):
            here.__code__ = there.__code__
        if isinstance(old, type) and old.__module__ == new.__module__ == changed_name(changed):
            graft(old, new)
        elif isinstance(new, int | float | tuple) and new != old:
            owners = [m for n, m in sys.modules.items() if n.startswith("vae_np")]
            for owner in owners if isinstance(module, types.ModuleType) else [module]:
                if vars(owner).get(name) is old:
                    setattr(owner, name, new)


def changed_name(thing):
    return thing.__module__ if isinstance(thing, type) else thing.__name__


def functions(thing):
    if isinstance(thing, types.FunctionType):
        return [thing]
    if isinstance(thing, property):
        return [f for f in (thing.fget, thing.fset) if f]
    if isinstance(thing, cached_property):
        return [thing.func]
    return [thing.__func__] if isinstance(thing, staticmethod | classmethod) else []


def listed():
    """The equivalents' keys: a line for the file, one for the code, one for the change."""
    keys = set()
    for line in LISTED.read_text(encoding="utf-8").splitlines() if LISTED.exists() else []:
        text = line.strip()
        depth = (len(line) - len(line.lstrip())) // 4
        if not text or text.startswith("#"):
            continue
        if depth == 0:
            path = text
        elif depth == 1:
            code = text
        else:
            change, _, reason = text.partition(" because ")
            if not reason:
                sys.exit(f"{LISTED.name}: no reason is given for {text!r}")
            keys.add((path, code, change))
    return keys


class Hunt:
    """A plugin of pytest, which runs the collected tests in its own way."""

    def __init__(self, mutants, jobs):
        self.mutants, self.jobs = mutants, jobs
        self.survivors, self.broken = [], []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        from hypothesis import settings  # not before pytest, which rewrites its assertions

        settings.register_profile("hunt", derandomize=True, database=None, deadline=None)
        settings.load_profile("hunt")
        reached = self.reached_lines(session)
        running = {}

        def wait():
            pid, status = os.wait()
            mutant = running.pop(pid)
            bar.update()
            if status == 0:
                self.survivors.append(mutant)
                bar.write(f"{mutant.where}: {mutant.key[1]}\n    {mutant.key[2]}", sys.stdout)
            elif os.waitstatus_to_exitcode(status) == 3:
                self.broken.append(mutant)

        bar = tqdm(total=len(self.mutants), unit="mutant")
        for mutant in self.mutants:
            covering = [
                (seconds, session.items[i])
                for i, (seconds, lines) in enumerate(reached)
                if not lines.get(mutant.path, set()).isdisjoint(mutant.lines or range(10**4))
            ]
            while len(running) >= self.jobs:
                wait()
            pid = os.fork()
            if pid == 0:
                in_a_fork(session, mutant, [item for _, item in sorted(covering, key=first)])
            running[pid] = mutant
        while running:
            wait()
        bar.close()
        return True

    def reached_lines(self, session):
        """Of each test its seconds, and the lines that it reaches, found in a fork."""
        files = {str(ROOT / mutant.path): mutant.path for mutant in self.mutants}
        with tempfile.NamedTemporaryFile() as record:
            pid = os.fork()
            if pid == 0:
                be_quiet()
                with open(record.name, "wb") as file:
                    pickle.dump(list(traced(session, files)), file)
                os._exit(0)
            os.waitpid(pid, 0)
            return pickle.load(record)


def first(pair):
    return pair[0]


def be_quiet():
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)


def traced(session, files):
    for item in tqdm(session.items, unit="test", desc="which test reaches which line"):
        lines = {path: set() for path in files.values()}

        def trace(frame, event, argument, lines=lines):
            path = files.get(frame.f_code.co_filename)
            if path:
                lines[path].add(frame.f_lineno)
                return trace

        start = time.perf_counter()
        sys.settrace(trace)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        sys.settrace(None)
        if session.testsfailed:
            print(f"{item.nodeid} fails without any mutant", file=sys.stderr)
            os._exit(1)
        yield time.perf_counter() - start, lines


def in_a_fork(session, mutant, items):
    """Exit with 0 if all tests pass, with 1 if one fails; 3 is a mistake of this file."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    signal.alarm(20 * SECONDS)
    be_quiet()
    os.dup2(1, 2)
    status = 3
    try:
        mutant.plant()
        status = 1
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                break
        else:
            status = 0
    finally:
        os._exit(status)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    files = [f"vae_np/{name}.py" for name in MATHEMATICS.split()]
    parser.add_argument("files", nargs="*", metavar="FILE", default=files)
    parser.add_argument("--all", action="store_true", help="run the listed equivalents too")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="forks side by side")
    args = parser.parse_args()

    planted = [mutant for path in args.files for mutant in mutants_of(path)]
    known = listed()
    equivalent = [] if args.all else [mutant for mutant in planted if mutant.key in known]
    hunt = Hunt([mutant for mutant in planted if mutant not in equivalent], args.jobs)
    tests = [str(ROOT / f"tests/test_{name}.py") for name in TESTS.split()]
    tests = [test for test in tests if Path(test).exists()]
    status = pytest.main(["-qq", "-s", "-p", "no:cacheprovider", "--no-summary", *tests], [hunt])
    if status != 0:
        sys.exit("the tests could not be collected")

    print(f"\n{'':40}{'planted':>9}{'killed':>9}{'equivalent':>12}{'survive':>9}")
    counts = [Counter(m.key[0] for m in group) for group in (planted, equivalent, hunt.survivors)]
    for path in [*args.files, "in all"]:
        n, same, alive = (c.total() if path == "in all" else c[path] for c in counts)
        print(f"{path:40}{n:9}{n - same - alive:9}{same:12}{alive:9}")
    for mutant in hunt.broken:
        print("could not be planted:", mutant.where, mutant.key[2])
    stale = [key for key in known - {m.key for m in planted} if key[0] in args.files]
    for path, code, change in stale:
        print(f"{LISTED.name} lists what is no longer there: {path}: {code}: {change}")
    sys.exit(bool(hunt.survivors or hunt.broken or stale))


if __name__ == "__main__":
    main()
