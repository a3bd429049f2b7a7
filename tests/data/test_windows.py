from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from rec_lightning.data.windows import Windows, by_length, by_size


def windows(lengths: list[int], silent: int = 0) -> Windows:
    length = np.array(lengths)
    nth = np.arange(len(length))
    return Windows(nth, nth * 100, length, np.minimum(silent, length - 1))


def batches(order: np.ndarray, edges: np.ndarray) -> list[list[int]]:
    return [order[a:b].tolist() for a, b in pairwise(edges)]


def test_by_hand() -> None:
    # 12 targets in 3 batches: the four short ones together, then four targets each
    order, edges = by_length(windows([4, 1, 4, 1, 1, 1]), 3, 1, np.random.default_rng(0))
    assert sorted(sorted(batch) for batch in batches(order, edges)) == [[0], [1, 3, 4, 5], [2]]


@pytest.mark.parametrize("least", [1, 3])
def test_batches_have_windows_of_one_length_and_as_many_targets(least: int) -> None:
    generator = np.random.default_rng(3)
    given = windows(generator.integers(1, 51, 5000).tolist(), silent=2)
    order, edges = by_length(given, 80, least, generator)
    assert sorted(order.tolist()) == list(range(5000))
    targets = given.length - given.silent
    found = [int(targets[batch].sum()) for batch in batches(order, edges)]
    assert max(abs(n - targets.sum() / 80) for n in found) <= 50  # a window is never cut
    spread = [int(np.ptp(given.length[batch])) for batch in batches(order, edges)]
    assert np.mean(spread) < 2
    assert (edges[0], edges[-1]) == (0, 5000)
    assert np.diff(edges).min() >= least


def test_few_long_windows_leave_no_batch_without_its_least() -> None:
    order, edges = by_length(windows([1, 1, 1, 50, 1, 50]), 3, 2, np.random.default_rng(0))
    assert np.diff(edges).tolist() == [2, 2, 2]
    assert sorted(order.tolist()) == list(range(6))


def test_the_order_of_batches_and_who_meets_whom_is_drawn() -> None:
    given = windows([3] * 40 + [7] * 40)
    plans = [batches(*by_length(given, 8, 1, np.random.default_rng(seed))) for seed in (1, 1, 2)]
    assert plans[0] == plans[1]
    assert {frozenset(b) for b in plans[0]} != {frozenset(b) for b in plans[2]}
    lengths = [int(given.length[batch[0]]) for batch in plans[0]]
    assert lengths != sorted(lengths)


def test_by_size_takes_any_and_leaves_the_rest_last() -> None:
    order, edges = by_size(7, 3, 3, np.random.default_rng(0))
    assert edges.tolist() == [0, 3, 6, 7]
    assert sorted(order.tolist()) == list(range(7))
