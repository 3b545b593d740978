"""What all commands do alike: errors in one line, folders that can be written, whole files."""

import json
import os
import sys

from vae_np.checkpoints import whole_file


def prepare_streams():
    """Let a terminal that cannot write ½ or → show a "?" instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if stream:  # None where the caller has closed it
            stream.reconfigure(errors="replace")


def complain(program, error):
    """Say what went wrong, and return the exit status for it."""
    print(f"{program}: error: {error}", file=sys.stderr)
    return 2


def make_folder(path):
    """Make the folder that --out names, before the work; OSError if that would be in vain."""
    if path.exists() and not path.is_dir():
        raise OSError(f"--out {path} is a file, not a folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot make the folder {path}: {error.strerror}") from None
    if not os.access(path, os.W_OK):
        raise OSError(f"cannot write into {path}")


def write_json(path, content):
    """Write it whole or not at all; OSError names the file."""
    with whole_file(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())
