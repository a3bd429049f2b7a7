"""Focal loss: cross-entropy in which a candidate counts less the surer the model already is of it.

Paper: T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollar, "Focal Loss for Dense Object Detection", ICCV 2017,
https://arxiv.org/abs/1708.02002. What differs: the mean is over all candidates, not over the positive ones.

Relations: ``log_loss`` with ``gamma`` 0. What it predicts is less sure than what is observed: look at ``ece``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from rec_lightning.losses.log_loss import LogLoss

# B rows, C candidates


class Focal(LogLoss):
    """The mean over candidates of (1 - p)^gamma * -log p, p the probability of the candidate's own label.

    Args:
        gamma: at least 0.
        positive_weight: weight of a candidate with label 1 relative to one with 0.

    Raises:
        ValueError: a value out of range.
    """

    name = "focal"

    def __init__(self, gamma: float = 2.0, positive_weight: float = 1.0) -> None:
        super().__init__(0.0, positive_weight)
        if gamma < 0:
            raise ValueError(f"loss.gamma must not be negative, got {gamma}. Set loss.gamma.")
        self.gamma = gamma

    def forward(self, scores: Tensor, label: Tensor) -> Tensor:
        """(B, C, 1), (B, C) -> ()."""
        score = scores.squeeze(-1)
        each = F.binary_cross_entropy_with_logits(score, label, reduction="none")  # -log p
        each = each * (-torch.expm1(-each)).clamp(min=0) ** self.gamma if self.gamma else each
        weight = torch.where(label > 0.5, self.positive_weight, 1.0)
        return (each * weight).sum() / weight.sum()
