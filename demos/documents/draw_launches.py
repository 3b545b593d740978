"""Where the time of a training step goes on a GPU: each kernel launched, and a graph of them.

Above, Python launches one kernel after the other, and the GPU waits for each; below, one launch
replays them all. To scale, by the numbers of demos/results/gpu_prototype.json for 100 digits a
minibatch.
"""

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure

from demos.common.command_line import Parser, complain, make_folder, named_path, prepare_streams

RESULT = Path(__file__).resolve().parents[1] / "results" / "gpu_prototype.json"
PYTHON, GPU, HEIGHT = "C0", "C1", 0.8
REPLAY_US = 2  # what launching a graph takes Python


def rows(measured):
    """(y, spans of time, colour) of what Python and the GPU do, before and after; microseconds."""
    n = measured["kernels"]["recorded"]
    busy = measured["step_us"]["recorded"][0] / n  # of the GPU, for a kernel
    launch = measured["step_us"]["trainer_plain"][0][0] / n
    return [
        (4.2, [(k * launch, 0.8 * launch) for k in range(n)], PYTHON),
        (3.2, [((k + 0.8) * launch, busy) for k in range(n)], GPU),
        (1.2, [(0, REPLAY_US)], PYTHON),
        (0.2, [(REPLAY_US + k * busy, 0.7 * busy) for k in range(n)], GPU),
    ]


def drawing(measured):
    figure = Figure(figsize=(9, 3.1), layout="constrained")
    axes = figure.subplots()
    for y, spans, colour in rows(measured):
        line = 1.2 if len(spans) == 1 else 0  # or nobody would see it
        axes.broken_barh(spans, (y, HEIGHT), color=colour, linewidth=line, snap=False)
    n, (plain, _) = measured["kernels"]["recorded"], measured["step_us"]["trainer_plain"][0]
    recorded = measured["step_us"]["recorded"][0]
    axes.set_yticks([4.6, 3.6, 1.6, 0.6], ["Python launches", "the GPU computes"] * 2)
    axes.text(0, 5.15, f"every kernel launched: {n} launches, {plain:,} µs")
    axes.text(0, 2.15, f"recorded: 1 launch, {recorded} µs")
    axes.set(xlabel="microseconds of one step", xlim=(-10, 1.01 * plain), ylim=(0, 5.7))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def main(argv=None):
    prepare_streams()
    parser = Parser(__doc__)
    parser.add_argument(
        "--out", type=named_path, default="docs", metavar="FOLDER", help="else docs"
    )
    args = parser.parse_args(argv)
    try:
        file = make_folder(args.out) / "launches.png"
        drawing(json.loads(RESULT.read_text(encoding="utf-8"))).savefig(file, dpi=160)
    except OSError as error:
        return complain("draw_launches.py", error)
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
