"""The questions' pictures with images and planes in them: each in its place, under its name."""

from types import SimpleNamespace

import numpy as np
import pytest
from drawn_figures import columns, curves, drawn, heights, numbers, recorded, shown  # noqa: F401
from matplotlib.colors import to_rgb

from demos.questions import (
    clouds,
    collapse,
    conditional,
    convolution,
    posterior,
    q_family,
    tug_of_war,
    why_mse,
)
from vae_np import GaussianEncoder, datasets
from vae_np.distributions import DiagonalGaussian

# ruff: noqa: F811 - a fixture's name as an argument


def strips(count):
    """For each model a name, a text, and 7 images of one grey each, of their own."""
    grey = [np.full((7, 784), k / 20, np.float32) for k in range(2 * count)]
    return [(f"name {k}", f"text {k}", grey[2 * k], grey[2 * k + 1]) for k in range(count)]


def check_strips(axes, count, data):
    """Each row has its name, its text, its reconstructions and its draws."""
    rows = np.reshape(axes[: 3 * (count + 1)], (count + 1, 3))
    on_top = np.concatenate(data.test[:7].reshape(7, 28, 28), axis=1) / 255
    np.testing.assert_allclose(shown(rows[0, 1]), on_top, atol=1e-6)
    for k, (name, reconstructed, prior) in enumerate(rows[1:]):
        assert [text.get_text() for text in name.texts] == [f"name {k}", f"text {k}"]
        assert np.median(shown(reconstructed)) == pytest.approx(2 * k / 20, abs=0.01)
        assert np.median(shown(prior)) == pytest.approx((2 * k + 1) / 20, abs=0.01)
    assert "reconstructions" in rows[0, 1].get_title() and "prior" in rows[1, 2].get_title()
    return axes[3 * (count + 1) :]


def test_a_weight_s_terms_variances_and_pictures_are_its_own(drawn):
    found, data = recorded("tug_of_war")["weights"], datasets.load("mnist5k")
    found[2]["elbo"] = -99.5  # the best is not that of weight 1
    tug_of_war.draw(found, strips(5), data, "tug.png")
    terms, latents, course = check_strips(drawn[0].axes, 5, data)
    names = ["0", "0.01", "0.1", "1", "4"]
    for label, key in (("reconstruction", "reconstruction"), ("KL", "kl"), ("ELBO", "elbo")):
        assert curves(terms)[label] == [names, [of[key] for of in found]]
    lines = [list(line.get_ydata()) for line in latents.get_lines()]
    assert lines == [*(of["posterior_variance"] for of in found), [1, 1]]
    assert [line.get_xdata()[0] for line in latents.get_lines()[:5]] == names
    assert [line.get_ydata().tolist() for line in course.get_lines()] == [
        of["variance_course"] for of in found
    ]
    assert [text.get_text() for text in course.texts] == names
    means = [np.mean(found[k]["posterior_variance"]) for k in (0, 3, 4)]
    best = max(found, key=lambda of: of["elbo"])
    said = numbers(drawn[0].get_suptitle())
    np.testing.assert_allclose([said[0], said[2], said[4]], means, rtol=0.05, atol=0.006)
    assert said[6:8] == [found[4]["active_latents"], 20]
    assert said[8:] == [pytest.approx(best["elbo"], abs=0.051), best["kl_weight"]]


def test_a_collapse_is_seen_in_its_own_curve(drawn):
    found, data = recorded("collapse")["models"], datasets.load("mnist5k")
    found["Pixels averaged, warm-up"]["latents_in_use"] = 16
    collapse.draw(data, found, strips(6), "collapse.png")
    kls, elbos, latents = check_strips(drawn[0].axes, 6, data)
    for k, (name, of) in enumerate(found.items()):
        assert curves(kls)[name][1] == of["course"]["kl"]
        assert elbos.get_lines()[k].get_ydata().tolist() == of["course"]["elbo"]
        line = latents.get_lines()[k]
        assert line.get_xdata().tolist() == [*range(1, 21)]
        assert line.get_ydata().tolist() == of["kl_of_each_latent"]
        low, high = elbos.get_ylim()
        assert low < of["course"]["elbo"][-1] < high  # it ends in sight
    assert latents.get_lines()[-1].get_ydata() == [0.01, 0.01]
    averaged, averaged_warmed, deep, warmed = list(found.values())[2:]
    used = [of["latents_in_use"] for of in (averaged, averaged_warmed, deep, warmed)]
    said = numbers(drawn[0].get_suptitle())
    assert said[:4] == [used[0], 20, used[1], used[2]] and said[5] == used[3]
    assert [said[4], said[6]] == pytest.approx([deep["elbo"], warmed["elbo"]], abs=0.51)


