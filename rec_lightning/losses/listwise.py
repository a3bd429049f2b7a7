"""Listwise: the candidates of a row share one unit of probability, and the labels say how.

Paper: Z. Cao, T. Qin, T.-Y. Liu, M.-F. Tsai and H. Li, "Learning to Rank: From Pairwise Approach to Listwise
Approach" (ListNet, its top-one form), ICML 2007, https://doi.org/10.1145/1273496.1273513. What differs: the aim is
the label over the row's sum of labels, not its softmax, so that labels of 0 get nothing.

Relations: ``pairwise``; with one positive candidate it is the sampled softmax.
"""

from __future__ import annotations

from torch import Tensor

from rec_lightning.losses.within_row import WithinRow

# B rows, C candidates


class Listwise(WithinRow):
    """The mean over rows with any label above 0.

    Example:
        >>> import torch
        >>> scores, label = torch.zeros(1, 4, 1), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
        >>> round(float(Listwise()(scores, label)), 4)
        1.3863
    """

    name = "listwise"

    def forward(self, scores: Tensor, label: Tensor) -> Tensor:
        """(B, C, 1), (B, C) -> ()."""
        logged = scores.squeeze(-1).log_softmax(1)
        whole = label.sum(1, keepdim=True)
        aim = label / whole.clamp(min=1e-6)
        return -(aim * logged).sum() / (whole > 0).sum().clamp(min=1)
