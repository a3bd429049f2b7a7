"""How an epoch of training is cut into windows, which windows make a batch, and which of its rows go together.

A batch holds any windows, since batches of one length only were measured to train a little worse. Its rows are sorted
by length, so that a model can run those of about one length together and meet little padding.

Relations: ``batches`` gathers what is planned here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

OVERHEAD = 400  # places of padding that cost as much as one more pass, measured with a small model on a processor


class Windows(NamedTuple):
    """W windows; each column is (W,) int64.

    Args:
        user: row of the user.
        begin: first event of the input.
        length: number of inputs.
        silent: how many of the first inputs have no target.
    """

    user: Ints
    begin: Ints
    length: Ints
    silent: Ints

    def take(self, order: Ints) -> Windows:
        """Those at ``order``."""
        return Windows(*(column[order] for column in self))


def count_windows(targets: Ints, stride: int) -> Ints:
    """(U,) targets of each user -> (U,) windows of at most ``stride`` targets."""
    return -(-targets // stride)


def cut(begin: Ints, targets: Ints, max_length: int, context: int, generator: np.random.Generator) -> Windows:
    """Every target in one window, the cuts moved at random by a shift for each user.

    Args:
        begin: (U,) first event of each user.
        targets: (U,) targets of each user, its events but the first.
        max_length: longest input.
        context: inputs before a window's first target that train nothing.
        generator: draws the shifts.
    """
    stride = max_length - context
    count = count_windows(targets, stride)
    # a shift of s makes the first window s targets short; at most the slack, so that the count never changes
    shift = generator.integers(0, count * stride - targets + 1)
    user = np.repeat(np.arange(len(targets)), count)
    nth = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    first = np.maximum(nth * stride - shift[user], 0)  # first target of the window, counted in the user
    last = np.minimum((nth + 1) * stride - shift[user], targets[user])
    start = np.maximum(first - context, 0)
    return Windows(user, begin[user] + start, last - start, first - start)


def by_size(windows: int, size: int, batches: int, generator: np.random.Generator) -> tuple[Ints, Ints]:
    """Any windows, ``size`` a batch, the last batch the smaller one.

    Returns:
        the order of the windows, (W,), and where in it each batch begins and the last one ends, (batches + 1,).
    """
    edges = np.minimum(np.arange(batches + 1) * size, windows)
    return generator.permutation(windows), edges


def groups(length: Ints, most: int) -> tuple[tuple[int, int], ...]:
    """Rows in groups of about one length, so that each is padded to its own longest row only: the cheapest cuts.

    Args:
        length: (B,) of the rows, longest first, at least 1.
        most: groups, at least 1.

    Returns:
        for each group its number of rows and its longest.

    Example:
        >>> groups(np.array([900, 900, 7, 7]), 2)
        ((2, 900), (2, 7))
    """
    if most == 1 or length[0] * len(length) - length.sum() <= OVERHEAD:
        return ((len(length), int(length[0])),)
    kind, count = np.unique(-length, return_counts=True)
    longest, end = -kind, np.concatenate([[0], np.cumsum(count)])
    # cost[i, j]: rows of the kinds i..j - 1 as one group
    cost = np.full((len(end), len(end)), np.inf)
    cost[:-1] = np.where(end > end[:-1, None], (end - end[:-1, None]) * longest[:, None] + OVERHEAD, np.inf)
    best, came = cost[0], []  # of the first j kinds in one group, in two, ...
    for _ in range(min(most, len(kind)) - 1):
        several = best[:, None] + cost
        came.append(np.where(several.min(0) < best, several.argmin(0), -1))  # -1: no better than fewer groups
        best = np.minimum(best, several.min(0))
    cuts = [len(kind)]
    for before in reversed(came):
        if before[cuts[0]] >= 0:
            cuts.insert(0, int(before[cuts[0]]))
    starts = [0, *cuts[:-1]]
    return tuple((int(end[b] - end[a]), int(longest[a])) for a, b in zip(starts, cuts, strict=True))
