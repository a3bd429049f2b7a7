"""What users said of the events of their history, added to the items' vectors.

A label is a vector: for a number, one times how far it stands from the middle of its range, and one for there being
any; for classes and likes, one for each. Events without a label add nothing.

Relations: ``scoring`` adds it before the backbone reads the history.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Label

# B rows, L length, D width, K classes


class Feedback(nn.Module):
    """Labels -> vectors.

    Args:
        label: says the kind and the range.
        width: D.
    """

    def __init__(self, label: Label, width: int) -> None:
        super().__init__()
        self.low, self.high, self.number = label.low, label.high, label.kind == "number"
        rows = 2 if self.number else round(label.high) + 1
        self.weight = nn.Parameter(torch.empty(rows, width))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, feedback: Tensor) -> Tensor:
        """(B, L) labels, NaN for none -> (B, L, D)."""
        there = ~feedback.isnan()
        known = torch.where(there, feedback, self.low)
        if self.number:
            place = (known - self.low) / (self.high - self.low) * 2 - 1  # -1..1
            vectors = torch.stack([place, torch.ones_like(place)], -1).to(self.weight.dtype) @ self.weight
        else:
            vectors = nn.functional.embedding(known.long(), self.weight)
        return vectors * there.unsqueeze(-1)
