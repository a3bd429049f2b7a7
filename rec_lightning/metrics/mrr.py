"""Mean reciprocal rank of the target, 0 below the cut-off (E. Voorhees, TREC-8 Question Answering Track, 1999)."""

from __future__ import annotations

from torch import Tensor

from rec_lightning.metrics.by_rank import ByRank


class MRR(ByRank):
    """MRR at all k at once."""

    name = "mrr"
    key = "mrr"

    def gain(self, rank: Tensor, k: int) -> Tensor:
        """1 / rank."""
        return 1 / rank
