from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from rec_lightning.data.windows import OVERHEAD, by_size, groups


def test_by_size_takes_any_and_leaves_the_rest_last() -> None:
    order, edges = by_size(7, 3, 3, np.random.default_rng(0))
    assert edges.tolist() == [0, 3, 6, 7]
    assert sorted(order.tolist()) == list(range(7))


def cost(found: tuple[tuple[int, int], ...]) -> int:
    return sum(rows * longest + OVERHEAD for rows, longest in found)


@pytest.mark.parametrize("most", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(12))
def test_no_other_cuts_are_cheaper(seed: int, most: int) -> None:
    generator = np.random.default_rng(seed)
    length = np.sort(generator.integers(1, 900, generator.integers(1, 9)))[::-1]
    found = groups(length, most)
    every = [
        tuple((b - a, int(length[a])) for a, b in pairwise((0, *cuts, len(length))))
        for parts in range(most)
        for cuts in combinations(range(1, len(length)), parts)
    ]
    assert found in every
    assert cost(found) == min(map(cost, every))


def test_groups_by_hand() -> None:
    assert groups(np.array([900, 900, 7, 7]), 4) == ((2, 900), (2, 7))
    assert groups(np.array([900, 900, 7, 7]), 1) == ((4, 900),)
    assert groups(np.array([9, 8, 4, 1]), 4) == ((4, 9),)  # another pass would cost more than the padding
