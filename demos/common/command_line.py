"""What all commands do alike: numbers, folders, whole files, and errors in one line."""

import argparse
import errno
import json
import math
import os
import signal
import sys
import warnings
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import partial
from itertools import count
from pathlib import Path

from tqdm import tqdm

from vae_np.checkpoints import whole_file


def prepare_streams():
    """Let a terminal that cannot write ½ or → show a "?", and one that is closed show nothing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):  # a notebook's has not
            stream.reconfigure(errors="replace")
    warnings.formatwarning = lambda message, *about, **more: f"note: {message}\n"  # in one line


def hear_every_stop():
    """Let a kill (SIGTERM) and a closed terminal (SIGHUP) be heard as Ctrl-C is."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def say(text, stream=None):
    """Print beside any progress bar; the work goes on in silence where that cannot be done.

    Nobody reads on (`| head`), the terminal is gone, the disk is full: what was trained is worth
    more than the line. Of a full disk alone somebody may not know.
    """
    stream = stream or sys.stdout
    try:
        tqdm.write(text, file=stream)
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if error.errno == errno.ENOSPC and stream is sys.stdout:
            complain(Path(sys.argv[0]).name, f"cannot print: {error.strerror}")


def complain(program, error, kept=""):
    """Say what went wrong and, if given, what is ``kept``; return the exit status for it."""
    wrong = str(error) or "the memory is full"  # a bare MemoryError
    say(f"{program}: error: {wrong}{kept and f'; {kept}'}", sys.stderr)
    return 2


class Parser(argparse.ArgumentParser):
    """argparse's, whose complaint is one line, and which knows what was meant by a mistyped option.

    Its own prints the usage first, which can fill a page.
    """

    def __init__(self, description):
        super().__init__(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def error(self, message):
        unknown = message.partition("unrecognized arguments: ")[2].partition(" ")[0]
        meant = get_close_matches(unknown, self._option_string_actions, 1, 0.7) if unknown else []
        advice = f"; did you mean {meant[0]}?" if meant else " (--help lists the options)"
        sys.exit(complain(Path(self.prog).name, f"{message}{advice}"))


def number(kind, minimum, maximum=math.inf):
    """For argparse: what turns a text into an int or float in that range; 1e5 is whole too."""

    def convert(text):
        try:
            value = int(text) if kind is int and text.isdecimal() else float(text)
        except ValueError:
            value = math.nan
        noun = "whole number" if kind is int else "number"
        if not minimum <= value < math.inf or value != kind(value):
            raise argparse.ArgumentTypeError(f"wants a {noun} of at least {minimum}, got {text!r}")
        if value > maximum:
            raise argparse.ArgumentTypeError(f"wants a {noun} of at most {maximum}, got {text!r}")
        return kind(value)

    return convert


def named_path(text):
    """For argparse: a Path. That of no text, an unset shell variable, would be the folder here."""
    if not text:
        raise argparse.ArgumentTypeError("wants a name, got nothing")
    return Path(os.path.expanduser(text))  # the shell leaves the ~ in --out=~/x


def make_folder(path, option="--out"):
    """Make the folder that the option names, before the work, and return it.

    OSError if the work would be in vain.
    """
    if path.exists() and not path.is_dir():
        raise OSError(f"{option} {path} is a file, not a folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot make the folder {path}: {error.strerror}") from None
    if not os.access(path, os.W_OK):
        raise OSError(f"cannot write into {path}")
    return path


def numbered(base):
    """base, base-2, base-3 and so on."""
    yield base
    for n in count(2):
        yield base.with_name(f"{base.name}-{n}")


def make_free_folder(base):
    """Make the first of base, base-2, ... that is not there, and return it.

    Two runs that start at once get two.
    """
    for path in numbered(base):
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            if not (above := base.parent).is_dir():  # a link that leads nowhere, say
                raise OSError(f"cannot make the folder {path}: {above} is no folder") from None
        except OSError as error:
            raise OSError(f"cannot make the folder {path}: {error.strerror}") from None


@contextmanager
def claimed(folder):
    """Hold the folder for this process alone; OSError if another run is writing there.

    The claim is the operating system's, on the open folder: it ends with the process, however that
    ends, and leaves no file behind. What a killed run had half written is removed. Windows has no
    such claim; there two runs are not told apart. Yields a function, which another process can be
    given, that raises FolderMoved once another folder has the name: this run's was moved away, and
    a second run's may stand there.
    """
    still_ours = partial(check_place, folder, os.stat(folder))
    try:
        import fcntl
    except ImportError:
        yield still_ours
        return
    handle = os.open(folder, os.O_RDONLY)  # while it is open, no other folder can look the same
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OSError(f"another run is writing to {folder}: choose another --out") from None
        for unfinished in folder.glob(f"vae_np-{'[0-9a-f]' * 32}.part"):  # of a `whole_file` killed
            unfinished.unlink(missing_ok=True)
        yield still_ours
    finally:
        os.close(handle)


class FolderMoved(OSError):
    """The run's folder has its name no more; what has it is another run's."""


def check_place(folder, place):
    """FolderMoved unless the folder is the one that ``place``, an `os.stat_result`, is of."""
    if not (folder.exists() and os.path.samestat(os.stat(folder), place)):
        raise FolderMoved(f"{folder} was moved or removed: nothing more is written there")


def discard_if_empty(path, still_ours=lambda: None):
    """Remove a folder in which nothing was saved, unless another run's has its name by now."""
    with suppress(OSError):
        still_ours()
        path.rmdir()


def write_json(path, content):
    """Write it whole or not at all; OSError names the file."""
    with whole_file(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())
