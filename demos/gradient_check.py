"""Is every gradient right? Each one that is derived by hand is compared with finite differences.

A derivative says how much f changes when one number changes a little: f′(a) ≈ [f(a + h) − f(a − h)]
/ 2h. That takes no derivation, so it can judge one. Each row is one tensor of derivatives, in
float64, with its error ‖by hand − by differences‖ / (‖by hand‖ + ‖by differences‖). A right formula
leaves about 1e-11, which is rounding; a wrong sign leaves 1, a dropped ½ leaves ⅓.

The rows stand in the order of the stack: a layer's error also spoils every network, ELBO and
objective that is built on it. So of many failures read the first: where there is one, it is shown
instead of the table (--all shows both). --break plants an error, for you to see it caught.
"""

import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict

from demos.common.command_line import (
    Parser,
    complain,
    make_folder,
    named_path,
    number,
    prepare_streams,
    say,
    write_json,
)
from demos.common.findings import idea
from demos.gradients.planted import ERRORS, describe, planted
from demos.gradients.table import FULL_SIZE, LEVELS, table
from vae_np.backend import DEVICES, device_module
from vae_np.gradcheck import TOLERANCE
from vae_np.progress import progress_bar


def main(argv=None):
    args = make_parser().parse_args(argv)
    try:
        if args.json and args.json.is_dir():
            raise OSError(f"--json {args.json} is a folder, not a file")
        if args.json:
            make_folder(args.json.parent, "--json")
        device_module(args.device)
    except (OSError, ValueError) as error:  # before the work, which would be in vain
        return complain("gradient_check.py", error)
    say(f"{idea(__doc__)}\n")
    if args.broken:
        say(f"Planted in {describe(args.broken)}.\n")
    if args.full:
        say("Model 784-500-20-500-784, Bernoulli: each tensor along 5 random directions at once.\n")
    rows = table(args.seed, FULL_SIZE if args.full else LEVELS, args.device)
    with planted(args.broken) if args.broken else nullcontext():
        rows = list(progress_bar(True, iterable=rows, desc="checking", unit="tensor", leave=False))
    levels, checks = zip(*rows, strict=True)

    if args.json:
        try:
            write_json(args.json, [asdict(check) for check in checks])
        except OSError as error:
            return complain("gradient_check.py", error)
    failed = [i for i, check in enumerate(checks) if not check.passed]
    if args.all or not failed:
        show_table(levels, checks)
        say("")
    verdicts = Counter(check.verdict for check in checks)
    undecided = f", {verdicts['undecided']} undecided" if verdicts["undecided"] else ""
    derivatives = sum(check.derivatives for check in checks)
    worst = max(checks, key=lambda check: check.relative_error)
    largest = f"; the largest is {worst.relative_error:.1e}, {worst.name}"
    say(
        f"{len(checks)} tensors, {derivatives:,} derivatives: {verdicts['right']} right, "
        f"{verdicts['WRONG']} wrong{undecided} (wanted: an error below {TOLERANCE:g}"
        f"{'' if failed else largest})"
    )
    if failed and args.full:
        say(f"\n{checks[failed[0]]}")
        say("\nWhich formula it is, the table of small models says: leave out --full.")
    elif failed:
        explain(levels, checks, failed)
    if failed and not args.all:
        say("\n--all shows every row.")
    return 1 if failed else 0


def show_table(levels, checks):
    width = max(len(check.name) for check in checks)
    say(f"{'derivative of':<{width}}  {'numbers':>7}  {'relative error':>14}")
    above = None
    for level, check in zip(levels, checks, strict=True):
        if level != above:
            say(f"-- {level}")
            above = level
        say(
            f"{check.name:<{width}}  {check.derivatives:7}  {check.relative_error:14.1e}  "
            f"{check.verdict}"
        )


def explain(levels, checks, failed):
    """Say which failure to read first, and why the others follow from it."""
    first, *others = failed
    say(f"\nRead this one first: it rests on no row that is wrong.\n{checks[first]}")
    counts = Counter(levels[i] for i in others)
    beside, above = counts.pop(levels[first], 0), sum(counts.values())
    if beside:
        say(f"\n{beside} more of the same level: they share its formula, or rest on it.")
    if above:
        where = ", ".join(f"{level} {count}" for level, count in counts.items())
        say(f"\n{above} more above it ({where}).")
        say("The chain rule goes through it there, so they are wrong with it. Mend the first and")
        say("run again: the others go with it, or have an error of their own.")


def make_parser():
    parser = Parser(__doc__)
    parser.add_argument(
        "--break",
        dest="broken",
        choices=list(ERRORS),
        metavar="NAME",
        help="plant an error in this derivative: " + ", ".join(ERRORS),
    )
    parser.add_argument("--all", action="store_true", help="show every row, though some are wrong")
    parser.add_argument(
        "--full",
        action="store_true",
        help="check the paper's model at its full size instead: 815,824 derivatives in seconds, "
        "along random directions",
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        help="where all is computed but the comparison; gpu needs CuPy and an NVIDIA GPU "
        "(default: cpu)",
    )
    parser.add_argument(
        "--json", type=named_path, metavar="FILE", help="write the table there as well"
    )
    parser.add_argument(
        "--seed",
        type=number(int, 0),
        default=0,
        metavar="N",
        help="for the random inputs (default: 0)",
    )
    return parser


if __name__ == "__main__":
    prepare_streams()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("\nInterrupted.", sys.stderr)
        sys.exit(130)
