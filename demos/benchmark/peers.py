"""The peers of benchmark.py: the same model, images and optimizer in each library.

Each runs in a process of its own, which benchmark.py starts. Standard input asks for one epoch a
line; standard output answers its seconds. Every function here returns the library's version and a
function that trains for one epoch and waits until it is done.
"""

import argparse
import json
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from demos.benchmark import jax_peers, our_peers, torch_peers
from demos.benchmark.our_peers import PIXELS
from vae_np import datasets

PEERS = {
    peer.__name__: peer
    for peer in (
        our_peers.vae_np,
        our_peers.vae_np_fast,
        our_peers.vae_np_1,
        our_peers.vae_np_fast_1,
        our_peers.vae_np_plain,
        our_peers.matrix_products,
        our_peers.matrix_products_1,
        torch_peers.torch_eager,
        torch_peers.torch_fused,
        torch_peers.torch_compiled,
        torch_peers.torch_recorded,
        jax_peers.jax_step,
        jax_peers.jax_scan,
        jax_peers.jax_step_tf32,
        jax_peers.jax_scan_tf32,
    )
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=list(PEERS))
    parser.add_argument("--examples", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--device", required=True)
    args = parser.parse_args()
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # it ends with the benchmark
    images = np.resize(datasets.load("mnist5k").train, (args.examples, PIXELS))
    try:
        version, epoch = PEERS[args.peer](images, args.batch, args.width, args.device)
        epoch()  # compiles, allocates, fills caches: not timed
    except Exception as error:  # not installed, no compiler, no GPU: the others can still run
        reason = str(error).strip().splitlines() or [""]
        answer({"missing": f"{type(error).__name__}: {reason[0]}"})
        return
    answer({"version": version})
    for _ in sys.stdin:
        started, cpu_started = time.perf_counter(), time.process_time()
        epoch()
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        answer({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak_bytes()})


def peak_bytes():
    """The most memory that this process has held; on Linux not what its parent held before it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def answer(message):
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
