"""The stand-in's device: its memory, its streams, and the graphs that they record.

What is launched while a stream records is not computed: it is written down with the addresses that
it reads and writes, and each `Graph.launch` does it again, in the same memory. Memory that a pool
has given back belongs to others, as on the device: a later array may get it, and a graph whose pool
is gone finds its temporary arrays overwritten.
"""

import itertools
import weakref
from contextlib import contextmanager

import numpy as np

host_copies = 0  # copies from the device to the host
launches = 0  # by the host: a whole graph is one


class Refused(RuntimeError):
    """What CUDA or CuPy refuses while a stream records."""


class MemoryPool:
    """Gives out blocks of memory, and keeps those that come back for arrays of the same size."""

    def __init__(self):
        self.free = {}

    def malloc(self, nbytes):
        blocks = self.free.setdefault(nbytes, [])
        block = blocks.pop() if blocks else np.empty(nbytes, np.uint8)
        block[...] = 255  # NaN, or −1: nobody may rely on what was there
        return Memory(block, self)

    def __del__(self):
        others = default and default is not self and default.free  # None at the process's end
        for nbytes, blocks in self.free.items() if others else ():
            others.setdefault(nbytes, []).extend(blocks)


class Memory:
    """A block, as long as an array or a view of it lives."""

    def __init__(self, block, pool):
        self.block, self.pool = block, weakref.ref(pool)

    def __del__(self):
        pool = self.pool() or default
        pool.free.setdefault(self.block.nbytes, []).append(self.block)


default = MemoryPool()
allocators = [default.malloc]


@contextmanager
def using_allocator(malloc):
    allocators.append(malloc)
    try:
        yield
    finally:
        allocators.pop()


class Stream:
    """A queue of launches; nothing on it waits, so that there is nothing to wait for."""

    pointers = itertools.count(100)

    def __init__(self, null=False, non_blocking=False):
        self.ptr = 0 if null else next(Stream.pointers)
        self.non_blocking, self.recorded, self.valid = non_blocking, None, True

    def __enter__(self):
        streams.append(self)
        return self

    def __exit__(self, *error):
        streams.pop()

    def synchronize(self):
        if self.is_capturing():
            self.valid = False
            raise Refused("cudaErrorStreamCaptureUnsupported")

    def is_capturing(self):
        return self.recorded is not None

    def begin_capture(self):
        if not self.non_blocking or self.is_capturing():
            raise Refused("cannot capture on the default stream, a blocking one, or twice")
        self.recorded, self.valid = [], True

    def end_capture(self):
        recorded, self.recorded = self.recorded, None
        if recorded is None or not self.valid:
            raise Refused("cudaErrorStreamCaptureInvalidated")
        return Graph(recorded)


class Graph:
    def __init__(self, kernels):
        self.kernels = kernels  # (function, the memory that it writes, its pool), weakly held

    def launch(self, stream=None):
        global launches
        launches += 1
        for kernel, block, memory, pool in self.kernels:
            kernel()
            if memory() is None and pool() is None:
                block[...] = 255  # somebody else's by now, who writes there too


streams = [Stream(null=True)]


def current_stream():
    return streams[-1]


def launch(kernel, memory, stream=None):
    """Do it; or, while the stream records, write it down. ``memory`` is what it writes to."""
    global launches
    recorded = (stream or current_stream()).recorded
    if recorded is None:
        launches += 1
        kernel()
    else:
        recorded.append((kernel, memory.block, weakref.ref(memory), memory.pool))


def refuse_while_recording(what):
    if current_stream().is_capturing():
        raise Refused(f"the current stream is capturing, so {what} are not allowed")


def copied_to_host():
    global host_copies
    refuse_while_recording("D2H transfers")
    host_copies += 1
