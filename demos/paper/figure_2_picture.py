"""The paper's figure 2 from recorded curves: the files, the picture and the paragraph about it."""

import json
import math

import numpy as np

from demos.common.plots import panels, run_curves, samples_axis, save
from demos.paper.settings import COLOURS, NAMES
from vae_np import datasets
from vae_np.checkpoints import CheckpointError
from vae_np.distributions import Bernoulli, DiagonalGaussian
from vae_np.figures import show_late

FILES = [("mnist", n_latent) for n_latent in (3, 5, 10, 20, 200)]
FILES += [("frey", n_latent) for n_latent in (2, 5, 10, 20)]
CURVE = {"method", "step_size", "points", "diverged"}  # what a record says of each
POINT = {"samples", "train", "test", "kl"}
UNUSED = 0.1  # nats of KL, with all latents together
FALLEN = 3  # nats below its peak: more than the test ELBO's own noise


def draw_recorded(folder):
    """Draw all that is recorded in the folder; return its summary and the paragraph about it."""
    records = recorded(folder)
    baselines = {name: without_latents(name) for name in NAMES}
    draw(records, baselines, folder / "figure_2.png")
    return {"without_latents": baselines}, describe(records, baselines)


def without_latents(name):
    """The test set's mean log p(x) without latents, fitted to the training set; nats per example.

    Its pixels are independent, with the training set's means, and for Frey Face its variances.
    """
    data = datasets.load(name)
    if name == "frey":
        p = DiagonalGaussian(data.mean_image, np.log((data.train / 255).var(axis=0)))
    else:
        mean = np.clip(data.mean_image, 1e-6, 1 - 1e-6)
        p = Bernoulli(np.log(mean / (1 - mean)))
    return float(p.log_prob(data.test / 255).mean())


def recorded(folder):
    """The settings recorded in the folder, in the order of `FILES`.

    FileNotFoundError if there is none, CheckpointError for a file that is not a setting's.
    """
    records = []
    for data, latents in FILES:
        path = folder / f"{data}_{latents}.json"
        if not path.exists():
            continue
        try:
            record = json.loads(path.read_bytes())
            if (record["data"], record["latents"]) != (data, latents):
                raise ValueError(path)
            curves = record["curves"]
            points = [point for curve in curves for point in curve["points"]]
            if not (
                all(CURVE <= curve.keys() for curve in curves)
                and all(POINT <= point.keys() for point in points)
            ):
                raise ValueError(path)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CheckpointError(f"{path} is not a record of {NAMES[data]} {latents}") from None
        records.append(record)
    if not records:
        names = ", ".join(f"{data}_{latents}.json" for data, latents in FILES)
        raise FileNotFoundError(f"no setting is recorded in {folder}: none of {names} is there")
    return records


def short(samples):
    """1.5e7, say."""
    mantissa, exponent = f"{samples:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def ends(records):
    """For each (data, latents): the samples that both methods have reached, and their test ELBOs.

    A method that diverged before its first point has minus infinity.
    """
    elbos = {}
    for record in records:
        tests = {
            curve["method"]: {point["samples"]: point["test"] for point in curve["points"]}
            for curve in record["curves"]
        }
        reached = [set(test) for test in tests.values() if test]
        if reached and set.intersection(*reached):
            samples = max(set.intersection(*reached))
            both = {method: test.get(samples, -math.inf) for method, test in tests.items()}
            elbos[record["data"], record["latents"]] = samples, both
    return elbos


def describe(records, baselines):
    elbos = ends(records)
    below = [
        f"{NAMES[data]} {latents}"
        for (data, latents), (_, both) in elbos.items()
        if both["AEVB"] <= both["wake-sleep"]
    ]
    leads = "; ".join(
        f"{NAMES[data]} {latents} ({short(samples)}): {both['AEVB']:.1f}, {both['wake-sleep']:.1f}"
        for (data, latents), (samples, both) in elbos.items()
    )
    unused, fallen, diverged = [], [], []
    for record in records:
        setting = f"{NAMES[record['data']]} {record['latents']}"
        for curve in record["curves"]:
            method, points = curve["method"], curve["points"]
            if curve["diverged"]:
                diverged.append(f"{setting}, {method}: {curve['diverged']}")
            if not points:
                continue
            if method == "wake-sleep" and points[-1]["kl"] < UNUSED:
                unused.append(setting)
            peak = max(points, key=lambda point: point["test"])
            if points[-1]["test"] < peak["test"] - FALLEN:
                fallen.append(
                    f"{setting}, {method}: from {peak['test']:.1f} after {short(peak['samples'])} "
                    f"to {points[-1]['test']:.1f} after {short(points[-1]['samples'])}"
                )
    step_sizes = sorted({curve["step_size"] for record in records for curve in record["curves"]})
    return (
        f"AEVB's test ELBO is above wake-sleep's in {len(elbos) - len(below)} of {len(elbos)} "
        f"settings{' (not: ' + ', '.join(below) + ')' if below else ''}. AEVB's and wake-sleep's, "
        "in nats per example, by the number of latents, and after how many training samples: "
        f"{leads}. Without latents, one distribution for all images reaches "
        f"{baselines['mnist']:.1f} on MNIST and {baselines['frey']:.1f} on Frey Face; wake-sleep "
        f"leaves its latents unused (a KL below {UNUSED} nats) in {len(unused)} of {len(elbos)} "
        f"settings{': ' * bool(unused)}{', '.join(unused)}. Test ELBOs that end more than {FALLEN} "
        f"nats below their peak: {'; '.join(fallen) or 'none'}. Step sizes chosen: "
        f"{', '.join(f'{size:g}' for size in step_sizes)}."
        f"{' Diverged: ' * bool(diverged)}{'; '.join(diverged)}"
    )


def draw(records, baselines, path):
    figure, rows = panels(15, 6.2, columns=5, rows=2)
    places = dict(zip(FILES, rows.flat, strict=False))
    rows[1, 4].set_axis_off()
    for record in records:
        axes = places[record["data"], record["latents"]]
        for curve in record["curves"]:
            if curve["points"]:
                method = curve["method"]
                run_curves(axes, curve["points"], "samples", COLOURS[method], method)
        if axes.get_lines():
            show_late(axes, skip=0.25)
    for (data, latents), axes in places.items():
        axes.axhline(baselines[data], color="0.4", lw=1, ls=":", label="without latents")
        axes.set_title(f"{NAMES[data]}, {latents} latents")
        samples_axis(axes)
    for row in rows:
        row[0].set_ylabel("ELBO, nats per example")
    handles = {}
    for axes in places.values():
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    rows[1, 4].legend(handles.values(), handles.keys(), loc="center")
    elbos = ends(records)
    above = sum(both["AEVB"] > both["wake-sleep"] for _, both in elbos.values())
    title = f"AEVB ends above wake-sleep on the test set in {above} of {len(elbos)} settings"
    save(figure, path, title)
