"""One metric for users and items with few training events, and for those with many.

Relations: ``roc_auc`` and ``errors`` over all; ``popularity_slices`` does the same for rankings.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import KNOWN, Catalog, Predictions
from rec_lightning.metrics.by_example import ByExample


class LabelSlices(ByExample):
    """``auc_cold_users`` and so on, of ``metric``; NaN for a slice without examples.

    Args:
        catalog: says how many training events items and users have.
        metric: what is measured in each slice; its first key counts.
        few: users and items with fewer training events are cold.

    Raises:
        ValueError: no number of events.
    """

    def __init__(self, catalog: Catalog, metric: ByExample, few: int = 10) -> None:
        super().__init__()
        if few < 1:
            raise ValueError(f"metrics.slices.few must be at least 1, got {few}. Set it.")
        self.metric, self.few, self.kinds = metric, few, metric.kinds
        key, better = next(iter(metric.higher.items()))
        self.higher = {f"{key}_{cold}_{of}": better for cold in ("cold", "warm") for of in ("users", "items")}
        self.users = nn.Buffer(torch.tensor(catalog.events[KNOWN].to_numpy()), persistent=False)
        self.items = nn.Buffer(torch.tensor(catalog.popularity), persistent=False)

    def values(self, predictions: Predictions) -> dict[str, Tensor]:
        """Of each slice."""
        # a rehearsal measures without events
        users = self.users[predictions.event] if len(self.users) else torch.zeros_like(predictions.event)
        items = self.items[predictions.item]
        found = {}
        for of, events in (("users", users), ("items", items)):
            for name, rows in (("cold", events < self.few), ("warm", events >= self.few)):
                for key, value in list(self.metric.values(predictions.take(rows)).items())[:1]:
                    found[f"{key}_{name}_{of}"] = value
        return found
