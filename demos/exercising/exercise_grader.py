"""How exercises.py is graded: its options, what is printed, and the scores for a course.

The learner's file is read and never written.
"""

import inspect
import runpy
import sys
from types import SimpleNamespace

import numpy as np

from demos.common.command_line import (
    Parser,
    complain,
    make_folder,
    named_path,
    prepare_streams,
    say,
    write_json,
)
from demos.exercising.exercise_list import make_exercises
from demos.exercising.grading import ENDLESS, LEFT, RIGHT, STOPPED, WRONG, grade_at_each, line_of
from demos.exercising.solutions import location, solution


def main(learner, argv=None):
    """Grade the functions of the module ``learner``, or of the file that ``argv`` names.

    Return the exit status, 0 if all are right. Ctrl-C ends the one that it meets, and the others
    are graded; the status is then 130.
    """
    prepare_streams()
    try:
        return grade_all(learner, argv)
    except KeyboardInterrupt:  # in no line of the learner's
        print("\nInterrupted.", file=sys.stderr)
        return 130


def grade_all(learner, argv):
    rng = np.random.default_rng
    exercises = make_exercises(rng(0))
    others = make_exercises(rng(1), n=7, width=5, n_draws=3, hard=True)
    args = make_parser(learner, exercises).parse_args(argv)
    try:
        if args.solutions:
            names = exercises if args.solutions == "all" else [args.solutions]
            say("\n".join(f"{name}: {solution(exercises[name])}" for name in names))
            return 0
        if args.json:
            make_folder(args.json.parent, "--json")
        if args.json and args.json.is_dir():
            raise OSError(f"--json {args.json} is a folder, not a file")
        if args.file and args.file.is_dir():  # which may be run, and then holds no function
            raise OSError(f"{args.file} is a folder: name a file in it")
    except OSError as error:
        return complain("exercises.py", error)
    try:
        learner = functions_of(args.file) if args.file else learner
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # of the learner's lines
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        if isinstance(error, KeyboardInterrupt):
            reason = f"{STOPPED}{line_of(error, str(args.file))}{ENDLESS}"
        reason = f"cannot read {args.file}: {reason}"
        status = complain("exercises.py", reason)
        if args.json:
            write_scores(args.json, dict.fromkeys(exercises, (WRONG, reason)))
        return 130 if isinstance(error, KeyboardInterrupt) else status

    statuses, reports = {}, {}
    for index, name in enumerate(exercises, 1):
        function = getattr(learner, name, None)
        status, report = grade_at_each(function, [exercises[name], others[name]])
        if status == WRONG and inspect.isfunction(function):
            for used in function.__code__.co_names:
                if why := {WRONG: "is wrong", STOPPED: "did not end"}.get(statuses.get(used)):
                    report += f"\nit calls {used}, which {why}: mend that first"
        statuses[name], reports[name] = status, (status, f"{status}{report}")
        say(f"{index}. {name}: {status}" + report.replace("\n", "\n   "))
    if args.json:
        try:
            write_scores(args.json, reports)
        except OSError as error:
            return complain("exercises.py", error)
    right, left = (sum(s == t for s in statuses.values()) for t in (RIGHT, LEFT))
    wrong = len(statuses) - right - left
    say(f"\n{right} of {len(statuses)} right, {wrong} wrong, {left} left to write.")
    if right == len(statuses):
        say("These are all the derivatives that a VAE needs. --solutions shows the package's.")
        return 0
    todo = next(name for name, status in statuses.items() if status != RIGHT)
    function = getattr(learner, todo, None)
    where = f" ({location(function)})" if inspect.isfunction(function) else ""
    say(f"Next: {todo}{where}")
    return 130 if STOPPED in statuses.values() else 1


def write_scores(path, reports):
    """Write what a course's autograder reads: for each exercise its score, of 1, and its report."""
    tests = [
        {"name": name, "score": int(status == RIGHT), "max_score": 1, "output": report}
        for name, (status, report) in reports.items()
    ]
    write_json(path, {"tests": tests})


def make_parser(learner, exercises):
    status = "\nThe exit status is 0 if all are right, 1 if not, 2 if nothing could be graded."
    parser = Parser((learner.__doc__ or "") + status)
    parser.add_argument(
        "file", nargs="?", type=named_path, metavar="FILE", help="grade this copy instead"
    )
    parser.add_argument(
        "--solutions",
        nargs="?",
        const="all",
        choices=["all", *exercises],
        metavar="NAME",
        help="show where the package has the answers, or the one to this exercise, and its lines",
    )
    parser.add_argument(
        "--json", type=named_path, metavar="FILE", help="write the scores there as well"
    )
    return parser


def functions_of(path):
    """What the file defines, by name. It need not be called .py, nor stand where others import."""
    sys.path.append(str(path.resolve().parent))  # for what it imports from beside it
    return SimpleNamespace(**runpy.run_path(str(path), run_name="answers"))
