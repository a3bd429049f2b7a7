"""What re-rankers share that weigh each candidate by its categories and go from place to place.

Relations: ``xquad``, ``calibrated``, ``fair`` and ``bandit`` say what a category is worth at a place.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog, Ranking
from rec_lightning.ranking.rerank.categories import Categories
from rec_lightning.ranking.rerank.likeness import check_candidates, check_weight, relevance

# B batch, C candidates, G categories, M categories of one item at most


class Balance:
    """Greedily takes the largest of (1 - weight) relevance + what the item's categories are worth now.

    Args:
        catalog: gives the column.
        by: column of the item table.
        weight: of the categories, 0..1; 0 leaves the order, 1 forgets relevance.
        candidates: of each user.

    Raises:
        ValueError: a value out of range, or no such column.
    """

    def __init__(self, catalog: Catalog, by: str, weight: float = 0.3, candidates: int = 100) -> None:
        self.weight, self.candidates = check_weight(weight), check_candidates(candidates)
        self.categories = Categories(catalog, by)

    def start(self, batch: Batch) -> tuple[Tensor, ...]:
        """What is kept of each user before the first place; of categories (B, G + 1), the last column for none."""
        raise NotImplementedError

    def worth(self, kept: tuple[Tensor, ...], own: Tensor, share: Tensor, place: int) -> Tensor:
        """What is added to the relevance of each candidate.

        Args:
            kept: as ``start`` and ``add`` gave it.
            own: (B, C, M) categories of the candidates, G for none.
            share: (B, C, M) how much each is in them, 0 beside a G.
            place: 0 is the first.

        Returns:
            (B, C).
        """
        raise NotImplementedError

    def add(self, kept: tuple[Tensor, ...], own: Tensor, share: Tensor, place: int) -> tuple[Tensor, ...]:
        """What is kept after an item of each user, with categories and shares (B, M), was put in the place."""
        raise NotImplementedError

    def __call__(self, candidates: Ranking, batch: Batch, vectors: Tensor | None, k: int) -> Tensor:
        """(B, C) candidates -> (B, k) columns, -1 for none."""
        known = self.categories.to(candidates.items.device)
        own, share = known.place[candidates.items], known.share[candidates.items]  # (B, C, M)
        fixed = relevance(candidates).mul_(1 - self.weight).masked_fill_(candidates.items == 0, -torch.inf)
        row, columns, kept = torch.arange(len(fixed), device=fixed.device), [], self.start(batch)
        for place in range(k):
            best, column = (fixed + self.worth(kept, own, share, place)).max(1)
            columns.append(torch.where(best > -torch.inf, column, -1))
            fixed[row, column] = -torch.inf
            kept = self.add(kept, own[row, column], share[row, column], place)
        return torch.stack(columns, 1)


def looked_up(worth: Tensor, own: Tensor) -> Tensor:
    """(B, G + 1), (B, C, M) categories -> (B, C, M) the values of them."""
    return worth.gather(1, own.flatten(1)).view_as(own)
