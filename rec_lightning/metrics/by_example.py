"""What all metrics of predictions share: every prediction is kept, and put in the order of the events before it counts.

So a value is the same to the last bit whatever the batches and the number of processes. Metrics of one collection
share one copy.

Relations: read by ``roc_auc, grouped_auc, log_loss, at_threshold, expected_calibration, errors,
label_slices, class_scores``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from rec_lightning.contracts import Kind, Predictions

_STATES = ("event", "user", "item", "label", "value")


class ByExample(Metric):
    """A function of all predictions."""

    full_state_update = False
    kinds: tuple[Kind, ...] = ("binary", "number", "classes")  # of labels it measures
    higher: dict[str, bool] = {}  # noqa: RUF012  # key -> whether more is better; a key that is not there is no aim

    def __init__(self) -> None:
        super().__init__()
        for name in _STATES:
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, predictions: Predictions) -> None:
        """Adds predictions."""
        for name in _STATES:
            getattr(self, name).append(getattr(predictions, name))

    def compute(self) -> dict[str, Tensor]:
        """The values by key; NaN for one that has no meaning, as an AUC of one class."""
        found = Predictions(*(dim_zero_cat(getattr(self, name)) for name in _STATES))
        return self.values(found.take(torch.argsort(found.event, stable=True)))

    def values(self, predictions: Predictions) -> dict[str, Tensor]:
        """The values by key, in double."""
        raise NotImplementedError
