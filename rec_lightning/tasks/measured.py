"""The metrics of an objective in validation and test; what one chose on validation holds for the test.

Relations: ``objectives`` has one of each; ``multitask`` logs them under the objective's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from rec_lightning.contracts import Catalog, Stage


class Measured(nn.Module):
    """Two copies of the metrics.

    Args:
        metrics: by name, ready or to be made with the catalogue; null leaves one out.
        catalog: for those.
        alike: whether those that read predictions share what they keep.
    """

    def __init__(self, metrics: Mapping[str, Any], catalog: Catalog, alike: bool) -> None:
        super().__init__()
        made: dict[str, Metric] = {
            name: part(catalog=catalog) if isinstance(part, partial) else part
            for name, part in metrics.items()
            if part is not None
        }
        together = [name for name, metric in made.items() if hasattr(metric, "kinds")]
        groups = [together, *([name] for name in made if name not in together)]
        collection = MetricCollection(dict(made), compute_groups=groups if alike else False)
        self.val, self.test = collection.clone(), collection.clone()
        for metric in self.val.values(copy_state=False):
            if hasattr(metric, "choosing"):
                metric.choosing = True

    def of(self, stage: Stage) -> MetricCollection:
        """Those of a stage."""
        return self.val if stage == "val" else self.test

    def results(self, stage: Stage) -> dict[str, Tensor]:
        """The values by key; the metrics start anew."""
        found = {key: value.float() for key, value in self.of(stage).compute().items()}
        self.of(stage).reset()
        if stage == "val":
            for name, metric in self.val.items(copy_state=False):
                if hasattr(metric, "choosing"):
                    self.test[name].threshold.copy_(metric.threshold)  # type: ignore[operator, arg-type]
        return found
