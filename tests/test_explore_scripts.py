"""The functions of the page's scripts, each against NumPy or what it says of itself."""

import base64
import itertools

import numpy as np
import pytest
from browser_drawn import RECORDED
from browser_page import SETTLED, chromium, exact_of, open_once, open_page  # noqa: F401 - fixtures
from test_explore import DOCS_PAGE, data_of

from demos.page import fill
from vae_np import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder

# ruff: noqa: F811 - a fixture's name as an argument
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(open_once):
    return open_once(DOCS_PAGE)


@pytest.fixture(scope="module")
def data():
    return data_of(DOCS_PAGE.read_text(encoding="utf-8"))


def test_half_precision_is_read_as_it_is_meant(page):
    halves = np.arange(2**16, dtype=np.uint16)
    halves = halves[(halves >> 10 & 31) < 31]  # no infinities
    read = page.evaluate("(text) => [...float16(text)]", fill.base64_of(halves, np.uint16))
    np.testing.assert_array_equal(np.array(read), halves.view(np.float16).astype(float))


DECODERS = {
    "Bernoulli": lambda **of: BernoulliDecoder(2, [5, 3], 7, **of),
    "Gaussian": lambda **of: GaussianDecoder(2, [5, 3], 7, **of),
    "squashed": lambda **of: GaussianDecoder(2, [5, 3], 7, squash=True, **of),
    "fixed": lambda **of: GaussianDecoder(2, [5, 3], 7, noise="fixed", std=1, **of),
    "learned": lambda **of: GaussianDecoder(2, [5, 3], 7, noise="learned", std=0.6, **of),
}
RUN = """([data, x, z, noise]) => {
  const { encoder, decoder } = make_model(data), q = encoder.forward(Float64Array.from(x));
  const p = decoder.forward(Float64Array.from(z));
  return { q: [...q.mean, ...q.std], kl: q.kl_to_standard_normal(), log_q: q.log_prob(z),
    prior: standard_normal_log_prob(Float64Array.from(z)), z: [...q.sample(z)],
    mean: [...p.mean], sample: [...p.sample(noise)], log_prob: p.log_prob(x) };
}"""


