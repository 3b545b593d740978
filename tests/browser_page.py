"""The page in a real browser, for tests: it is opened, asked, and compared with NumPy.

It takes the system's chromium, and playwright, which drives it: pip install playwright.
"""

import contextlib
import functools
import json
import shutil

import numpy as np
import pytest
from test_explore import half_precision, images_of

from demos import explore, train
from demos.page import fill
from vae_np import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder
from vae_np.evaluation import grid_log_likelihood
from vae_np.inference.grid import latent_grid

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
# Until the worker's answer to the latest question is on the page.
SETTLED = """async () => {
  const { state, current } = explore, end = performance.now() + 120_000;
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  do {
    if (performance.now() > end) throw Error("it has not come to rest after two minutes");
    await frame();
  } while (state.fit?.state === "climbing" || !current());
  await frame();
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


@contextlib.contextmanager
def opener(chromium):
    """Open a file, and fail at the end if the page complained or asked for anything outside."""
    contexts, complaints = [], []

    def heard(kind, text):
        complaints.append(f"{kind}: {text}")

    def open_page(
        path,
        width=1400,
        scheme="light",
        locale="en-US",
        search="",
        height=900,
        touch=False,
        script="",
        ratio=1,  # pixels of the device to one of CSS
    ):
        viewport = {"width": width, "height": height}
        context = chromium.new_context(
            viewport=viewport,
            color_scheme=scheme,
            locale=locale,
            has_touch=touch,
            is_mobile=touch,
            device_scale_factor=ratio,
        )
        context.add_init_script(script)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
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
        page.evaluate(SETTLED)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def open_page(chromium):
    with opener(chromium) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def open_once(chromium):
    """For tests that share a page, and leave it as they found it or set all that they ask of."""
    with opener(chromium) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A page of the default kind after few epochs, its data, and log p(x) by the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explore, "EPOCHS", 6)
        settings, data, trainer = explore.trained(None)
    images = data.test[fill.choose(data.test_labels, len(data.test))]
    log_px = grid_log_likelihood(trainer.model, images).value  # with the weights before rounding
    path = tmp_path_factory.mktemp("page") / "explore.html"
    contents = fill.contents(settings, data, trainer)
    path.write_text(fill.fill_template(contents), encoding="utf-8")
    return path, json.loads(json.dumps(contents)), log_px


def page_of_stripes(folder, rng, decoder, hidden="9"):
    """The page of a run on images of 12 × 8 pixels, white at the top or at the bottom."""
    stripes = np.tile(np.repeat(np.eye(2), 48, axis=1), (30, 1)) * 0.8 + 0.1
    x = np.clip(stripes + 0.05 * rng.standard_normal(stripes.shape), 0, 1)
    y = np.tile(["top", "bottom"], 30)
    np.savez(folder / "own.npz", x=x.reshape(60, 12, 8), y=y)
    tiny = ["--epochs", "30", "--hidden", hidden, "7", "--batch-size", "10", "--latent", "2"]
    data = ["--data", str(folder / "own.npz"), "--decoder", decoder]
    assert train.main([*tiny, *data, "--out", str(folder / "run")]) == 0
    assert explore.main(["--checkpoint", str(folder / "run"), "--no-open"]) == 0
    return folder / "run" / "explore.html"


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


class Exact:
    """What holds of any image and any q under the page's weights, by NumPy on a grid that is finer.

    A q is a pair of a mean and of standard deviations, (2,) each; numbers are in nats.
    """

    def __init__(self, data):
        self.model, self.step = numpy_model(data), data["grid"]["spacing"] / 2
        self.z, _ = latent_grid(2, self.step, 6.0)
        parts = [self.model.decode(z) for z in np.array_split(self.z, 100)]
        self.log_prior = -0.5 * (self.z**2).sum(axis=1) - np.log(2 * np.pi)
        if data["decoder"]["kind"] == "BernoulliDecoder":
            self.linear = np.concatenate([p.logits.astype(np.float32) for p in parts])
            self.square = None
            self.rest = np.concatenate([-np.logaddexp(0, p.logits).sum(axis=1) for p in parts])
        else:
            mean, std = (np.concatenate([getattr(p, k) for p in parts]) for k in ("mean", "std"))
            self.square, self.linear = -0.5 / std**2, mean / std**2
            self.rest = -(0.5 * (mean / std) ** 2 + np.log(std)).sum(axis=1)
            self.rest -= 0.5 * mean.shape[1] * np.log(2 * np.pi)
        self.known, self.accounts = {}, {}

    def log_likelihood(self, x):
        """log p(x|z) at the grid's points."""
        key = x.tobytes()
        if key not in self.known:
            self.known = {
                key: (self.linear @ x.astype(self.linear.dtype)).astype(float) + self.rest
            }
            if self.square is not None:
                self.known[key] += self.square @ x**2
        return self.known[key]

    def log_px(self, x, beta=1):
        """At β ≠ 1: β log ∫ p(x|z)^(1/β) p(z) dz, which reconstruction − β KL cannot pass."""
        log_target = self.log_likelihood(x) / beta + self.log_prior
        return beta * (np.logaddexp.reduce(log_target) + 2 * np.log(self.step))

    def posterior(self, x):
        weight = np.exp(self.log_likelihood(x) + self.log_prior - self.log_px(x)) * self.step**2
        mean = weight @ self.z
        return mean, np.sqrt(weight @ (self.z - mean) ** 2)

    def log_q(self, mean, std):
        return -0.5 * (((self.z - mean) / std) ** 2).sum(axis=1) - np.log(2 * np.pi * std.prod())

    def account(self, x, mean, std):
        """The reconstruction, the KL, the ELBO and the gap."""
        key = x.tobytes(), np.asarray(mean).tobytes(), np.asarray(std).tobytes()
        if key not in self.accounts:
            self.accounts = dict(list(self.accounts.items())[-3:])  # of what was last asked
            self.accounts[key] = self.summed(x, mean, std)
        return self.accounts[key]

    def summed(self, x, mean, std):
        log_q = self.log_q(mean, std)
        weight = np.exp(log_q)
        weight /= weight.sum()  # at the grid's edge a thousandth of q may be missing
        reconstruction = weight @ self.log_likelihood(x)
        kl = 0.5 * (mean**2 + std**2 - 1 - 2 * np.log(std)).sum()
        log_posterior = self.log_likelihood(x) + self.log_prior - self.log_px(x)
        return reconstruction, kl, reconstruction - kl, weight @ (log_q - log_posterior)

    def log_prob(self, x, z):
        return self.model.decode(np.reshape(z, (1, 2))).log_prob(x)[0]

    def encode(self, x):
        q = self.model.encode(x[None])
        return q.mean[0], q.std[0]


def exact_of(data):
    """Exact, made once for a page: it takes seconds, and some 200 MB."""
    return exact_of_text(json.dumps(data))


@functools.lru_cache(maxsize=1)
def exact_of_text(text):
    return Exact(json.loads(text))


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
