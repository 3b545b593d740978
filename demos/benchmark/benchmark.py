"""How fast is a training step? vae_np, PyTorch and JAX on the paper's model, side by side.

All train 784-500-20-500-784 (tanh, Bernoulli) by Adam on the same images, 100 a minibatch, float32.
Each peer has a process of its own, and they take turns, one epoch each, so that a machine that
slows down slows all of them. Medians and ratios come from the same rounds. The floor is the step's
eleven matrix products alone: no NumPy code can be faster, and "in products" says how near it is.
vae_np and the floor run on all cores, as the others do, and on one thread, vae_np's own choice for
a model of this size; and vae_np with and without its compiled optimizer (the extra `fast`).
A peer that is not installed is left out and said so.

--beside-busy measures something else: how much longer each takes beside one busy process per core.
"""

import statistics
import sys
from pathlib import Path

from tqdm import tqdm

from demos.benchmark import on_a_gpu
from demos.benchmark.report import NAMES, draw, file_name, print_report
from demos.benchmark.turns import (
    Peer,
    PeerError,
    beside_busy,
    median_ratio,
    take_turns,
    whole_minibatches,
)
from demos.common.command_line import (
    Parser,
    complain,
    discard_if_empty,
    make_folder,
    make_free_folder,
    named_path,
    prepare_streams,
    say,
    write_json,
)
from demos.common.experiment_options import positive
from demos.common.machine import machine

BATCHES = (20, 100, 500, 1000, 5000)
WIDTHS = (100, 500, 1000, 2000)
NEEDED = ("vae_np", "matrix_products")


def start(names, args):
    """The processes of those peers that can run here."""
    started = [
        Peer(name, args.examples, 100, 500, "cpu", args.clock)
        for name in tqdm(names, desc="starting", leave=False, disable=None)
    ]
    for peer in started:
        if peer.missing:
            say(f"left out: {NAMES[peer.name]} ({peer.missing})")
            peer.close()
        if peer.missing and peer.name in NEEDED:
            raise PeerError(f"{peer.name} cannot run: {peer.missing}")
    return [peer for peer in started if not peer.missing]


def compare(args):
    """Every peer's step, and every ratio of two peers' times within a round."""
    one_thread = [name for name in NAMES if name.endswith("_1")]
    peers = start(NAMES, args)
    take_turns(peers, args.rounds, "comparing")
    by_name = {peer.name: peer for peer in peers}
    rows = {}
    for peer in peers:
        floor = by_name["matrix_products_1" if peer.name in one_thread else "matrix_products"]
        rows[peer.name] = {
            "version": peer.version,
            "step_ms": statistics.median(peer.step_ms),
            "step_ms_range": [min(peer.step_ms), max(peer.step_ms)],
            "times_the_products": median_ratio(peer.seconds, floor.seconds),
            "times_as_long_as": {
                other.name: median_ratio(peer.seconds, other.seconds) for other in peers
            },
            "peak_mb": peer.peak_bytes / 1e6,
        }
    return rows


def scale(args):
    """How the time for an example changes with the batch and with the width, on all cores."""
    settings = [(batch, 500) for batch in BATCHES] + [(100, width) for width in WIDTHS]
    settings.append((1000, 2000))
    rows = []
    for batch, width in tqdm(
        list(dict.fromkeys(settings)), desc="scaling", leave=False, disable=None
    ):
        examples = whole_minibatches(min(args.examples, 40 * batch), batch)
        pair = [Peer(name, examples, batch, width, "cpu", args.clock) for name in NEEDED]
        take_turns(pair, args.rounds, f"batch {batch}, width {width}")
        ours, floor = pair
        rows.append(
            {
                "batch": batch,
                "width": width,
                "us_per_example": 1e6 * statistics.median(ours.seconds) / examples,
                "us_in_products": 1e6 * statistics.median(floor.seconds) / examples,
                "share_in_products": median_ratio(floor.seconds, ours.seconds),
            }
        )
    return rows


def main(argv=None):
    parser = make_parser()
    args = parser.parse_args(argv)
    on_cpu, own_folder = args.device == "cpu", args.out is None
    if not on_cpu and (args.beside_busy or args.clock != "seconds"):
        parser.error("--beside-busy and --cpu-time are for a CPU")
    args.rounds = args.rounds or (9 if on_cpu else 5)
    if on_cpu:
        args.examples = whole_minibatches(args.examples or 12_000, 100)
    try:
        args.out = make_folder(args.out) if args.out else make_free_folder(Path("runs/benchmark"))
        about = {key: getattr(args, key) for key in ("device", "rounds", "examples", "clock")}
        result = {**machine(), **about}
        name = file_name("cpu", result["processor"], f"{result['cores']} cores")
        if not on_cpu:
            result |= on_a_gpu.gpu()
            result["compare"] = on_a_gpu.compare(args)
            written = [args.out / f"{file_name('gpu', result['gpu'])}.json"]
        elif args.beside_busy:
            result["beside_busy"] = beside_busy(start(NAMES, args), args.rounds)
            written = [args.out / f"{name}_beside_busy.json"]
        else:
            result |= {"compare": compare(args), "scale": scale(args)}
            written = [args.out / f"{name}.json", args.out / f"{name}.png"]
            draw(result, written[1])
        write_json(written[0], result)
    except (OSError, ValueError, PeerError) as error:  # no GPU is a ValueError
        return complain("benchmark.py", error)
    except KeyboardInterrupt:
        print("\nInterrupted: no results were written.", file=sys.stderr)
        return 130
    finally:
        if own_folder and args.out:
            discard_if_empty(args.out)
    print_report(result) if on_cpu else on_a_gpu.print_rows(result)
    say(f"\nWritten: {' and '.join(map(str, written))}")
    return 0


def make_parser():
    parser = Parser(__doc__)
    add = parser.add_argument
    add(
        "--rounds",
        type=positive,
        metavar="N",
        help="turns that each peer takes (default: 9, on a GPU 5)",
    )
    add(
        "--examples",
        type=positive,
        metavar="N",
        help="length of an epoch, rounded to whole minibatches (default: 12000, or 120 steps; on a "
        "GPU 60000, or 100 steps)",
    )
    add(
        "--device",
        choices=("cpu", "gpu"),
        default="cpu",
        help="where all of them train (default: cpu)",
    )
    add(
        "--cpu-time",
        dest="clock",
        action="store_const",
        const="cpu_seconds",
        default="seconds",
        help="count the processor's time, not the wall's: beside other programs, and on one core "
        "(taskset -c 0 python ...), for threads that wait count as well",
    )
    add(
        "--beside-busy",
        action="store_true",
        help="measure how much longer each takes beside one busy process per core",
    )
    add(
        "--out",
        type=named_path,
        metavar="FOLDER",
        help="where the results go (default: the first free runs/benchmark, runs/benchmark-2, ...)",
    )
    return parser


if __name__ == "__main__":
    prepare_streams()
    sys.exit(main())
