"""Some items hidden; one of the three changes of CL4SRec (https://arxiv.org/abs/2010.14395).

Relations: ``crop`` keeps a run, ``reorder`` shuffles one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.companions.augmentations.share import check_share

# B batch, L length

HIDDEN = -1  # in place of an item; whoever makes vectors of the view puts a learnt one there


class Mask:
    """Hides ``share`` of each history's items, rounded down.

    Args:
        share: of the history, in (0, 1].
    """

    def __init__(self, share: float = 0.3) -> None:
        self.share = check_share("mask", share)

    def __call__(self, history: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L) right-padded with 0, (B,) -> the same, changed, with -1 where an item is hidden."""
        hidden = (length * self.share).long()
        padded = torch.arange(history.shape[1], device=history.device) >= length.unsqueeze(1)
        order = torch.rand(history.shape, device=history.device).masked_fill(padded, torch.inf)
        rank = order.argsort(1).argsort(1)  # of each place among the real ones
        return torch.where(rank < hidden.unsqueeze(1), HIDDEN, history), length
