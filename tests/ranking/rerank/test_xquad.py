"""xQuAD against its definition, and a taste that is served once."""

from __future__ import annotations

import math

import pytest

from rec_lightning.ranking.rerank.xquad import XQuAD
from rec_lightning.ranking.reranked import rerank
from tests.ranking.rerank.greedy import candidates, greedy, shares, taste
from tests.ranking.rerank.small import CANDIDATES, USERS, K, known


@pytest.mark.parametrize("weight", [0.0, 0.4, 0.9])
def test_equals_its_definition(weight: float) -> None:
    own, batch = candidates()
    found = rerank(own, batch, None, XQuAD(known(), "genres", weight, CANDIDATES), K)
    share = shares()
    for row in range(USERS):
        wanted = taste(batch, row)

        def value(relevance: float, chosen: list[int], item: int, wanted: dict[str, float] = wanted) -> float:
            served = (
                wanted.get(word, 0) * part * math.prod(1 - share[other].get(word, 0) for other in chosen)
                for word, part in share[item].items()
            )
            return (1 - weight) * relevance + weight * sum(served)

        assert found.items[row].tolist() == greedy(own, row, K, value)


def test_a_served_category_is_worth_nothing_more() -> None:
    own, batch = candidates()
    part = XQuAD(known(), "year", 0.9, CANDIDATES)  # an item is wholly in its year
    kept = part.start(batch)
    place, share = part.categories.place[own.items[:, 0]], part.categories.share[own.items[:, 0]]
    after = part.add(kept, place, share, 0)[0]
    assert (after.gather(1, place)[share > 0] == 0).all()
    assert after.sum() < kept[0].sum()
