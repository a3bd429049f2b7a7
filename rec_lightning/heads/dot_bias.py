"""Dot and biases: the inner product of user and candidate, and how high each of them scores anyway.

Papers: Y. Koren, R. Bell and C. Volinsky, "Matrix Factorization Techniques for Recommender Systems", Computer 42(8),
2009, https://doi.org/10.1109/MC.2009.263; Y. Koren, "Factorization Meets the Neighborhood" (SVD++), KDD 2008,
https://doi.org/10.1145/1401890.1401944. What differs: the user is a learnt vector and the state of any backbone, and
the item any item vector; with ``backbone=mean_pooling`` that is close to SVD++.

Relations: ``bias`` is what is left without the inner product.
"""

from __future__ import annotations

from torch import Tensor, nn

from rec_lightning.contracts import Batch, Catalog, Kind
from rec_lightning.heads.bias import Bias
from rec_lightning.heads.layers import check_layers

# B rows, L length, D width, C candidates


class DotBias(Bias):
    """``(p_u + state) . q_i + b_u + b_i + b``.

    Args:
        catalog: gives the numbers of users and items.
        outputs: 1.
        width: D.
        user_ids: whether every user has a vector p_u.
        dropout: of the elements of both sides, in [0, 1).

    Raises:
        ValueError: a dropout out of range.
    """

    kinds: tuple[Kind, ...] = ("binary", "number")
    reads_vectors = True

    def __init__(self, catalog: Catalog, outputs: int, width: int, user_ids: bool = True, dropout: float = 0.0) -> None:
        super().__init__(catalog, outputs)
        check_layers([], dropout)
        self.vectors = nn.Embedding(self.known + 1, width) if user_ids else None
        if self.vectors is not None:
            nn.init.normal_(self.vectors.weight, std=0.02)
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """(B, D), (B, L, D), (B, C, D) -> (B, C, 1)."""
        if self.vectors is not None:
            state = state + self.vectors(self.rows(batch.user))
        product = (self.dropout(state).unsqueeze(1) * self.dropout(candidate)).sum(-1, keepdim=True)
        out: Tensor = super().forward(batch, state, history, candidate) + product
        return out
