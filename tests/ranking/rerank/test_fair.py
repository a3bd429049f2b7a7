"""Fair exposure against its definition; with weight 1 each group gets what it is owed."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch

from rec_lightning.contracts import Ranking
from rec_lightning.ranking.rerank.fair import Fair
from rec_lightning.ranking.reranked import rerank
from tests.ranking.rerank.greedy import candidates, greedy, shares
from tests.ranking.rerank.small import CANDIDATES, ITEMS, USERS, K, evaluation, known


def owed_to(kind: str, column: str) -> dict[str, float]:
    """What each group is owed, by the three rules."""
    share, events, total = shares(column), known().popularity.tolist(), {}
    for item in range(1, ITEMS + 1):
        for word, part in share[item].items():
            total[word] = total.get(word, 0.0) + part * (events[item] if kind == "events" else 1)
    each = dict.fromkeys(total, 1.0) if kind == "equal" else total
    return {word: part / sum(each.values()) for word, part in each.items()}


@pytest.mark.parametrize("column", ["genres", "year"])
@pytest.mark.parametrize("owed", ["events", "items", "equal"])
def test_equals_its_definition(owed: Any, column: str) -> None:
    own, batch = candidates()
    found = rerank(own, batch, None, Fair(known(), column, owed, 0.5, CANDIDATES), K)
    share, aim = shares(column), owed_to(owed, column)

    def value(relevance: float, chosen: list[int], item: int) -> float:
        shown: dict[str, float] = {}
        for place, other in enumerate(chosen, 1):
            for word, part in share[other].items():
                shown[word] = shown.get(word, 0.0) + part / math.log2(1 + place)
        whole = sum(shown.values()) or 1.0
        lacks = (part * (aim[word] - shown.get(word, 0) / whole) for word, part in share[item].items())
        return 0.5 * relevance + 0.5 * sum(lacks)

    for row in range(USERS):
        assert found.items[row].tolist() == greedy(own, row, K, value)


def test_with_weight_1_groups_of_equal_debt_get_equal_exposure() -> None:
    row, batch = torch.arange(USERS), evaluation()
    # every item of a year is a candidate, so that nothing stands against the aim
    items = torch.arange(1, ITEMS + 1).expand(USERS, -1)
    scores = torch.linspace(1, 0, ITEMS).expand(USERS, -1)
    whole = Ranking(row, items, scores, torch.zeros_like(row), row + 1)
    found = rerank(whole, batch, None, Fair(known(), "year", "equal", 1.0, ITEMS), 40)
    exposure: dict[str, float] = {}
    for place, item in enumerate(found.items[0].tolist(), 1):
        for word, part in shares("year")[item].items():
            exposure[word] = exposure.get(word, 0.0) + part / math.log2(1 + place)
    assert len(exposure) == 5
    assert max(exposure.values()) < 1.15 * min(exposure.values())


def test_another_debt_is_refused() -> None:
    text = "rerank.owed must be events, items or equal, got 'merit'. Set rerank.owed."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        Fair(known(), "year", "merit")  # type: ignore[arg-type]
