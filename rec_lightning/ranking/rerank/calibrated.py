"""Calibrated: lists whose categories have the proportions of what the user has.

Paper: H. Steck, "Calibrated Recommendations", RecSys 2018, https://doi.org/10.1145/3240323.3240372, equations 3 to 7:
greedy maximisation of (1 - weight) sum of relevance - weight KL(taste || list), the list's share of a category mixed
with .01 of the taste's. What differs: relevance is brought to 0..1 over the candidates, and all places and all past
items count alike. Terms that are the same for all candidates of a place are left out, so that only an item's own
categories are looked at.

Relations: ``xquad`` wants each taste served once; the metric ``calibration`` measures the KL.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Batch
from rec_lightning.ranking.rerank.balance import Balance, looked_up

# B batch, C candidates, G categories, M categories of one item at most

_MIXED = 0.01


class Calibrated(Balance):
    """(1 - weight) relevance - weight (KL from the taste to the list with the item).

    Args:
        catalog: gives the column.
        by: column of the item table.
        weight: of calibration, 0..1; 0 leaves the order, 1 forgets relevance.
        candidates: of each user.

    Raises:
        ValueError: a value out of range, or no such column.
    """

    def start(self, batch: Batch) -> tuple[Tensor, ...]:
        """(B, G + 1) each: the taste, and how much of the list is in each category."""
        taste = self.categories.taste(batch)
        return taste, torch.zeros_like(taste)

    def worth(self, kept: tuple[Tensor, ...], own: Tensor, share: Tensor, place: int) -> Tensor:
        """(B, C) what the KL falls by, beside what it falls by for an item without a category."""
        taste, listed = kept
        mixed = _MIXED * taste + (1 - _MIXED) * listed / (place + 1)
        step = (1 - _MIXED) / (place + 1)
        # a category of no taste has no part, 0 log 0: a 1 keeps its logarithm finite
        before = looked_up(torch.where(taste > 0, mixed, 1.0), own)
        return self.weight * (looked_up(taste, own) * torch.log1p(step * share / before)).sum(2)

    def add(self, kept: tuple[Tensor, ...], own: Tensor, share: Tensor, place: int) -> tuple[Tensor, ...]:
        """The list with the item."""
        return kept[0], kept[1].scatter_add(1, own, share)
