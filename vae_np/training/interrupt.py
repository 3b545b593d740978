"""Ctrl-C, heard between two steps."""

import signal
import threading
from contextlib import contextmanager


@contextmanager
def deferred_interrupt():
    """Let a first Ctrl-C wait for the step under way to be whole; a second one acts at once.

    What it yields is a function that says whether there was one.
    """
    seen = []

    def remember(signum, frame):
        seen.append(signum)
        signal.signal(signal.SIGINT, previous)

    previous = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or previous in (signal.SIG_IGN, None):
        yield lambda: False  # Ctrl-C is heard by the main thread alone, or by nobody
        return
    signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, previous)
