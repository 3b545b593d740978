"""What Sphinx has not: pages all over a repository, pictures for light and dark, Chinese words."""

import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import download_reference, pending_xref
from sphinx.search import SearchEnglish

from demos.common.mathml import mathml

ROOT = Path(__file__).parent.parent
PICTURE = r'<picture>\s*<source [^>]*srcset="([^"]*)">\s*<img ([^>]*)>\s*</picture>'
BY_THEME = r'<img class="only-dark" src="\1" alt="">\n<img class="only-light" \2>'


def setup(app):
    app.srcdir = ROOT  # the pages stand all over the repository, and link to each other there
    app.add_html_math_renderer("mathml", (write_mathml, None), (write_mathml, None))
    app.add_search_language(SearchBoth)
    app.connect("builder-inited", forget_old_modules, priority=0)
    app.connect("source-read", add_contents)
    app.connect("source-read", choose_pictures)
    app.connect("doctree-read", lead_to_pages, priority=0)
    app.connect("build-finished", add_what_is_no_page)


def write_mathml(translator, node):
    translator.body.append(f'<div style="overflow-x: auto">{mathml(node.astext())}</div>')
    raise nodes.SkipNode


class SearchBoth(SearchEnglish):
    """English words, and Chinese by its pairs of characters, for it has no spaces."""

    lang = "en+zh"
    js_splitter_code = """
var splitQuery = (query) =>
  (query.match(/[\\u4e00-\\u9fff]+|(?:(?![\\u4e00-\\u9fff])[\\p{L}\\p{N}_])+/gu) ?? [])
  .flatMap((run) =>
    run < "\\u4e00" || run.length < 3
      ? [run]
      : Array.from({ length: run.length - 1 }, (_, k) => run.slice(k, k + 2)));
"""

    def split(self, input):
        words = []
        for run in re.findall(r"[\u4e00-\u9fff]+|[^\W\u4e00-\u9fff]+", input):
            if run < "\u4e00" or len(run) < 3:
                words.append(run)
            else:
                words += [run[k : k + 2] for k in range(len(run) - 1)]
        return words


def forget_old_modules(app):
    shutil.rmtree(ROOT / "docs" / "reference", ignore_errors=True)


def add_contents(app, docname, source):
    """The front page gets the list of all pages, the guide first."""
    if docname == app.config.root_doc:
        names = sorted(path.stem for path in ROOT.glob("docs/*.md"))
        names = [f"docs/{name}" for name in sorted(names, key=lambda name: "guide" not in name)]
        chinese = [name for name in names if name.endswith(".zh-CN")]
        english = [name for name in names if name not in chinese]
        source[0] += (
            toctree("English", ["demos/one_page_vae", *english, "CONTRIBUTING", "CHANGELOG"])
            + toctree("中文", ["首页 <README.zh-CN>", *chinese])
            + toctree("Reference", ["docs/reference"])
        )


def toctree(caption, pages):
    return "\n".join(
        ["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""]
    )


def choose_pictures(app, docname, source):
    """The theme chooses between a picture's two files, as its reader did between light and dark."""
    source[0] = re.sub(PICTURE, BY_THEME, source[0])


def lead_to_pages(app, doctree):
    """A link to a file that the site shows leads to where it does, one to a folder nowhere."""
    page = app.env.docname
    for node in [*doctree.findall(download_reference), *doctree.findall(pending_xref)]:
        if node["reftype"] != "myst":
            continue  # a name in a docstring
        path = (ROOT / page).parent.joinpath(node["reftarget"]).resolve()
        if path.is_dir():
            node.replace_self(node.children)
        elif target := shown_at(path):
            uri = app.builder.get_relative_uri(page, target)
            node.replace_self(nodes.reference("", "", *node.children, refuri=uri))


def shown_at(path):
    """The page of the site that shows a file; None for one that is downloaded."""
    name = path.relative_to(ROOT).with_suffix("").as_posix()
    if name == "docs/explore":
        return name
    if path.suffix == ".py" and name.startswith("vae_np/"):
        package = name.removesuffix("/__init__")
        return (
            f"_modules/{name}" if package == name else f"docs/reference/{package.replace('/', '.')}"
        )
    return None


def add_what_is_no_page(app, error):
    """The page of the browser as it is, and the front page under the name that a host opens."""
    if error is None:
        shutil.copy(ROOT / "docs" / "explore.html", app.outdir / "docs")
        shutil.copy(app.outdir / f"{app.config.root_doc}.html", app.outdir / "index.html")
