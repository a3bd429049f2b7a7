"""How a run is measured: ranking, re-ranker and metrics of a config, those that ask for it given the catalogue.

A part whose file says ``_partial_: true`` is called with the catalogue, as item encoders are.

Relations: ``build`` and ``baselining`` put them into a run.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig
from torchmetrics import Metric, MetricCollection

from rec_lightning.contracts import Catalog, Label, Predictions, Ranking
from rec_lightning.ranking.reranked import Reranked


def build_ranking(
    group: DictConfig, catalog: Catalog, rerank: DictConfig | None = None, by_scores: bool = False
) -> Any:
    """The ranking, its lists made by the re-ranker where there is one.

    Args:
        group: ``ranking``.
        catalog: the items.
        rerank: the group ``rerank``; empty or None for the model's own lists.
        by_scores: the model gives scores only and has no item vectors.

    Raises:
        ValueError: a value out of range, or parts that do not go together.
    """
    ranking = _given(instantiate(group), catalog)
    return Reranked(ranking, _given(instantiate(rerank), catalog), by_scores) if rerank else ranking


def build_metrics(group: DictConfig, catalog: Catalog) -> dict[str, Metric]:
    """The metrics by name; a name that is null is left out.

    Raises:
        ValueError: a value out of range, or a column that the catalogue lacks.
    """
    return {name: _given(metric, catalog) for name, metric in instantiate(group).items() if metric is not None}


def _given(part: Any, catalog: Catalog) -> Any:
    return part(catalog=catalog) if isinstance(part, partial) else part


def measures_of(config: DictConfig) -> dict[str, str] | None:
    """What a task measures by itself and its best (max or min); None for one that is measured by ``metrics``."""
    found: dict[str, str] | None = getattr(get_object(config.task["_target_"]), "measures", None)
    return found


def metric_keys(config: DictConfig, catalog: Catalog) -> dict[str, str]:
    """What will be measured, without ``val/`` and ``test/``, before any data are read, and its best: max or min.

    A key of scoring that is no aim, as a chosen threshold, is left out.
    """
    if (own := measures_of(config)) is not None:
        return own
    return keys_of(config.metrics, config.get("label"), config.ranking, catalog)


def keys_of(group: DictConfig, label: DictConfig | None, ranks: DictConfig | None, catalog: Catalog) -> dict[str, str]:
    """The same of one group of metrics; arguments as of ``logged_by``."""
    return {key: best for key, best in logged_by(group, label, ranks, catalog).items() if best}


def logged_by(
    group: DictConfig, label: DictConfig | None, ranks: DictConfig | None, catalog: Catalog
) -> dict[str, str | None]:
    """All that one group of metrics will log, and its best: max or min, None for what is no aim.

    Args:
        group: ``metrics``.
        label: what is predicted; None where a catalogue is ranked.
        ranks: ``ranking``, where there is no label and lists are not made yet.
        catalog: the items.
    """
    metrics = build_metrics(group, catalog)
    collection = MetricCollection(metrics, compute_groups=False)  # type: ignore[arg-type]
    if label:
        for metric in metrics.values():
            metric.update(_two(instantiate(label, _convert_="all")))
        better = {key: more for metric in metrics.values() for key, more in getattr(metric, "higher", {}).items()}
        modes = {key: "max" if more else "min" for key, more in better.items()}
        return {key: modes.get(key) for key in collection.compute()}
    none = torch.ones(0, dtype=torch.long)
    collection.update(Ranking(none, none.view(0, 1), none.view(0, 1).float(), none, none))
    prefix = build_ranking(ranks, catalog).prefix if ranks else ""
    return {f"{prefix}{key}": "max" for key in collection.compute()}


def _two(label: Label) -> Predictions:
    # an example with the lowest and one with the highest label
    row, ends = torch.zeros(2, dtype=torch.long), torch.tensor([label.low, label.high])
    value = torch.eye(round(label.high) + 1)[[0, -1]] if label.kind == "classes" else ends
    return Predictions(row, row, row, ends, value)
