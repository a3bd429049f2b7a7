"""MMR against its definition in plain Python, and its ends: weight 0 and 1."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rec_lightning.contracts import Batch
from rec_lightning.ranking.rerank.mmr import MMR
from rec_lightning.ranking.reranked import Reranked
from rec_lightning.ranking.topk import TopK
from tests.ranking.rerank.small import CANDIDATES, ITEMS, USERS, K, evaluation, known, vectors


def by_definition(scores: list[float], unit: np.ndarray, weight: float, k: int) -> list[int]:
    """Columns of one user's candidates."""
    low, high = min(scores), max(scores)
    relevance = [(score - low) / (high - low) for score in scores]
    chosen: list[int] = []
    while len(chosen) < min(k, len(scores)):

        def value(column: int) -> float:
            nearest = max((float(unit[column] @ unit[other]) for other in chosen), default=0.0)
            return (1 - weight) * relevance[column] - weight * nearest

        chosen.append(max((c for c in range(len(scores)) if c not in chosen), key=value))
    return chosen


@pytest.mark.parametrize("by", ["model", "genres"])
@pytest.mark.parametrize("weight", [0.0, 0.3, 0.8, 1.0])
def test_equals_its_definition(weight: float, by: str) -> None:
    queries, keys = vectors()
    batch, catalog = evaluation(), known()
    candidates = TopK(k=CANDIDATES)(batch, queries, keys)
    found = Reranked(TopK(k=K), MMR(catalog, weight, by, CANDIDATES))(batch, queries, keys)
    words = sorted({g for row in catalog.items["genres"] for g in row})
    genres = np.array([[0] * 6, *([w in row for w in words] for row in catalog.items["genres"])], float)
    table = keys.double().numpy() if by == "model" else genres
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    for row in range(USERS):
        items = [item for item in candidates.items[row].tolist() if item]
        chosen = by_definition(candidates.scores[row, : len(items)].tolist(), unit[items], weight, K)
        expected = [items[column] for column in chosen]
        if by == "model" or weight < 1:  # with categories alone many candidates are equally unlike
            assert found.items[row].tolist() == expected + [0] * (K - len(expected))


def test_weight_0_is_the_models_order_to_the_last_tie() -> None:
    queries, keys = vectors(ties=True)
    plain = TopK(k=K)(evaluation(), queries, keys)
    found = Reranked(TopK(k=K), MMR(known(), 0.0, candidates=CANDIDATES))(evaluation(), queries, keys)
    assert torch.equal(found.rank, plain.rank)
    assert torch.equal(found.scores, plain.scores)


def test_a_twin_of_the_item_above_waits_until_nothing_else_is_left() -> None:
    keys = torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 1.0]])
    rows = torch.zeros(1, dtype=torch.long)
    batch = Batch(rows, rows.unsqueeze(1), rows + 1, rows + 2)
    part = MMR(known(), weight=0.7, candidates=3)
    found = Reranked(TopK(k=3), part)(batch, torch.tensor([[1.0, 0.1]]), keys)
    assert sorted(found.items[0, [0, 2]].tolist()) == [1, 2]
    assert found.items[0, 1] == 3
    assert found.rank.tolist() == [3]  # the target, item 2, ties with item 1 and comes behind it


def test_by_a_column_scores_without_vectors_will_do() -> None:
    part = MMR(known(), 0.5, "genres", CANDIDATES)
    found = Reranked(TopK(k=K), part, by_scores=True).from_scores(evaluation(), torch.randn(USERS, ITEMS + 1))
    assert (found.items[:-1] > 0).all()
