"""Intra-list diversity by categories: one minus the mean Jaccard similarity of the pairs in a list.

Paper: C.-N. Ziegler et al., "Improving Recommendation Lists Through Topic Diversification", WWW 2005,
https://doi.org/10.1145/1060745.1060754; what differs: similarity is Jaccard's over sets of categories, and the mean is
over pairs. Two items without any category are alike. A list with fewer than two items does not count.

The sum is kept in steps of 2^-40, so that it is the same for any order, batch size and number of processes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from rec_lightning.contracts import Catalog, Ranking
from rec_lightning.metrics.by_exposure import check_kept
from rec_lightning.metrics.by_rank import check_cuts
from rec_lightning.metrics.columns import check_column, membership

# B rows, k items of a list, N items, G categories

_STEPS = 2.0**40


class Diversity(Metric):
    """Intra-list diversity at all k at once.

    Args:
        catalog: gives the categories.
        top_k: cut-offs of at least 2; smaller ones are passed over.
        column: of the item table, lists of words or a word.

    Raises:
        ValueError: no cut-off of at least 2, or no such column.
    """

    full_state_update = False
    spread: Tensor
    lists: Tensor
    member: Tensor

    def __init__(self, catalog: Catalog, top_k: Sequence[int], column: str) -> None:
        super().__init__()
        self.top_k = tuple(k for k in check_cuts("diversity", top_k) if k > 1)
        if not self.top_k:
            raise ValueError(
                f"metrics.diversity.top_k must hold a cut-off of at least 2, got {list(top_k)}. Set top_k."
            )
        check_column("diversity", catalog.items, column)
        for name in ("spread", "lists"):
            self.add_state(name, torch.zeros(len(self.top_k), dtype=torch.long), dist_reduce_fx="sum")
        self.member = nn.Buffer(membership(catalog.items[column]), persistent=False)  # (N + 1, G)

    def update(self, ranking: Ranking) -> None:
        """Adds rows; their items (U, k) are read.

        Raises:
            ValueError: a cut-off is above the length of the lists.
        """
        check_kept("diversity", self.top_k, ranking)
        items = ranking.items[:, : max(self.top_k)]
        unlike, pairs = self._pairs(items)  # (B, k) over the first places
        cuts = torch.tensor(self.top_k, device=items.device).clamp(max=items.shape[1]) - 1
        mean = unlike[:, cuts] / pairs[:, cuts].clamp(min=1)
        self.spread += (mean * _STEPS).round().long().sum(0)
        self.lists += (pairs[:, cuts] > 0).sum(0)

    def _pairs(self, items: Tensor) -> tuple[Tensor, Tensor]:
        # (B, k) items -> the sum over pairs of the first 1, 2, ... k items, and their number
        own = self.member[items]  # (B, k, G)
        both = own @ own.transpose(1, 2)  # (B, k, k)
        count = own.sum(2)
        either = count.unsqueeze(1) + count.unsqueeze(2) - both
        alike = torch.where(either > 0, both.double() / either, 1.0)
        real = items > 0
        earlier = torch.ones(alike.shape[1:], dtype=torch.bool, device=items.device).triu(1)  # a place and one above it
        pair = real.unsqueeze(1) & real.unsqueeze(2) & earlier
        return ((1 - alike) * pair).sum(1).cumsum(1), pair.sum(1).cumsum(1)

    def compute(self) -> dict[str, Tensor]:
        """``diversity@k`` for each k; NaN without lists."""
        value = self.spread.double() / _STEPS / self.lists
        return {f"diversity@{k}": v for k, v in zip(self.top_k, value, strict=True)}
