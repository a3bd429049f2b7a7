"""Squared error of a predicted number, the usual objective for ratings.

A score of -1..1 spans the label's range, so that a head starts in its middle and a rate means the same on every scale;
predictions are cut to the range, the loss is not.

Relations: ``huber`` is milder on large errors; ``ordinal`` knows that there are few different numbers.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import Kind, Label
from rec_lightning.losses.labels import check_kind

# B rows, C candidates


class SquaredError(nn.Module):
    """The mean over candidates, in the label's units squared.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> loss = SquaredError()
        >>> loss.prepare(SimpleNamespace(kind="number", low=1.0, high=5.0, step=1.0))
        1
        >>> float(loss(torch.zeros(1, 1, 1), torch.tensor([[5.0]])))
        4.0
    """

    name = "squared_error"
    kinds: tuple[Kind, ...] = ("number",)

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = -1.0, 1.0

    def prepare(self, label: Label) -> int:
        """One score a candidate.

        Raises:
            ValueError: the label is no number.
        """
        check_kind(self.name, self.kinds, label)
        self.low, self.high = label.low, label.high
        return 1

    def number(self, scores: Tensor) -> Tensor:
        """(..., 1) -> (...,) in the label's units, not cut."""
        return (self.low + self.high) / 2 + scores.squeeze(-1) * (self.high - self.low) / 2

    def predict(self, scores: Tensor) -> Tensor:
        """(..., 1) -> (...,) in the label's range."""
        return self.number(scores).clamp(self.low, self.high)

    def forward(self, scores: Tensor, label: Tensor) -> Tensor:
        """(B, C, 1), (B, C) -> ()."""
        return F.mse_loss(self.number(scores), label)
