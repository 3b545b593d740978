"""The picture of the best models' training and the paragraph about it."""

from demos.common.plots import epochs_axis, panels, run_curves, save
from vae_np.figures import show_late

# Of the smaller model in 1509.00519, table 1, by what it climbs and the draws.
REPORTED = {
    ("elbo", 1): -86.76,
    ("elbo", 5): -86.47,
    ("elbo", 50): -86.35,
    ("importance-weighted", 1): -86.76,
    ("importance-weighted", 5): -85.54,
    ("importance-weighted", 50): -84.78,
}
OTHER_GRADIENT = "doubly-reparameterized"  # of the importance-weighted bound


def reported_for(args):
    """log p(x) by the same bound in 1509.00519, or None."""
    bound = "importance-weighted" if args.objective == OTHER_GRADIENT else args.objective
    return REPORTED.get((bound, args.draws))


def describe(results, args):
    reported = reported_for(args)
    by = ", by the bound's own gradient" if args.objective == OTHER_GRADIENT else ""
    objective = args.objective + f" of {args.draws} draws" * (args.draws > 1)
    ends = "; ".join(
        f"{result['setting']} after {result['epochs']} epoch{'s' * (result['epochs'] > 1)}, "
        f"{result['test_log_px']:.2f} "
        f"(bounds: {result['test_elbo']:.2f} on the test set, {result['train_elbo']:.2f} on the "
        f"training set; training took {result['training_seconds'] / 60:.0f} minutes"
        f"{' of a core' if args.device == 'cpu' else ''})"
        for result in results
    )
    first = results[0]
    return (
        f"log p(x) of {first['test_images']:,} test images with {first['importance_samples']:,} "
        f"importance samples each, nats per example, by the objective {objective}: {ends}."
        + (f" Reported in 1509.00519 for the first{by}: {reported}." if reported else "")
    )


def draw(results, args):
    reported = reported_for(args)
    figure, axes = panels(8, 4.6)
    name = "ELBO" if args.objective == "elbo" else "bound"
    climbed = {"train_elbo": ("-", f"train {name}"), "test_elbo": ("--", f"test {name}")}
    for colour, result in zip(("C0", "C1"), results, strict=False):
        curve, log_px = result["curve"], result["test_log_px"]
        run_curves(axes, curve, "epoch", colour, result["setting"], climbed)
        label = f"its test log p(x), {log_px:.2f}"
        axes.plot(curve[-1]["epoch"], log_px, "*", ms=12, color=colour, label=label)
    if reported is not None:
        label = f"1509.00519, 200 tanh: log p(x) {reported}"
        axes.axhline(reported, color="0.4", lw=1, ls=":", label=label)
    show_late(axes, skip=0.1)
    axes.set_ylabel("nats per example")
    epochs_axis(axes)
    axes.legend(fontsize="small", loc="lower right")
    ends = " and ".join(f"{result['test_log_px']:.2f}" for result in results)
    save(
        figure, args.out / "best_model.png", f"Binary MNIST: test log p(x) {ends} nats per example"
    )
