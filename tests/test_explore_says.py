"""Each sentence of the page in the state that it describes, with that state's numbers in order.

The states are made by hand, as no drawing leads surely to a posterior of two peaks.
"""

import re

import numpy as np
import pytest
from browser_page import chromium, open_once  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE
from test_explore_walk import numbers

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow
FOUND = {"reconstruction": -110.25, "kl": 10.25, "gap": 5.25, "log_px": -115.25}
FOUND |= {"ceiling": -90.75, "by": "quadrature", "log_probs": []}
ROWS = {"encoder": -121.75, "diagonal": -119.25, "full": -118.25}
FIT = {"start": -125.5, "from": "encoder", "state": "arrived"}
OWN, FITTED = FIT | {"from": "yours"}, {"q_from": "fitted"}
CUT = {"posterior": {"mean": [5.5, 0], "cov": [0.1, 0, 0.1], "cut": True}}
# What is said, of which numbers; then what of q, of the fit, and of what was found so far.
SAYS = [
    ("start", [5.25], {"q_from": "encoder"}, None, {}),
    ("beta", [4, 4, 1, 4], {"q_from": "encoder", "beta": 4}, None, {}),
    ("climbing", [-120.5], {"q_from": "climbing"}, FIT | {"state": "climbing"}, {}),
    ("climbing", [-151.25], {"q_from": "climbing", "beta": 4}, FIT | {"state": "climbing"}, {}),
    ("stopped", [-125.5, -120.5], {"q_from": "stopped"}, FIT | {"state": "stopped"}, {}),
    ("beta", [4, 4, 1, 4], {"q_from": "stopped", "beta": 4}, FIT | {"state": "stopped"}, {}),
    ("beta", [4, 4, 1, 4], {"q_from": "yours", "beta": 4}, None, {}),
    ("on_the_way", [5.25], {"q_from": "stopped"}, None, {}),
    ("arrived", [-125.5, -120.5, 5, 5.25], {"q_from": "fitted"}, FIT, {"diagonal": -120.495}),
    ("arrived_own", [-125.5, -120.5, 5.25], FITTED, OWN, {"diagonal": -120.5}),
    ("arrived_own", [-125.5, -120.5, 5.25], FITTED, OWN | {"from": "fitted"}, {"diagonal": -120.5}),
    ("arrived_own", [-125.5, -120.5, 5.25], FITTED, OWN | {"from": "stopped"}, {"diagonal": None}),
    ("arrived_apart", [-120.5, -120.45], FITTED, FIT, {"diagonal": -120.45}),
    ("arrived_apart", [-120.5, -120.45], FITTED, OWN, {"diagonal": -120.45}),
    ("arrived", [-125.5, -120.5, 5, 5.25], FITTED, FIT, {"diagonal": None}),
    ("arrived_cut", [-125.5, -120.5], FITTED, FIT, CUT),
    ("arrived_cut", [-125.5, -120.5], FITTED, OWN, CUT),
    ("beta", [4, 4, 1, 4], FITTED | {"beta": 4}, FIT, CUT),  # another thing was climbed
    ("arrived_beta", [4, -151.25, -90.75, -120.5, 5.25], FITTED | {"beta": 4}, FIT, {}),
    ("arrived_beta", [4, -151.25, -90.75, -120.5, 5.25], FITTED | {"beta": 4}, OWN, {}),
    ("start", [5.25], {"q_from": "encoder"}, None, CUT),
    ("climbing", [-120.5], {"q_from": "climbing"}, FIT | {"state": "climbing"}, CUT),
    ("stopped", [-125.5, -120.5], {"q_from": "stopped"}, FIT | {"state": "stopped"}, CUT),
    ("ahead", [5.25, 1.25], {"q_from": "yours"}, None, {}),
    ("behind", [5.25, 2.25], {"q_from": "yours"}, None, {"encoder": -118.25, "diagonal": -117.25}),
    ("top", [5.25, 0.1], {"q_from": "yours"}, None, {"diagonal": -120.41}),
    ("ahead", [5.25, 1.25], {"q_from": "yours"}, None, {"diagonal": -120.39}),
    ("ahead", [5.25, 1.25], {"q_from": "yours"}, None, {"diagonal": -120.45} | CUT),
    ("ahead", [5.25, 1.25], {"q_from": "yours"}, None, {"diagonal": None, "full": None}),
    ("on_the_way", [5.25], {"q_from": "yours"}, None, {"encoder": None}),
    ("outside", [], {"q_from": "yours"}, None, {"gap": None}),
    ("waiting", [], {"q_from": "encoder"}, None, None),
]
ACCOUNT = [
    ("agree", [0.004], {}, {"log_px": -115.254}),
    ("still", [-130.5, -120.5, -115.25], {"moved": [-130.5, -120.5]}, {}),
    ("still", [-121.5, -120.5, -115.25], {"moved": [-121.5, -120.5]}, {"by": "grid"}),
    ("agree", [0], {"moved": [-121.4, -120.5]}, {}),
    ("wide", [], {}, {"by": "grid"}),
    ("outside", [], {}, {"gap": None}),
    ("outside", [], {}, {"reconstruction": None}),
    ("cut", [], {"moved": [-130.5, -120.5]}, CUT),
]
SHOW = """async ([now, fit, found, rows]) => {
  const { state } = explore, q = state.encoded, mean = [0, 0];
  for (const name in rows) {
    if (rows[name] === null && name !== "encoder") continue; // no Gaussian on the grid was found
    rows[name] = { q: { mean, cov: [1, 0, 1] }, elbo: rows[name] };
  }
  const first = { fit: null, moved: null, beta: 1, q_from: "encoder", z_from: "draw", L: 1 };
  Object.assign(state, first, now);
  if (fit) {
    const { start: elbo, from, state: its } = fit;
    const climbed = state.beta === 1 ? [elbo, -120.5] : [-160.5, -151.25]; // less more of the KL
    const path = climbed.map((value) => ({ mean, value }));
    state.fit = { state: its, start: { q, from, elbo }, beta: state.beta, path };
  }
  state.found = found && { ...window.real, version: state.version, ...found, rows };
  dispatchEvent(new Event("resize"));
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const text = {};
  for (const one of document.querySelectorAll("[id]")) text[one.id] = one.innerText;
  const says = (id) => [element(id).dataset.says, element(id).innerText];
  return {
    text, fit: says("fit-says"), account: says("account-says"), estimate: says("estimate-says"),
    disabled: element("fit").ariaDisabled === "true",
    reset: element("reset").ariaDisabled === "true",
    climb: !element("climb").hidden, climb_says: element("climb").ariaLabel,
    button: element("fit").innerText, beta: element("beta").value,
    dots: element("estimate").ariaLabel,
    late: [...document.querySelectorAll("[aria-busy=true]")]
      .map((one) => one.id || one.getAttribute("aria-labelledby")),
  };
}"""


