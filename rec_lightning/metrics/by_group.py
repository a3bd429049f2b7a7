"""What all metrics over groups of targets share: how many targets of each group have each rank.

Relations: read by ``popularity_slices, activity_slices, cold_warm, popreo, user_gap``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from rec_lightning.contracts import Ranking
from rec_lightning.metrics.by_rank import check_cuts

# S groups


class ByGroup(Metric):
    """Counts by group; integers, so that values are exact.

    Args:
        name: of the option.
        top_k: positive cut-offs.
        groups: number of groups S.
        group: (rows of the table,) group of each user or item, -1 for none.

    Raises:
        ValueError: an empty list, or a cut-off below 1.
    """

    full_state_update = False
    reads_lists = False
    targets_at: Tensor
    group: Tensor

    def __init__(self, name: str, top_k: Sequence[int], groups: int, group: Tensor) -> None:
        super().__init__()
        self.top_k = check_cuts(name, top_k)
        state = torch.zeros(groups, max(top_k) + 1, dtype=torch.long)  # ranks 1..max k, and all below
        self.add_state("targets_at", state, dist_reduce_fx="sum")
        self.group = nn.Buffer(group, persistent=False)

    def rows(self, ranking: Ranking) -> Tensor:
        """(U,) which row of ``group`` belongs to each row of the ranking."""
        raise NotImplementedError

    def groups_of(self, ranking: Ranking) -> Tensor:
        """(U,) the group of each row of the ranking, -1 for none."""
        return self.group[self.rows(ranking)]

    def update(self, ranking: Ranking) -> None:
        """Adds targets; their exact rank (U,) is read."""
        own = self.groups_of(ranking)
        groups, bins = self.targets_at.shape
        cell = own * bins + ranking.rank.clamp(max=bins) - 1
        self.targets_at += torch.bincount(cell[own >= 0], minlength=groups * bins).view(groups, bins)

    def ndcg(self, k: int, targets_at: Tensor | None = None) -> Tensor:
        """(S,) NDCG@k of each group, or of other counts; NaN for one without targets."""
        rank = torch.arange(1, k + 1, device=self.targets_at.device, dtype=torch.double)
        counts = (self.targets_at if targets_at is None else targets_at).double()
        return (counts[:, :k] / torch.log2(rank + 1)).sum(1) / counts.sum(1)

    def hit_rate(self, k: int, targets_at: Tensor | None = None) -> Tensor:
        """(S,) hit rate at k of each group, or of other counts; NaN for one without targets."""
        counts = (self.targets_at if targets_at is None else targets_at).double()
        return counts[:, :k].sum(1) / counts.sum(1)
