"""Linear: a weight for each user, item and value of a column; with ``loss=log_loss`` it is logistic regression.

Relations: ``fm`` adds products of fields; ``bias`` has ids only. It reads neither history nor item vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Batch, Catalog, Kind
from rec_lightning.heads.fields import MakesFields

# B rows, L length, D width, C candidates, F fields, K outputs


class Linear(nn.Module):
    """The sum of the fields' weights.

    Args:
        catalog: whose users, items and events these are.
        outputs: K.
        fields: makes the fields.
    """

    kinds: tuple[Kind, ...] = ("binary", "number", "classes")
    reads_vectors = False

    def __init__(self, catalog: Catalog, outputs: int, fields: MakesFields) -> None:
        super().__init__()
        self.fields = fields(catalog, outputs)
        if not self.fields.count:
            raise ValueError("head=linear needs a field at least, got none. Set head.fields.user_ids=true.")
        self.all = nn.Parameter(torch.zeros(outputs))

    def forward(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """(B, D), (B, L, D), (B, C, D) -> (B, C, K)."""
        out: Tensor = self.fields(batch).sum(2) + self.all
        return out
