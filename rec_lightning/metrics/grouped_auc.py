"""Grouped AUC: the AUC within each user, averaged with the user's number of examples as weight.

Paper: H. Zhu et al., "Optimized Cost per Click in Taobao Display Advertising", KDD 2017,
https://arxiv.org/abs/1703.02091. Users whose labels are all equal are left out. ``uauc`` is the plain mean over users.

Relations: ``roc_auc`` also rewards knowing which users like more.
"""

from __future__ import annotations

from torch import Tensor

from rec_lightning.contracts import Kind, Predictions
from rec_lightning.metrics.by_example import ByExample
from rec_lightning.metrics.roc_auc import auc_by_group


class GroupedAUC(ByExample):
    """``gauc`` and ``uauc``; NaN where no user has both labels."""

    kinds: tuple[Kind, ...] = ("binary",)
    higher = {"gauc": True, "uauc": True}  # noqa: RUF012

    def values(self, predictions: Predictions) -> dict[str, Tensor]:
        """By user."""
        found, size = auc_by_group(predictions.user, predictions.value, predictions.label)
        both = ~found.isnan()
        weight = size[both].double()
        return {"gauc": (found[both] * weight).sum() / weight.sum(), "uauc": found[both].mean()}