def test_the_likelihoods_have_their_curves_and_their_sigmas(drawn, rng):
    found, data = recorded("why_mse"), datasets.load("mnist5k")
    std = np.exp(rng.standard_normal((7, 784)))
    why_mse.draw(found["models"], strips(5), data, std, found["training_elbos"], "mse.png")
    learned, sigmas, *_ = check_strips(drawn[0].axes, 5, data)
    for label, values in found["training_elbos"].items():
        assert curves(learned)[label] == [[*range(1, len(values) + 1)], values]
    assert curves(learned)["784 · log 256"][1] == pytest.approx([784 * np.log(256)] * 2)
    side_by_side = np.concatenate(std.reshape(7, 28, 28), axis=1)
    np.testing.assert_allclose(np.asarray(sigmas.images[0].get_array()), side_by_side)
    fixed, free = (found["models"][kind] for kind in ("fixed", "learned"))
    said = numbers(drawn[0].get_suptitle())
    assert said[1:4] == pytest.approx([fixed["kl"], free["std"][0], free["kl"]], abs=0.051)


@pytest.mark.slow
def test_the_clouds_are_where_the_encoder_puts_them(drawn):
    found, data = recorded("clouds"), datasets.load("mnist5k")
    clouds.draw(found["models"], found["labels"], data.image_shape, "clouds.png")
    axes = np.reshape(drawn[0].axes, (2, 4))
    for (plane, below), model in zip(axes.T, found["models"][:3], strict=False):
        assert numbers(plane.get_title())[0] == model["kl_weight"]
        for k, (ellipse, cloud) in enumerate(zip(plane.patches, model["clouds"], strict=True)):
            mean, std = np.array(cloud)
            assert list(ellipse.get_center()) == mean.tolist()
            assert [ellipse.width, ellipse.height] == np.maximum(2 * std, 0.06).tolist()
            assert ellipse.get_facecolor()[:3] == to_rgb(f"C{found['labels'][k]}")
        (cross,) = plane.get_lines()
        assert [cross.get_xdata()[0], cross.get_ydata()[0]] == model["shown"][0]
        image = np.frombuffer(bytes.fromhex(model["decoded"][0]), np.uint8).reshape(28, 28)
        np.testing.assert_allclose(shown(below), image / 255, atol=1e-6)
    elbo, many = found["models"][1], found["models"][3]
    wanted = [elbo["information"], elbo["kl_of_training_images"], elbo["mixture_to_prior"]]
    wanted += [many["information"], many["kl_of_training_images"], many["mixture_to_prior"]]
    said = numbers(drawn[0].get_suptitle())
    assert [*said[1:4], *said[5:]] == pytest.approx(wanted, abs=0.051)


def test_q_and_hmc_s_draws_stand_on_their_own_posterior(drawn, rng):
    found = recorded("posterior")
    rows, axis, panels = found["images"], np.linspace(-3, 3, 31), []
    for row in rows:
        density = np.exp(-0.5 * ((axis[:, None] - 1) ** 2 + (axis[None] + rng.random()) ** 2))
        q = DiagonalGaussian(np.array(row["exact_mean"]), 2 * np.log(row["exact_std"]))
        exact = {"axes": (axis, axis), "density": density}
        panels.append((rng.random((28, 28)), exact, q, rng.standard_normal((50, 2))))
    posterior.draw(rows, panels, found["gaps"], "posterior.png")
    grid = np.reshape(drawn[0].axes, (6, 2))
    for (picture, axes), row, (digit, exact, q, draws) in zip(grid, rows, panels, strict=True):
        assert numbers(picture.get_title()) == [row["rank"], len(found["gaps"])]
        np.testing.assert_array_equal(picture.images[0].get_array(), digit)
        assert numbers(axes.get_title()) == pytest.approx([row["kl"]], abs=0.0051)
        shades = axes.collections[0]
        z1, z2 = np.moveaxis(shades.get_coordinates().reshape(-1, 2), 1, 0)
        i, j = (np.rint((z + 3) / 0.2).astype(int) for z in (z1, z2))
        assert (exact["density"][i, j] == shades.get_array().ravel()).all()
        assert axes.get_lines()[0].get_xydata().tolist() == draws.tolist()
        for k, ellipse in enumerate(axes.patches, 1):
            assert list(ellipse.get_center()) == q.mean.tolist()
            np.testing.assert_allclose([ellipse.width, ellipse.height], 2 * k * q.std)
    wanted = [len(found["gaps"]), np.median(found["gaps"]), rows[-1]["kl"]]
    assert numbers(drawn[0].get_suptitle()) == pytest.approx(wanted, abs=0.0051)


