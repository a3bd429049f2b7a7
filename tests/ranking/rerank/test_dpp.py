"""The fast greedy DPP takes what the naive one takes, which computes a determinant for each candidate."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rec_lightning.contracts import Batch
from rec_lightning.ranking.rerank.dpp import DPP
from rec_lightning.ranking.reranked import Reranked
from rec_lightning.ranking.topk import TopK
from tests.ranking.rerank.small import CANDIDATES, ITEMS, USERS, K, evaluation, known, vectors


def naive(scores: list[float], unit: np.ndarray, weight: float, k: int) -> list[int]:
    """Columns of one user's candidates, by the objective of the whole list."""
    low, high = min(scores), max(scores)
    relevance = [(score - low) / (high - low) for score in scores]
    kernel = 0.99 * unit @ unit.T
    np.fill_diagonal(kernel, 1)
    chosen: list[int] = []
    while len(chosen) < min(k, len(scores)):

        def value(column: int) -> float:
            own = [*chosen, column]
            volume = np.linalg.slogdet(kernel[np.ix_(own, own)])[1]
            return (1 - weight) * sum(relevance[c] for c in own) + weight * float(volume)

        chosen.append(max((c for c in range(len(scores)) if c not in chosen), key=value))
    return chosen


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.9])
def test_equals_naive_greedy(weight: float) -> None:
    queries, keys = vectors()  # of width 8: beyond eight places every volume is small
    batch, catalog = evaluation(), known()
    candidates = TopK(k=CANDIDATES)(batch, queries, keys)
    found = Reranked(TopK(k=20), DPP(catalog, weight, candidates=CANDIDATES))(batch, queries, keys)
    unit = keys.double().numpy() / np.linalg.norm(keys.double().numpy(), axis=1, keepdims=True)
    for row in range(USERS):
        items = [item for item in candidates.items[row].tolist() if item]
        chosen = naive(candidates.scores[row, : len(items)].tolist(), unit[items], weight, 20)
        expected = [items[column] for column in chosen]
        assert found.items[row].tolist() == expected + [0] * (20 - len(expected))


def test_twins_and_items_without_a_category_are_taken_late_but_taken() -> None:
    keys = torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 1.0]])
    row = torch.zeros(1, dtype=torch.long)
    batch = Batch(row, row.unsqueeze(1) + 1, row + 1, row + 1)
    found = Reranked(TopK(k=3), DPP(known(), 0.9, candidates=3))(batch, torch.tensor([[1.0, 0.1]]), keys)
    assert found.items[0, 1] == 3
    assert sorted(found.items[0].tolist()) == [1, 2, 3]
    part = Reranked(TopK(k=K), DPP(known(), 0.9, "genres", CANDIDATES), by_scores=True)
    assert (part.from_scores(evaluation(), torch.randn(USERS, ITEMS + 1)).items[:-1] > 0).all()