@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus"])
@pytest.mark.parametrize("kind", DECODERS)
def test_each_network_and_distribution_is_the_package_s(page, rng, kind, activation):
    encoder = GaussianEncoder(7, [6], 2, activation=activation, dtype=np.float64)
    decoder = DECODERS[kind](activation=activation, dtype=np.float64)
    model = VAE(encoder, decoder)
    for vector in model.parameters:
        vector.value[:] = (0.7 * rng.standard_normal(vector.value.shape)).astype(np.float32)
    one_sigma = getattr(decoder, "noise", "per-output") != "per-output"
    data = {
        "image_shape": [1, 7],
        "precision": "float32",
        "encoder": {"layers": fill.layers(encoder.network, np.float32)},
        "decoder": {
            "kind": type(decoder).__name__,
            "layers": fill.layers(decoder.network, np.float32),
            "log_var": float(decoder.log_var) if one_sigma else None,
            "squash": kind == "squashed",
        },
    }
    x, z, noise = rng.random(7), rng.standard_normal(2), rng.random(7)
    seen = page.evaluate(RUN, [data, x.tolist(), z.tolist(), noise.tolist()])
    q, p = model.encode(x[None]), model.decode(z[None])
    wanted = {
        "q": [*q.mean[0], *q.std[0]],
        "kl": q.kl_to_standard_normal()[0],
        "log_q": q.log_prob(z[None])[0],
        "prior": -0.5 * (z @ z) - np.log(2 * np.pi),
        "z": q.mean[0] + q.std[0] * z,
        "mean": p.mean[0],
        "sample": noise < p.mean[0] if kind == "Bernoulli" else (p.mean + p.std * noise)[0],
        "log_prob": p.log_prob(x[None])[0],
    }
    for name, value in wanted.items():
        np.testing.assert_allclose(seen[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_grid_cuts_off_what_is_at_any_of_its_four_edges(page):
    """Of a 5 × 5 grid one point holds all but e^−5, or e^−3, of the posterior; another the rest."""
    cut = """([g, log]) => {
      const joint = new Float64Array(25).fill(-Infinity);
      Object.assign(joint, { 12: 0, [g]: log });
      const grid = { joint, side: 5, log_cell: 0, point: (index) => [index, 0] };
      return Grid.prototype.posterior.call(grid, 0).cut;
    }"""
    edge = np.pad(np.zeros((3, 3), bool), 1, constant_values=True).ravel()
    for g in set(range(25)) - {12}:
        assert [page.evaluate(cut, [g, log]) for log in (-5, -3)] == [False, edge[g]]


def test_each_axis_is_summed_by_its_own_rule(page):
    means = page.evaluate(
        """() => [0, 1].map((k) => {
          const [few, many] = explore.data.quadrature, zero = Float64Array.of(0, 0);
          const decoder = { forward: (z) => ({ log_prob: () => Math.cos(3 * z[k]) }) };
          const rules = k ? [few, many] : [many, few], q = new DiagonalGaussian(zero, zero);
          return expected_reconstruction(decoder, rules, [], q);
        })"""
    )
    assert means == pytest.approx([np.exp(-4.5)] * 2, abs=1e-3)  # as 12 points have it, and not 7


def test_numbers_are_written_alike(page):
    values = [None, 0, -0.001, 0.004, -1.005, 12.345, -123.4]
    seen = page.evaluate("(all) => [...all.map((v) => fixed(v)), fixed(0.0126, 3)]", values)
    assert seen == ["—", "0.00", "0.00", "0.00", "−1.00", "12.35", "−123.40", "0.013"]
    assert page.evaluate("pair([1, -2.5])") == "1.00, −2.50"


def test_a_line_is_as_thick_as_mnist_s_and_no_ink_is_lost_at_an_edge(page):
    for shape in ((28, 28), (14, 20), (20, 14)):
        across = page.evaluate("(of) => [...rasterize([[[0.1, 0.5], [0.9, 0.5]]], of)]", shape)
        ink = np.reshape(across, shape).sum(axis=0)
        middle = ink[shape[1] // 2 - 2 : shape[1] // 2 + 3]
        np.testing.assert_allclose(middle, 2.5 * min(shape) / 28, atol=0.3)
        assert 0 < np.sum((np.array(across) > 0) & (np.array(across) < 1))
    blob = [[[0.1 + 0.01 * k, 0.1], [0.1 + 0.01 * k, 0.4]] for k in range(20)]
    image = page.evaluate("(of) => [...rasterize(of, [28, 28])]", [*blob, [[0.3, 0.4], [0.9, 0.9]]])
    image = np.reshape(image, (28, 28))
    assert max(image[k].max() for k in (0, -1)) == max(image[:, k].max() for k in (0, -1)) == 0
    assert np.ptp(np.nonzero(image), axis=1).max() + 1 in (20, 21)


def test_where_beta_weighs_the_kl_the_violet_shades_are_its_target_s(page, data):
    """p(x|z)^(1/β) p(z), 255 for the square root of its density relative to the highest."""
    exact = exact_of(data)
    page.evaluate("explore.take(3)")
    page.select_option("#beta", "4")
    page.evaluate(SETTLED)
    x, lens, whole, heats = page.evaluate(
        """() => {
          const { state: { x, found, lens }, view } = explore;
          return [[...x], lens, view.half_width, found.targets.map((heat) => [...heat])];
        }"""
    )
    x = np.array(x)
    best = (exact.log_likelihood(x) / 4 + exact.log_prior).max()
    for heat, (center, half) in zip(
        heats, (([0, 0], whole), (lens["center"], lens["half_width"])), strict=True
    ):
        side = int(len(heat) ** 0.5)
        image, at = np.reshape(heat, (side, side)), (2 * np.arange(side) + 1) / side - 1
        bright = np.argwhere(image > 25)
        assert len(bright) > 30
        for row, column in bright[:: len(bright) // 15]:
            z = np.array([center[0] + half * at[column], center[1] - half * at[row]])
            log_p = exact.log_prob(x, z) / 4 - 0.5 * (z @ z) - np.log(2 * np.pi)
            assert image[row, column] == pytest.approx(255 * np.exp((log_p - best) / 2), abs=4)
    hues = page.evaluate(
        """() => {
          const canvas = heat_picture(Uint8ClampedArray.from([0, 255, 128, 9]), "kl");
          const { data } = canvas.getContext("2d").getImageData(0, 0, 2, 2);
          return [[...data], colour.kl];
        }"""
    )
    pixels, colour = np.reshape(hues[0], (4, 4)), hues[1]
    assert pixels[:, 3] == pytest.approx(0.95 * np.array([0, 255, 128, 9]), abs=1)
    assert pixels[1, :3] == pytest.approx([int(colour[k : k + 2], 16) for k in (1, 3, 5)], abs=1)
    page.select_option("#beta", "1")


def test_the_views_hold_what_they_are_to_show(page, data):
    codes = np.frombuffer(base64.b64decode(data["codes"]), np.float32).reshape(-1, 2)
    half = page.evaluate("explore.view.half_width")
    inside = (np.abs(codes) < half).all(axis=1).mean()
    assert inside > 0.99 and half <= 6 and half >= 3.3
    assert half == pytest.approx(max(3.3, np.quantile(np.abs(codes), 0.998) + 0.1), abs=0.1)
    for k in range(0, 20, 4):
        page.evaluate("(k) => explore.take(k)", k)
        page.evaluate(SETTLED)
        lens, q, found = page.evaluate(
            """() => { const { lens, q, found: { posterior: { mean, cov } } } = explore.state;
              return [lens, [[...q.mean], [...q.std]], [mean, [cov[0] ** 0.5, cov[2] ** 0.5]]]; }"""
        )
        needed = [np.abs(np.subtract(m, q[0])) + 3 * np.array(s) for m, s in (q, found)]
        assert lens["center"] == pytest.approx(q[0])
        assert np.max(needed) < lens["half_width"] < max(2.2 * np.max(needed), 0.5)


def test_a_picture_is_as_sharp_as_the_screen_and_follows_its_size(chromium):
    context = chromium.new_context(
        device_scale_factor=2, viewport={"width": 1300, "height": 800}, color_scheme="dark"
    )
    context.add_init_script(RECORDED)
    page = context.new_page()
    page.goto(DOCS_PAGE.resolve().as_uri())
    page.locator("#n-log-px:not(:empty)").wait_for(timeout=60_000)
    page.evaluate(SETTLED)
    scaled = "(name) => drawn.filter((one) => one.name === name).map(({ given }) => given)"
    for name, given in (("setTransform", [2, 0, 0, 2, 0, 0]), ("scale", [2, 2])):
        seen = page.evaluate(scaled, name)
        assert seen and all(one == given for one in seen)
    sizes = """() => ["plane", "lens", "noise", "estimate"].flatMap((id) => {
      const { width, height, clientWidth, clientHeight } = element(id);
      return [width / clientWidth, height / clientHeight];
    })"""
    before = page.evaluate("element('plane').clientWidth")
    for width in (1300, 800):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(SETTLED)
        assert page.evaluate(sizes) == pytest.approx([2] * 8, abs=0.02)
    assert page.evaluate("element('plane').clientWidth") != before
    # The theme is the system's until one is chosen, and a choice outlives a change of it.
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "dark"
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.evaluate(SETTLED)
        card = page.evaluate(
            "getComputedStyle(document.documentElement).getPropertyValue('--card')"
        )
        assert page.evaluate(theme) == scheme and page.evaluate("colour.card") == card
    page.click("#theme")
    page.emulate_media(color_scheme="light")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(theme) == "light"
    context.close()


def test_a_worker_that_fails_is_done_without(open_page):
    page = open_page(
        DOCS_PAGE,
        script="""Worker = class {
          constructor() { setTimeout(() => this.onerror()); }
          postMessage() {}
        };""",
    )
    assert "without a worker" in page.locator("#trouble").inner_text()
    page.click("#fit")
    page.evaluate(SETTLED)
    assert page.locator("#fit-says").get_attribute("data-says") == "arrived"


def test_what_a_screen_reader_is_told_things_are(page):
    roles = page.evaluate(
        """() => [...document.querySelectorAll("canvas")].filter((c) => !c.closest("button"))
          .map(({ id, role, tabIndex }) => [id, role, tabIndex])"""
    )
    dragged = ("plane", "lens", "noise")
    for id, role, stop in roles:
        assert (role, stop) == (("application", 0) if id in dragged else ("img", -1)), id
    told = {
        "#hint": ("role", "status"),
        "#trouble": ("role", "alert"),
        "#spoken": ("aria-live", "polite"),
        "#bars": ("aria-hidden", "true"),
        "#pad-says": ("aria-hidden", "true"),
        "#digits": ("role", "radiogroup"),
        "#draws": ("role", "group"),
        "dialog": ("aria-labelledby", "explanation-title"),
    }
    for where, (name, value) in told.items():
        assert page.locator(where).get_attribute(name) == value
    assert page.locator("#digits [role=radio]").count() == 20
    assert page.locator("label #beta").count() == page.locator("main").count() == 1
    heads = page.locator("#rows th").evaluate_all("all => all.map((one) => one.scope)")
    assert heads == ["col"] * 3


def test_the_bars_keep_their_scale_while_q_moves_a_little(page):
    wide = """([kl, gap]) => {
      draw_bars(element("bars"), { kl, gap, elbo: -120, log_px: gap - 120 }, { gap: "gap" });
      return element("bars").getElementsByClassName("bar")[1].getBoundingClientRect().width;
    }"""
    accounts = ((8, 5), (8.5, 5.5), (9, 6), (8, 7))
    seen = [page.evaluate(wide, list(account)) / account[1] for account in accounts]
    assert all(a == pytest.approx(b, rel=0.02) for a, b in itertools.pairwise(seen))


def test_the_page_may_fetch_nothing(chromium):
    page = chromium.new_page()
    page.goto(DOCS_PAGE.as_uri())
    refused = page.evaluate(
        """() => new Promise((resolve) => {
          const seen = [];
          document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
            seen.push(effectiveDirective);
            if (seen.length === 3) resolve(seen.sort());
          });
          const here = "http://localhost:9/", script = document.createElement("script");
          fetch(here).catch(() => {});
          new Image().src = here;
          script.src = here;
          document.head.append(script);
          setTimeout(() => resolve(seen), 5000);
        })"""
    )
    page.close()
    assert refused == ["connect-src", "img-src", "script-src-elem"]
