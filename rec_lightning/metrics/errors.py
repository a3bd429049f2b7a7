"""Errors of predicted numbers: root of the mean square, and mean of the absolute ones.

Relations: ``label_slices`` has the first of both for few and many training events.
"""

from __future__ import annotations

from torch import Tensor

from rec_lightning.contracts import Kind, Predictions
from rec_lightning.metrics.by_example import ByExample


class Errors(ByExample):
    """``rmse`` and ``mae``, in the label's units."""

    kinds: tuple[Kind, ...] = ("number",)
    higher = {"rmse": False, "mae": False}  # noqa: RUF012

    def values(self, predictions: Predictions) -> dict[str, Tensor]:
        """Over all examples."""
        apart = predictions.value.double() - predictions.label.double()
        return {"rmse": apart.square().mean().sqrt(), "mae": apart.abs().mean()}
