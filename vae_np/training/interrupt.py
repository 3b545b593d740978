"""Ctrl-C, a kill or a closed terminal, heard between two steps."""

import signal
import threading
from contextlib import contextmanager

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
SIGNALS = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]


class Stop:
    """Whether somebody asked to stop: call it. While `held`, nothing interrupts."""

    def __init__(self):
        self.times, self.is_held = 0, False

    def __call__(self):
        return self.times > 0

    @contextmanager
    def held(self):
        """What is begun is finished: a step, or a save."""
        self.is_held = True
        try:
            yield
        finally:
            self.is_held = False

    def ask(self, signum, frame):
        self.times += 1
        if self.times > 1 and not self.is_held:
            raise KeyboardInterrupt


@contextmanager
def deferred_interrupt():
    """Let the first Ctrl-C (or SIGTERM, or SIGHUP) wait until the epoch can stop; yield a `Stop`.

    A second one acts at once, unless a step is under way: the weights are always whole.
    """
    stop = Stop()
    previous = {}
    if threading.current_thread() is threading.main_thread():  # which alone hears signals
        previous = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number, old in previous.items() if old not in (signal.SIG_IGN, None)]
    for number in heard:
        signal.signal(number, stop.ask)
    try:
        yield stop
    finally:
        for number in heard:
            signal.signal(number, previous[number])
