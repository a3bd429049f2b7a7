"""Calibration: how far the categories of a list are from those of what the user had in training; 0 when they agree.

Paper: H. Steck, "Calibrated Recommendations", RecSys 2018, https://doi.org/10.1145/3240323.3240372, equations 1 to 6:
the Kullback-Leibler divergence of the list's shares, mixed with .01 of the user's, from the user's. What differs: all
events and all places count alike. An item is in each of its categories by an equal share; a user whose past has no
category, or whose list is empty, does not count. Fewer nats are better.

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
from rec_lightning.metrics.past import Past

# B rows, k items of a list, N items, G categories

_STEPS, _MIXED = 2.0**40, 0.01


class Calibration(Metric):
    """The mean divergence at all k at once.

    Args:
        catalog: gives the categories and what users did in training.
        top_k: positive cut-offs.
        column: of the item table, lists of words or a word.

    Raises:
        ValueError: a value out of range, no such column, or nothing is known of the users.
    """

    full_state_update = False
    distance: Tensor
    lists: Tensor
    share: Tensor

    def __init__(self, catalog: Catalog, top_k: Sequence[int], column: str) -> None:
        super().__init__()
        self.top_k = check_cuts("calibration", top_k)
        check_column("calibration", catalog.items, column)
        for name in ("distance", "lists"):
            self.add_state(name, torch.zeros(len(self.top_k), dtype=torch.long), dist_reduce_fx="sum")
        member = membership(catalog.items[column]).double()
        self.share = nn.Buffer(member / member.sum(1, keepdim=True).clamp(min=1), persistent=False)  # (N + 1, G)
        self.past = Past("calibration", catalog)

    def update(self, ranking: Ranking) -> None:
        """Adds rows; their users (U,) and items (U, k) are read.

        Raises:
            ValueError: a cut-off is above the length of the lists.
        """
        check_kept("calibration", self.top_k, ranking)
        taste = self._taste(ranking.users)  # (B, G), rows sum to 1 or are 0
        items = ranking.items[:, : max(self.top_k)]
        shown = self.share[items].cumsum(1)  # (B, k, G)
        length = (items > 0).cumsum(1)
        known = taste.any(1)
        logarithm = torch.where(taste > 0, taste, 1.0).log()
        for place, k in enumerate(self.top_k):
            count = length[:, min(k, items.shape[1]) - 1].unsqueeze(1)
            listed = shown[:, min(k, items.shape[1]) - 1] / count.clamp(min=1)
            mixed = (1 - _MIXED) * listed + _MIXED * taste
            apart = (taste * (logarithm - torch.where(taste > 0, mixed, 1.0).log())).sum(1)
            counts = known & (count.squeeze(1) > 0)
            self.distance[place] += (apart[counts] * _STEPS).round().long().sum()
            self.lists[place] += counts.sum()

    def _taste(self, users: Tensor) -> Tensor:
        row, item = (x.to(users.device) for x in self.past.of(users.cpu()))
        total = self.share.new_zeros(len(users), self.share.shape[1]).index_add_(0, row, self.share[item])
        return total / total.sum(1, keepdim=True).clamp(min=1e-12)

    def compute(self) -> dict[str, Tensor]:
        """``calibration@k`` for each k; NaN without lists."""
        value = self.distance.double() / _STEPS / self.lists
        return {f"calibration@{k}": v for k, v in zip(self.top_k, value, strict=True)}
