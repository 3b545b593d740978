"""The page in a real browser, for tests: it is opened, asked, and compared with NumPy.

It takes the system's chromium, and playwright, which drives it: pip install playwright.
"""

import base64
import json
import shutil

import numpy as np
import pytest
from test_explore import half_precision

from demos import explore
from demos.page import fill
from vae_np import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder
from vae_np.evaluation import grid_log_likelihood

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
# Until the worker's answer to the latest question is on the page.
SETTLED = """async () => {
  const { state } = explore;
  while (state.fitting || state.found?.image !== state.image) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}"""


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the path")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Open a file, and fail at the end if the page complained or asked for anything outside."""
    contexts, complaints = [], []

    def heard(kind, text):
        complaints.append(f"{kind}: {text}")

    def open_page(path, width=1400, scheme="light", locale="en-US", search=""):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, locale=locale
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: heard(message.type, message.text))
        page.on("pageerror", lambda error: heard("error", error))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("file:", "blob:", "data:")) or heard("request", request.url)
            ),
        )
        page.goto(path.resolve().as_uri() + search)
        page.locator("#n-log-px:not(:empty)").wait_for(timeout=60_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A page of the default kind after few epochs, its data, and log p(x) by the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explore, "EPOCHS", 6)
        settings, data, trainer = explore.trained(None)
    images = data.test[fill.choose(data.test_labels, len(data.test))]
    log_px = grid_log_likelihood(trainer.model, images).value  # with the weights before rounding
    path = tmp_path_factory.mktemp("page") / "explore.html"
    contents = fill.contents(settings, data, trainer) | {"guide": explore.guide_links(path)}
    path.write_text(fill.fill_template(contents), encoding="utf-8")
    return path, json.loads(json.dumps(contents)), log_px


def numpy_model(data):
    """The package's model in float64 with the weights that the page has."""
    pixels = data["image_shape"][0] * data["image_shape"][1]
    shipped = {
        side: [layer for layer in data[side]["layers"] if layer["kind"] == "Linear"]
        for side in ("encoder", "decoder")
    }
    widths = {side: [layer["n_out"] for layer in layers[:-1]] for side, layers in shipped.items()}
    encoder = GaussianEncoder(pixels, widths["encoder"], 2, dtype=np.float64)
    if data["decoder"]["kind"] == "BernoulliDecoder":
        decoder = BernoulliDecoder(2, widths["decoder"], pixels, dtype=np.float64)
    else:
        squash = data["decoder"]["squash"]
        decoder = GaussianDecoder(2, widths["decoder"], pixels, squash=squash, dtype=np.float64)
    for side, network in (("encoder", encoder), ("decoder", decoder)):
        network.parameters.value[:] = np.concatenate(
            [half_precision(layer[name]) for layer in shipped[side] for name in ("weight", "bias")]
        )
    return VAE(encoder, decoder)


def images_of(data):
    pixels = np.frombuffer(base64.b64decode(data["images"]), np.uint8)
    return pixels.reshape(-1, data["image_shape"][0] * data["image_shape"][1]) / 255


def choose(page, k):
    """Click a test image, and return what the page has found out about it."""
    page.locator("#digits button").nth(k).click()
    page.evaluate(SETTLED)
    return page.evaluate(
        """() => {
          const { q, noise, p, x, found } = explore.state;
          return { mean: [...q.mean], log_var: [...q.log_var], noise: [...noise],
            log_prob: p.log_prob(x), kl: found.kl, reconstruction: found.reconstruction,
            gap: found.gap, log_px: found.log_px };
        }"""
    )


def check_against_numpy(page, data, k):
    model, x = numpy_model(data), images_of(data)[k : k + 1]
    shown, q = choose(page, k), model.encode(x)
    assert np.abs((shown["mean"] - q.mean) / q.std).max() < 1e-3
    assert np.abs(shown["log_var"] - q.log_var).max() < 1e-3
    noise = np.array(shown["noise"]).reshape(1, 1, 2)
    elbo = model.elbo(x, noise)
    assert shown["log_prob"] == pytest.approx(elbo.reconstruction[0], abs=1e-2)
    assert shown["kl"] == pytest.approx(elbo.kl[0], abs=1e-2)
    total = shown["reconstruction"] - shown["kl"] + shown["gap"]
    assert total == pytest.approx(shown["log_px"], abs=0.05)
    return shown
