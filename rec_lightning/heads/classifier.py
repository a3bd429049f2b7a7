"""Classifier: dropout and one linear layer over what a model says of each candidate's text.

Relations: for ``backbone=prompt_encoder``; ``label_words`` needs no layer, since words are scored by the model itself.
"""

from __future__ import annotations

from torch import Tensor, nn

from rec_lightning.contracts import Batch, Catalog, Kind
from rec_lightning.heads.layers import check_layers

# B rows, L length, D width, H width of the model, C candidates, K outputs


class Classifier(nn.Module):
    """A linear layer.

    Args:
        catalog: not read.
        outputs: K.
        inputs: H.
        dropout: before it, in [0, 1).

    Raises:
        ValueError: a value out of range.
    """

    kinds: tuple[Kind, ...] = ("binary", "number", "classes")
    per_candidate = True

    def __init__(self, catalog: Catalog, outputs: int, inputs: int, dropout: float = 0.1) -> None:
        super().__init__()
        check_layers((), dropout)
        self.dropout, self.out = nn.Dropout(dropout), nn.Linear(inputs, outputs)

    def forward(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """(B, C, H) -> (B, C, K)."""
        out: Tensor = self.out(self.dropout(state))
        return out
