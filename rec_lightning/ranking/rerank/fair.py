"""Fair exposure: the groups of items (providers, say) are shown in the proportions they are owed.

Paper: M. Morik, A. Singh, J. Hong and T. Joachims, "Controlling Fairness and Bias in Dynamic Learning-to-Rank", SIGIR
2020, https://arxiv.org/abs/2005.14713 (FairCo): a controller adds to the relevance what a group's exposure lacks. What
differs: it works within each list from place to place, so that no list depends on the users served before; a group is
owed its share of the training events, of the catalogue, or the same as any other; and a place is seen with
1 / log2(1 + place).

Relations: ``calibrated`` follows the taste of each user, this one an aim that is the same for all. The metric
``provider_exposure`` measures the lists of all users together.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog
from rec_lightning.ranking.rerank.balance import Balance, looked_up

# B batch, N items, C candidates, G groups, M groups of one item at most

Owed = Literal["events", "items", "equal"]


class Fair(Balance):
    """(1 - weight) relevance + weight (share that the item's group is owed - its share of the exposure so far).

    Args:
        catalog: gives the column and the events in training.
        by: column of the item table.
        owed: to each group: as its share of the training ``events``, of the ``items``, or ``equal``.
        weight: of fairness, 0..1; 0 leaves the order, 1 forgets relevance.
        candidates: of each user.

    Raises:
        ValueError: a value out of range, or no such column.
    """

    def __init__(
        self, catalog: Catalog, by: str, owed: Owed = "events", weight: float = 0.3, candidates: int = 100
    ) -> None:
        super().__init__(catalog, by, weight, candidates)
        if owed not in ("events", "items", "equal"):
            raise ValueError(f"rerank.owed must be events, items or equal, got {owed!r}. Set rerank.owed.")
        self.aim = self._aim(catalog, owed)

    def _aim(self, catalog: Catalog, owed: Owed) -> Tensor:
        # (G + 1,) sums to 1, the last one 0
        known = self.categories
        each = torch.ones(1, device="cpu")
        if owed == "events":
            each = torch.from_numpy(catalog.popularity.astype("float32"))
        parts = (each.unsqueeze(1) * known.share).flatten()
        total = torch.zeros(len(known) + 1, device="cpu").index_add_(0, known.place.flatten(), parts)
        total = (total > 0).float() if owed == "equal" else total
        total[-1] = 0
        return total / total.sum().clamp(min=1e-12)

    def start(self, batch: Batch) -> tuple[Tensor, ...]:
        """(B, G + 1) no exposure yet."""
        self.aim = self.aim.to(batch.user.device)
        return (self.aim.new_zeros(len(batch), len(self.aim)),)

    def worth(self, kept: tuple[Tensor, ...], own: Tensor, share: Tensor, place: int) -> Tensor:
        """(B, C) how much less than owed the item's groups were shown."""
        shown = kept[0] / kept[0].sum(1, keepdim=True).clamp(min=1e-12)
        return self.weight * (looked_up(self.aim - shown, own) * share).sum(2)

    def add(self, kept: tuple[Tensor, ...], own: Tensor, share: Tensor, place: int) -> tuple[Tensor, ...]:
        """The exposure with this place."""
        return (kept[0].scatter_add(1, own, share / math.log2(2 + place)),)
