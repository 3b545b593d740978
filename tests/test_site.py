"""The site: every page is built and shown, its links lead to their headings, without a network."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from browser_page import chromium  # noqa: F401
from documents import ROOT

pytestmark = pytest.mark.slow
SIZES = [(1400, "light"), (1400, "dark"), (390, "light"), (390, "dark")]


class Page(HTMLParser):
    """What a page links to, what can be linked to in it, and how many formulas it shows."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors, self.formulas = [], set(), 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name"):
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.append(unquote(value))
        self.formulas += tag == "math"


def broken_links(pages, folder):
    """Every link within the site leads to a file, and to an anchor that is in it."""
    for path, page in pages.items():
        for link in page.links:
            file, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            target = (path.parent / file.partition("?")[0]).resolve() if file else path
            if not target.is_relative_to(folder) or not target.is_file():
                yield f"{path.relative_to(folder)}: no file {file}"
            elif anchor and target in pages and anchor not in pages[target].anchors:
                yield f"{path.relative_to(folder)}: no anchor {link}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built by the command that CONTRIBUTING.md names."""
    for name in ("sphinx", "myst_nb", "furo", "numpydoc"):
        pytest.importorskip(name, reason=f"{name} is not installed: the extra docs has it")
    folder = tmp_path_factory.mktemp("built") / "site"
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", "docs", str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert result.returncode == 0, result.stdout + result.stderr
    return folder.resolve()


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_link_leads_to_its_heading(site, pages):
    assert sum(len(page.links) for page in pages.values()) > 5000
    wrong = list(broken_links(pages, site))
    assert not wrong, "\n".join(wrong)


def test_a_broken_link_is_found(tmp_path):
    path = tmp_path.resolve() / "page.html"
    for link in ("no.html", "#no", "page.html#no", "../page.html"):
        path.write_text(f'<p id="yes"><a href="{link}">', encoding="utf-8")
        assert list(broken_links({path: Page(path)}, path.parent)), link
    path.write_text('<a id="yes" href="#yes"><a href="page.html?q#yes">', encoding="utf-8")
    assert not list(broken_links({path: Page(path)}, path.parent))


def test_every_page_is_there_and_all_its_formulas_are(site, pages):
    sources = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    assert len(sources) > 10
    contents = pages[site / "index.html"].links
    for source in sources:
        path = source.relative_to(ROOT).with_suffix(".html")
        assert path.as_posix() in contents or path.stem == "README", f"{path} is not listed"
        wanted = source.read_text(encoding="utf-8").count("```math")
        assert pages[site / path].formulas == wanted, path


def test_the_notebook_is_shown_with_its_pictures(site, pages):
    page = pages[site / "demos" / "one_page_vae.html"]
    assert sum("_images/" in link for link in page.links) == 3


def test_every_module_has_its_page_and_its_source(site, pages):
    for path in (ROOT / "vae_np").rglob("*.py"):
        name = path.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__init__")
        assert site / "docs" / "reference" / f"{name.replace('/', '.')}.html" in pages, name
        if re.search(r"^(def|class) [a-z]", path.read_text(encoding="utf-8"), re.M | re.I):
            assert site / "_modules" / f"{name}.html" in pages, name
    links = pages[site / "README.html"].links
    assert "_modules/vae_np/vae.html" in links and "docs/explore.html" in links
    for name in ("docs/explore.html", "docs/model-dark.svg"):
        source = (ROOT / name).read_bytes()
        assert source in [path.read_bytes() for path in site.rglob(f"*{name[-12:]}")], name


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_it_is_readable_without_a_network(site, chromium, width, scheme):  # noqa: F811
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for name in ("index", "docs/guide", "docs/guide.zh-CN", "demos/one_page_vae"):
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        heights = page.evaluate("[...document.querySelectorAll('math')].map((m) => m.clientHeight)")
        assert all(height > 10 for height in heights), name
        shown = page.evaluate(
            "[...document.querySelectorAll('main img, article img')]"
            ".filter((image) => image.offsetParent).map((image) => image.naturalWidth)"
        )
        assert shown and all(shown), name
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, re.findall(r"\d+", background)[:3])) > 3 * 128
        assert light == (scheme == "light"), background
    context.close()
    assert not complaints


@pytest.mark.parametrize("query", ["后验坍缩", "重参数化", "importance sampling", "log_prob"])
def test_search_finds_both_languages(site, chromium, query):  # noqa: F811
    page = chromium.new_page()
    page.goto((site / "search.html").as_uri() + f"?q={query}")
    page.locator("#search-results li").first.wait_for(timeout=30_000)
    found = page.locator("#search-results li a").evaluate_all("links => links.map((a) => a.href)")
    chinese = ord(query[0]) > 0x4E00
    assert any(("zh-CN" in link) == chinese for link in found)
    page.close()
