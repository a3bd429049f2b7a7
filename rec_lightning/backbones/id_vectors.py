"""Vectors of items learnt with the language model, and a user as the mean of what was liked less what was not.

Relations: ``soft_tokens`` reads them where no earlier run gives better ones; ``mean_pooling`` is the same mean as a
backbone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Batch, ItemEncoder, Label

# B rows, L length, M items asked for, D width


class IdVectors(nn.Module):
    """Item vectors that train.

    Args:
        items: gives them.
        label: what the history says of its events; between its ends an event counts from -1 to 1, and 1 where nothing
            is said or labels have no order.
    """

    needs_time = False

    def __init__(self, items: ItemEncoder, label: Label) -> None:
        super().__init__()
        self.items, self.width, self.label = items, items.width, label
        self.base: dict[str, str] = getattr(items, "base", None) or {"name": "no items", "catalogue": ""}
        items.base = None  # type: ignore[attr-defined]  # said here

    def vectors(self, items: Tensor) -> Tensor:
        """(M,) -> (M, D)."""
        return self.items.vectors(items)

    def users(self, batch: Batch) -> Tensor:
        """(B, D); zeros without history."""
        unique, place = torch.unique(batch.history, return_inverse=True)
        past = nn.functional.embedding(place, self.items.vectors(unique))  # (B, L, D)
        weight = (batch.history > 0).to(past.dtype)
        if batch.feedback is not None and self.label.kind != "classes":
            low, high = self.label.low, self.label.high
            said = (batch.feedback - low) / (high - low) * 2 - 1
            weight = weight * torch.where(said.isnan(), 1.0, said).to(past.dtype)
        return (past * weight.unsqueeze(2)).sum(1) / batch.length.unsqueeze(1)
