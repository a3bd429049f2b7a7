"""Recall with one relevant item a row: equal to the hit rate, here under the name that papers also use."""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.metrics.by_rank import ByRank


class Recall(ByRank):
    """Recall at all k at once."""

    name = "recall"
    key = "recall"

    def gain(self, rank: Tensor, k: int) -> Tensor:
        """1 inside the cut-off."""
        return torch.ones_like(rank)
