"""A run of a history; one of the three changes of CL4SRec (https://arxiv.org/abs/2010.14395).

Relations: ``mask`` hides items, ``reorder`` shuffles a run.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.companions.augmentations.share import check_share

# B batch, L length


class Crop:
    """Keeps a run of ``share`` of each history, rounded down and at least one item, from a random place.

    Args:
        share: of the history, in (0, 1].
    """

    def __init__(self, share: float = 0.6) -> None:
        self.share = check_share("crop", share)

    def __call__(self, history: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L) right-padded with 0, (B,) -> the same, changed."""
        kept = (length * self.share).long().clamp(min=1)
        start = (torch.rand(len(length), device=length.device) * (length - kept + 1)).long()
        column = torch.arange(history.shape[1], device=history.device)
        moved = history.gather(1, (start.unsqueeze(1) + column).clamp(max=history.shape[1] - 1))
        return torch.where(column < kept.unsqueeze(1), moved, 0), kept
