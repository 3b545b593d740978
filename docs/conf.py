"""The site, by Sphinx: this repository's pages, its notebook, and a reference of docstrings.

python -m sphinx -W -b html docs site
"""

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for as_sphinx_needs_it.py

project = html_title = "vae_np"
release = importlib.metadata.version("vae-np")
extensions = [
    "myst_nb",  # Markdown and notebooks
    "sphinx.ext.autosummary",  # a page for each module,
    "numpydoc",  # of NumPy's docstrings,
    "sphinx.ext.viewcode",  # and the source of each function
    "as_sphinx_needs_it",
]
root_doc = "README"
include_patterns = ["*.md", "docs/*", "docs/reference/*", "demos/*.ipynb"]
templates_path = ["templates"]

nb_execution_mode = "off"  # what demos/documents/make_notebook.py drew is shown
myst_enable_extensions = ["html_image"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 6
myst_ref_domains = []  # #elbo is a heading, not a function
suppress_warnings = ["myst.xref_missing"]  # <a id=…> is not seen: tests/test_site.py looks

autodoc_default_options = {"members": True, "member-order": "bysource", "ignore-module-all": True}
numpydoc_show_class_members = False
default_role = "py:obj"

html_theme = "furo"
html_show_copyright = False
html_math_renderer = "mathml"
html_search_language = "en+zh"  # of as_sphinx_needs_it.py
