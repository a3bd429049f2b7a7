"""Accuracy, macro F1 and log loss over the classes of an event.

Relations: ``at_threshold`` and ``log_loss`` for two classes with one probability.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_f1_score

from rec_lightning.contracts import Kind, Predictions
from rec_lightning.metrics.by_example import ByExample


class ClassScores(ByExample):
    """``accuracy``, ``macro_f1`` (mean over classes that occur or are predicted) and ``log_loss``."""

    kinds: tuple[Kind, ...] = ("classes",)
    higher = {"accuracy": True, "macro_f1": True, "log_loss": False}  # noqa: RUF012

    def values(self, predictions: Predictions) -> dict[str, Tensor]:
        """The most probable class is the predicted one."""
        label, value = predictions.label.long(), predictions.value
        own = value.double().gather(1, label.unsqueeze(1)).clamp(min=1e-7)
        f1: Tensor = multiclass_f1_score(value, label, num_classes=value.shape[1], average="macro")
        return {
            "accuracy": (value.argmax(1) == label).double().mean(),
            "macro_f1": f1.to(torch.double),
            "log_loss": -own.log().mean(),
        }
