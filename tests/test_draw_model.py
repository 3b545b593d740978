"""The drawing of the model: what stands in it, and that the recorded files are what is drawn."""

import xml.etree.ElementTree as ElementTree

import pytest
from conftest import DEMOS

from demos.documents import draw_model

SVG = "{http://www.w3.org/2000/svg}"
PAGES = {"light": "#ffffff", "dark": "#0d1117"}  # GitHub's


def drawn(name):
    return ElementTree.fromstring(draw_model.drawing(draw_model.PALETTES[name]))


def luminance(colour):
    """As WCAG 2 defines it, of #rgb in hexadecimal."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    darker, lighter = sorted((luminance(a), luminance(b)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("name", PAGES)
def test_the_recorded_drawing_is_what_is_drawn(name, tmp_path, capsys):
    assert draw_model.main(["--out", str(tmp_path)]) == 0
    recorded = (DEMOS.parent / "docs" / f"model-{name}.svg").read_bytes()
    assert (tmp_path / f"model-{name}.svg").read_bytes() == recorded
    assert f"model-{name}.svg" in capsys.readouterr().out


def test_everything_is_in_its_place():
    texts = {
        "".join(text.itertext()): (float(text.get("x")), float(text.get("y")))
        for text in drawn("light").iter(f"{SVG}text")
    }
    way = ["x", "encoder", "μ", "z", "decoder", "a probability per pixel"]
    assert [texts[name][0] for name in way] == sorted(texts[name][0] for name in way)
    assert texts["μ"][0] == texts["σ"][0] == texts["− KL(qφ(z|x) ‖ p(z))"][0]  # above its term
    assert texts["pθ(x|z)"][0] == texts["+ Eq[log pθ(x|z)]"][0]
    for name in (
        *("weights φ", "weights θ", "z = μ + σ ⊙ ε", "ε ~ N(0, I)", "prior p(z) = N(0, I)"),
        *("qφ(z|x) = N(μ, diag(σ²))", "posterior pθ(z|x)", "likelihood", "log pθ(x) ≥ ELBO ="),
    ):
        assert name in texts
    bottom = draw_model.TOP + draw_model.HEIGHT
    assert all(0 < x < draw_model.WIDTH for x, _ in texts.values())
    assert all(draw_model.TOP < y < bottom - 8 for _, y in texts.values())


@pytest.mark.parametrize(("name", "page"), PAGES.items())
def test_all_text_is_legible_on_the_page(name, page):
    colours = draw_model.PALETTES[name]
    for text in drawn(name).iter(f"{SVG}text"):
        for part in text.iter():
            if "fill" in part.attrib:
                assert contrast(part.get("fill"), page) >= 4.5
    for which in ("phi", "theta"):  # also where it stands on its own tint
        assert contrast(colours[which], colours[f"{which}-fill"]) >= 4
    assert contrast(colours["line"], page) >= 3