@pytest.fixture(scope="module", params=["en", "zh"])
def shown(request, open_once):
    page = open_once(DOCS_PAGE, search=f"?lang={request.param}")
    page.evaluate("() => { window.real = { ...explore.state.found }; }")

    def shown(now, fit, changed, **more):
        found = rows = None
        if changed is not None:
            rows = ROWS | {k: v for k, v in changed.items() if k in ROWS}
            found = FOUND | {k: v for k, v in changed.items() if k not in ROWS} | more
        return page.evaluate(SHOW, [now, fit, found, rows])

    shown.page, shown.language = page, request.param
    return shown


@pytest.mark.parametrize("case", SAYS, ids=lambda case: case[0])
def test_of_q_it_says_what_is_so(shown, case):
    key, told, now, fit, changed = case
    seen = shown(now, fit, changed)
    assert (seen["fit"][0], numbers(seen["fit"][1])) == (key, told)
    climbing = key == "climbing"
    assert seen["button"] in (
        ("Stop", "停止") if climbing else ("Fit q to this image", "为这张图像单独拟合 q")
    )
    assert seen["disabled"] == (key == "outside") and seen["beta"] == str(now.get("beta", 1))
    assert seen["reset"] == (now["q_from"] == "encoder")
    if key == "waiting":
        assert seen["account"][0] == "waiting" and seen["text"]["posterior-numbers"] == "…"
        return
    assert seen["climb"] == (fit is not None and "posterior" not in changed)
    if seen["climb"]:
        top = FOUND["ceiling" if "beta" in now else "log_px"]
        ends = [-160.5, -151.25] if "beta" in now else [-125.5, -120.5]
        assert numbers(seen["climb_says"]) == [*ends, top]
        assert "beta" not in now or "ELBO" not in seen["climb_says"]  # it is not what has climbed
    if key == "arrived_own":  # from what Fit had reached for another β, it may be
        assert not re.search("your|你", seen["fit"][1])
    if now["q_from"] == "stopped":  # as is a fitted one, once β is another
        assert not re.search("on the way|半路", seen["text"]["encoder-says"])
    gap = [] if key == "outside" else [5.25]
    assert numbers(seen["text"]["gap-mine"]) == numbers(seen["text"]["n-gap"]) == gap
    for name in ROWS:
        elbo = (ROWS | changed)[name]
        text = [seen["text"][f"{what}-{name}"] for what in ("elbo", "gap")]
        if elbo is None:
            assert text == ["—", "—"]  # the grid does not hold that q, though it may this one
        else:
            told = [numbers(one)[0] for one in text]
            assert told == pytest.approx([elbo, -115.25 - elbo], abs=0.006)
    its = [numbers(seen["text"][f"n-{k}"]) for k in ("reconstruction", "kl", "elbo", "log-px")]
    assert its == [[-110.25], [-10.25], [-120.5], [-115.25]]
    assert [numbers(seen["text"][f"{k}-posterior"]) for k in ("elbo", "gap")] == [[-115.25], [0]]


