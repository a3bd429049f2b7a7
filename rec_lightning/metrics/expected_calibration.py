"""Expected calibration error: how far predicted probabilities are from how often the label is 1.

Paper: M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
AAAI 2015, https://doi.org/10.1609/aaai.v29i1.9602. Bins of equal width; the reliability picture shows the same bins.

Relations: ``log_loss`` rewards both calibration and order.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Kind, Predictions
from rec_lightning.metrics.by_example import ByExample

# M examples, Q bins


class ExpectedCalibration(ByExample):
    """``ece``, the gap between mean prediction and mean label over the bins, weighted by their examples.

    Args:
        bins: of equal width.

    Raises:
        ValueError: no bin.
    """

    kinds: tuple[Kind, ...] = ("binary",)
    higher = {"ece": False}  # noqa: RUF012

    def __init__(self, bins: int = 15) -> None:
        super().__init__()
        if bins < 1:
            raise ValueError(f"metrics.ece.bins must be at least 1, got {bins}. Set it.")
        self.bins = bins

    def values(self, predictions: Predictions) -> dict[str, Tensor]:
        """Over all bins that hold an example."""
        size, value, label = reliability(predictions.value, predictions.label, self.bins)
        return {"ece": ((value - label).abs().nan_to_num(0.0) * size).sum() / size.sum()}


def reliability(value: Tensor, label: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Bins of equal width over 0..1.

    Args:
        value: (M,) probabilities.
        label: (M,) 0 or 1.
        bins: Q.

    Returns:
        (Q,) doubles: number of examples, mean probability, mean label; NaN means in a bin without examples.

    Example:
        >>> [x.tolist() for x in reliability(torch.tensor([0.25, 1.0]), torch.tensor([0, 1]), 2)]
        [[1.0, 1.0], [0.25, 1.0], [0.0, 1.0]]
    """
    place = (value.double() * bins).long().clamp(0, bins - 1)
    found = []
    for each in (torch.ones_like(value), value, label):
        sums = torch.zeros(bins, dtype=torch.double, device=value.device)
        found.append(sums.scatter_add_(0, place, each.double()))
    return found[0], found[1] / found[0], found[2] / found[0]
