"""What benchmark.py has measured, as a table and as a chart."""

import re

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from demos.common.command_line import say
from vae_np.checkpoints import whole_file

NAMES = {
    "vae_np_fast": "vae_np with numba",
    "vae_np": "vae_np",
    "vae_np_fast_1": "vae_np with numba, one thread",
    "vae_np_1": "vae_np, one thread",
    "matrix_products": "matrix products alone",
    "matrix_products_1": "products alone, one thread",
    "torch_eager": "PyTorch, eager",
    "torch_fused": "PyTorch, fused Adam",
    "torch_compiled": "PyTorch, compiled, fused Adam",
    "jax_step": "JAX, jitted step",
    "jax_scan": "JAX, scanned epoch",
}


def file_name(device, *about):
    """One for each processor, so that results of several machines can lie side by side."""
    words = " ".join(("benchmark", device, *about)).lower()
    return re.sub("[^a-z0-9]+", "_", words).replace("_1_cores", "_1_core")


def print_report(result):
    say(f"{result['processor']}, {result['cores']} cores, {result['date']}; {result['products']}\n")
    if "compare" in result:
        print_comparison(result["compare"])
    if "scale" in result:
        print_scale(result["scale"])
    if "beside_busy" in result:
        print_beside_busy(result["beside_busy"])


def print_comparison(rows):
    ours = [name for name in ("vae_np_fast", "vae_np") if name in rows]
    say(
        f"{'':<31}{'ms a step':>10}{'range':>18}{'to products':>13}"
        + "".join(f"{'vae_np is' if name == 'vae_np' else 'numba is':>12}" for name in ours)
        + f"{'peak MB':>9}"
    )
    for peer, row in rows.items():
        low, high = row["step_ms_range"]
        say(
            f"{NAMES[peer]:<31}{row['step_ms']:>10.2f}{f'{low:.2f} to {high:.2f}':>18}"
            f"{row['times_the_products']:>11.2f} x"
            + "".join(f"{row['times_as_long_as'][name]:>10.2f} x" for name in ours)
            + f"{row['peak_mb']:>9.0f}"
        )
    say(
        "\n(to products: the time over that of the products alone with as many threads; the next "
        "columns:\nhow many times as fast as this row vae_np is, on all cores)\n"
    )


def print_scale(rows):
    say(f"{'batch':>6}{'width':>7}{'µs per example':>17}{'products alone':>17}{'in products':>14}")
    for row in rows:
        say(
            f"{row['batch']:>6}{row['width']:>7}{row['us_per_example']:>17.1f}"
            f"{row['us_in_products']:>17.1f}{row['share_in_products']:>14.0%}"
        )


def print_beside_busy(rows):
    say(f"\n{'':<31}{'ms alone':>10}{'beside a busy process per core':>33}{'ratio':>9}")
    for peer, row in rows.items():
        say(
            f"{NAMES[peer]:<31}{row['alone_ms']:>10.2f}{row['busy_ms']:>33.2f}"
            f"{row['ratio']:>7.2f} x"
        )


def draw(result, path):
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    bars, batches, widths = figure.subplots(1, 3, width_ratios=(1.3, 1.2, 1))
    rows = sorted(result["compare"].items(), key=lambda item: -item[1]["step_ms"])
    drawn = bars.barh(
        [NAMES[peer] for peer, _ in rows],
        [row["step_ms"] for _, row in rows],
        color=[colour(peer) for peer, _ in rows],
    )
    bars.bar_label(drawn, fmt="%.1f", padding=3)
    bars.margins(x=0.12)
    bars.set(title="One training step of the paper's model", xlabel="milliseconds (median)")
    for axes, name, fixed in (
        (batches, "batch", ("width", 500)),
        (widths, "width", ("batch", 100)),
    ):
        points = [row for row in result["scale"] if row[fixed[0]] == fixed[1]]
        points.sort(key=lambda row: row[name])
        x = [row[name] for row in points]
        axes.loglog(x, [row["us_per_example"] for row in points], "C1o-", label="vae_np")
        axes.loglog(x, [row["us_in_products"] for row in points], "C7o-", label="products alone")
        axes.set(
            title=f"How it scales: {fixed[0]} {fixed[1]}", xlabel=name, ylabel="µs per example"
        )
        axes.set_xticks(x, [str(value) for value in x])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
        axes.grid(alpha=0.3)
        axes.legend()
    with whole_file(path) as file:
        figure.savefig(file, dpi=120)


def colour(peer):
    return "C1" if peer.startswith("vae_np") else "C7" if peer.startswith("matrix") else "C0"
