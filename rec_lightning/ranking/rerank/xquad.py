"""xQuAD: each place takes what is relevant and serves a taste of the user that the list does not serve yet.

Paper: R. Santos, C. Macdonald and I. Ounis, "Exploiting Query Reformulations for Web Search Result Diversification",
WWW 2010, https://doi.org/10.1145/1772690.1772780; for recommendations S. Vargas, P. Castells and D. Vallet,
"Intent-Oriented Diversity in Recommender Systems", SIGIR 2011, https://doi.org/10.1145/2009916.2010124. What differs:
the aspects are categories, a user wants each as much as what they have is in it, an item serves it as much as it is in
it, and relevance is brought to 0..1 over the candidates.

Relations: ``calibrated`` wants the categories in the taste's proportions; xQuAD wants each of them served once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Batch
from rec_lightning.ranking.rerank.balance import Balance, looked_up

# B batch, C candidates, G categories, M categories of one item at most


class XQuAD(Balance):
    """(1 - weight) relevance + weight (sum over categories of taste, not served so far, and the item's share).

    Args:
        catalog: gives the column.
        by: column of the item table.
        weight: of diversity, 0..1; 0 leaves the order, 1 forgets relevance.
        candidates: of each user.

    Raises:
        ValueError: a value out of range, or no such column.
    """

    def start(self, batch: Batch) -> tuple[Tensor, ...]:
        """The taste (B, G + 1); it shrinks by what is served."""
        return (self.categories.taste(batch),)

    def worth(self, kept: tuple[Tensor, ...], own: Tensor, share: Tensor, place: int) -> Tensor:
        """(B, C) taste that is not served yet and that the item serves."""
        return self.weight * (looked_up(kept[0], own) * share).sum(2)

    def add(self, kept: tuple[Tensor, ...], own: Tensor, share: Tensor, place: int) -> tuple[Tensor, ...]:
        """What the item leaves unserved."""
        return (kept[0] * torch.ones_like(kept[0]).scatter_(1, own, 1 - share),)
