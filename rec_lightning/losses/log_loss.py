"""Log loss: binary cross-entropy of each candidate by itself, the usual objective of click-through models.

Label smoothing as in C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016,
https://arxiv.org/abs/1512.00567: a label y becomes y (1 - s) + s / 2.

Relations: ``focal`` weighs easy candidates down; ``bce`` is that of a sequence model against drawn negatives.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import Kind, Label
from rec_lightning.losses.labels import check_kind

# B rows, C candidates


class LogLoss(nn.Module):
    """The mean over candidates.

    Args:
        smoothing: s in [0, 1).
        positive_weight: weight of a candidate with label 1 relative to one with 0; probabilities then are those of
            data in which positive ones come as much more often.

    Raises:
        ValueError: a value out of range.

    Example:
        >>> loss = LogLoss()
        >>> round(float(loss(torch.zeros(2, 1, 1), torch.tensor([[0.0], [1.0]]))), 4)
        0.6931
    """

    name = "log_loss"
    kinds: tuple[Kind, ...] = ("binary",)

    def __init__(self, smoothing: float = 0.0, positive_weight: float = 1.0) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ValueError(f"loss.smoothing must be in [0, 1), got {smoothing}. Set loss.smoothing.")
        if positive_weight <= 0:
            raise ValueError(f"loss.positive_weight must be positive, got {positive_weight}. Set it.")
        self.smoothing, self.positive_weight = smoothing, positive_weight

    def prepare(self, label: Label) -> int:
        """One score a candidate.

        Raises:
            ValueError: the label is not binary.
        """
        check_kind(self.name, self.kinds, label)
        return 1

    def predict(self, scores: Tensor) -> Tensor:
        """(..., 1) -> (...,) probabilities of 1."""
        return scores.squeeze(-1).sigmoid()

    def forward(self, scores: Tensor, label: Tensor) -> Tensor:
        """(B, C, 1), (B, C) -> ()."""
        aim = label * (1 - self.smoothing) + self.smoothing / 2
        each = F.binary_cross_entropy_with_logits(scores.squeeze(-1), aim, reduction="none")  # (B, C)
        if self.positive_weight != 1:
            weight = torch.where(label > 0.5, self.positive_weight, 1.0)
            return (each * weight).sum() / weight.sum()
        return each.mean()
