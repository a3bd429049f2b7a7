"""AUC of labels: how often an example with label 1 scores above one with label 0; half where they are equal.

Relations: ``grouped_auc`` compares within a user only; ``auc`` ranks one target in a whole catalogue.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Kind, Predictions
from rec_lightning.metrics.by_example import ByExample

# M examples, G groups


class RocAUC(ByExample):
    """``auc``, from counts of pairs; NaN where all labels are equal."""

    kinds: tuple[Kind, ...] = ("binary",)
    higher = {"auc": True}  # noqa: RUF012

    def values(self, predictions: Predictions) -> dict[str, Tensor]:
        """One group of all."""
        found, _ = auc_by_group(torch.zeros_like(predictions.user), predictions.value, predictions.label)
        return {"auc": found[0] if len(found) else torch.tensor(float("nan"), device=found.device)}


def auc_by_group(group: Tensor, value: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """The AUC within each group.

    Args:
        group: (M,) int64.
        value: (M,).
        label: (M,) 0 or 1.

    Returns:
        (G,) double, in the order of the groups, NaN where all labels of one are equal, and (G,) sizes.

    Example:
        >>> of = torch.tensor([0, 0, 0, 1])
        >>> auc_by_group(of, torch.tensor([0.1, 0.9, 0.5, 0.5]), torch.tensor([0, 1, 1, 1]))[0].tolist()
        [1.0, nan]
    """
    _, group, size = torch.unique(group, return_inverse=True, return_counts=True)
    order = torch.argsort(value, stable=True)
    order = order[torch.argsort(group[order], stable=True)]  # by group, then value
    group, value, positive = group[order], value[order], label[order] > 0.5
    new = torch.ones_like(positive)
    new[1:] = (group[1:] != group[:-1]) | (value[1:] != value[:-1])
    tie = new.cumsum(0) - 1
    # negatives below a tie in its group, and inside it: twice the pairs that are in order is a whole number
    negative = (~positive).long()
    inside = torch.zeros(int(tie[-1]) + 1 if len(tie) else 0, dtype=torch.long, device=value.device)
    inside.scatter_add_(0, tie, negative)
    before = inside.cumsum(0) - inside
    negatives = torch.zeros(len(size), dtype=torch.long, device=value.device).scatter_add_(0, group, negative)
    earlier = negatives.cumsum(0) - negatives  # of earlier groups
    twice = (2 * (before[tie] - earlier[group]) + inside[tie]) * positive
    won = torch.zeros_like(negatives).scatter_add_(0, group, twice)
    pairs = negatives * (size - negatives)
    return won.double() / (2 * pairs).double(), size
