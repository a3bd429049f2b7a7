"""NDCG and hit rate by how active the user is: new (no training event), light, medium and heavy.

The users with training events are put in order of their number and cut into thirds; those with as many events as each
other stay together, in the lower third. A target counts in one slice, so that the slices' means weigh up to the whole.

Relations: ``popularity_slices`` does the same by the target.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rec_lightning.contracts import Catalog, Ranking
from rec_lightning.metrics.by_group import ByGroup
from rec_lightning.metrics.past import Past

SLICES = ("new", "light", "medium", "heavy")


class ActivitySlices(ByGroup):
    """``ndcg_light_users@k``, ``hr_light_users@k`` and so on; NaN for a slice without targets.

    Args:
        catalog: tells what users did in training.
        top_k: positive cut-offs.

    Raises:
        ValueError: an empty list, a cut-off below 1, or nothing is known of the users.
    """

    def __init__(self, catalog: Catalog, top_k: Sequence[int]) -> None:
        counts = Past("activity_slices", catalog).counts
        ordered = counts[counts > 0].sort().values
        below = torch.searchsorted(ordered, counts)  # users with fewer events, of those with any
        group = torch.where(counts > 0, 1 + 3 * below // max(1, len(ordered)), 0)
        super().__init__("activity_slices", top_k, len(SLICES), group)

    def rows(self, ranking: Ranking) -> Tensor:
        """The users."""
        return ranking.users

    def compute(self) -> dict[str, Tensor]:
        """Both metrics of each slice at each k."""
        found: dict[str, Tensor] = {}
        for key, of in (("hr", self.hit_rate), ("ndcg", self.ndcg)):
            for k in self.top_k:
                found |= {f"{key}_{name}_users@{k}": value for name, value in zip(SLICES, of(k), strict=True)}
        return found
