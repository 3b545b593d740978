"""One answer to one exercise, against finite differences."""

import inspect
import traceback

import numpy as np

from vae_np.gradcheck import check_gradient

RIGHT, WRONG, LEFT, STOPPED = "right", "WRONG", "not yet", "interrupted"
ENDLESS = ": does a loop there never end?"


def grade_at_each(function, exercises):
    """`grade` at the inputs of each of the exercises, until one is not right."""
    for number, exercise in enumerate(exercises):
        status, report = grade(function, exercise)
        if status != RIGHT:
            return status, ", at other numbers and sizes only" * (number > 0) + report
    return status, report


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
        line = line_of(error, function.__code__.co_filename, function.__code__.co_firstlineno)
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
        numpys = isinstance(answer, np.ndarray | np.generic)
        got = answer.shape if numpys else name_of(type(answer))
        if got != array.shape:
            return WRONG, f": {name} must be a NumPy array of shape {array.shape}, got {got}"
        if answer.dtype.kind not in "fiu":
            return WRONG, f": {name} must be an array of real numbers, got {answer.dtype}"
        checks.append(check_gradient(name, exercise.loss, array, answer))
    if exchanged(exercise, answers, checks):
        return WRONG, f": {' and '.join(exercise.answers)} are exchanged"
    wrong = [check for check in checks if not check.passed]
    if not wrong:
        return RIGHT, f" to {max(check.relative_error for check in checks):.0e}"
    report = "".join(f"\n{check}" for check in wrong[:3])
    for what, some in (("wrong too", wrong[3:]), ("right", [c for c in checks if c.passed])):
        report += f"\n{what}: {', '.join(check.name for check in some)}" if some else ""
    if all("is right to 5 digits or more" in check.seen for check in wrong):
        small = "is something rounded to float32, or a small number added, as 1e-8?"
        return WRONG, f"{report}\nthe formula is nearly right: {small}"
    for_each = "perhaps: a factor that depends on axis" in report
    if "upstream" in exercise.arguments and (for_each or "no common factor" in report):
        report += "\nis upstream in it, which has a number for each example?"
    return WRONG, f"{report}\nlook again: {exercise.hint}"


def name_of(kind):
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def exchanged(exercise, answers, checks):
    """Whether two answers of one shape are each right in the place of the other."""
    if len(answers) != 2 or any(check.passed for check in checks):
        return False
    arrays = zip(exercise.answers.items(), answers[::-1], strict=True)
    return all(
        answer.shape == array.shape and check_gradient(name, exercise.loss, array, answer).passed
        for (name, array), answer in arrays
    )


def line_of(error, path, otherwise=1):
    """The line of the learner's file where the error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return f" in line {lines[-1] if lines else otherwise}"
