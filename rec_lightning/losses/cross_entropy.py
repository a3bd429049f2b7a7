"""Cross-entropy over the classes of an event.

Relations: ``log_loss`` for two classes with one score; ``full_softmax`` has the catalogue as classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import Kind, Label
from rec_lightning.losses.labels import check_kind

# B rows, C candidates, K classes


class CrossEntropy(nn.Module):
    """The mean over candidates, weighted by their class.

    Args:
        smoothing: share of every label that is spread over all classes, in [0, 1).
        weights: of the classes in the label's order; None for equal ones.

    Raises:
        ValueError: a value out of range.
    """

    kinds: tuple[Kind, ...] = ("classes",)

    def __init__(self, smoothing: float = 0.0, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ValueError(f"loss.smoothing must be in [0, 1), got {smoothing}. Set loss.smoothing.")
        if weights is not None and min(weights, default=0) <= 0:
            raise ValueError(f"loss.weights must be positive numbers, got {list(weights)}. Set loss.weights.")
        self.smoothing = smoothing
        self.weights = None if weights is None else nn.Buffer(torch.tensor(list(weights)).float(), persistent=False)

    def prepare(self, label: Label) -> int:
        """A score for each class.

        Raises:
            ValueError: the label has no classes, or as many as there are no weights for.
        """
        check_kind("cross_entropy", self.kinds, label)
        classes = round(label.high) + 1
        if self.weights is not None and len(self.weights) != classes:
            raise ValueError(
                f"loss.weights must be one for each of the {classes} classes, got {len(self.weights)}. Set it."
            )
        return classes

    def predict(self, scores: Tensor) -> Tensor:
        """(..., K) -> (..., K) probabilities."""
        return scores.softmax(-1)

    def forward(self, scores: Tensor, label: Tensor) -> Tensor:
        """(B, C, K), (B, C) -> ()."""
        return F.cross_entropy(
            scores.flatten(0, 1), label.flatten().long(), self.weights, label_smoothing=self.smoothing
        )
