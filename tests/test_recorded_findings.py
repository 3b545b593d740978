"""What demos/results records is found again: each experiment is run as it was recorded.

Two summaries are compared key by key, their findings and what is printed number by number, their
pictures block by block. A run on another processor rounds otherwise, and a training carries that
on: the tolerances are some ten times what was measured between two kinds of processor, and far
below what a wrong sign or a wrong index does. Where an experiment takes too long, a small one is
recorded too, and rerun: see small_data.py.
"""

import json
import math
import os
import re
import subprocess
import textwrap
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import pytest
from as_recorded import (
    RECORDED,
    check_picture,
    check_text,
    close,
    close_times,
    drawn_by_another,
    in_words,
    leaves,
    numbers_that_differ,
)
from conftest import DEMOS, command
from recorded_tolerances import MAY_DIFFER, PICTURES_MAY_DIFFER, SHARE, tolerances

from demos.__main__ import scripts

RESULTS = DEMOS / "results"
SHOWN = 30  # lines about what differs
OF_THIS_RUN = "*machine[.(]*"  # no finding, nor is the number of its fields
MACHINE = ["date", "processor", "cores", "python", "numpy", "products"]
TIMES = re.compile(r"seconds(_per_image)?$")
LEFT_OUT = {  # why it is not rerun here, but in small
    "q_family": "takes as long as half of the others together",
    "full_bayes": "takes all cores for minutes",
    "figure_2": "takes hours",
    "figure_3": "takes hours, and what Monte Carlo EM reaches depends on the machine's speed",
    "figure_4": "takes a quarter of an hour from the full MNIST",
    "figure_5": "takes most of an hour from the full MNIST",
    "best_model": "takes hours",
}
EXPERIMENTS = [
    path.stem
    for path, _ in scripts()
    if path.parent.name in ("questions", "paper") and path.stem not in LEFT_OUT
] + ["use_it", *(f"small/{name}" for name in LEFT_OUT)]


def differences(name, recorded, found):
    """What is not as it was recorded, a line each."""
    recorded, found = dict(recorded), dict(found)
    texts = [summary.pop("findings") for summary in (recorded, found)]
    recorded, found = (
        {key: value for key, value in leaves(summary) if not fnmatch(key, OF_THIS_RUN)}
        for summary in (recorded, found)
    )
    lines = [f"{key}: recorded, not found" for key in recorded.keys() - found.keys()]
    lines += [f"{key}: found, not recorded" for key in found.keys() - recorded.keys()]
    for key in recorded.keys() & found.keys():
        pair = recorded[key], found[key]
        same = close_times(*pair) if TIMES.search(key) else close(*pair, *tolerances(name, key))
        if not same:
            lines.append(f"{key}: recorded {recorded[key]}, found {found[key]}")
    old, new = (in_words(text)[0] for text in texts)
    if old != new:
        lines.append(f"findings: recorded\n  {old}\nfound\n  {new}")
    else:
        for was, number in numbers_that_differ(*texts, *tolerances(name, "findings")):
            lines.append(f"findings: recorded {was:g}, found {number:g}")
    return sorted(lines)


def recorded_file(name):
    """What a run prints, or a thumbnail of what a small one draws."""
    return RECORDED / name.replace("/", "_")


