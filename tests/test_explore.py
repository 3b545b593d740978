"""explore.py without a browser: what it writes, which grid it takes, and what it refuses."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from demos import explore
from demos.common.mathml import mathml
from demos.page import fill, guide, packing
from vae_np import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder
from vae_np.evaluation import grid_log_likelihood

DOCS_PAGE = Path(__file__).parent.parent / "docs" / "explore.html"


def data_of(html):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    return json.loads(found[1])


def half_precision(text):
    return np.frombuffer(base64.b64decode(text), np.float16).astype(np.float64)


def images_of(data):
    """All images on the page, (N, D) from 0 to 1; a 0 is followed by how many of them there are."""
    packed, pixels = iter(base64.b64decode(data["images"])), []
    for byte in packed:
        pixels += [byte] if byte else [0] * next(packed)
    return np.reshape(pixels, (-1, data["image_shape"][0] * data["image_shape"][1])) / 255


@pytest.mark.slow
def test_the_page_of_a_run_holds_its_rounded_weights_and_its_images(own_run, capsys):
    folder = own_run()
    assert explore.main(["--checkpoint", "run", "--no-open"]) == 0
    assert "explore.html" in capsys.readouterr().out
    html = (folder / "explore.html").read_text(encoding="utf-8")
    assert not re.search(r"/\*(data|model|texts|pictures|page)(\.js)?\*/", html)
    assert "https://" not in html.replace("http-equiv", "")

    data = data_of(html)
    with np.load(folder / "checkpoint.npz") as arrays:
        encoder = arrays["encoder"]
    shipped = [
        half_precision(layer[name])
        for layer in data["encoder"]["layers"]
        if layer["kind"] == "Linear"
        for name in ("weight", "bias")
    ]
    np.testing.assert_array_equal(np.concatenate(shipped), encoder.astype(np.float16))
    assert data["image_shape"] == [4, 4]
    assert data["offered"] == 16  # a fifth of the 80 images
    assert data["labels"] is None
    assert data["about"]["widths"] == [16, 8, 2, 8, 16]
    assert data["about"]["error"] <= fill.TOLERANCE


def test_the_page_in_docs_is_made_from_the_present_template_and_is_small():
    html = DOCS_PAGE.read_text(encoding="utf-8")
    data = data_of(html)
    assert fill.fill_template(data) == html, "run python demos/explore.py --out docs/explore.html"
    assert DOCS_PAGE.stat().st_size < 2e6
    assert data["explanations"] == guide.explanations(fill.sections()), (
        "docs/explore.html quotes another guide"
    )
    labels = np.frombuffer(base64.b64decode(data["labels"]), np.uint8)
    assert labels[: data["offered"]].tolist() == sorted(2 * list(range(10)))


def test_the_page_s_parts_are_small():
    lines = {path.name: path.read_text("utf-8").count("\n") for path in fill.TEMPLATE.glob("*.*")}
    assert max(lines.values()) <= 700 and sum(lines.values()) <= 2200, lines


def test_a_name_cannot_end_the_script():
    html = fill.fill_template({"about": {"trained_on": "</script><b>.npz"}})
    assert data_of(html)["about"]["trained_on"] == "</script><b>.npz"


def test_log_partition_is_the_bernoulli_s_and_no_other_decoder_s(rng):
    z = rng.standard_normal((1000, 2))
    decoder = BernoulliDecoder(2, [5], 7, dtype=np.float64)
    logits = decoder.forward(z).logits
    expected = np.log1p(np.exp(logits)).sum(axis=1)
    got = np.frombuffer(base64.b64decode(fill.log_partition(decoder, z)), np.float32)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert fill.log_partition(GaussianDecoder(2, [5], 7), z) is None


@pytest.mark.parametrize(("std", "spacing"), [(1, 0.1), (0.04, 0.05), (0.02, 0.025), (0.01, 0.025)])
def test_the_grid_is_as_fine_as_the_posterior_asks(std, spacing, capsys):
    """With x = z + σ ε, the posterior's width is σ/√(1 + σ²), and log p(x) is known."""
    encoder = GaussianEncoder(2, [], 2)
    decoder = GaussianDecoder(2, [], 2, noise="fixed", std=std)
    decoder.parameters.value[:] = [1, 0, 0, 1, 0, 0]
    x = np.array([[0.43, -0.26], [0.05, 0.95]], np.float32)
    model = VAE(encoder, decoder)
    found, _, error = fill.grid_and_precision(model, x)
    assert found == spacing
    variance = 1 + std**2
    exact = -0.5 * (x**2).sum(axis=1) / variance - np.log(2 * np.pi * variance)
    page_value = grid_log_likelihood(model, x, spacing=found, limit=6.0).value
    assert np.abs(page_value - exact).max() == pytest.approx(error, abs=2e-3)
    assert (error <= fill.TOLERANCE) == (std > 0.01)  # for which no grid is fine enough


def test_the_error_that_is_told_is_the_largest(monkeypatch, capsys):
    monkeypatch.setattr(fill, "SPACINGS", (0.1,))
    decoder = GaussianDecoder(2, [], 2, noise="fixed", std=0.04)
    decoder.parameters.value[:] = [1, 0, 0, 1, 0, 0]
    model, x = VAE(GaussianEncoder(2, [], 2), decoder), np.array([[0.4, 0.3], [0.425, 0.325]])
    coarse, fine = (grid_log_likelihood(model, x, spacing=h, limit=6.0).value for h in (0.1, 0.05))
    errors = np.abs(coarse - fine)
    assert errors.max() > 2 * errors.min()
    assert fill.grid_and_precision(model, x)[2] == pytest.approx(errors.max(), rel=1e-3)
    told = (
        f"Checking log p(x) of 2 images, grid of 0.1: {errors.max():.3f} nats from a finer one.\n"
    )
    assert capsys.readouterr().out == told


