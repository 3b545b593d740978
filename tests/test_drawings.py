"""The drawings: what stands in them, and that the recorded files are what is drawn."""

import json
import re
import runpy
import sys
import xml.etree.ElementTree as ElementTree
from statistics import NormalDist

import numpy as np
import pytest
from conftest import DEMOS

from demos.documents import clouds, draw_model, draw_pictures, two_kls
from demos.documents.svg import LANGUAGES, PALETTES

SVG = "{http://www.w3.org/2000/svg}"
PAGES = {"light": "#ffffff", "dark": "#0d1117"}  # GitHub's
DRAWINGS = {"model": draw_model.drawing, **draw_pictures.DRAWINGS}
SIGNS = {"KL", "ELBO", "log", "diag", "nat", "Eq"}  # alike in both languages


@pytest.mark.slow
@pytest.mark.parametrize("name", ["draw_model", "draw_pictures", "draw_launches", "make_notebook"])
def test_what_cannot_be_written_ends_the_script(name, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", [name, "--out", str(tmp_path / "file" / "out")])
    with pytest.raises(SystemExit) as leaving:
        runpy.run_path(str(DEMOS / "documents" / f"{name}.py"), run_name="__main__")
    assert leaving.value.code == 2
    assert capsys.readouterr().err.startswith(f"{name}.py: error: ")


def drawn(name, theme="light", language="en"):
    return ElementTree.fromstring(DRAWINGS[name](PALETTES[theme], language))


def texts_of(name, language="en"):
    return ["".join(text.itertext()) for text in drawn(name, "light", language).iter(f"{SVG}text")]


def luminance(colour):
    """As WCAG 2 defines it, of #rgb in hexadecimal."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    darker, lighter = sorted((luminance(a), luminance(b)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("script", [draw_model, draw_pictures], ids=lambda script: script.__name__)
def test_the_recorded_drawings_are_what_is_drawn(script, tmp_path, capsys):
    assert script.main(["--out", str(tmp_path)]) == 0
    files = sorted(tmp_path.iterdir())
    assert len(files) == len(getattr(script, "DRAWINGS", "1")) * len(LANGUAGES) * len(PALETTES)
    said = capsys.readouterr().out
    for file in files:
        assert file.read_bytes() == (DEMOS.parent / "docs" / file.name).read_bytes(), file.name
        assert file.name in said


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_languages_differ_in_words_alone(name):
    english, chinese = (drawn(name, "light", language) for language in LANGUAGES)
    shapes = ("path", "rect", "circle", "ellipse", "polygon")
    for shape in shapes:
        ours, theirs = (list(root.iter(f"{SVG}{shape}")) for root in (english, chinese))
        assert [each.attrib for each in ours] == [each.attrib for each in theirs]
    assert len(texts_of(name)) == len(texts_of(name, "zh-CN"))
    words, those = (
        set(re.findall("[A-Za-z]{2,}", " ".join(texts_of(name, language)))) - SIGNS
        for language in LANGUAGES
    )
    assert words and not those


@pytest.mark.parametrize(("theme", "page"), PAGES.items())
@pytest.mark.parametrize("name", DRAWINGS)
def test_all_text_is_legible_on_the_page_and_within_the_frame(name, theme, page):
    root = drawn(name, theme)
    left, top, width, height = map(float, root.get("viewBox").split())
    for text in root.iter(f"{SVG}text"):
        assert left < float(text.get("x")) < left + width
        assert top + 10 < float(text.get("y")) < top + height - 3
        for part in text.iter():
            if "fill" in part.attrib:
                assert contrast(part.get("fill"), page) >= 4.5
    colours = PALETTES[theme]
    for which in ("phi", "theta"):  # also where it stands on its own tint
        assert contrast(colours[which], colours[f"{which}-fill"]) >= 4
    assert contrast(colours["line"], page) >= 3


def test_the_model_has_everything_in_its_place():
    texts = {
        "".join(text.itertext()): (float(text.get("x")), float(text.get("y")))
        for text in drawn("model").iter(f"{SVG}text")
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


def test_the_glasses_have_the_one_pixel_models_numbers():
    """log p(x) = log N(2; 0, w² + 1); the ELBO by a sum over z."""
    z = np.linspace(-10, 10, 20_001)
    columns = [""] * 4
    for text in drawn("glass").iter(f"{SVG}text"):
        if float(text.get("x")) > 100:
            columns[int(float(text.get("x")) - 100) // 232] += f" {''.join(text.itertext())}"
    states = ((1, 0, 1), (1, 1, 0.5), (4 / 3, 1, 0.5), (4 / 3, 0.96, 0.36))
    for column, (weight, mean, variance) in zip(columns, states, strict=True):
        shown = re.findall(r"-?\d\.\d{3}", column.replace("−", "-"))
        log_px = np.log(NormalDist(0, (weight**2 + 1) ** 0.5).pdf(2))
        log_q = -0.5 * ((z - mean) ** 2 / variance + np.log(2 * np.pi * variance))
        log_joint = -0.5 * ((2 - weight * z) ** 2 + z**2) - np.log(2 * np.pi)
        elbo = (np.exp(log_q) * (log_joint - log_q)).sum() * (z[1] - z[0])
        kl = 0.5 * (mean**2 + variance - 1 - np.log(variance))
        expected = log_px, elbo, abs(log_px - elbo), elbo + kl, kl
        assert sorted(shown) == sorted(f"{number:.3f}" for number in expected)


def test_both_kls_are_those_of_two_gaussians():
    z, (m, s), (mean, std) = np.linspace(-20, 20, 4001), (0.5, 1.5), (-1, 0.7)
    forward, backward = two_kls.both_kls(z, density(z, m, s), mean, std)
    assert forward == pytest.approx(kl(mean, std, m, s), abs=1e-6)
    assert backward == pytest.approx(kl(m, s, mean, std), abs=1e-6)


def density(z, mean, std):
    return np.array([NormalDist(mean, std).pdf(one) for one in z])


def kl(mean, std, m, s):
    return np.log(s / std) + (std**2 + (mean - m) ** 2) / (2 * s**2) - 0.5


def test_the_q_that_covers_both_modes_has_the_posteriors_moments():
    """KL(p ‖ q) is least there; so the second number below the right panel is its."""
    z = np.linspace(-8, 8, 1601)
    p = sum(weight * density(z, mean, std) for weight, mean, std in two_kls.MODES)
    mean = (z * p).sum() / p.sum()
    std = np.sqrt(((z - mean) ** 2 * p).sum() / p.sum())
    numbers = [text for text in texts_of("two-kls") if text.startswith("KL(p")]
    expected = (p * np.log(p / density(z, mean, std))).sum() * (z[1] - z[0])
    assert numbers[1] == f"KL(p ‖ q) = {expected:.2f}"
    assert float(numbers[0].split()[-1]) > expected


def test_the_clouds_are_the_recorded_ones_and_the_pixels_fill_the_prior():
    root, result = drawn("clouds"), json.loads(clouds.RESULT.read_text(encoding="utf-8"))
    plane = result["models"][:3]
    inside = [sum(max(map(abs, mean)) < 5 for mean, _ in model["clouds"]) for model in plane]
    panels = list(root.iter(f"{SVG}svg"))[1:]
    assert [len(list(panel.iter(f"{SVG}ellipse"))) for panel in panels] == inside
    mixture_of_one_pixel_is_drawn(root)


def mixture_of_one_pixel_is_drawn(root):
    """The mixture of the posteriors N(x/2, ½) over x ~ N(0, 2), by a sum over x."""
    dashed = next(p for p in root.iter(f"{SVG}path") if p.get("stroke-dasharray") == "6 4")
    points = np.array(re.findall(r"([\d.]+) ([\d.]+)", dashed.get("d")), float)
    z = (points[:, 0] - 150) / 35
    x = np.arange(-12, 12, 0.05)
    posteriors = np.array([density(z, one / 2, 0.5**0.5) for one in x])
    mixture = 0.05 * density(x, 0, 2**0.5) @ posteriors
    np.testing.assert_allclose((310 - points[:, 1]) / 520, mixture, atol=3e-3)