def recorded_of(name):
    """The summary in demos/results."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def arguments(name):
    """The options as they were typed: those without a value were not."""
    typed = []
    for key, values in recorded_of(name)["options"].items():
        for value in values if isinstance(values, list) else [values]:
            if value is not None and value is not False:
                typed += [f"--{key.replace('_', '-')}", value]
    return typed


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory):
    """The experiments that are asked for, two at a time, the longest first."""
    asked = [
        item.callspec.params["name"]
        for item in request.session.items
        if item.parent is request.node and "runs" in item.fixturenames
    ]
    folder = tmp_path_factory.mktemp("findings")

    def rerun(name):
        typed = command(name.rpartition("/")[2], *arguments(name), "--out", name)
        if name.startswith("small/"):
            typed.insert(1, str(Path(__file__).with_name("small_data.py")))
        typed[1:1] = ["-W", "error"]
        return subprocess.run(
            typed,
            cwd=folder,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )

    with ThreadPoolExecutor(2) as pool:
        longest_first = sorted(asked, key=lambda name: -recorded_of(name)["seconds"])
        yield folder, {name: pool.submit(rerun, name) for name in longest_first}
        pool.shutdown(cancel_futures=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_is_recorded_is_found_again(name, runs):
    folder, started = runs
    result = started[name].result()
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads((folder / name / "summary.json").read_text(encoding="utf-8"))
    assert [field for field, value in found["machine"].items() if value] == MACHINE
    lines = differences(name, recorded_of(name), found)
    assert not lines, f"{len(lines)} differ:\n" + "\n".join(lines[:SHOWN])
    said = "\n\n".join(textwrap.fill(part, 90) for part in found["findings"].split("\n\n"))
    assert said in result.stdout
    printed = folder / f"{name}.txt"
    printed.write_text(result.stdout.replace(said, "(the findings)"), encoding="utf-8")
    check_text(printed, recorded_file(f"{name}.txt"), *tolerances(name, "findings"))
    pictures = list((folder / name).glob("*.png"))
    assert pictures
    for path in pictures:
        small = name.startswith("small/")
        known = recorded_file(f"{name}.png") if small else RESULTS / path.name
        if not (known.exists() and drawn_by_another(known)):
            check_picture(path, known, PICTURES_MAY_DIFFER.get(name, SHARE))


@pytest.mark.parametrize("name", MAY_DIFFER)
def test_every_exception_is_of_a_number_that_is_recorded(name):
    keys = ["findings", *(key for key, _ in leaves(recorded_of(name)))]
    for pattern in MAY_DIFFER[name]:
        assert any(fnmatch(key, pattern) for key in keys), pattern
    assert name in EXPERIMENTS


def test_pixels_may_differ_by_a_grey_level():
    assert close("00ff80", "01fe80", 0, 1)
    assert not close("00ff80", "02ff80", 0, 1)
    assert not close("00ff80", "00ff", 0, 1)
    assert not close("00ff80", "01ff80", 0)


KNOWN = {
    "findings": "The gap is 2.68 nats, 1,000 steps.",
    "seconds": 3.0,
    "machine": {"cores": 2},
    "gap": [2.683, 0.5],
    "nobody": None,
    "used": True,
    "best": "q",
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gap": [-2.683, 0.5]}, ["gap.0: recorded 2.683, found -2.683"]),
        ({"gap": [2.69, 0.5]}, ["gap.0: recorded 2.683, found 2.69"]),
        ({"gap": [0.5, 2.683]}, ["gap.0: recorded 2.683, found 0.5", "gap.1: recorded 0.5, "]),
        ({"gap": [2.683]}, ["gap(length): recorded 2, found 1", "gap.1: recorded, not found"]),
        ({"gap": [math.nan, 0.5]}, ["gap.0: recorded 2.683, found nan"]),
        ({"nobody": 0}, ["nobody: recorded None, found 0"]),
        ({"used": 1}, ["used: recorded True, found 1"]),
        ({"best": "p"}, ["best: recorded q, found p"]),
        ({"more": 1}, ["(length): recorded 6, found 7", "more: found, not recorded"]),
        ({"findings": "The gap is 2.71 nats, 1,000 steps."}, ["findings: recorded 2.68, found"]),
        (
            {"findings": "The gap is -2.68 nats, 1,000 steps."},
            ["findings: recorded 2.68, found -2.68"],
        ),
        ({"findings": "The gap is 2.68 nats, 1,010 steps."}, ["findings: recorded 1000, found"]),
        ({"findings": "The gap is 2.67 nats, 1,000 steps.", "gap": [2.6835, 0.5002]}, []),
        ({"findings": "The fit takes 7 ms."}, ["findings: recorded\n  The gap"]),
        ({"seconds": 9.0, "machine": {"cores": 1}}, []),
        ({"seconds": 0.05}, ["seconds: recorded 3.0, found 0.05"]),
    ],
)
def test_a_difference_is_named(change, said):
    lines = differences("none", KNOWN, KNOWN | change)
    assert len(lines) == len(said), lines
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True)), lines


def test_the_machine_and_the_day_are_no_finding_wherever_they_are_written():
    recorded = recorded_of("small/figure_2")
    found = json.loads(json.dumps(recorded).replace(recorded["machine"]["date"], "2013-12-20"))
    assert found["frey_2"]["machine"]["date"] == "2013-12-20"
    assert differences("small/figure_2", recorded, found) == []
    found["frey_2"]["latents"] += 1
    assert differences("small/figure_2", recorded, found) == ["frey_2.latents: recorded 2, found 3"]
