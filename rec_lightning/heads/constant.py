"""One number for all: the mean of the labels, learnt; what knowing nothing of users and items gives.

Relations: ``bias`` adds what each user and item gets anyway.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Batch, Catalog, Kind

# B rows, L length, D width, C candidates, K outputs


class Constant(nn.Module):
    """``b``, 0 at the start.

    Args:
        catalog: not read.
        outputs: K.
    """

    kinds: tuple[Kind, ...] = ("binary", "number", "classes")
    reads_vectors = False

    def __init__(self, catalog: Catalog, outputs: int) -> None:
        super().__init__()
        self.all = nn.Parameter(torch.zeros(outputs))

    def forward(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """(B, D), (B, L, D), (B, C, D) -> (B, C, K)."""
        return self.all.expand(*candidate.shape[:2], -1)
