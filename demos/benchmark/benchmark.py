"""How fast is a training step? vae_np, PyTorch and JAX on the paper's model, side by side.

All train 784-500-20-500-784 (tanh, Bernoulli) by Adam on the same images, 100 a minibatch, float32.
Each peer has a process of its own, and they take turns, one epoch each, so that a machine that
slows down slows all of them. Medians and ratios come from the same rounds. The floor is the step's
eleven matrix products alone: no NumPy code can be faster, and "in products" says how near it is.
A peer that is not installed is left out and said so.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from tqdm import tqdm

from demos.common.command_line import (
    complain,
    discard_if_empty,
    make_folder,
    make_free_folder,
    prepare_streams,
    say,
    write_json,
)
from demos.common.findings import machine, positive

PEERS = {
    "vae_np": "vae_np",
    "matrix_products": "matrix products alone",
    "torch_eager": "PyTorch, eager",
    "torch_fused": "PyTorch, fused Adam",
    "torch_compiled": "PyTorch, compiled, fused Adam",
    "jax_step": "JAX, jitted step",
    "jax_scan": "JAX, scanned epoch",
}
PAUSE = 0.3  # seconds before each turn: the last peer's idle threads spin for a while
BATCHES = (20, 100, 500, 1000, 5000)
WIDTHS = (100, 500, 1000, 2000)


class PeerError(Exception):
    """A peer without which there is nothing to compare cannot run."""


class Peer:
    """A process of peers.py that trains for one epoch whenever it is asked."""

    def __init__(self, name, examples, batch, width, device):
        self.name, self.examples, self.batch = name, examples, batch
        self.seconds, self.peak_bytes = [], 0
        options = {"examples": examples, "batch": batch, "width": width, "device": device}
        command = [sys.executable, str(Path(__file__).parent / "peers.py"), name]
        for option, value in options.items():
            command += [f"--{option}", str(value)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for this process to hear
        )
        ready = self._answer()
        self.version, self.missing = ready.get("version"), ready.get("missing")

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise PeerError(f"the process of {self.name} ended; its own error is above")
        return json.loads(line)

    def run_epoch(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        answer = self._answer()
        self.seconds.append(answer["seconds"])
        self.peak_bytes = answer["peak_bytes"]

    def close(self):
        self.process.communicate()

    @property
    def step_ms(self):
        """Milliseconds per step in each round."""
        steps = -(-self.examples // self.batch)
        return [1000 * seconds / steps for seconds in self.seconds]


def take_turns(peers, rounds, description):
    for _ in tqdm(range(rounds), desc=description, leave=False, disable=None):
        for peer in peers:
            time.sleep(PAUSE)
            peer.run_epoch()
    for peer in peers:
        peer.close()


def median_ratio(numerator, denominator):
    """The median over rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def compare(args):
    started = [
        Peer(name, args.examples, 100, 500, args.device)
        for name in tqdm(PEERS, desc="starting", leave=False, disable=None)
    ]
    for peer in started:
        if peer.missing:
            say(f"left out: {PEERS[peer.name]} ({peer.missing})")
            peer.close()
        if peer.missing and peer.name in ("vae_np", "matrix_products"):
            raise PeerError(f"{peer.name} cannot run: {peer.missing}")
    peers = [peer for peer in started if not peer.missing]
    take_turns(peers, args.rounds, "comparing")
    by_name = {peer.name: peer for peer in peers}
    ours, floor, eager = by_name["vae_np"], by_name["matrix_products"], by_name.get("torch_eager")
    rows = [
        {
            "peer": peer.name,
            "version": peer.version,
            "step_ms": statistics.median(peer.step_ms),
            "step_ms_range": [min(peer.step_ms), max(peer.step_ms)],
            "times_as_fast_as_torch_eager": eager and median_ratio(eager.seconds, peer.seconds),
            "vae_np_is_times_as_fast": median_ratio(peer.seconds, ours.seconds),
            "peak_mb": peer.peak_bytes / 1e6,
        }
        for peer in peers
    ]
    return {"rows": rows, "share_in_products": median_ratio(floor.seconds, ours.seconds)}


