"""Accuracy, precision, recall and F1 of "1 from a probability of the threshold on".

The threshold is the one with the highest F1 on validation; the test takes it over, and a checkpoint keeps it.

Relations: ``roc_auc`` needs no threshold.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Kind, Predictions
from rec_lightning.metrics.by_example import ByExample


class AtThreshold(ByExample):
    """``accuracy``, ``precision``, ``recall``, ``f1`` and the ``threshold`` itself.

    Args:
        threshold: a fixed one; None to choose it on validation.

    Raises:
        ValueError: a threshold outside 0..1.
    """

    kinds: tuple[Kind, ...] = ("binary",)
    higher = dict.fromkeys(("accuracy", "precision", "recall", "f1"), True)

    def __init__(self, threshold: float | None = None) -> None:
        super().__init__()
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError(
                f"metrics.at_threshold.threshold must be in 0..1, got {threshold}. Set it, or null to choose it."
            )
        self.free = threshold is None
        self.choosing = False  # set where it measures the validation
        self.threshold = nn.Buffer(torch.tensor(0.5 if threshold is None else threshold))

    def values(self, predictions: Predictions) -> dict[str, Tensor]:
        """At the present threshold, or at the best one where it is chosen here."""
        if self.choosing and self.free:
            self.threshold.copy_(best_threshold(predictions.value, predictions.label))
        positive, chosen = predictions.label > 0.5, predictions.value >= self.threshold
        hits = (positive & chosen).sum().double()
        precision, recall = hits / chosen.sum(), hits / positive.sum()
        return {
            "accuracy": (positive == chosen).double().mean(),
            "precision": precision.nan_to_num(0.0),
            "recall": recall.nan_to_num(0.0),
            "f1": 2 * hits / (chosen.sum() + positive.sum()),
            "threshold": self.threshold.double(),
        }


def best_threshold(value: Tensor, label: Tensor) -> Tensor:
    """The value from which on "1" gives the highest F1; the highest such value where several do.

    Example:
        >>> best_threshold(torch.tensor([0.2, 0.4, 0.6, 0.8]), torch.tensor([0, 1, 0, 1]))
        tensor(0.4000)
    """
    value, order = torch.sort(value, descending=True)
    hits, chosen = (label[order] > 0.5).cumsum(0), torch.arange(1, len(value) + 1, device=value.device)
    f1 = 2 * hits.double() / (chosen + hits[-1])
    last = torch.ones_like(value, dtype=torch.bool)  # equal values are chosen together
    last[:-1] = value[1:] != value[:-1]
    return value[torch.where(last, f1, -1).argmax()]
