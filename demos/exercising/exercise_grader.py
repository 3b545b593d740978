"""How exercises.py is graded: each function's answer against finite differences.

The learner's file is read and never written.
"""

import inspect
import sys
import traceback
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
from demos.exercising.solutions import location, solution
from vae_np.gradcheck import check_gradient

RIGHT, WRONG, LEFT, STOPPED = "right", "WRONG", "not yet", "interrupted"
ENDLESS = ": does a loop there never end?"


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
    exercises = make_exercises(np.random.default_rng(0))
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
    except OSError as error:
        return complain("exercises.py", error)
    try:
        learner = functions_of(args.file) if args.file else learner
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # of the learner's lines
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        if isinstance(error, KeyboardInterrupt):
            reason = f"{STOPPED}{_line(error, str(args.file))}{ENDLESS}"
        reason = f"cannot read {args.file}: {reason}"
        status = complain("exercises.py", reason)
        if args.json:
            write_scores(args.json, dict.fromkeys(exercises, (WRONG, reason)))
        return 130 if isinstance(error, KeyboardInterrupt) else status

    statuses, reports = {}, {}
    for index, (name, exercise) in enumerate(exercises.items(), 1):
        function = getattr(learner, name, None)
        status, report = grade(function, exercise)
        if status == WRONG and inspect.isfunction(function):
            for used in function.__code__.co_names:
                if statuses.get(used) in (WRONG, STOPPED):
                    report += f"\nit calls {used}, which is wrong: mend that first"
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
    parser = Parser((learner.__doc__ or "") + "\nThe exit status is 0 if all are right, else 1.")
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
    names = {"__name__": path.stem}
    exec(compile(path.read_bytes(), str(path), "exec"), names)
    return SimpleNamespace(**names)


def grade(function, exercise):
    """Compare what the learner's function returns with finite differences.

    Returns
    -------
    status : {"right", "WRONG", "not yet", "interrupted"}
    report : str
        To be printed behind it: how exact the answer is, what is wrong with it, or what to write.
    """
    if not inspect.isfunction(function):
        return WRONG, ": there is no function of this name, written with def and not decorated"
    given = [np.copy(a) if isinstance(a, np.ndarray) else a for a in exercise.arguments.values()]
    arrays = dict(zip(exercise.arguments, given, strict=True)) | exercise.answers
    before = {name: a.copy() for name, a in arrays.items() if isinstance(a, np.ndarray)}
    for grad in exercise.grads.values():
        grad[:] = 0
    try:
        with np.errstate(all="ignore"):  # what overflows shows in the answer
            returned = function(*given)
    except NotImplementedError as error:
        inner = traceback.extract_tb(error.__traceback__)[-1].name
        own = inner == function.__name__
        return LEFT, f": {error}" if own else f": it calls {inner}, which is not written yet"
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # of the learner's lines
        line = _line(error, function.__code__.co_filename, function.__code__.co_firstlineno)
        if isinstance(error, KeyboardInterrupt):
            return STOPPED, f"{line}{ENDLESS}"
        return WRONG, f": {type(error).__name__}{line}: {error}"

    for name, array in before.items():
        if not np.array_equal(arrays[name], array):
            arrays[name][...] = array
            own = "which its caller still needs; make a new array"
            why = "which the optimizer is to change" if name in exercise.answers else own
            return WRONG, f": it changes {name}, {why}"
    several = isinstance(returned, tuple | list)
    answers = list(exercise.grads.values()) or (list(returned) if several else [returned])
    if len(answers) != len(exercise.answers):
        count = f" of {len(answers)}" if several else ", and no more"
        got = "None (no return?)" if returned is None else type(returned).__name__ + count
        return WRONG, f": it must return {', '.join(exercise.answers)}; it returns {got}"
    checks = []
    for (name, array), answer in zip(exercise.answers.items(), answers, strict=True):
        shape = getattr(answer, "shape", type(answer).__name__)
        if shape != array.shape:
            return WRONG, f": {name} must be an array of shape {array.shape}, got {shape}"
        if answer.dtype.kind not in "fiu":
            return WRONG, f": {name} must be an array of real numbers, got {answer.dtype}"
        checks.append(check_gradient(name, exercise.loss, array, answer))
    wrong = [check for check in checks if not check.passed]
    if not wrong:
        return RIGHT, f" to {max(check.relative_error for check in checks):.0e}"
    report = "".join(f"\n{check}" for check in wrong[:3])
    for what, some in (("wrong too", wrong[3:]), ("right", [c for c in checks if c.passed])):
        report += f"\n{what}: {', '.join(check.name for check in some)}" if some else ""
    if all("is right to 5 digits" in check.seen for check in wrong):
        return WRONG, f"{report}\nthe formula is right: compute it in float64"
    for_each = "perhaps: a factor that depends on axis" in report
    if "upstream" in exercise.arguments and (for_each or "no common factor" in report):
        report += "\nis upstream in it, which has a number for each example?"
    return WRONG, f"{report}\nlook again: {exercise.hint}"


def _line(error, path, otherwise=1):
    """The line of the learner's file where the error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return f" in line {lines[-1] if lines else otherwise}"
