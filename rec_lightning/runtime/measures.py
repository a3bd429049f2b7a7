"""How a run is measured: the ranking and the metrics of a config, those that ask for it given the catalogue.

A part whose file says ``_partial_: true`` is called with the catalogue, as item encoders are.

Relations: ``build`` and ``baselining`` put them into a run.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torchmetrics import Metric, MetricCollection

from rec_lightning.contracts import Catalog, Ranking


def build_ranking(group: DictConfig, catalog: Catalog) -> Any:
    """The ranking.

    Raises:
        ValueError: a value out of range.
    """
    return _given(instantiate(group), catalog)


def build_metrics(group: DictConfig, catalog: Catalog) -> dict[str, Metric]:
    """The metrics by name; a name that is null is left out.

    Raises:
        ValueError: a value out of range, or a column that the catalogue lacks.
    """
    return {name: _given(metric, catalog) for name, metric in instantiate(group).items() if metric is not None}


def _given(part: Any, catalog: Catalog) -> Any:
    return part(catalog=catalog) if isinstance(part, partial) else part


def metric_keys(ranking: DictConfig, metrics: DictConfig, catalog: Catalog) -> list[str]:
    """What will be measured, without ``val/`` and ``test/``, before any data are read."""
    collection = MetricCollection(build_metrics(metrics, catalog), compute_groups=False)  # type: ignore[arg-type]
    none = torch.ones(0, dtype=torch.long)
    collection.update(Ranking(none, none.view(0, 1), none.view(0, 1).float(), none, none))
    prefix = build_ranking(ranking, catalog).prefix
    return [f"{prefix}{key}" for key in collection.compute()]