def test_each_family_s_best_q_is_drawn_where_it_gains_most(drawn, rng):
    summary = {name: recorded("q_family")[name] for name in ("2 latents", "20 latents")}
    summary["20 latents, rotated"] = recorded("q_family")["20 latents, rotated"]
    points, _ = q_family.latent_grid(2, 0.5, 3)
    qs = {
        name: (rng.standard_normal((4, 2)), np.tril(rng.uniform(0.2, 1, (4, 2, 2))))
        for name in q_family.FAMILIES
    }
    kls = {"round": [3.0, 2, 9, 1], "diagonal": [1.0, 1.9, 8.9, 0.9], "full": [0.9, 0.1, 8.8, 0.8]}
    kls = {name: np.array(of) for name, of in kls.items()}
    log_posterior = -0.5 * ((points[:, None] - 1) ** 2).sum(axis=2) + np.zeros(4)
    q_family.draw(summary, qs, kls, points, log_posterior, "family.png")
    above, below = np.reshape(drawn[0].axes, (2, 3))
    for axes, image in zip(above, (0, 1, 2), strict=True):
        assert axes.get_title().endswith(f"test image {image}")
        for (label, line), name in zip(curves(axes).items(), qs, strict=True):
            assert numbers(label.partition(":")[2]) == [pytest.approx(kls[name][image], abs=0.0051)]
            mean, L = (part[image] for part in qs[name])
            off = np.transpose(line) - mean
            square = np.einsum("gi,ij,gj->g", off, np.linalg.inv(L @ L.T), off)
            np.testing.assert_allclose(square, 4)  # two standard deviations
    for axes, (name, of) in zip(below, summary.items(), strict=True):
        assert axes.get_title().startswith(name + ":")
        assert heights(axes.containers[0]) == list(of["price"].values())
    names = [text.get_text() for text in axes.get_xticklabels()]
    assert names == ["σ² I", "diag(σ²)", "Σ"] and list(of["price"]) == [*q_family.FAMILIES]


def test_the_convolution_s_filters_are_its_weights(drawn, rng):
    found = recorded("convolution")["encoders"]
    next(iter(found.values()))["history"][-1]["test_elbo"] = -150.5  # below the others
    network = convolution.convolutional()
    encoder = GaussianEncoder(784, n_latent=20, network=network, seed=0)
    x = rng.random((1, 784), dtype=np.float32)
    convolution.draw(found, encoder, x, "convolution.png")
    ends, image, filters, maps = drawn[0].axes
    for name, of in found.items():
        rows = columns(of["history"])
        (label,) = [one for one in curves(ends) if one.startswith(name)]
        assert curves(ends)[label] == [rows["epoch"], rows["test_elbo"]]
        assert f"{of['parameters']:,} parameters" in label
        assert ends.get_ylim()[0] < rows["test_elbo"][-1] < ends.get_ylim()[1]
    np.testing.assert_allclose(shown(image), x.reshape(28, 28))
    weight = network.layers[0].weight.reshape(4, 4, 16)
    seen = np.tanh(network.layers[0].forward(x)).reshape(13, 13, 16)
    for k in range(16):
        row, column = np.array(divmod(k, 4)) * 29
        tile = np.asarray(filters.images[0].get_array())[
            row : row + 28 : 7, column : column + 28 : 7
        ]
        filter_k = weight[:, :, k] / abs(weight[:, :, k]).max()
        np.testing.assert_allclose(tile, 0.5 + 0.5 * filter_k, atol=1e-6)
        row, column = np.array(divmod(k, 4)) * 14
        tile = np.asarray(maps.images[0].get_array())[row : row + 13, column : column + 13]
        np.testing.assert_allclose(tile, 0.5 + 0.5 * seen[:, :, k], atol=1e-6)
    ends = [of["history"][-1]["test_elbo"] for of in list(found.values())[:0:-1]]
    assert numbers(drawn[0].get_suptitle()) == pytest.approx(ends, abs=0.051)


def test_a_row_is_a_label_and_a_column_a_code(drawn, tmp_path):
    """A decoder that shows the label in the left half of the image, and z in the right one."""
    data, n = datasets.load("mnist5k"), conditional.STYLES

    def forward(joined):
        z, y = joined[:, :1], joined[:, conditional.LATENT :].argmax(axis=1)[:, None]
        image = np.repeat(np.hstack([y / 10, 1 / (1 + np.exp(-z))]), 14, axis=1)
        return SimpleNamespace(mean=np.tile(image, (1, 28)))

    codes = np.linspace(-2, 2, n)[:, None] * np.ones(conditional.LATENT)
    labels = [np.tile(np.eye(10)[k], (n, 1)) for k in range(10)]
    args = SimpleNamespace(seed=0, device="cpu", out=tmp_path)
    conditional.draw(data, SimpleNamespace(forward=forward), codes, labels, args)
    prior, own = drawn[0].axes
    assert [axes.get_title() for axes in (prior, own)] == [
        "z from the prior",
        "z of the image on top",
    ]
    for axes in (prior, own):
        tiles = np.asarray(axes.images[0].get_array())
        left, right = tiles[40::29, 3::29], tiles[40::29, 20::29]
        np.testing.assert_allclose(left, np.arange(10)[:, None] / 10 + np.zeros(n))
        np.testing.assert_allclose(right, right[:1] + np.zeros((10, 1)))
    np.testing.assert_allclose(right[0], 1 / (1 + np.exp(-codes[:, 0])), atol=1e-6)
    np.testing.assert_allclose(tiles[:28, :28], data.test[0].reshape(28, 28) / 255, atol=1e-6)
