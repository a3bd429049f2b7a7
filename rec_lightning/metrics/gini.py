"""Gini index of how often items are shown: 0 when all alike, near 1 when all lists hold the same few."""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.metrics.by_exposure import ByExposure


class Gini(ByExposure):
    """Gini index at all k at once."""

    name = "gini"
    key = "gini"

    def value(self, shown: Tensor) -> Tensor:
        """Half the mean absolute difference by the mean."""
        held = shown.sort().values
        place = torch.arange(1, len(held) + 1, device=held.device, dtype=held.dtype)
        return ((2 * place - len(held) - 1) * held).sum() / (len(held) * held.sum())
