"""What re-rankers know of the candidates: how relevant each is, and a vector that tells which are alike.

Vectors are the model's own (what its head scores by), or the values of a column of the item table: an item with two of
five categories is a vector of two ones. Both have length 1, so that a product is a cosine.

Relations: read by ``mmr`` and ``dpp``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Catalog, Ranking
from rec_lightning.ranking.rerank.categories import membership

# B batch, N items, D width, C candidates


class Likeness:
    """Unit vectors of items.

    Args:
        catalog: gives the column.
        by: ``model``, or a column of the item table.

    Raises:
        ValueError: no such column.
    """

    def __init__(self, catalog: Catalog, by: str) -> None:
        self.needs_vectors = by == "model"
        self._table = None if self.needs_vectors else membership(catalog, by)

    def __call__(self, items: Tensor, vectors: Tensor | None) -> Tensor:
        """(B, C) item indices, (N + 1, D) the model's vectors -> (B, C, D) or (B, C, G).

        Raises:
            ValueError: the model has no vectors, and they are asked for.
        """
        if self._table is None:
            if vectors is None:
                raise ValueError(
                    "rerank.by=model needs a model with item vectors, and this one has scores only. Set rerank.by to a "
                    "column of the item table."
                )
            return nn.functional.normalize(vectors[items], dim=2)
        self._table = self._table.to(items.device)
        return nn.functional.normalize(self._table[items], dim=2)


def relevance(candidates: Ranking) -> Tensor:
    """(B, C) float32: the scores of each user's candidates from 0, the least, to 1; -inf where there is no item.

    Example:
        >>> row = torch.tensor([[7.0, 5.0, 3.0, -torch.inf]])
        >>> relevance(Ranking(row, torch.tensor([[4, 2, 9, 0]]), row, row, row)).tolist()
        [[1.0, 0.5, 0.0, -inf]]
    """
    none = candidates.items == 0
    least = candidates.scores.masked_fill(none, torch.inf).amin(1, keepdim=True)
    span = candidates.scores.amax(1, keepdim=True) - least
    share = (candidates.scores - least) / torch.where(span > 0, span, 1.0)
    return share.masked_fill(none, -torch.inf)


def check_weight(weight: float) -> float:
    """The weight.

    Raises:
        ValueError: it is not between 0 and 1.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"rerank.weight must be 0..1 (0 leaves the order), got {weight}. Set rerank.weight.")
    return weight


def check_candidates(candidates: int) -> int:
    """Their number.

    Raises:
        ValueError: it is below 1.
    """
    if candidates < 1:
        raise ValueError(f"rerank.candidates must be at least 1, got {candidates}. Set rerank.candidates.")
    return candidates
