"""NDCG and hit rate by the popularity of the target: cold (no training event), tail, middle and head.

The items with training events are put in order of their number; those that together hold the first third of the events
are the tail, the last third the head. A target counts in one slice, so that the slices' means weigh up to the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rec_lightning.contracts import Catalog, Ranking
from rec_lightning.metrics.by_group import ByGroup

SLICES = ("cold", "tail", "middle", "head")


class PopularitySlices(ByGroup):
    """``ndcg_cold@k``, ``hr_cold@k`` and so on; NaN for a slice without targets.

    Args:
        catalog: gives the popularity in training.
        top_k: positive cut-offs.

    Raises:
        ValueError: an empty list, or a cut-off below 1.
    """

    def __init__(self, catalog: Catalog, top_k: Sequence[int]) -> None:
        popularity = catalog.popularity
        order = popularity.argsort(kind="stable")
        before = np.cumsum(popularity[order]) - popularity[order]  # events of all less popular items
        group = np.zeros(len(popularity), np.int64)
        group[order] = 1 + (3 * before) // max(1, popularity.sum())
        group[popularity == 0] = 0
        super().__init__("popularity_slices", top_k, len(SLICES), torch.from_numpy(group))

    def rows(self, ranking: Ranking) -> Tensor:
        """The targets."""
        return ranking.target

    def compute(self) -> dict[str, Tensor]:
        """Both metrics of each slice at each k."""
        found: dict[str, Tensor] = {}
        for key, of in (("hr", self.hit_rate), ("ndcg", self.ndcg)):
            for k in self.top_k:
                found |= {f"{key}_{name}@{k}": value for name, value in zip(SLICES, of(k), strict=True)}
        return found
