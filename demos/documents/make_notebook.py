"""The notebook of one_page_vae.py: its cells, executed, with what they print and draw.

The script is the source: change it, and make the notebook anew. Takes the extra `docs`.
"""

import sys
import tempfile

from demos.common.command_line import Parser, complain, named_path, prepare_streams
from demos.demos import FOLDER

PYTHON = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python", "file_extension": ".py"},
}


def executed(script, folder):
    """The notebook of a script's cells, run in ``folder`` from the first to the last."""
    import jupytext
    from nbclient import NotebookClient

    notebook = jupytext.read(script)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # jupytext draws it, so that each file would differ
    where = {"metadata": {"path": folder}}
    NotebookClient(notebook, timeout=600, record_timing=False, resources=where).execute()
    notebook.metadata = PYTHON
    return notebook


def main(argv=None):
    prepare_streams()
    parser = Parser(__doc__)
    parser.add_argument(
        "--out",
        type=named_path,
        default=FOLDER / "one_page_vae.ipynb",
        metavar="FILE",
        help="else one_page_vae.ipynb, beside the script",
    )
    args = parser.parse_args(argv)
    try:
        import nbformat

        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(executed(FOLDER / "one_page_vae.py", folder), args.out)
    except (ImportError, OSError) as error:
        return complain("make_notebook.py", error)
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
