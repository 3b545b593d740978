"""What `import demos` finds from a script of the folder above: that folder, if all is installed.

Python looks first where the script lies, so that this file is read before anything that may be
missing, and says in one line what is. From anywhere else `demos` is the folder itself.
"""

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1]
NEEDED = ("vae_np", "numpy", "matplotlib", "pooch", "threadpoolctl", "tqdm")

if missing := next((name for name in NEEDED if not find_spec(name)), None):
    clone = "." if Path.cwd() == FOLDER.parent else shlex.quote(str(FOLDER.parent))
    what = f"{missing} is not installed: python -m pip install -e {clone}"
    print(f"{Path(sys.argv[0]).name}: error: {what}", file=sys.stderr)
    sys.exit(2)
__path__ = [str(FOLDER)]
