"""Is there a test for every line of the package? Plant a mistake in it, and see one fail.

    python tests/mutants.py                          # all of the package, and the exercises' grader
    python tests/mutants.py vae_np/layers.py         # one file

Each mistake (a *mutant*) is one that a learner makes, in one place: a sign, a dropped ½, a sum for
a mean, σ² for σ, other noise on the way back, swapped operands, a missing term, a uniform draw for
a normal one, a comparison turned, a condition, a call or an assignment left out. The fast
tests that reach its line run, the quickest first. If one fails, the mutant is *killed*; one that
*survives* shows what no test would notice.

Some change nothing that can be seen. These *equivalents* are listed in mutants_equivalent.txt, each
with its reason, and are not run, unless --all asks which of them a test kills after all.

It is a pytest run of its own kind: the tests are collected once, and each mutant lives in a fork of
that process, in which the functions of one file get the mutated code. Not on Windows.
"""

import argparse
import math
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from itertools import zip_longest

import pytest
from mutant_changes import LISTED, ROOT, listed, mutants_of, plant
from tqdm import tqdm

FILES = [
    path.relative_to(ROOT).as_posix()
    for path in sorted(ROOT.glob("vae_np/**/*.py"))
    if path.name != "__init__.py"
] + [f"demos/exercising/{name}.py" for name in ("exercise_grader", "grading", "solutions")]
TESTS = (
    "checks products gradients layers distributions networks own_layers refused_layers "
    "networks_of_own tried_layers check_layer check_gradient finite_differences convolution "
    "torch_parity vae draws hmc weights_of_draws objectives "
    "rival_objectives monte_carlo_em score_function doubly_reparameterized optimizers fused "
    "linear_gaussian grid per_image inference extremes evaluation evaluation_reports appendix_d "
    "gradcheck gradient_causes planted_patterns "
    "verdicts aevb training refused_training schedule divergence threads interrupt recording "
    "recording_refused "
    "checkpoints saved_formats whole_files mangled_files stale_parts device no_gpu the_door "
    "what_is_no_array "
    "datasets plausible_data downloads download_bar figures late_axes exercises exercise_reports "
    "exercises_for_a_class exercises_at_other_numbers exercises_that_never_end messages "
    "messages_of_parts progress"
)


class Hunt:
    """A plugin of pytest, which runs the collected tests in its own way."""

    def __init__(self, mutants, jobs):
        self.mutants, self.jobs = mutants, jobs
        self.survivors, self.broken = [], []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        from hypothesis import HealthCheck, settings  # not before pytest, which rewrites asserts

        patient = {"deadline": None, "suppress_health_check": list(HealthCheck)}
        settings.register_profile("hunt", derandomize=True, database=None, **patient)
        settings.load_profile("hunt")
        subprocess.Popen.__init__ = skip_the_test  # other processes run what is not mutated
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
                if mutant.may_be_noticed_by(lines)
            ]
            while len(running) >= self.jobs:
                wait()
            pid = os.fork()
            if pid == 0:
                in_a_fork(session, mutant, sorted(covering, key=lambda pair: pair[0]))
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
            if os.waitpid(pid, 0)[1]:
                pytest.exit("the tests must pass before anything is planted", returncode=1)
            return pickle.load(record)


def skip_the_test(*args, **kwargs):
    pytest.skip("it starts another process")


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
        threading.settrace(trace)  # a download is read in a thread
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        sys.settrace(None)
        threading.settrace(None)
        if session.testsfailed:
            print(f"{item.nodeid} fails without any mutant", file=sys.stderr)
            os._exit(1)
        yield time.perf_counter() - start, lines


def in_a_fork(session, mutant, covering):
    """Exit with 0 if all tests pass, with 1 if one fails; 3 is a mistake of this file."""
    import resource  # which Windows has not

    items = [item for _, item in covering]
    be_quiet()
    os.dup2(1, 2)
    status = 1
    try:
        twin = mutant.twin()  # may fail, and is noticed so
        status = 3
        plant(twin)
        status = 1
        for (seconds, item), following in zip_longest(covering, items[1:]):
            limit = math.ceil(time.process_time() + 5 + 4 * seconds)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, -1))  # an endless loop is killed too
            signal.alarm(20 * (5 + math.ceil(seconds)))
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
    parser.add_argument("files", nargs="*", metavar="FILE", default=FILES)
    parser.add_argument("--all", action="store_true", help="run the listed equivalents too")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="forks side by side")
    args = parser.parse_args()
    if not hasattr(os, "fork"):
        parser.error("this needs os.fork, which Windows has not")
    if args.jobs < 1:
        parser.error(f"argument --jobs: must be at least 1, got {args.jobs}")
    for path in args.files:
        if path not in FILES:
            parser.error(f"FILE must be such as vae_np/layers.py, got {path!r}")

    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported: a fork has one thread
    planted = [mutant for path in args.files for mutant in mutants_of(path)]
    known = listed()
    equivalent = {mutant for mutant in planted if mutant.key in known}
    hunt = Hunt([m for m in planted if args.all or m not in equivalent], args.jobs)
    tests = [str(ROOT / f"tests/test_{name}.py") for name in TESTS.split()]
    status = pytest.main(["-qq", "-s", "-p", "no:cacheprovider", "--no-summary", *tests], [hunt])
    if status != 0:
        sys.exit(int(status))

    print(f"\n{'':40}{'planted':>9}{'killed':>9}{'equivalent':>12}{'survive':>9}")
    survivors = [m for m in hunt.survivors if m not in equivalent]
    stands = [m for m in planted if m not in hunt.broken]
    counts = [Counter(m.path for m in group) for group in (stands, equivalent, survivors)]
    for path in [*args.files, "in all"]:
        n, same, alive = (c.total() if path == "in all" else c[path] for c in counts)
        print(f"{path:40}{n:9}{n - same - alive:9}{same:12}{alive:9}")
    for mutant in hunt.broken:
        print("could not be planted:", mutant.where, mutant.key[2])
    for mutant in equivalent.difference(hunt.survivors) if args.all else ():
        print(f"{LISTED.name} lists what a test kills:", mutant.where, mutant.key[2])
    stale = [key for key in known - {m.key for m in planted} if key[0] in args.files]
    for path, code, change in stale:
        print(f"{LISTED.name} lists what is no longer there: {path}: {code}: {change}")
    sys.exit(bool(survivors or hunt.broken or stale))


if __name__ == "__main__":
    main()
