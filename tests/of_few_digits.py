"""Experiments on a few digits, and what each is to find, print and draw there: for tests."""

import re

import numpy as np
from as_recorded import check_told, numbers_of
from matplotlib.text import Text

from vae_np import datasets

UNTOLD = re.compile(r"seconds|clouds\.[1-9]|\.([3-9]|\d\d+)$")  # the machine's; and most of lists


def few_digits(n_train=60, n_test=30):
    digits = datasets.load("mnist5k")
    images = digits.train[:n_train], digits.test[:n_test]
    labels = digits.train_labels[:n_train], digits.test_labels[:n_test]
    return datasets.Dataset(*images, (28, 28), *labels)


def quarters(picture):
    """The mean grey of each quarter of a picture in axes."""
    grey = np.asarray(picture.get_array(), float)
    halves = [part for half in np.array_split(grey, 2) for part in np.array_split(half, 2, axis=1)]
    return "grey " + " ".join(f"{part.mean():.3f}" for part in halves)


def check_experiment(found, printed, findings, summary, figure, relative=1e-3, pictures=False):
    """AssertionError unless all is as recorded; ``found`` is the file where it is told."""
    texts = filter(str.strip, map(Text.get_text, figure.findobj(Text)))
    panels = [axes for axes in figure.axes if axes.get_xlabel() != "seconds"]
    sides = [side for axes in panels for side in (axes.get_xlim(), axes.get_ylim())]
    limits = [f"from {low:.4f} to {high:.4f}" for low, high in sides]
    seen = [quarters(image) for axes in panels for image in axes.images if pictures]
    parts = [f"{printed}\n{findings}", texts, [*limits, *seen], numbers_of(summary, UNTOLD)]
    check_told(found, parts, relative=relative, absolute=0.002)
