"""A run of a history shuffled; one of the three changes of CL4SRec (https://arxiv.org/abs/2010.14395).

Relations: ``crop`` keeps a run, ``mask`` hides items.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.companions.augmentations.share import check_share

# B batch, L length


class Reorder:
    """Shuffles a run of ``share`` of each history, rounded down, at a random place.

    Args:
        share: of the history, in (0, 1].
    """

    def __init__(self, share: float = 0.6) -> None:
        self.share = check_share("reorder", share)

    def __call__(self, history: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L) right-padded with 0, (B,) -> the same, changed."""
        run = (length * self.share).long()
        start = (torch.rand(len(length), device=length.device) * (length - run + 1)).long()
        column = torch.arange(history.shape[1], device=history.device)
        inside = (column >= start.unsqueeze(1)) & (column < (start + run).unsqueeze(1))
        # places of the run get random keys between those of its neighbours
        drawn = start.unsqueeze(1) + torch.rand(history.shape, device=history.device) * (run.unsqueeze(1) - 1)
        order = torch.where(inside, drawn, column.float()).argsort(dim=1, stable=True)
        return history.gather(1, order), length
