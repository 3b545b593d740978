"""Whatever a reader does, what the page then shows is true, by NumPy.

After each action of a walk, all that the page shows is read from it, and computed anew from the
image, the q and the z that it shows; what was done tells where these must have come from.
"""

import os
import re

import numpy as np
import pytest
from browser_page import chromium, open_page, page_of_stripes  # noqa: F401 - fixtures
from browser_walk import Walk
from test_explore import DOCS_PAGE, data_of

from vae_np.evaluation import grid_log_likelihood

# ruff: noqa: F811 - a fixture's name as an argument

ACTIONS = int(os.environ.get("ACTIONS", 500))  # some ten minutes


def numbers(text):
    return [float(n.replace("−", "-")) for n in re.findall(r"−?\d+(?:\.\d+)?", text)]


def about(value):
    return pytest.approx(value, abs=0.025)  # two digits are shown; the grids differ by some 0.01


class Checked(Walk):
    """A walk, with all that must hold after each of its actions."""

    def check(self):
        shown, text, exact = self.shown, self.shown["text"], self.exact
        x, mean, std, z = (np.array(shown[k], float) for k in ("x", "mean", "std", "z"))
        encoder = exact.encode(x)
        assert shown["busy"] == "false" and not shown["waiting_for_fit"]

        # The image: what was chosen, drawn or wiped is what is explained, and is called so.
        np.testing.assert_allclose(np.array(shown["seen"]) / 255, x, atol=1 / 255)
        if isinstance(self.image, int):
            np.testing.assert_allclose(x, self.images[self.image], atol=1e-12)
            assert str(self.image + 1) in shown["image_label"]
        else:
            ink = x.max() > 0
            assert ink == (self.image == "drawing") == shown["padded"]
            names = {"drawing": ("drawing", "你写的"), "blank": ("blank", "空白")}[self.image]
            assert any(name in shown["image_label"] for name in names)
        if self.done[-1] == "right_click":
            assert shown["x"] == self.before["x"]

        # q, z and ε: the encoder's own in step 1, the shown one's in step 2.
        assert numbers(text["q-numbers"]) == about(np.concatenate(encoder))
        if self.q_from == "encoder":
            np.testing.assert_allclose([*mean, *std], np.concatenate(encoder), atol=2e-3)
        assert (text["encoder-says"] == "") == (self.q_from == "encoder")
        assert numbers(text["lens-numbers"]) == about([*mean, *std])
        np.testing.assert_allclose(z, mean + std * shown["noise"], atol=1e-9)
        rows = {"m": mean, "s": std, "e": shown["noise"], "z": z}
        for name, values in rows.items():
            assert [numbers(text[f"{name}{k}"])[0] for k in (0, 1)] == about(values)
        by_hand = any(words in text["noise-says"] for words in ("by hand", "手动"))
        assert by_hand == (self.z_from == "hand")
        assert numbers(text["log-prob"]) == about([exact.log_prob(x, z)])
        self.check_account(x, mean, std, encoder)
        self.check_estimate(x, mean, std)

    def check_account(self, x, mean, std, encoder):
        text, log_px = self.shown["text"], self.exact.log_px(x)
        assert numbers(text["n-log-px"]) == about([log_px])
        posterior = self.exact.posterior(x)
        narrow = pytest.approx(np.concatenate(posterior), abs=0.0125)
        assert numbers(text["posterior-numbers"]) == narrow
        reconstruction, kl, elbo, gap = self.account()
        assert numbers(text["n-kl"]) == about([-kl])
        inside = np.exp(self.exact.log_q(mean, std)).sum() * self.exact.step**2
        if text["n-gap"] == "—":  # said only where the grid does not hold q
            assert inside < 0.9995 or std.min() < self.data["grid"]["spacing"]
            return
        assert inside > 0.998
        shown = [numbers(text[f"n-{k}"])[0] for k in ("reconstruction", "elbo", "gap", "sum")]
        assert shown == about([reconstruction, elbo, gap, log_px])
        self.check_rows(x, elbo, gap, log_px, encoder)
        self.check_says(x, elbo, kl, gap, log_px)

    def check_rows(self, x, elbo, gap, log_px, encoder):
        text = self.shown["text"]
        row = {
            k: numbers(text[f"elbo-{k}"])
            for k in ("mine", "encoder", "diagonal", "full", "posterior")
        }
        assert row["mine"] == about([elbo]) and row["posterior"] == about([log_px])
        assert numbers(text["gap-mine"]) == about([gap])
        if row["encoder"]:
            assert row["encoder"] == about([self.account(encoder)[2]])
        if row["diagonal"]:
            assert row["diagonal"][0] > max(elbo, *row["encoder"], -np.inf) - 0.025
            assert row["diagonal"][0] - 0.025 < row["full"][0] < log_px + 0.025
            assert numbers(text["gap-full"]) == about([log_px - row["full"][0]])

    def check_says(self, x, elbo, kl, gap, log_px):
        text, key = self.shown["text"], self.shown["says"]["fit-says"]
        told, beta, encoder = numbers(text["fit-says"]), self.shown["beta"], self.exact.encode(x)
        allowed = {
            "encoder": ("start", "beta"),
            "yours": ("ahead", "behind", "top", "beta", "on_the_way"),
            "stopped": ("stopped", "beta", "on_the_way"),
            "fitted": ("arrived", "arrived_own", "arrived_cut", "arrived_apart", "arrived_beta"),
        }
        assert key in allowed[self.q_from]
        if key == "on_the_way" and self.q_from == "yours":
            assert text["elbo-encoder"] == "—"  # there is nothing to compare it with
        if key in ("start", "on_the_way", "top"):
            assert told[0] == about(gap)
        if key in ("ahead", "behind"):
            better = elbo - self.account(encoder)[2]
            assert told == about([gap, abs(better)]) and (better > 0) == (key == "ahead")
        if key == "top":
            assert numbers(text["elbo-diagonal"])[0] - elbo < 0.13
        if key == "stopped":
            assert told == about([self.start[1], elbo])
        if key == "arrived":
            encoders = self.account(encoder)[2]
            assert self.start[0] in ("encoder", "stopped")
            assert told == about([encoders, elbo, elbo - encoders, gap])
        if key == "arrived_own":
            assert told == about([self.start[1], elbo, gap])
        if key == "arrived_cut":
            assert told == about([self.start[1], elbo])
        if key == "arrived_apart":
            assert told == about([elbo, numbers(text["elbo-diagonal"])[0]]) and told[1] > told[0]
        if key == "arrived_beta":
            value, ceiling = elbo - (beta - 1) * kl, self.exact.log_px(x, beta)
            assert told == [beta, *(about(v) for v in (value, ceiling, elbo, gap))]
        cut = self.shown["says"]["account-says"] == "cut"
        assert cut or key != "arrived_cut"
        if self.q_from == "fitted" and not cut:
            self.check_top(x, beta)
        key, told = self.shown["says"]["account-says"], numbers(text["account-says"])
        if key == "still":
            assert told[1] - told[0] > 0.98 and told[1] < log_px + 0.02
            assert told[2] == about(log_px)
            assert self.q_from != "yours" or told[0] - 0.02 < elbo < told[1] + 0.02
        if key == "agree":
            assert told[0] <= 0.02

    def check_top(self, x, beta):
        """No diagonal Gaussian near here does better."""
        mean, std = (np.array(self.shown[k]) for k in ("mean", "std"))

        def value(m, s):
            reconstruction, kl, _, _ = self.account((m, s))
            return reconstruction - beta * kl

        here = value(mean, std)
        for e in np.eye(2):
            for step in (-0.1, 0.1):
                assert value(mean + step * std * e, std) < here + 0.01
                assert value(mean, std * np.exp(step * e)) < here + 0.01

    def check_estimate(self, x, mean, std):
        shown = self.shown
        key, told = shown["says"]["estimate-says"], numbers(shown["text"]["estimate-says"])
        drawn = [shown["noise"]] if self.z_from == "draw" else []
        noise = np.array([*drawn, *shown["extra"][len(drawn) :]][: shown["L"]])
        assert key == ("by_hand" if not len(noise) else "one" if len(noise) == 1 else "many")
        if shown["text"]["n-gap"] == "—" or not len(noise):
            return
        values = [self.exact.log_prob(x, mean + std * e) for e in noise]
        exact = self.account()[0]
        if key == "one":
            assert told[1:3] == about([values[0], exact])
        else:
            error = np.std(values, ddof=1) / np.sqrt(len(values))
            assert told == about([shown["L"], np.mean(values), error, exact])


