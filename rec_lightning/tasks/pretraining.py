"""What tasks without a backbone and without a ranking do alike: they measure themselves, in a word and a number.

Such a task says in ``measures`` what it measures and which is best, so that a run can choose its best epoch by it.

Relations: ``crossing`` trains and keeps; ``pretrain_text`` is one.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch

from rec_lightning.contracts import Batch, ItemEncoder, OptimizerFactory, SchedulerFactory, Tuning
from rec_lightning.tasks.crossing import Crossing


class Bare(Crossing):
    """Items only.

    Args:
        items: item indices -> vectors.
        optimizer: called with parameter groups of what trains.
        scheduler: called with the optimizer and the steps of the whole run.
        tuning: the method that was applied; says the learning rate inside pretrained trunks.
    """

    measures: ClassVar[dict[str, str]] = {}  # measure -> max or min

    def __init__(
        self, items: ItemEncoder, optimizer: OptimizerFactory, scheduler: SchedulerFactory, tuning: Tuning | None = None
    ) -> None:
        super().__init__(items, None, optimizer, scheduler, tuning)  # type: ignore[arg-type]

    def measured(self, stage: Literal["val", "test"]) -> dict[str, float]:
        """The measures of a stage, without gradient."""
        raise NotImplementedError

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Nothing: what is measured does not lie in batches."""

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Nothing."""

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/...``."""
        self._log("val")

    def on_test_epoch_end(self) -> None:
        """Logs ``test/...``."""
        self._log("test")

    def _log(self, stage: Literal["val", "test"]) -> None:
        with torch.no_grad():
            found: dict[str, Any] = {f"{stage}/{key}": value for key, value in self.measured(stage).items()}
        self.log_dict(found, rank_zero_only=False)
