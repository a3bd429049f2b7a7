"""Huber loss: squared error near the label, absolute error far from it.

Paper: P. J. Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35, 1964,
https://doi.org/10.1214/aoms/1177703732.

Relations: ``squared_error`` with a linear rest.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from rec_lightning.losses.squared_error import SquaredError

# B rows, C candidates


class Huber(SquaredError):
    """The mean over candidates; twice the textbook's, so that it equals the squared error within ``delta``.

    Args:
        delta: error from which on it is linear, in the label's units.

    Raises:
        ValueError: a delta that is not positive.
    """

    name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        if delta <= 0:
            raise ValueError(f"loss.delta must be positive, got {delta}. Set loss.delta.")
        self.delta = delta

    def forward(self, scores: Tensor, label: Tensor) -> Tensor:
        """(B, C, 1), (B, C) -> ()."""
        return 2 * F.huber_loss(self.number(scores), label, delta=self.delta)
