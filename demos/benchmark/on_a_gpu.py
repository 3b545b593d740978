"""benchmark.py --device gpu: a training step in each library, in batches of several sizes.

On a GPU a small step costs what its launches cost. So each library is there as it comes, and as
fast as it can be made: vae_np records its step by itself, PyTorch's is recorded by hand, and JAX
compiles a whole epoch. All compute in true float32 but where TF32 stands, JAX's default, which
rounds the factors of each product to 10 bits behind the point.
"""

import statistics
from concurrent.futures import ThreadPoolExecutor

from demos.benchmark.turns import Peer, PeerError, median_ratio, take_turns, whole_minibatches
from demos.common.command_line import say
from vae_np.backend import device_module

BATCHES = (100, 1000, 5000)
NAMES = {
    "vae_np": "vae_np",
    "vae_np_plain": "vae_np, nothing recorded",
    "matrix_products": "matrix products alone, recorded",
    "torch_eager": "PyTorch, eager",
    "torch_fused": "PyTorch, fused Adam",
    "torch_compiled": "PyTorch, compiled, fused Adam",
    "torch_recorded": "PyTorch, recorded by hand",
    "jax_step": "JAX, jitted step",
    "jax_scan": "JAX, scanned epoch",
    "jax_step_tf32": "JAX, jitted step, TF32",
    "jax_scan_tf32": "JAX, scanned epoch, TF32",
}


def compare(args):
    """A row for each batch size and each peer that can run: microseconds of a step, and ratios."""
    rows = []
    for batch in BATCHES:
        peers = start(batch, args)
        take_turns(peers, args.rounds, f"batches of {batch}", pause=0)
        ours = next(peer for peer in peers if peer.name == "vae_np")
        for peer in peers:
            step_us = [1000 * milliseconds for milliseconds in peer.step_ms]
            rows.append(
                {
                    "batch": batch,
                    "peer": peer.name,
                    "version": peer.version,
                    "step_us": statistics.median(step_us),
                    "step_us_range": [min(step_us), max(step_us)],
                    "times_vae_np": median_ratio(peer.seconds, ours.seconds),
                }
            )
    return rows


def start(batch, args):
    """The processes of the peers that can run here, started at once.

    PyTorch compiles for most of a minute: for the first size alone. An epoch is MNIST's, of at
    least 100 steps.
    """
    names = [name for name in NAMES if name != "torch_compiled" or batch == BATCHES[0]]
    examples = whole_minibatches(args.examples or max(60_000, 100 * batch), batch)
    with ThreadPoolExecutor(len(names)) as pool:
        started = list(pool.map(lambda name: Peer(name, examples, batch, 500, "gpu"), names))
    for peer in started:
        if peer.missing:
            peer.close()
            say(f"left out at {batch}: {NAMES[peer.name]} ({peer.missing})")
    if started[0].missing:
        raise PeerError(f"vae_np cannot run: {started[0].missing}")
    return [peer for peer in started if not peer.missing]


def gpu():
    """Which GPU it is, and the versions of its driver and of CUDA."""
    runtime = device_module("gpu").cuda.runtime
    return {
        "gpu": runtime.getDeviceProperties(0)["name"].decode(),
        "cuda": runtime.runtimeGetVersion(),
        "cuda_of_the_driver": runtime.driverGetVersion(),
    }


def print_rows(result):
    say(f"{result['gpu']}, CUDA {result['cuda']}, {result['date']}\n")
    say(f"{'batch':>6}  {'':<32}{'µs a step':>10}{'range':>20}{'times vae_np':>14}  version")
    for row in result["compare"]:
        low, high = row["step_us_range"]
        say(
            f"{row['batch']:>6}  {NAMES[row['peer']]:<32}{row['step_us']:>10.0f}"
            f"{f'{low:.0f} to {high:.0f}':>20}{row['times_vae_np']:>12.2f} x  {row['version']}"
        )
