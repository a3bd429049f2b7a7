"""Precision with one relevant item a row: the hit rate divided by k."""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.metrics.by_rank import ByRank


class Precision(ByRank):
    """Precision at all k at once."""

    name = "precision"
    key = "precision"

    def gain(self, rank: Tensor, k: int) -> Tensor:
        """1 / k inside the cut-off."""
        return torch.full_like(rank, 1 / k)
