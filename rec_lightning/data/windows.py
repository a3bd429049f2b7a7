"""How an epoch of training is cut into windows, and which windows make a batch.

Windows of about one length go together, so that a batch carries little padding, and each batch gets about the same
number of targets: with the same number of windows instead, a target among short windows would weigh many times one
among long ones, since a loss is a mean over its batch. Which windows of one length meet, and the order of the batches,
is drawn anew in every epoch.

Relations: ``batches`` gathers what is planned here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


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


def by_length(windows: Windows, batches: int, least: int, generator: np.random.Generator) -> tuple[Ints, Ints]:
    """Windows of about one length, about the same number of targets a batch.

    Args:
        windows: W of them.
        batches: how many; at most W // ``least``.
        least: windows that a batch must have.
        generator: draws which windows of one length meet, and the order of the batches.

    Returns:
        the order of the windows, (W,), and where in it each batch begins and the last one ends, (batches + 1,).
    """
    total = len(windows.user)
    order = generator.permutation(total)
    order = order[np.argsort(windows.length[order], kind="stable")]
    targets = (windows.length - windows.silent)[order]
    nth = np.arange(batches + 1)
    # a window goes where its middle lies when the targets stand in a row and are cut into equal parts
    edges = np.searchsorted(np.cumsum(targets) - targets / 2, nth * targets.sum() / batches)
    # no batch too small: each edge pushes the next ones on, and the end pushes back
    edges = np.maximum.accumulate(edges - nth * least) + nth * least
    edges = np.minimum(edges, total - (batches - nth) * least)
    size, place = np.diff(edges), generator.permutation(batches)
    new = np.concatenate([[0], np.cumsum(size[place])])
    moved = np.repeat(edges[:-1][place] - new[:-1], size[place]) + np.arange(total)
    return order[moved], new
