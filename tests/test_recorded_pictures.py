"""A picture in demos/results is what is drawn from the numbers that are recorded beside it.

One that shows a trained model's images is drawn with others in their place, and a thumbnail of that
is recorded. With its own images it is compared where the model is trained: test_recorded_findings.
"""

from contextlib import nullcontext
from types import SimpleNamespace

import as_recorded
import pytest
from as_recorded import check_picture, check_text, thumbnail
from conftest import DEMOS
from drawn_figures import drawn, recorded, with_others  # noqa: F401 - a fixture
from matplotlib.figure import Figure
from matplotlib.text import Text
from stand_in_pictures import STAND_INS

from demos.paper import best_model_picture, figure_2_picture, figure_3, figure_3_picture, full_bayes
from demos.questions import (
    amortization,
    clouds,
    more_samples,
    signal_to_noise,
    the_gap,
    two_estimators,
    why_q,
    why_reparameterize,
)

# ruff: noqa: F811 - a fixture's name as an argument
RESULTS = DEMOS / "results"


def draw_two_estimators(of, path):
    points = of["points"]
    start, middle, end = points[:3], points[3:-3], points[-3:]
    history, ratios = [start[0], *middle, end[0]], of["variance_ratios_A_over_B"]
    two_estimators.draw(start, end, history, ratios, path)


def draw_best_model(of, path):
    options = {"objective": "elbo", "draws": 1} | of["options"]
    best_model_picture.draw(of["models"], SimpleNamespace(**options | {"out": path.parent}))


def draw_figure_2(of, path):
    records = figure_2_picture.recorded(RESULTS / "figure_2")
    figure_2_picture.draw(records, of["without_latents"], path)


DRAWN = {  # from a summary, into a file
    "amortization": lambda of, path: amortization.draw(of["test"], of["training"], path),
    "clouds": lambda of, path: clouds.draw(of["models"], of["labels"], (28, 28), path),
    "more_samples": lambda of, path: more_samples.draw(of["runs"], of["gains_over_one_draw"], path),
    "signal_to_noise": lambda of, path: signal_to_noise.draw(of["gradients"], of["runs"], path),
    "the_gap": lambda of, path: the_gap.draw(of["points"], of["maximum_log_likelihood"], path),
    "two_estimators": draw_two_estimators,
    "why_q": lambda of, path: why_q.draw(of["two_latents"], of["twenty_latents"], path),
    "why_reparameterize": lambda of, path: why_reparameterize.draw(
        of["start"], of["end"], of["variance_ratios"], of["histories"], path
    ),
    "best_model": draw_best_model,
    "best_model_importance_weighted": draw_best_model,
    "best_model_doubly_reparameterized": draw_best_model,
    "figure_2": draw_figure_2,
    "figure_3": lambda of, path: figure_3_picture.draw(of["curves"], path, figure_3.TITLE),
    "full_bayes": lambda of, path: full_bayes.draw(of["runs"], path),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_a_recorded_picture_is_what_its_numbers_draw(name, tmp_path):
    folder = RESULTS / name if name == "figure_2" else RESULTS
    path = tmp_path / ("best_model.png" if name.startswith("best_model") else f"{name}.png")
    DRAWN[name](recorded("figure_2/summary" if name == "figure_2" else name), path)
    check_picture(path, folder / f"{name}.png")


def test_each_number_in_a_picture_is_its_own_where_no_two_are_alike(tmp_path, drawn):
    texts = []
    for name, draw_it in DRAWN.items():
        of = recorded("figure_2/summary" if name == "figure_2" else name)
        draw_it(with_others(of), tmp_path / f"{name}.png")
        texts += [name, *filter(str.strip, map(Text.get_text, drawn[-1].findobj(Text))), ""]
    assert len(drawn) == len(DRAWN)
    as_recorded.check_letters(tmp_path, "drawn_of_others.txt", "\n".join(texts))


@pytest.mark.slow
@pytest.mark.parametrize("name", STAND_INS)
def test_a_picture_of_images_is_drawn_as_before(name, tmp_path):
    STAND_INS[name](recorded(name), tmp_path / f"{name}.png")
    check_picture(tmp_path / f"{name}.png", as_recorded.RECORDED / f"{name}.png")


LOOKS = {"label": "log p(x)", "color": "C0", "ls": "-", "lw": 1.5, "marker": "o", "alpha": 0.5}


def draw(path, height=2, **looks):
    figure = Figure((3, height))
    axes = figure.subplots()
    axes.plot([1, 2, 3], [1, 3, 2], **LOOKS | looks)
    axes.legend()
    figure.savefig(path, dpi=60)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"label": "log q(x)"},
        {"color": "C1"},
        {"ls": "--"},
        {"lw": 1.6},
        {"marker": "s"},
        {"alpha": 0.55},
        {"height": 2.1},
    ],
    ids=str,
)
def test_another_picture_is_noticed(change, tmp_path, monkeypatch):
    known, found = draw(tmp_path / "known.png"), draw(tmp_path / "found.png", **change)
    check_picture(draw(tmp_path / "again.png"), known)
    with pytest.raises(AssertionError, match=f"cp {found} {known}"):
        check_picture(found, known)
    monkeypatch.setattr(as_recorded, "RECORDED", tmp_path)  # which holds thumbnails
    small = thumbnail(known)
    check_picture(tmp_path / "again.png", small)
    with pytest.raises(AssertionError, match=r"cp .*found_thumbnail\.png .*known_thumb"):
        check_picture(found, small)


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("KL 3.26 nats\n\n  of 4 in 12 s", True),
        ("KL 3.28 nats\n\n  of 4 in 12 s", False),
        ("KL -3.25 nats\n\n  of 4 in 12 s", False),
        ("KL 3.25 nat\n\n  of 4 in 12 s", False),
        ("KL 3.25 nats\n\n of 4 in 12 s", False),
        ("KL 3.25 nats\n  of 4 in 12 s", False),
        ("KL 3.25 nats\n\n  of 5 in 12 s", False),
        ("KL 3.25 nats\n\n  of 4 in 700 s", False),
    ],
)
def test_another_text_is_noticed(text, alike, tmp_path):
    found, known = tmp_path / "found.txt", tmp_path / "known.txt"
    known.write_text("KL 3.25 nats\n\n  of 4 in 7 s", encoding="utf-8")
    found.write_text(text, encoding="utf-8")
    with nullcontext() if alike else pytest.raises(AssertionError, match=f"cp {found} {known}"):
        check_text(found, known)