def scale(args):
    settings = [(batch, 500) for batch in BATCHES] + [(100, width) for width in WIDTHS]
    settings.append((1000, 2000))
    rows = []
    for batch, width in tqdm(
        list(dict.fromkeys(settings)), desc="scaling", leave=False, disable=None
    ):
        examples = max(batch, min(args.examples, 40 * batch))
        pair = [
            Peer(name, examples, batch, width, args.device)
            for name in ("vae_np", "matrix_products")
        ]
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


def print_report(result):
    say(f"{result['processor']}, {result['cores']} cores, {result['date']}\n")
    say(f"{'':<31}{'ms a step':>10}{'range':>18}{'to eager':>10}{'vae_np is':>11}{'peak MB':>9}")
    for row in result["compare"]["rows"]:
        low, high = row["step_ms_range"]
        eager = row["times_as_fast_as_torch_eager"]
        say(
            f"{PEERS[row['peer']]:<31}{row['step_ms']:>10.2f}{f'{low:.2f} to {high:.2f}':>18}"
            f"{f'{eager:.2f} x' if eager else '':>10}{row['vae_np_is_times_as_fast']:>9.2f} x"
            f"{row['peak_mb']:>9.0f}"
        )
    say(f"\nvae_np spends {result['compare']['share_in_products']:.0%} of a step in products.\n")
    say(f"{'batch':>6}{'width':>7}{'µs per example':>17}{'products alone':>17}{'in products':>14}")
    for row in result["scale"]:
        say(
            f"{row['batch']:>6}{row['width']:>7}{row['us_per_example']:>17.1f}"
            f"{row['us_in_products']:>17.1f}{row['share_in_products']:>14.0%}"
        )


def draw(result, path):
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    bars, batches, widths = figure.subplots(1, 3, width_ratios=(1.3, 1.2, 1))
    rows = sorted(result["compare"]["rows"], key=lambda row: -row["step_ms"])
    colours = {"vae_np": "C1", "matrix_products": "C7"}
    drawn = bars.barh(
        [PEERS[row["peer"]] for row in rows],
        [row["step_ms"] for row in rows],
        color=[colours.get(row["peer"], "C0") for row in rows],
    )
    bars.bar_label(drawn, fmt="%.1f", padding=3)
    bars.margins(x=0.12)
    bars.set(title="One training step of the paper's model", xlabel="milliseconds (median)")
    for axes, name, fixed in (
        (batches, "batch", ("width", 500)),
        (widths, "width", ("batch", 100)),
    ):
        points = [row for row in result["scale"] if row[fixed[0]] == fixed[1]]
        points.sort(key=lambda row: row[name])
        x = [row[name] for row in points]
        axes.loglog(x, [row["us_per_example"] for row in points], "C1o-", label="vae_np")
        axes.loglog(x, [row["us_in_products"] for row in points], "C7o-", label="products alone")
        axes.set(
            title=f"How it scales: {fixed[0]} {fixed[1]}", xlabel=name, ylabel="µs per example"
        )
        axes.set_xticks(x, [str(value) for value in x])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def main(argv=None):
    args = make_parser().parse_args(argv)
    own_folder = args.out is None
    try:
        args.out = make_folder(args.out) if args.out else make_free_folder(Path("runs/benchmark"))
        result = {
            **machine(),
            "device": args.device,
            "rounds": args.rounds,
            "examples": args.examples,
            "compare": compare(args),
            "scale": scale(args),
        }
        stem = args.out / f"benchmark_{args.device}"
        write_json(stem.with_suffix(".json"), result)
        draw(result, stem.with_suffix(".png"))
    except (OSError, PeerError) as error:
        return complain("benchmark.py", error)
    except KeyboardInterrupt:
        print("\nInterrupted: no results were written.", file=sys.stderr)
        return 130
    finally:
        if own_folder and args.out:
            discard_if_empty(args.out)
    print_report(result)
    say(f"\nWritten: {stem}.json and {stem}.png")
    return 0


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds",
        type=positive,
        default=9,
        metavar="N",
        help="turns that each peer takes (default: 9)",
    )
    parser.add_argument(
        "--examples",
        type=positive,
        default=12_000,
        metavar="N",
        help="length of an epoch (default: 12000, or 120 steps)",
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "gpu"),
        default="cpu",
        help="where all of them train (default: cpu)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where the JSON and the chart go (default: the first of runs/benchmark, "
        "runs/benchmark-2, ... that is free)",
    )
    return parser


if __name__ == "__main__":
    prepare_streams()
    sys.exit(main())
