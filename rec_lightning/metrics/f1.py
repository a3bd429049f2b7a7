"""F1, the harmonic mean of precision and recall of each row: 2 / (k + 1) for a hit among k with one relevant item."""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.metrics.by_rank import ByRank


class F1(ByRank):
    """F1 at all k at once."""

    name = "f1"
    key = "f1"

    def gain(self, rank: Tensor, k: int) -> Tensor:
        """With precision 1 / k and recall 1."""
        return torch.full_like(rank, 2 / (k + 1))
