"""The model of a complete run, put together again as it was chosen.

What a checkpoint leaves out comes from the run's own seed: parts that were drawn and never trained. The generators of
this process stay where they are, so that a training which reads another run's model draws what it would without.

Relations: ``finished`` reads the run; ``label_evaluation``, ``rescoring``, ``collaborative`` and the room ``use`` ask
here, ``evaluation`` goes the same way where the items may be others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import LightningModule, seed_everything
from omegaconf import DictConfig

from rec_lightning.contracts import Catalog
from rec_lightning.data.module import RecData
from rec_lightning.runtime.build import build_task
from rec_lightning.runtime.finished import load_best
from rec_lightning.runtime.resume import generators, set_generators


def rebuilt(config: DictConfig, data: RecData, saved: dict[str, Any]) -> LightningModule:
    """Builds the task and fills it.

    Args:
        config: resolved, of the run.
        data: prepared, and labelled where the run scored labels; will carry times where the model reads them.
        saved: what ``read_best`` gave.

    Raises:
        ValueError: it belongs to another base or another configuration, or the data have no times.
        OSError: a pretrained model cannot be had.
    """
    task = built_as(config, data.catalog)
    load_best(task, saved)
    if getattr(task, "needs_time", False):
        data.carry_times(str(task.without_times))
    return task


def built_as(config: DictConfig, catalog: Catalog) -> LightningModule:
    """The task as the run began it.

    Args:
        config: resolved, of the run.
        catalog: the items.

    Raises:
        ValueError: as ``build_task``.
        OSError: a pretrained model cannot be had.
    """
    with _kept_generators():
        seed_everything(config.seed, verbose=False)
        return build_task(config, catalog)


@contextmanager
def _kept_generators() -> Iterator[None]:
    before = generators()
    try:
        yield
    finally:
        set_generators(before)
