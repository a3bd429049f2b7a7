"""Calibrated lists against the definition by the whole KL, which falls as the weight rises."""

from __future__ import annotations

import math

import pytest

from rec_lightning.ranking.rerank.calibrated import Calibrated
from rec_lightning.ranking.reranked import rerank
from tests.ranking.rerank.greedy import candidates, greedy, shares, taste
from tests.ranking.rerank.small import CANDIDATES, USERS, K, known


def divergence(wanted: dict[str, float], items: list[int]) -> float:
    """KL of the taste from the list's shares, mixed as in the paper."""
    share, total = shares(), 0.0
    for word, part in wanted.items():
        listed = sum(share[item].get(word, 0) for item in items) / len(items)
        total += part * math.log(part / (0.99 * listed + 0.01 * part))
    return total


@pytest.mark.parametrize("weight", [0.0, 0.4, 0.9])
def test_equals_its_definition(weight: float) -> None:
    own, batch = candidates()
    found = rerank(own, batch, None, Calibrated(known(), "genres", weight, CANDIDATES), K)
    for row in range(USERS):
        wanted = taste(batch, row)

        def value(relevance: float, chosen: list[int], item: int, wanted: dict[str, float] = wanted) -> float:
            return (1 - weight) * relevance - weight * divergence(wanted, [*chosen, item])

        assert found.items[row].tolist() == greedy(own, row, K, value)


def test_more_weight_brings_lists_nearer_to_the_taste() -> None:
    own, batch = candidates()
    means = []
    for weight in (0.0, 0.5, 1.0):
        lists = rerank(own, batch, None, Calibrated(known(), "genres", weight, CANDIDATES), K).items.tolist()
        each = [divergence(taste(batch, row), [i for i in lists[row] if i]) for row in range(USERS)]
        means.append(sum(each) / USERS)
    assert means[0] > means[1] > means[2]
