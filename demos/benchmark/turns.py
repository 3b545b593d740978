"""A peer of benchmark.py in a process of its own, and how the peers take turns."""

import json
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from demos.common.machine import cores

PAUSE = 0.3  # seconds before each turn: the last peer's idle threads spin for a while


class PeerError(Exception):
    """A peer without which there is nothing to compare cannot run."""


def whole_minibatches(examples, batch):
    """The examples, cut to whole minibatches, one at least: then all make the same steps."""
    return max(1, examples // batch) * batch


class Peer:
    """A process of peers.py that trains for one epoch whenever it is asked."""

    def __init__(self, name, examples, batch, width, device, clock="seconds"):
        self.name, self.examples, self.batch = name, examples, batch
        self.clock, self.seconds, self.peak_bytes = clock, [], 0
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
        self.seconds.append(answer[self.clock])
        self.peak_bytes = answer["peak_bytes"]

    def close(self):
        self.process.communicate()

    @property
    def step_ms(self):
        """Milliseconds per step in each round."""
        steps = self.examples // self.batch
        return [1000 * seconds / steps for seconds in self.seconds]


def take_turns(peers, rounds, description, pause=PAUSE):
    for _ in tqdm(range(rounds), desc=description, leave=False, disable=None):
        for peer in peers:
            time.sleep(pause)
            peer.run_epoch()
    for peer in peers:
        peer.close()


def median_ratio(numerator, denominator):
    """The median over rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


@contextmanager
def busy_processes(count):
    """So many other processes that compute and never wait."""
    command = [sys.executable, "-S", "-c", "while True: pass"]
    processes = [subprocess.Popen(command, start_new_session=True) for _ in range(count)]
    try:
        time.sleep(PAUSE)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def beside_busy(peers, rounds):
    """Each peer's step alone, and beside one busy process per core, in turns."""
    rows = {}
    for peer in tqdm(peers, desc="beside busy processes", leave=False, disable=None):
        for _ in range(rounds):
            time.sleep(PAUSE)
            peer.run_epoch()
            with busy_processes(cores()):
                peer.run_epoch()
        peer.close()
        alone, busy = peer.step_ms[::2], peer.step_ms[1::2]
        rows[peer.name] = {
            "alone_ms": statistics.median(alone),
            "busy_ms": statistics.median(busy),
            "ratio": median_ratio(busy, alone),
        }
    return rows
