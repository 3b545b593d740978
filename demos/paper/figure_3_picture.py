"""The picture of figure 3 and the paragraph about it, from its curves."""

from demos.common.plots import panels, run_curves, samples_axis, save
from demos.paper.figure_3_estimates import IMPORTANCE_SAMPLES
from demos.paper.settings import COLOURS
from vae_np.figures import show_late

PARTS = ("train", "test")


def describe(curves):
    sentences = []
    for n_training in training_sets(curves):
        ends = "; ".join(
            f"{curve['method']} {curve['points'][-1]['train']:.1f} and "
            f"{curve['points'][-1]['test']:.1f} after {curve['points'][-1]['samples']:.3g} samples "
            f"and {curve['points'][-1]['seconds']:.0f} s"
            for curve in curves
            if curve["training_images"] == n_training
        )
        sentences.append(f"{n_training:,} training digits: {ends}.")
    counts = sorted({curve["images"] for curve in curves})  # of a curve: those it began with
    n_images = " or ".join(map(str, counts))
    between_images = max(curve["points"][-1]["test_between_images"] for curve in curves)
    spread = "" if counts == [1] else f", whose choice moves a mean by about {between_images:.1f}"
    of_what = "All are of the same images" if len(counts) == 1 else "They are of different images"
    return (
        f"log p(x) by appendix D, nats per example, of {n_images} training and {n_images} test "
        "images. "
        + " ".join(sentences)
        + " On AEVB's final models, training and test images of each set, it is "
        + f"{differences(curves, 'from_prior')} nats above importance sampling from the prior, "
        + f"and {differences(curves, 'half_from_q')} above that with {IMPORTANCE_SAMPLES:,} "
        + f"samples, half of them from q(z|x). {of_what}{spread}."
    )


def differences(curves, estimate):
    """Appendix D against another estimate, on the last models that AEVB has trained."""
    return ", ".join(
        f"{curve['points'][-1][part] - curve[estimate][part]:+.2f}"
        for curve in curves
        if curve["method"] == "AEVB"
        for part in PARTS
    )


def training_sets(curves):
    """Their sizes, the smallest first."""
    return sorted({curve["training_images"] for curve in curves})


def draw(curves, path, title):
    sizes = training_sets(curves)
    figure, axes = panels(12, 4.4, len(sizes), sharex=True, sharey=True, squeeze=False)
    for each, n_training in zip(axes[0], sizes, strict=True):
        for curve in curves:
            if curve["training_images"] == n_training:
                points, method = curve["points"], curve["method"]
                run_curves(each, points, "samples", COLOURS[method], method, marker=".")
        each.set_title(f"{n_training:,} training digits")
        samples_axis(each)
    show_late(axes[0], skip=0.25)
    axes[0, 0].set_ylabel("log p(x) by appendix D, nats per example")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center")
    save(figure, path, title)