@pytest.mark.parametrize("case", ACCOUNT, ids=lambda case: case[0])
def test_of_the_account_it_says_what_is_so(shown, case):
    key, told, now, changed = case
    seen = shown(now, None, changed)
    assert (seen["account"][0], numbers(seen["account"][1])) == (key, told)
    assert (seen["text"]["bars"] == "") == (changed.get("gap", 0) is None)
    if changed.get("reconstruction", 0) is None or changed.get("gap", 0) is None:
        assert seen["text"]["n-sum"] == "—"
    else:
        assert numbers(seen["text"]["n-sum"]) == [-115.25]


def test_a_climb_can_be_stopped_whatever_is_known_of_its_gap(shown):
    seen = shown({"q_from": "climbing"}, FIT | {"state": "climbing"}, {"gap": None})
    assert seen["button"] in ("Stop", "停止") and not seen["disabled"]
    shown.page.locator("#fit").focus()
    assert shown({"q_from": "stopped"}, None, {"gap": None})["disabled"]
    assert shown.page.evaluate("document.activeElement.id") == "fit"


def test_of_the_draws_it_says_what_is_so(shown):
    def estimated(now, changed):
        seen = shown(now, None, changed)
        return *seen["estimate"], numbers(seen["dots"])[0]

    one = shown.page.evaluate("explore.state.p.log_prob(explore.state.x)")
    said, text, dots = estimated({}, {})
    assert said == "one" and numbers(text)[:3] == pytest.approx([2, one, -110.25], abs=0.006)
    assert dots == 1
    said, text, dots = estimated({"z_from": "hand"}, {})
    assert said == "by_hand" and numbers(text) == [-110.25] and dots == 0
    draws = [-110.5, -112.25, -108.75, -109.5]
    told = [4, np.mean(draws), np.std(draws, ddof=1) / 2, -110.25]
    said, text, dots = estimated({"L": 4, "z_from": "hand"}, {"log_probs": draws})
    assert said == "many" and numbers(text) == pytest.approx(told, abs=0.006) and dots == 4
    late = estimated({"L": 100, "z_from": "hand"}, {"log_probs": draws})  # of those that are there
    assert late == (said, text, dots)
    said, text, dots = estimated({"L": 100}, {"log_probs": []})
    assert said == "one" and numbers(text)[:3] == pytest.approx([2, one, -110.25], abs=0.006)


def test_what_is_not_yet_of_this_q_is_marked_as_late_and_stays(shown):
    on_time, late = shown({}, None, {}), shown({}, None, {"version": -1})
    assert on_time.pop("late") == []
    assert sorted(late.pop("late")) == [
        "account",
        "fit-says",
        "h-draws",  # the whole card of the estimate
        "posterior-numbers",
    ]
    assert late == on_time


def test_the_page_s_title_and_its_labels_are_in_its_language(shown):
    page = shown.page
    zh = shown.language == "zh"
    assert (
        page.title()
        == page.locator("h1").inner_text()
        == ("活起来的变分自编码器" if zh else "A VAE, alive")
    )
    seen = page.evaluate(
        """() => [...document.querySelectorAll("[aria-label]")]
          .filter((one) => one.checkVisibility()).map((one) => [one.id, one.ariaLabel])"""
    )
    labels = dict(seen)
    assert {"pad", "plane", "lens", "noise", "digits", "draws", "x", "mean", "draw"} <= set(labels)
    for id, label in seen:
        assert any("\u4e00" <= sign < "\u9fff" for sign in label) == zh, id
    for id, words in (
        ("pad", ("Drawing pad", "画板")),
        ("draws", ("L,", "L")),
        ("digits", ("Test", "测试")),
        ("mean", ("The mean", "均值")),
        ("shown", ("The mean", "均值")),
        ("draw", ("A draw", "采样")),
    ):
        assert words[zh] in labels[id]
