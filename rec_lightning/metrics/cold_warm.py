"""NDCG and hit rate of cold and warm items and users: those with few training events, and all others.

Relations: ``popularity_slices`` and ``activity_slices`` cut finer, by what the data hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Catalog, Ranking
from rec_lightning.metrics.by_group import ByGroup
from rec_lightning.metrics.past import Past

# U users, N items


class ColdWarm(ByGroup):
    """``ndcg_cold_items@k``, ``ndcg_warm_items@k``, ``ndcg_cold_users@k``, ``ndcg_warm_users@k`` and ``hr_...``.

    Args:
        catalog: gives the popularity of items and tells what users did in training.
        top_k: positive cut-offs.
        fewer: an item or user with fewer training events is cold; at least 1.

    Raises:
        ValueError: a value out of range, or nothing is known of the users.
    """

    warm_user: Tensor

    def __init__(self, catalog: Catalog, top_k: Sequence[int], fewer: int = 5) -> None:
        if fewer < 1:
            raise ValueError(f"metrics.cold_warm.fewer must be at least 1, got {fewer}. Set metrics.cold_warm.fewer.")
        # groups: cold item and cold user, cold item and warm user, warm and cold, warm and warm
        warm = (torch.from_numpy(catalog.popularity.copy()) >= fewer).long()
        super().__init__("cold_warm", top_k, 4, 2 * warm)
        counts = Past("cold_warm", catalog).counts
        self.warm_user = nn.Buffer((counts >= fewer).long(), persistent=False)

    def groups_of(self, ranking: Ranking) -> Tensor:
        """Of the target, and of the user."""
        return self.group[ranking.target] + self.warm_user[ranking.users]

    def compute(self) -> dict[str, Tensor]:
        """Both metrics of each side at each k; NaN for one without targets."""
        whole, found = self.targets_at, dict[str, Tensor]()
        sides = {"cold_items": [0, 1], "warm_items": [2, 3], "cold_users": [0, 2], "warm_users": [1, 3]}
        joined = torch.stack([whole[rows].sum(0) for rows in sides.values()])
        for key, of in (("hr", self.hit_rate), ("ndcg", self.ndcg)):
            for k in self.top_k:
                values = of(k, joined)
                found |= {f"{key}_{name}@{k}": value for name, value in zip(sides, values, strict=True)}
        return found
