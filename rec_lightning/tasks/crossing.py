"""What every task does alike: one optimizer over what trains, the mean loss of an epoch, lean checkpoints.

Relations: ``sequence`` and ``scoring`` say what a step computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn

from rec_lightning.contracts import (
    Backbone,
    ItemEncoder,
    OptimizerFactory,
    Pass,
    Regularizer,
    SchedulerFactory,
    Tuning,
)
from rec_lightning.tasks.lean import bases, check_bases, check_lean, lean_state
from rec_lightning.tasks.parameters import parameter_groups, scale_learning_rates
from rec_lightning.tasks.processes import everyone, keep_buffers, own, total, weight, whole


def check_companion(companion: object, backbone: object) -> None:
    """Refuses a companion where the backbone reads times.

    Raises:
        ValueError: as said.
    """
    if companion is not None and getattr(backbone, "needs_time", False):
        raise ValueError(
            f"companion={type(companion).__name__} changes histories and knows no times, and "
            f"backbone={type(backbone).__name__} reads them. Set companion=none or another backbone."
        )


class Crossing(LightningModule):
    """Item encoder and backbone, and how their weights are trained and kept.

    Args:
        items: item indices -> vectors.
        backbone: vectors of a history -> states.
        optimizer: called with parameter groups of what trains.
        scheduler: called with the optimizer and the steps of the whole run.
        tuning: the method that was applied; says the learning rate inside pretrained trunks.
        regularizer: an objective in the loss' place; None for the loss itself.
    """

    _loss_sum: Tensor
    _positions: Tensor

    def __init__(
        self,
        items: ItemEncoder,
        backbone: Backbone,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        tuning: Tuning | None = None,
        regularizer: Regularizer | None = None,
    ) -> None:
        super().__init__()
        self.regularizer = regularizer
        self.items, self.backbone = items, backbone
        self.optimizer, self.scheduler, self.tuning = optimizer, scheduler, tuning
        self.strict_loading = False  # checkpoints hold only what was trained; ``check_lean`` compares the names
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

    def _objective(self, vectors: Tensor, once: Pass) -> Tensor:
        """The loss with these item vectors (M, D), or what the regularizer makes of it."""
        return once(vectors)[0] if self.regularizer is None else self.regularizer(vectors, once)

    def _beside(self, loss: Tensor, part: Tensor, factor: Tensor | float, rows: int) -> Tensor:
        """The loss and a companion's part times its factor, both logged of a batch of ``rows``."""
        self.log("train/loss_main", loss.detach(), batch_size=rows)
        self.log("train/loss_companion", part.detach(), batch_size=rows)
        return loss + factor * part

    def _counted(self, loss: Tensor, positions: int, rows: int) -> Tensor:
        """Logs the mean over ``positions`` of a batch of ``rows``; gives what this process trains on."""
        if not torch.isfinite(loss):
            raise ValueError(f"the loss is {loss.item()} at step {self.global_step}: lower optimizer.lr.")
        self._loss_sum += loss.detach() * positions
        self._positions += positions
        self.log("train/loss", loss.detach(), batch_size=rows)
        return loss * weight(positions, loss.device)

    def configure_model(self) -> None:
        """Lets a strategy split the weights."""
        if hasattr(self.trainer.strategy, "shard"):
            self.trainer.strategy.shard(self)

    def on_train_start(self) -> None:
        """Leaves each process of a distributed training its own buffers."""
        keep_buffers(self.trainer.strategy.model)

    def on_train_epoch_end(self) -> None:
        """Logs the mean loss over the epoch's positions."""
        mean = total(self._loss_sum) / total(self._positions)
        self.log("train/loss_epoch", mean.float(), rank_zero_only=False)
        self._loss_sum.zero_()
        self._positions.zero_()

    def configure_optimizers(self) -> Any:
        """One optimizer over what trains, its rate set at every step."""
        optimizer = self.optimizer(self._groups())
        scale_learning_rates(optimizer)
        scheduler = self.scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _groups(self) -> list[dict[str, Any]]:
        lr_factor = self.tuning.lr_factor if self.tuning is not None else 1.0
        return parameter_groups(self, self._trunks(), lr_factor)

    def _trunks(self) -> Sequence[nn.Module]:
        return [part.trunk for part in (self.items, self.backbone) if part is not None and part.pretrained]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps only what was trained and on which base; a resume point also gets the sums and banks."""
        checkpoint["state_dict"] = {name: whole(value) for name, value in lean_state(self).items()}
        checkpoint["bases"] = bases(self)
        if "optimizer_states" in checkpoint:
            checkpoint["task"] = {"loss_sum": total(self._loss_sum), "positions": total(self._positions)}
            checkpoint["parts"] = everyone(
                {name: part.resume_state() for name, part in self.named_modules() if hasattr(part, "resume_state")}
            )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses a checkpoint of another base, or whose names are not those of this model's trained weights."""
        check_bases(self, checkpoint.get("bases", {}))
        check_lean(self, checkpoint["state_dict"])
        if "task" in checkpoint:
            if self.global_rank == 0:  # the sums are of all processes together
                self._loss_sum.copy_(checkpoint["task"]["loss_sum"])
                self._positions.copy_(checkpoint["task"]["positions"])
            for name, state in own(checkpoint["parts"]).items():
                self.get_submodule(name).load_resume_state(state)  # type: ignore[operator]
