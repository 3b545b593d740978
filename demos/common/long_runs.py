"""Long trainings: side by side, and saved as they go.

A small minibatch keeps a second core busy for half of a step at best; a second training keeps it
busy all the time. So each runs in a process of its own, as many at once as there are cores.
"""

import math
import os
import signal
import time
from multiprocessing import TimeoutError, active_children, get_context, parent_process
from threading import RLock

from tqdm import tqdm

from demos.common.machine import cores
from vae_np import datasets

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_CHECKPOINTS = 30
SHARE_FOR_CHECKPOINTS = 0.01  # of the time: with 60,000 epochs of history, one takes over a second
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def side_by_side(function, tasks, args, total, data=("mnist",)):
    """Yield function(task, args, report) for each task in turn, while later ones are under way.

    Ctrl-C, or whatever else ends the loop over them, ends the processes at once: what they want to
    keep they must save as they go.

    Parameters
    ----------
    function : callable
        Of a module, so that another process can import it. It calls ``report(n)`` once in a while
        to say that n more samples are done.
    tasks : list
    args : Options
        The run's. On the device "gpu", one task runs at a time.
    total : int
        All tasks' samples, for the progress bar.
    data : sequence of str
        The data sets that the tasks load; here they are downloaded, once.

    Raises
    ------
    ChildProcessError
        If a process was killed.
    """
    for name in data:
        datasets.load(name)
    for variable in THREADS:  # the processes read them with their NumPy
        os.environ.setdefault(variable, "1")
    context = get_context("spawn")
    done = context.Value("q", 0)
    n_processes = 1 if args.device == "gpu" else min(cores(), len(tasks))
    bar = tqdm(total=total, unit="sample", unit_scale=True, disable=None, dynamic_ncols=True)
    with bar, context.Pool(n_processes, _start, (done,)) as pool:
        workers = active_children()
        for worker in workers:
            worker.terminate = worker.kill  # a training takes a mere request for one to end early
        results = pool.imap(_work, [(function, task, args) for task in tasks])
        for _ in tasks:
            while True:
                try:
                    result = results.next(SECONDS_BETWEEN_LOOKS)
                    break
                except TimeoutError:
                    bar.update(min(done.value, total) - bar.n)
                    if not all(worker.is_alive() for worker in workers):
                        raise ChildProcessError(
                            "the process of a training was killed: is the memory full?"
                        ) from None
            bar.update(min(done.value, total) - bar.n)
            yield result


def _start(done):
    global _done
    _done = done
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends its processes
    tqdm.set_lock(RLock())  # its own is the system's, and a process that is ended leaves it behind


def _work(call):
    function, task, args = call
    return function(task, args, _report)


def _report(n):
    if not parent_process().is_alive():
        raise SystemExit  # nobody waits for it, and a second run may write to the same files
    with _done.get_lock():
        _done.value += n


def fit_and_save(trainer, args, name, epochs, report, settings=None, evaluate=None, after=None):
    """``trainer.fit``, with a checkpoint in ``args.out`` about every half minute and at the end.

    What was trained before a checkpoint is for the caller to report. A kill that is heard ends the
    process, after the last save. OSError where the folder was moved away.

    Parameters
    ----------
    trainer : Trainer
    args : Options
        The run's, which look at the folder each time that it is named.
    name : str
        The checkpoint's, in the folder.
    epochs : int
        In all, those before a checkpoint included.
    report : callable
        As `side_by_side` gives it.
    settings : dict, optional
        For `Trainer.save`.
    evaluate, after
        For `Trainer.fit`; the latter after each epoch.
    """
    saver = Saver(lambda: trainer.save(args.out / name, settings))

    def keep(row):
        if after:
            after(row)
        report(len(trainer.images))
        saver.save_in_time()

    finished = trainer.fit(epochs, evaluate, keep, progress=False)
    saver.save()
    if not finished:
        raise SystemExit


def core_clock(device):
    """The clock of a training that shares the machine: seconds of a core, or with a GPU, of all."""
    return time.perf_counter if device == "gpu" else time.process_time


class Saver:
    """Calls ``save`` about every so many seconds, or less often where that would take too long.

    The default is half a minute. ``at_first`` says that the first time is at once.
    """

    def __init__(self, save, seconds=None, at_first=False):
        self._save, self.wait = save, SECONDS_BETWEEN_CHECKPOINTS if seconds is None else seconds
        self.saved_at = -math.inf if at_first else time.monotonic()

    def save_in_time(self):
        if time.monotonic() - self.saved_at > self.wait:
            self.save()

    def save(self):
        started = time.monotonic()
        self._save()
        self.saved_at = time.monotonic()
        self.wait = max(self.wait, (self.saved_at - started) / SHARE_FOR_CHECKPOINTS)
