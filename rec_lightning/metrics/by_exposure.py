"""What all metrics of the recommended items share: how often each item is shown in the first k places.

Relations: read by ``coverage, gini, entropy, novelty, popularity_bias, long_tail, provider_exposure``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from rec_lightning.contracts import Catalog, Ranking
from rec_lightning.metrics.by_rank import check_cuts

# N items, K cut-offs


class ByExposure(Metric):
    """A value of the lists of all rows together, at all k at once; counts are integers, so the value is exact.

    A list is as long as the ranking keeps items (``ranking.k``); a cut-off above that is refused.

    Args:
        catalog: the items and their popularity in training.
        top_k: positive cut-offs.

    Raises:
        ValueError: an empty list, or a cut-off below 1.
    """

    full_state_update = False
    name = ""  # of the option
    key = ""  # of the result
    shown: Tensor
    popularity: Tensor

    def __init__(self, catalog: Catalog, top_k: Sequence[int]) -> None:
        super().__init__()
        self.top_k = check_cuts(self.name, top_k)
        self.add_state("shown", torch.zeros(len(self.top_k), catalog.size + 1, dtype=torch.long), dist_reduce_fx="sum")
        self.popularity = nn.Buffer(torch.from_numpy(catalog.popularity[1:].copy()).double(), persistent=False)

    def value(self, shown: Tensor) -> Tensor:
        """(N,) double, how often each item was shown -> the metric."""
        raise NotImplementedError

    def update(self, ranking: Ranking) -> None:
        """Adds rows; their items (U, k) are read.

        Raises:
            ValueError: a cut-off is above the length of the lists.
        """
        check_kept(self.name, self.top_k, ranking)
        size = self.shown.shape[1]
        for row, k in zip(self.shown, self.top_k, strict=True):
            row += torch.bincount(ranking.items[:, :k].flatten(), minlength=size)

    def compute(self) -> dict[str, Tensor]:
        """``key@k`` for each k; NaN when nothing was shown."""
        shown = self.shown[:, 1:].double()
        nothing = shown.new_tensor(torch.nan)
        return {
            f"{self.key}@{k}": self.value(row) if row.any() else nothing
            for k, row in zip(self.top_k, shown, strict=True)
        }


def check_kept(name: str, top_k: Sequence[int], ranking: Ranking) -> None:
    """Refuses cut-offs above the length of the lists.

    Raises:
        ValueError: one is.
    """
    if len(ranking.items) and max(top_k) > ranking.items.shape[1]:
        raise ValueError(
            f"metrics.{name}.top_k must be 1..ranking.k ({ranking.items.shape[1]}), got {max(top_k)}. Set top_k, or "
            "raise ranking.k."
        )
