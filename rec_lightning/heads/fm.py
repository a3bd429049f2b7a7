"""Factorisation machine: a weight for each field and the inner product of every two fields.

Paper: S. Rendle, "Factorization Machines", ICDM 2010, https://doi.org/10.1109/ICDM.2010.127. What differs: the state
of the history and the item vector, through a linear layer each, are fields too.

Relations: ``linear`` without the products; ``dcn`` crosses fields element by element, in several layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Batch, Catalog, Kind
from rec_lightning.heads.fields import MakesFields
from rec_lightning.heads.layers import check_layers

# B rows, L length, D width, C candidates, F fields


class FM(nn.Module):
    """Weights and products of fields.

    Args:
        catalog: whose users, items and events these are.
        outputs: 1.
        width: D, also of the fields.
        fields: makes the fields.
        dropout: of the elements of the fields, in [0, 1).

    Raises:
        ValueError: a value out of range.
    """

    kinds: tuple[Kind, ...] = ("binary", "number")

    def __init__(self, catalog: Catalog, outputs: int, width: int, fields: MakesFields, dropout: float = 0.0) -> None:
        super().__init__()
        assert outputs == 1
        check_layers([], dropout)
        self.fields = fields(catalog, width + 1)  # the last element is the weight
        self.state, self.candidate = nn.Linear(width, width + 1), nn.Linear(width, width + 1)
        self.dropout = nn.Dropout(dropout)
        self.all = nn.Parameter(torch.zeros(1))

    def forward(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """(B, D), (B, L, D), (B, C, D) -> (B, C, 1)."""
        item = self.candidate(candidate).unsqueeze(2)
        person = self.state(state).view(len(state), 1, 1, -1).expand_as(item)
        fields = torch.cat([self.fields(batch), person, item], 2)  # (B, C, F, D + 1)
        vectors, weights = self.dropout(fields[..., :-1]), fields[..., -1:]
        # the sum over pairs in one pass: half of the square of the sum less the sum of the squares
        pairs = (vectors.sum(2).square() - vectors.square().sum(2)).sum(-1, keepdim=True) / 2
        out: Tensor = pairs + weights.sum(2) + self.all
        return out
