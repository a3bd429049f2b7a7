"""A ranking, and a re-ranker that makes its lists: more candidates than asked for -> k of them in another order.

The exact rank goes on to be one: that of a target in the list is its place, and behind the list all other items keep
the model's order, so that a target outside falls by one for each item that was taken from behind it; never does it
stand within the first k, and outside a short list it stands behind all candidates. Before, the target is put behind all
candidates that score as high, where its rank says it stands, and taken out where that is behind the candidates: a
re-ranker that changes nothing changes no metric.

Relations: ``topk`` makes the candidates; ``rerank/`` has the re-rankers.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Ranking, Reranker
from rec_lightning.ranking.topk import TopK, rows_of

# B batch, N items, D width, C candidates

_PAIRS = 1 << 20  # pairs of candidates of all users at once: 4 MB of similarities


class Reranked:
    """Ranks a batch and re-ranks its lists; takes the place of the ranking.

    Args:
        ranking: of the whole catalogue; its k is that of the lists.
        reranker: chooses them.
        by_scores: the model gives scores only and has no item vectors.

    Raises:
        ValueError: the ranking is a sampled one, there are fewer candidates than places, or the re-ranker needs
            vectors that the model has not.
    """

    def __init__(self, ranking: Any, reranker: Reranker, by_scores: bool = False) -> None:
        name = type(reranker).__name__
        if not isinstance(ranking, TopK):
            raise ValueError(
                f"rerank={name} needs the best of the whole catalogue, and ranking={type(ranking).__name__} ranks "
                "drawn items. Set ranking=topk, or rerank=none."
            )
        if reranker.candidates < ranking.k:
            raise ValueError(
                f"rerank.candidates must be at least ranking.k ({ranking.k}), got {reranker.candidates}. Set "
                "rerank.candidates."
            )
        if by_scores and getattr(reranker, "needs_vectors", False):
            raise ValueError(
                f"rerank={name} compares items by the model's vectors, and this model has scores only. Set rerank.by "
                "to a column of the item table."
            )
        self.reranker, self.k, self.prefix = reranker, ranking.k, ranking.prefix
        self.longer = copy(ranking)
        self.longer.k = reranker.candidates

    def check(self, catalog_size: int) -> None:
        """Refuses more candidates than there are items.

        Raises:
            ValueError: the catalogue is too small.
        """
        if self.longer.k > catalog_size:
            raise ValueError(
                f"rerank.candidates must be ranking.k ({self.k})..catalogue size ({catalog_size}), got "
                f"{self.longer.k}. Set rerank.candidates."
            )

    def __call__(self, batch: Batch, queries: Tensor, keys: Tensor) -> Ranking:
        """Ranks by ``queries @ keys.T``, (B, D) and (N + 1, D), then re-ranks.

        Raises:
            ValueError: a score is not finite.
        """
        return rerank(self.longer(batch, queries, keys), batch, keys, self.reranker, self.k)

    def from_scores(self, batch: Batch, scores: Tensor) -> Ranking:
        """Ranks scores that exist already, (B, N + 1), then re-ranks.

        Raises:
            ValueError: a score is not finite.
        """
        return rerank(self.longer.from_scores(batch, scores), batch, None, self.reranker, self.k)


def rerank(candidates: Ranking, batch: Batch, vectors: Tensor | None, reranker: Reranker, k: int) -> Ranking:
    """The lists that the re-ranker makes of the candidates.

    Args:
        candidates: (B, C), as ``TopK`` gives them.
        batch: the same users.
        vectors: (N + 1, D) the model's item vectors; None for a model without.
        reranker: chooses.
        k: length of the lists; fewer where there are fewer candidates.
    """
    rows = max(64, _PAIRS // candidates.items.shape[1] ** 2)
    k = min(k, candidates.items.shape[1])
    with torch.no_grad(), torch.autocast(candidates.items.device.type, enabled=False):
        vectors = None if vectors is None else vectors.float()
        parts = []
        for number, part in enumerate(rows_of(batch, rows)):
            own = settled(candidates.take(slice(number * rows, (number + 1) * rows)))
            parts.append(reordered(own, reranker(own, part, vectors, k)))
    return Ranking.cat(parts)


def settled(ranking: Ranking) -> Ranking:
    """The candidates with the target where its rank says it stands: behind all that score as high.

    Args:
        ranking: (B, C); its rank is exact.
    """
    width = ranking.items.shape[1]
    target = (ranking.items == ranking.target.unsqueeze(1)) & (ranking.items > 0)
    place = torch.arange(width, device=target.device).expand_as(target)
    moved = target & (place != ranking.rank.unsqueeze(1) - 1)
    if not moved.any():
        return ranking
    # others keep their order, and those up to its rank come before it
    order = torch.where(moved, ranking.rank.unsqueeze(1) - 0.5, place.double()).argsort(dim=1, stable=True)
    gone = moved & (ranking.rank.unsqueeze(1) > width)
    items = ranking.items.masked_fill(gone, 0).gather(1, order)
    scores = ranking.scores.masked_fill(gone, -torch.inf).gather(1, order)
    return replace(ranking, items=items, scores=scores)


def reordered(candidates: Ranking, columns: Tensor) -> Ranking:
    """The list of these columns, and the target's rank in the whole order that begins with it.

    Args:
        candidates: (B, C), settled.
        columns: (B, k), -1 for none.

    Example:
        >>> one = torch.ones(1, dtype=torch.long)
        >>> model = Ranking(one, torch.tensor([[5, 7, 9]]), torch.tensor([[3.0, 2.0, 1.0]]), 7 * one, 2 * one)
        >>> reordered(model, torch.tensor([[0, 2]])).rank.item()  # 5, 9, then 7
        3
    """
    some = columns >= 0
    place = columns.clamp(min=0)
    items = candidates.items.gather(1, place).where(some, 0)
    some = items > 0
    scores = candidates.scores.gather(1, place).masked_fill(~some, -torch.inf)
    inside = (items == candidates.target.unsqueeze(1)) & some
    from_behind = (some & (columns >= candidates.rank.unsqueeze(1))).sum(1)
    # what is left out of a short list is shown nowhere: behind all candidates, whatever the cut-off
    least = torch.where(some.all(1), columns.shape[1], candidates.items.shape[1]) + 1
    outside = torch.maximum(candidates.rank + from_behind, least)
    rank = torch.where(inside.any(1), inside.int().argmax(1) + 1, outside)
    rank = torch.where(candidates.target > 0, rank, candidates.rank)
    return Ranking(candidates.users, items, scores, candidates.target, rank)