def walk(page, path, actions, seed):
    one = Checked(page, data_of(path.read_text(encoding="utf-8")), seed)
    for k in range(actions):
        one.act()
        print(f"action {k} of seed {seed}: {one.done[-1]}")
        one.check()


@pytest.mark.slow
def test_a_posterior_narrower_than_the_grid_s_step_is_told_so(open_page):
    one = Checked(open_page(DOCS_PAGE), data_of(DOCS_PAGE.read_text(encoding="utf-8")), seed=0)
    one.clear()
    one.stroke("pad", [(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)])  # a Z
    one.read()
    mean, std = one.exact.posterior(np.array(one.shown["x"]))
    assert std.min() < 0.7 * one.data["grid"]["spacing"]
    shown = numbers(one.shown["text"]["posterior-numbers"])
    assert shown == pytest.approx([*mean, *std], abs=0.0075)


@pytest.mark.slow
def test_a_posterior_that_the_grid_cuts_off_is_told_so(open_page):
    """A hook's is at 5.3, and the grid ends at 6: here log p(x) is of one that ends at 9."""
    one = Checked(open_page(DOCS_PAGE), data_of(DOCS_PAGE.read_text(encoding="utf-8")), seed=0)
    said = '() => [element("account-says").dataset.says, explore.state.found.log_px]'
    assert one.page.evaluate(said)[0] == "agree"
    hook = [(0.84, 0.73), (0.9, 0.5), (0.87, 0.3), (0.79, 0.05), (0.66, 0.05), (0.45, 0.15)]
    one.stroke("pad", hook)
    one.read()
    key, shown = one.page.evaluate(said)
    x = np.array(one.shown["x"])[None]
    (log_px,) = grid_log_likelihood(one.exact.model, x, spacing=0.1, limit=9.0).value
    assert log_px > shown + 0.02 and key == "cut"


@pytest.mark.slow
def test_a_short_walk_finds_nothing_false(open_page):
    walk(open_page(DOCS_PAGE), DOCS_PAGE, 25, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_nor_does_a_long_one_in_either_language(open_page, locale):
    walk(open_page(DOCS_PAGE, 1366, locale=locale), DOCS_PAGE, ACTIONS, seed=2)


@pytest.mark.slow
def test_nor_does_one_on_a_gaussian_decoder_s_page(open_page, tmp_path, rng):
    path = page_of_stripes(tmp_path, rng, "gaussian")
    walk(open_page(path), path, ACTIONS, seed=3)
