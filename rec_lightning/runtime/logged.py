"""What a run will log on its test, known before any data are read.

Relations: ``measures`` computes the keys of one group of metrics; a study asks here for what it tells beside its own.
"""

from __future__ import annotations

from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from rec_lightning.contracts import Catalog
from rec_lightning.runtime.measures import logged_by, measures_of
from rec_lightning.runtime.several import several


def logged_keys(config: DictConfig, data: DictConfig) -> frozenset[str]:
    """The keys behind ``test/`` of a run of ``train``, ``baseline``, ``fuse`` or ``evaluate``.

    Args:
        config: resolved, of the run.
        data: resolved group ``data`` of what it is measured on.

    Raises:
        ValueError: a value out of range, or a column that the items lack.
    """
    source: Any = instantiate(data)
    catalog = Catalog.empty(source.item_columns, source.user_columns)
    if config.get("task") and several(config):
        return frozenset(
            f"{name}/{key}"
            for name, part in config.task.objectives.items()
            for key in logged_by(part.metrics, part.get("label"), part.get("ranking"), catalog)
        )
    if config.get("task") and (own := measures_of(config)) is not None:
        return frozenset(own)
    return frozenset(logged_by(config.metrics, config.get("label"), config.get("ranking"), catalog))
