"""Ordinal regression: how likely the label is above each of its levels, by one score and a bound for each level.

Paper: W. Cao, V. Mirjalili and S. Raschka, "Rank Consistent Ordinal Regression for Neural Networks with Application
to Age Estimation" (CORAL), Pattern Recognition Letters 140, 2020, https://arxiv.org/abs/1901.07884. What differs: the
bounds are kept in order by construction, as a first one and positive distances.

Relations: ``squared_error`` takes the levels for equally far apart.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import Kind, Label
from rec_lightning.losses.labels import check_kind

# B rows, C candidates, S levels but the lowest


class Ordinal(nn.Module):
    """The mean over candidates of the cross-entropies at the S bounds, summed."""

    kinds: tuple[Kind, ...] = ("number",)

    def __init__(self) -> None:
        super().__init__()
        self.low, self.step = 0.0, 1.0

    def prepare(self, label: Label) -> int:
        """One score a candidate.

        Raises:
            ValueError: the label is no number, or has no levels.
        """
        check_kind("ordinal", self.kinds, label)
        if label.step is None:
            raise ValueError(
                "loss=ordinal needs a label with levels, and label.step is null. Set label.step, or loss=squared_error."
            )
        self.low, self.step = label.low, label.step
        levels = round((label.high - label.low) / label.step)
        # at the start as far apart as the scores of equally likely levels
        start = torch.logit(torch.arange(1, levels + 1) / (levels + 1))
        self.first = nn.Parameter(start[:1].clone())
        # softplus of these are the distances
        self.gaps = nn.Parameter((start[1:] - start[:-1]).expm1().log())
        return 1

    @property
    def bounds(self) -> Tensor:
        """(S,) in rising order."""
        return torch.cat([self.first, self.first + F.softplus(self.gaps).cumsum(0)])

    def predict(self, scores: Tensor) -> Tensor:
        """(..., 1) -> (...,) the expected label."""
        above: Tensor = (scores - self.bounds).sigmoid()  # (..., S)
        return self.low + self.step * above.sum(-1)

    def forward(self, scores: Tensor, label: Tensor) -> Tensor:
        """(B, C, 1), (B, C) -> ()."""
        logits = scores - self.bounds  # (B, C, S)
        level = ((label - self.low) / self.step).round().unsqueeze(-1)
        above = (level > torch.arange(logits.shape[-1], device=level.device)).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, above, reduction="none").sum(-1).mean()
