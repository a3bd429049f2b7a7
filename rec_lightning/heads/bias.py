"""Biases alone: how high a user and an item score anyway; the row every other head is held against.

Paper: Y. Koren, "Factorization Meets the Neighborhood", KDD 2008, https://doi.org/10.1145/1401890.1401944, whose
baseline estimate it is. What differs: the weight decay of the optimizer stands for its penalty.

Relations: ``dot_bias`` adds an inner product, ``linear`` weights of columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Batch, Catalog, Kind

# B rows, L length, D width, C candidates


class Bias(nn.Module):
    """``b_u + b_i + b``, all 0 at the start.

    Args:
        catalog: gives the numbers of users and items.
        outputs: 1.
    """

    kinds: tuple[Kind, ...] = ("binary", "number")
    reads_vectors = False

    def __init__(self, catalog: Catalog, outputs: int) -> None:
        super().__init__()
        assert outputs == 1
        self.known = catalog.users.height
        # matrices, so that weight decay reaches them; one row more for whoever is not known, and for the padding
        self.user, self.item = nn.Embedding(self.known + 1, 1), nn.Embedding(catalog.size + 1, 1)
        for part in (self.user, self.item):
            nn.init.zeros_(part.weight)
        self.all = nn.Parameter(torch.zeros(1))

    def rows(self, user: Tensor) -> Tensor:
        """(B,) users -> rows of the embeddings."""
        return torch.where((user < 0) | (user >= self.known), self.known, user)

    def forward(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """(B, D), (B, L, D), (B, C, D) -> (B, C, 1)."""
        assert batch.candidate is not None
        out: Tensor = self.user(self.rows(batch.user)).unsqueeze(1) + self.item(batch.candidate) + self.all
        return out
