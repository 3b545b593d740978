"""The codes as features: nearest neighbours and a linear classifier on few labels."""

import numpy as np

from demos.common import plots
from demos.using.judges import nearest
from vae_np.backend import Stream, random_generator, to_numpy

LABELS_PER_CLASS, REPEATS = (1, 3, 10, 30, 100), 10
PENALTIES = 10.0 ** np.arange(-7, 1)  # λ, in units of the largest eigenvalue of X Xᵀ
CLASSIFIERS = {"nearest": "nearest neighbour", "linear": "linear classifier"}
FEATURES = {"codes": "codes (means of q)", "pixels": "pixels"}


def fit_linear(rows, targets):
    """The weights of a linear classifier, (D, C): least squares onto one-hot targets, (N, C).

    It minimizes Σ (target − row W)² + λ Σ W². It is solved as W = Xᵀ A, the smaller system where
    there are fewer rows than columns, with A = (X Xᵀ + λ I)⁻¹ Y. λ is the one with the least
    leave-one-out error, for which no row need be left out: the error at row i, had it been, is
    A_i / [(X Xᵀ + λ I)⁻¹]_ii.
    """
    values, vectors = np.linalg.eigh(rows @ rows.T)
    least, best = np.inf, None
    for penalty in PENALTIES * values[-1]:
        inverse = 1 / (values.clip(0) + penalty)
        dual = (vectors * inverse) @ (vectors.T @ targets)
        error = ((dual / (vectors**2 @ inverse)[:, None]) ** 2).sum()
        if error < least:
            least, best = error, dual
    return rows.T @ best


def with_constant(rows, mean):
    """The rows less the mean, and behind them a constant as large as they are, for the bias."""
    rows = rows - mean
    size = np.sqrt((rows**2).sum(axis=1).mean())
    return np.column_stack([rows, np.full(len(rows), size)])


def accuracies(train, test, labels, test_labels, chosen):
    """The share of test rows that each classifier gets right, from the chosen rows' labels."""
    n_classes, mean = labels.max() + 1, train.mean(axis=0)  # the mean needs no labels
    neighbour = labels[chosen][nearest(test, train[chosen], 1)[0][:, 0]]
    weight = fit_linear(with_constant(train[chosen], mean), np.eye(n_classes)[labels[chosen]])
    linear = (with_constant(test, mean) @ weight).argmax(axis=1)
    guesses = {"nearest": neighbour, "linear": linear}
    return {name: float((guess == test_labels).mean()) for name, guess in guesses.items()}


def classify(model, data, args):
    """Classify by few labels, from codes and from pixels, and draw it; numbers and text.

    The labelled images are drawn anew ten times, the same ones for codes and pixels.
    """
    if data.train_labels is None:
        return {}, "Features: there are no labels to learn from."
    names, every = np.unique(
        np.concatenate([data.train_labels, data.test_labels]), return_inverse=True
    )
    labels, test_labels = every[: len(data.train)], every[len(data.train) :]
    counts = np.bincount(labels, minlength=len(names))
    if len(names) < 2:
        return {}, "Features: all labels are the same, so there is nothing to tell apart."
    if counts.min() < 1:
        return {}, "Features: not every class has a labelled training image."
    rows = {
        "codes": [to_numpy(model.encode(part).mean) for part in (data.train, data.test)],
        "pixels": [to_numpy(model.as_pixels(part)) for part in (data.train, data.test)],
    }
    generator = random_generator([args.seed, Stream.DATA])
    numbers = {"classes": len(names), "repeats": REPEATS, "labels_per_class": {}}
    for count in (n for n in LABELS_PER_CLASS if n <= counts.min()):
        found = {name: [] for name in rows}
        for _ in range(REPEATS):
            of_class = (np.flatnonzero(labels == c) for c in range(len(names)))
            chosen = np.concatenate([generator.choice(own, count, False) for own in of_class])
            for name, (train, test) in rows.items():
                both = train.astype(np.float64), test.astype(np.float64)
                found[name].append(accuracies(*both, labels, test_labels, chosen))
        numbers["labels_per_class"][str(count)] = {
            name: {key: summary([r[key] for r in results]) for key in CLASSIFIERS}
            for name, results in found.items()
        }
    draw(numbers, args.out / "use_it_features.png")
    return numbers, describe(numbers)


def summary(values):
    """The mean over the repeats, and its standard error."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return {"right": float(np.mean(values)), "error": float(error)}


def describe(numbers):
    text = "Features: test images classified rightly, from codes and from pixels:"
    for count, results in list(numbers["labels_per_class"].items())[-3:]:
        parts = (
            "{:.1%} and {:.1%} by the {}".format(
                *(results[f][key]["right"] for f in FEATURES), name
            )
            for key, name in CLASSIFIERS.items()
        )
        text += f" with {count} label{'s' * (count != '1')} a class {', '.join(parts)};"
    return text[:-1] + "."


def draw(numbers, path):
    figure, axes = plots.panels(9, 3.8, 2, sharey=True)
    counts = [int(count) for count in numbers["labels_per_class"]]
    results = numbers["labels_per_class"].values()
    for panel, (key, title) in zip(axes, CLASSIFIERS.items(), strict=True):
        for name, label in FEATURES.items():
            points = [result[name][key] for result in results]
            right, error = ([100 * point[of] for point in points] for of in ("right", "error"))
            plots.curve(panel, counts, right, error, label=label, marker=".")
        panel.set(title=title, xlabel="labelled images of each class", xscale="log")
        panel.set_xticks(counts, [str(count) for count in counts])
        panel.minorticks_off()
        panel.legend()
    axes[0].set_ylabel("right among the test images, %")
    plots.save(figure, path, "The codes as features, on few labels")
