"""A re-ranker by its definition, one user at a time in plain Python, to compare with."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from rec_lightning.contracts import Batch, Ranking
from rec_lightning.ranking.topk import TopK
from tests.ranking.rerank.small import CANDIDATES, evaluation, known, vectors


def candidates() -> tuple[Ranking, Batch]:
    """Of every user, by the model."""
    queries, keys = vectors()
    return TopK(k=CANDIDATES)(evaluation(), queries, keys), evaluation()


@cache
def shares(column: str = "genres") -> list[dict[str, float]]:
    """How much each item is in each category; item 0 in none."""
    rows = [value if isinstance(value, list) else [value] for value in known().items[column].to_list()]
    rows = [[str(word) for word in row if word is not None] for row in rows]
    return [{}, *({word: 1 / len(row) for word in row} for row in rows)]


def taste(batch: Batch, row: int) -> dict[str, float]:
    """The mean of the shares of what the user has."""
    assert batch.seen is not None
    assert batch.seen_offsets is not None
    share = shares()
    seen = batch.seen[batch.seen_offsets[row] : batch.seen_offsets[row + 1]].tolist()
    total: dict[str, float] = {}
    for item in seen:
        for word, part in share[item].items():
            total[word] = total.get(word, 0.0) + part / len(seen)
    return total


def greedy(own: Ranking, row: int, k: int, value: Callable[[float, list[int], int], float]) -> list[int]:
    """The list that takes the largest ``value(relevance, items so far, item)`` at each place, filled up with 0."""
    pairs = zip(own.items[row].tolist(), own.scores[row].tolist(), strict=True)
    score = {item: number for item, number in pairs if item}
    low, high = min(score.values()), max(score.values())
    relevance = {item: (number - low) / (high - low) for item, number in score.items()}
    chosen: list[int] = []
    while len(chosen) < min(k, len(score)):
        rest = [item for item in score if item not in chosen]
        chosen.append(max(rest, key=lambda item: value(relevance[item], chosen, item)))
    return chosen + [0] * (k - len(chosen))
