"""Judges that know nothing of the model: distances in pixels or codes, and the ROC area."""

import numpy as np

AT_ONCE = 250  # rows, for the memory


def nearest(rows, others, count):
    """The ``count`` nearest of the others to each row, by squared distance, the nearest first.

    Parameters
    ----------
    rows, others : (N, D) and (M, D) numpy.ndarray
    count : int

    Returns
    -------
    index : (N, count) numpy.ndarray of int
        Rows of ``others``.
    distance : (N, count) numpy.ndarray
        Squared: Σ (a − b)² = Σ a² − 2 Σ a b + Σ b².
    """
    found = []
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        squares = (some**2).sum(axis=1, keepdims=True) + (others**2).sum(axis=1)
        distance = squares - 2 * some @ others.T
        index = np.argpartition(distance, count - 1, axis=1)[:, :count]
        order = np.take_along_axis(distance, index, axis=1).argsort(axis=1)
        index = np.take_along_axis(index, order, axis=1)
        found.append((index, np.take_along_axis(distance, index, axis=1)))
    index, distance = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return index, distance.clip(0)


def roc_area(usual, strange):
    """How often a strange thing scores below a usual one, of all pairs; a tie counts half.

    1 tells all of them apart, ½ is chance, and below ½ the strange ones look *more* usual. It is
    the area below the curve of found strange things over false alarms, for all thresholds.
    """
    usual = np.sort(usual)
    at_or_below = np.searchsorted(usual, strange, "right")
    below = np.searchsorted(usual, strange, "left")
    return float(1 - (at_or_below + below).mean() / (2 * len(usual)))
