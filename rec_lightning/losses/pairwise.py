"""Pairwise: of two candidates of a row the one with the higher label scores higher.

Paper: S. Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009,
https://arxiv.org/abs/1205.2618. What differs: every pair of a row with different labels counts, not one.

Relations: ``bpr`` for a sequence model; ``listwise`` looks at the row as a whole. Scores mean an order within a row
and no probability: ``log_loss`` and ``ece`` of them say little.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from rec_lightning.losses.within_row import WithinRow

# B rows, C candidates


class Pairwise(WithinRow):
    """The mean over pairs of -log sigmoid of the difference; 0 where no two labels of a row differ.

    Example:
        >>> import torch
        >>> scores, label = torch.tensor([[[1.0], [1.0], [1.0]]]), torch.tensor([[1.0, 0.0, 0.0]])
        >>> round(float(Pairwise()(scores, label)), 4)
        0.6931
    """

    name = "pairwise"

    def forward(self, scores: Tensor, label: Tensor) -> Tensor:
        """(B, C, 1), (B, C) -> ()."""
        score = scores.squeeze(-1)
        above = label.unsqueeze(2) > label.unsqueeze(1)  # (B, C, C)
        apart = score.unsqueeze(2) - score.unsqueeze(1)
        return (F.softplus(-apart) * above).sum() / above.sum().clamp(min=1)
