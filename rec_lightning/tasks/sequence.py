"""Sequence recommendation: predict the next item at every position, rank the whole catalogue at the last one.

The crossing of the two roads: items -> backbone -> head -> loss in training, -> ranking -> metrics in evaluation.
Names no model: every part comes in ready.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from rec_lightning.contracts import (
    Backbone,
    Batch,
    Companion,
    Head,
    ItemEncoder,
    Loss,
    OptimizerFactory,
    Ranking,
    SchedulerFactory,
    Stage,
    Tuning,
)
from rec_lightning.ranking.topk import TopK
from rec_lightning.tasks.lean import bases, check_bases, check_lean, lean_state
from rec_lightning.tasks.parameters import parameter_groups, scale_learning_rates
from rec_lightning.tasks.processes import keep_buffers, total, weight

# B batch, L length, D width, N items, P positions that count, M unique items


class SequenceTask(LightningModule):
    """Next-item training and full ranking.

    Args:
        items: item indices -> vectors.
        backbone: vectors of a history -> states.
        head: states and vectors -> queries and keys.
        loss: queries, keys, targets -> scalar.
        ranking: queries and keys -> ranks and top k.
        metrics: name -> metric over a ranking; their results are logged as ``val/...`` and ``test/...``.
        optimizer: called with parameter groups of what trains.
        scheduler: called with the optimizer and the steps of the whole run.
        tuning: the method that was applied; says the learning rate inside pretrained trunks.
        companion: an objective beside the loss; None for the loss alone.

    Raises:
        ValueError: the companion does not go with the backbone.
    """

    _loss_sum: Tensor
    _positions: Tensor

    def __init__(
        self,
        items: ItemEncoder,
        backbone: Backbone,
        head: Head,
        loss: Loss,
        ranking: TopK,
        metrics: Mapping[str, Metric],
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        tuning: Tuning | None = None,
        companion: Companion | None = None,
    ) -> None:
        super().__init__()
        if companion is not None and getattr(backbone, "needs_time", False):
            raise ValueError(
                f"companion={type(companion).__name__} changes histories and knows no times, and "
                f"backbone={type(backbone).__name__} reads them. Set companion=none or another backbone."
            )
        self.items, self.backbone, self.head, self.loss = items, backbone, head, loss
        self.ranking, self.optimizer, self.scheduler, self.tuning = ranking, optimizer, scheduler, tuning
        self.companion = companion
        # no groups: they would join metrics whose states happen to be equal after the first batch
        collection = MetricCollection(dict(metrics), compute_groups=False)
        self.val_metrics, self.test_metrics = collection.clone(), collection.clone()
        self.rankings: list[Ranking] = []
        self.strict_loading = False  # checkpoints hold only what was trained; ``check_lean`` compares the names
        # vectors and keys of all items during an evaluation; in a tuple, so that a table that is a parameter is not
        # registered a second time
        self._catalog: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))
        # sums of the running epoch, so that a resumed one reports the same mean
        self._loss_sum = nn.Buffer(torch.zeros((), dtype=torch.double), persistent=False)
        self._positions = nn.Buffer(torch.zeros((), dtype=torch.long), persistent=False)

    @property
    def needs_time(self) -> bool:
        """Whether batches must carry times."""
        return bool(getattr(self.backbone, "needs_time", False))

    @property
    def without_times(self) -> str:
        """What to set where the data have no times."""
        return str(getattr(self.backbone, "without_times", "choose a backbone that reads positions only"))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean loss over the positions with a target, and the companion's part."""
        asked_for_all, batch = batch, self.backbone.pose(batch)
        counts = batch.target > 0  # (B, L)
        aim = batch.target[counts]  # (P,)
        negatives = self.loss.negatives(aim)
        if negatives is None:
            vectors, history, target = self.items.table(), batch.history, aim  # (N + 1, D)
        else:
            asked = [aim.new_zeros(1), aim, negatives.items.flatten(), batch.history.flatten()]
            unique, place = torch.unique(torch.cat(asked), return_inverse=True)  # sorted, so the padding is row 0
            vectors = self.items.vectors(unique)  # (M, D)
            _, target, drawn, history = place.split([len(part) for part in asked])
            history = history.view_as(batch.history)
            negatives = replace(negatives, items=drawn.view_as(negatives.items))
        states = self.backbone.states(batch, nn.functional.embedding(history, vectors))
        loss = self.loss(self.head.queries(states[counts]), self.head.keys(vectors), target, negatives)
        if self.companion is not None:
            beside = self.companion(replace(asked_for_all, history=history), vectors, self._after)
            self.log("train/loss_main", loss.detach(), batch_size=len(batch))
            self.log("train/loss_companion", beside.detach(), batch_size=len(batch))
            loss = loss + self.companion.weight * beside
        if not torch.isfinite(loss):
            raise ValueError(f"the loss is {loss.item()} at step {self.global_step}: lower optimizer.lr.")
        self._loss_sum += loss.detach() * len(aim)
        self._positions += len(aim)
        self.log("train/loss", loss.detach(), batch_size=len(batch))
        return loss * weight(len(aim), loss.device)

    def on_train_start(self) -> None:
        """Leaves each process of a distributed training its own buffers."""
        keep_buffers(self.trainer.strategy.model)

    def on_train_epoch_end(self) -> None:
        """Logs the mean loss over the epoch's positions."""
        mean = total(self._loss_sum) / total(self._positions)
        self.log("train/loss_epoch", mean.float(), rank_zero_only=False)
        self._loss_sum.zero_()
        self._positions.zero_()

    def states(self, batch: Batch, vectors: Tensor) -> Tensor:
        """The state after each history: (B, D)."""
        return self._after(batch, nn.functional.embedding(batch.history, vectors))

    def _after(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        # (B, L, D) -> (B, D); one target a row, which is how a backbone is asked in evaluation
        if batch.target.ndim == 2:
            batch = replace(batch, target=batch.target[:, 0])
        states = self.backbone.states(batch, item_vectors)
        return states[torch.arange(len(batch), device=states.device), batch.length - 1]

    def on_validation_epoch_start(self) -> None:
        """Encodes the catalogue once."""
        vectors = self.items.table()
        self._catalog = vectors, self.head.keys(vectors)

    def on_test_epoch_start(self) -> None:
        """Encodes the catalogue once."""
        self.rankings = []
        self.on_validation_epoch_start()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Ranks the validation targets."""
        self.val_metrics.update(self._rank(batch))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Ranks the test targets and keeps the rankings."""
        ranking = self._rank(batch)
        self.test_metrics.update(ranking)
        self.rankings.append(ranking)

    def _rank(self, batch: Batch) -> Ranking:
        vectors, keys = self._catalog
        return self.ranking(batch, self.head.queries(self.states(batch, vectors)), keys)

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/...``."""
        self._log_metrics("val", self.val_metrics)

    def on_test_epoch_end(self) -> None:
        """Logs ``test/...``."""
        self._log_metrics("test", self.test_metrics)

    def _log_metrics(self, stage: Stage, metrics: MetricCollection) -> None:
        prefix = self.ranking.prefix
        values = {f"{stage}/{prefix}{key}": value.float() for key, value in metrics.compute().items()}
        # every process holds the same value already
        self.log_dict(values, prog_bar=False, rank_zero_only=False)
        metrics.reset()
        self._catalog = torch.empty(0), torch.empty(0)

    def configure_optimizers(self) -> Any:
        """One optimizer over what trains, its rate set at every step."""
        lr_factor = self.tuning.lr_factor if self.tuning is not None else 1.0
        optimizer = self.optimizer(parameter_groups(self, self._trunks(), lr_factor))
        scale_learning_rates(optimizer)
        scheduler = self.scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _trunks(self) -> Sequence[nn.Module]:
        return [part.trunk for part in (self.items, self.backbone) if part.pretrained]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps only what was trained and on which base; a resume point also gets the sums and banks."""
        checkpoint["state_dict"], checkpoint["bases"] = lean_state(self), bases(self)
        if "optimizer_states" in checkpoint:
            checkpoint["task"] = {"loss_sum": self._loss_sum.clone(), "positions": self._positions.clone()}
            checkpoint["parts"] = {
                name: part.resume_state() for name, part in self.named_modules() if hasattr(part, "resume_state")
            }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses a checkpoint of another base, or whose names are not those of this model's trained weights."""
        check_bases(self, checkpoint.get("bases", {}))
        check_lean(self, checkpoint["state_dict"])
        if "task" in checkpoint:
            self._loss_sum.copy_(checkpoint["task"]["loss_sum"])
            self._positions.copy_(checkpoint["task"]["positions"])
            for name, state in checkpoint["parts"].items():
                self.get_submodule(name).load_resume_state(state)  # type: ignore[operator]
