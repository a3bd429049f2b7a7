"""MAP: the mean over rows of average precision, with one relevant item a row the same number as ``mrr``."""

from __future__ import annotations

from torch import Tensor

from rec_lightning.metrics.by_rank import ByRank


class AveragePrecision(ByRank):
    """Mean average precision at all k at once."""

    name = "average_precision"
    key = "map"

    def gain(self, rank: Tensor, k: int) -> Tensor:
        """The precision at the target, 1 / rank."""
        return 1 / rank