def test_as_many_images_of_each_label():
    labels = np.array([3, 1, 1, 3, 1, 3])
    np.testing.assert_array_equal(fill.choose(labels, 6), [1, 2, 4, 0, 3, 5])
    np.testing.assert_array_equal(fill.choose(None, 3), [0, 1, 2])
    for kinds in (10, 40):
        assert len(fill.choose(np.arange(kinds).repeat(30), 30 * kinds)) == fill.IMAGES


def test_labels_may_be_words_but_not_measurements():
    names, labels = fill.named(np.array(["cat", "ant", "cat"]))
    assert names == ["ant", "cat"] and labels.tolist() == [1, 0, 1]
    assert fill.named(np.linspace(0, 1, 100)) == (None, None)
    assert fill.named(None) == (None, None)


def test_each_part_is_explained_in_both_languages():
    names = set(fill.sections())
    assert len(names) >= 10
    for language, sections in guide.explanations(names).items():
        assert set(sections) == names
        for section in sections.values():
            assert section["title"] and "<math" in section["html"] and "<pre" in section["html"]
            words = re.sub(r"<pre.*?</pre>", "", section["html"], flags=re.S)
            assert ("。" in words) == (language == "zh")
            assert "&lt;details" not in words
            assert not re.search(r"\*\*|```|<!--|\]\(|\\|<b>(Measured|实测|Try|试一试)", words)
    with pytest.raises(ValueError, match=r"guide.md has no section nowhere"):
        guide.explanations(["nowhere"])


def test_a_section_becomes_html():
    lines = [
        "*a* `b*c` [d](#e) [f](g.md)",
        "h **i",
        "i** 2 * 3 * 4, *I",
        "J*",
        "- j",
        "  k",
        "- l < m",
        "",
        "1. A",
        "2. B",
        "",
        "T",
        "| n\\|o | p |",
    ]
    lines += [
        "|---|---|",
        "|  | `r` |",
        "![s](t.png)",
        "",
        "    u < v",
        "      V",
        "<details>",
        "w",
        "</details>",
        "```python",
        "x = 1",
        "",
        "    y",
        "```",
        "```math",
        "z",
        "```",
    ]
    assert guide.blocks(lines, ["e"]) == (
        '<p><em>a</em> <code>b*c</code> <button class="why" data-guide="e">d</button> f\n'
        "h <b>i\ni</b> 2 * 3 * 4, <em>I\nJ</em></p>"
        "<ul><li>j\n  k</li><li>l &lt; m</li></ul>"
        "<ol><li>A</li><li>B</li></ol>"
        "<p>T</p><table><tr><td>n|o</td><td>p</td></tr><tr><td></td><td><code>r</code></td></tr></table>"
        "<pre tabindex='0'>u &lt; v\n  V</pre><details><p>w</p></details>"
        "<pre tabindex='0'>x = 1\n\n    y</pre>" + mathml("z")
    )


SUM = '<mo movablelimits="false">∑</mo>'
EQUALS = '<mo stretchy="false">=</mo>'
LEFT, RIGHT = (f'<mtd style="text-align: {side}; padding: 0.3em 0">' for side in ("left", "right"))


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (
            r"\frac12 x_i^2",
            '<mstyle displaystyle="true"><mfrac><mn>1</mn><mn>2</mn></mfrac></mstyle>'
            "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>",
        ),
        (
            r"\sum_{j=1} \sigma^2_j",
            f"<munder>{SUM}<mrow><mi>j</mi>{EQUALS}<mn>1</mn></mrow></munder>"
            "<msubsup><mi>σ</mi><mi>j</mi><mn>2</mn></msubsup>",
        ),
        (
            r"\underbrace{a}_{\text{no } <}",
            "<munder><munder><mrow><mi>a</mi></mrow><mo>⏟</mo></munder>"
            '<mrow><mtext>no\xa0</mtext><mo stretchy="false">&lt;</mo></mrow></munder>',
        ),
        (
            r"\left[\hat x\right]",
            '<mrow><mo>[</mo><mover accent="true"><mi>x</mi><mo stretchy="false">^</mo></mover>'
            "<mo>]</mo></mrow>",
        ),
        (
            r"\begin{aligned} a &= b \\ c \end{aligned}",
            f'<mtable displaystyle="true"><mtr>{RIGHT}<mi>a</mi></mtd>'
            f"{LEFT}{EQUALS}<mi>b</mi></mtd></mtr><mtr>{RIGHT}<mi>c</mi></mtd></mtr></mtable>",
        ),
    ],
)
def test_latex_becomes_mathml(latex, expected):
    assert mathml(latex) == f'<math display="block" class="math">{expected}</math>'


def test_the_guides_equations_are_all_known_and_no_others():
    for path in guide.GUIDES.values():
        for latex in re.findall(r"```math\n(.*?)```", path.read_text("utf-8"), re.S):
            assert "<mi>" in mathml(latex)
    with pytest.raises(ValueError, match=r"^the page's equations know no \\oint$"):
        mathml(r"\oint")


def test_packed_images_are_the_images_and_no_more_than_fit(rng, monkeypatch):
    images = rng.integers(1, 256, (30, 600)).astype(np.uint8) * (rng.random((30, 600)) < 0.3)
    images[3] = 0  # a run of more than 255, to the end
    images[4:6] = 7
    images[5, 20:275] = 0  # a run of 255
    for room, count in ((10**6, 30), (1000, 8), (1, 8)):
        monkeypatch.setattr(packing, "PACKED", room)
        kept, packed = packing.packed_images(images, 8)
        assert len(kept) == count
        assert (images_of({"images": packed, "image_shape": [20, 30]}) * 255 == kept).all()
