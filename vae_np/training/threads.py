"""How many threads compute the matrix products: one, unless the products are large.

OpenBLAS's threads spin while they wait for each other. Beside another busy process each of a step's
eleven products then waits for a thread that is not running, and a run that on two threads takes two
thirds of the time when it is alone takes ten times as long in company. One thread waits for nobody.
Products that take much longer than the operating system lets a thread wait are another matter.

NumPy cannot say how many threads its products take; threadpoolctl can, for every library that
NumPy comes with but Apple's Accelerate, which shares the processor by itself.
"""

import math
from functools import cache

LARGE = 10**9  # multiplications: 10 to 30 ms of one core
MOST_THREADS = 2**31 - 1  # that OpenBLAS can be told


def threads_for(vectors, n_rows):
    """The number of threads for training networks with these parameters on ``n_rows`` rows.

    It goes by the size of the largest product, never by timing, so that a run computes the same
    bits whenever it is repeated on a machine. For large products it is the number that the library
    would take by itself: all cores, or what ``OPENBLAS_NUM_THREADS`` says.
    """
    weights = max(math.prod(shape) for vector in vectors for shape in vector.shapes.values())
    if n_rows * weights < LARGE:
        return 1
    return max([library["num_threads"] for library in _libraries().info()], default=1)


def product_threads(n_threads):
    """A context in which the matrix products take ``n_threads`` threads."""
    return _libraries().limit(limits=n_threads)


@cache
def _libraries():
    from threadpoolctl import ThreadpoolController  # takes 30 ms: not for those who never train

    return ThreadpoolController().select(user_api="blas")
