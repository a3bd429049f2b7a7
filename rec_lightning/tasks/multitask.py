"""Several objectives over one trunk: which item comes next, how many stars, is it liked, clicked, bought.

One row is one event: what was before it, the item, and what is known of it. Items and backbone are shared; a structure
stands between them and the heads, a method of balancing between the losses and the step. Every mean is over the rows of
the batch, of all processes, that have the label; under accumulation a step is the mean of its batches' means, as it is
everywhere here.

Relations: ``sequence`` and ``scoring`` have one objective each; ``sequence`` asks for the next item at every position
of a window at once, here each event has its own row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from lightning import Callback
from torch import Tensor, nn

from rec_lightning.contracts import (
    Backbone,
    Balancing,
    Batch,
    ItemEncoder,
    OptimizerFactory,
    SchedulerFactory,
    Structure,
    Tuning,
)
from rec_lightning.tasks.apart import carry, cosines, gradients, mean_over_processes, products
from rec_lightning.tasks.objectives import Ranks, Scores
from rec_lightning.tasks.pictured import Pictures
from rec_lightning.tasks.processes import total
from rec_lightning.tasks.shared import Shared

# B rows, T tasks, S numbers in all shared parameters


class MultiTask(Shared):
    """Training and measuring by several objectives.

    Args:
        items: item indices -> vectors.
        backbone: vectors of a history -> states.
        objectives: by name, which stands before their metrics: ``val/name/...``. One at most ranks.
        structure: state of the trunk -> that of each task.
        balancing: losses or gradients of the tasks -> a step.
        optimizer: called with parameter groups of what trains.
        scheduler: called with the optimizer and the steps of the whole run.
        tuning: the method that was applied; says the learning rate inside pretrained trunks.
        cosines_every: steps between two looks at how far the tasks' gradients agree; 0 for none.

    Raises:
        ValueError: no objective, a name that is no name, no weight above 0, two that rank, one that ranks over a trunk
            without histories, ``given`` that names no binary objective, or a number of steps below 0.
    """

    def __init__(
        self,
        items: ItemEncoder,
        backbone: Backbone,
        objectives: Mapping[str, Ranks | Scores],
        structure: Structure,
        balancing: Balancing,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        tuning: Tuning | None = None,
        cosines_every: int = 50,
    ) -> None:
        check_objectives(objectives, backbone)
        if cosines_every < 0:
            raise ValueError(f"task.cosines_every must be at least 0, got {cosines_every}. Set task.cosines_every.")
        super().__init__(items, backbone, objectives, structure, optimizer, scheduler, tuning)
        self.balancing, self.cosines_every = balancing, cosines_every
        self.weights = [part.weight for part in objectives.values()]
        # of the running epoch: sums of each task's losses, and how many they were
        self._sums = nn.Buffer(torch.zeros(2, len(self.names), dtype=torch.double), persistent=False)
        self._held: list[Tensor] = []  # gradients of the batches of a step so far
        self.cosines: tuple[int, Tensor] | None = None  # step and (T, T), of a look that nobody took over yet
        self._pictures = Pictures()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """What is descended in a step, of all objectives."""
        means, counts = self.losses(batch)
        counted = torch.tensor(counts, dtype=torch.double, device=means[0].device)
        sums, everywhere = total(torch.stack([torch.stack(means).detach().double() * counted, counted]))
        self._sums.add_(torch.stack([sums, everywhere]))
        weights = counted.new_tensor(self.weights)
        # the mean of a process counts as its rows do, so that the mean over processes is that over all rows
        share = (counted * _world() / everywhere.clamp(min=1) * weights).float()
        losses = [mean * part for mean, part in zip(means, share, strict=True)]
        if _world() > 1 or 0 in counts:
            losses[0] = losses[0] + self._idle()
        seen, there = (sums / everywhere.clamp(min=1)), (everywhere > 0) & (weights > 0)
        for name, mean, number in zip(self.names, seen.float(), everywhere, strict=True):
            if number:
                self.log(f"train/{name}/loss", mean, batch_size=len(batch))
        seen = (seen * weights).float()
        self._counted(self.balancing(seen, there), len(batch), len(batch))
        return self._descended(losses, seen, there, batch_idx)

    def _idle(self) -> Tensor:
        # 0 with a gradient of 0: a head without labels trains as one in a process that has some
        return 0.0 * torch.stack([p.sum() for p in self.objectives.parameters() if p.requires_grad]).sum()

    def _descended(self, losses: list[Tensor], seen: Tensor, there: Tensor, batch_idx: int) -> Tensor:
        """The loss, or a scalar that carries the gradients put together."""
        batches, last = self._accumulated(batch_idx)
        looks = bool(self.cosines_every) and last and self.global_step % self.cosines_every == 0
        loss = self.balancing(torch.stack(losses), there)
        if self.balancing.takes_gradients:
            return self._aggregated(loss, losses, there, batches if last else 0, looks)
        if self.balancing.takes_norms:
            self._hold([gradients(loss, [self.last_shared()]) for loss in losses])
            if last:
                norms = torch.stack([mean_over_processes(held / batches).norm() for held in self._held])
                self._held = []
                self.balancing.observe(seen, norms, there)
        if looks:
            shared, _ = self.parameters_apart()
            self._look(products(mean_over_processes(torch.stack([gradients(loss, shared) for loss in losses]))))
        return loss

    def _aggregated(self, loss: Tensor, losses: list[Tensor], there: Tensor, batches: int, looks: bool) -> Tensor:
        """Batches: those of a step; 0 where it has not all of them yet."""
        shared, own = self.parameters_apart()
        self._hold([gradients(loss, [*shared, *mine]) for loss, mine in zip(losses, own, strict=True)])
        every = [*shared, *[parameter for mine in own for parameter in mine]]
        size = sum(p.numel() for p in shared)
        if not batches:
            return carry(loss, every, torch.zeros(sum(p.numel() for p in every), device=loss.device))
        held, self._held = [mean_over_processes(row) for row in self._held], []
        common = torch.stack([row[:size] for row in held])  # (T, S)
        inner = products(common / batches)  # the trainer divides by the number of batches
        if looks:
            self._look(inner)
        weights = self.balancing.directions(inner, there).to(common)
        return carry(loss, every, torch.cat([weights @ common, *[row[size:] for row in held]]))

    def _hold(self, found: list[Tensor]) -> None:
        self._held = [a + b for a, b in zip(self._held, found, strict=True)] if self._held else found

    def _look(self, inner: Tensor) -> None:
        found = cosines(inner).float()
        self.cosines = self.global_step, found.cpu()
        for one, row in enumerate(self.names):
            for two, column in enumerate(self.names):
                if one < two and not found[one, two].isnan():
                    self.log(f"train/cosine/{row}/{column}", found[one, two], rank_zero_only=False)

    def _accumulated(self, batch_idx: int) -> tuple[int, bool]:
        """Batches of a step, and whether this is its last."""
        if self._trainer is None:
            return 1, True
        batches = int(self.trainer.accumulate_grad_batches)
        return batches, (batch_idx + 1) % batches == 0 or self.trainer.is_last_batch

    def parameters_apart(self) -> tuple[list[nn.Parameter], list[list[nn.Parameter]]]:
        """What trains: parameters that may reach several losses, and those of each task alone."""
        asked = {part.given for part in self.scores.values()}  # these reach another's loss too
        own = [
            [p for p in (*self.objectives[name].parameters(), *self.structure.own(number)) if p.requires_grad]
            if name not in asked
            else []
            for number, name in enumerate(self.names)
        ]
        apart = {id(parameter) for mine in own for parameter in mine}
        return [p for p in self.parameters() if p.requires_grad and id(p) not in apart], own

    def last_shared(self) -> nn.Parameter:
        """The last shared matrix that trains, of the structure, else of the backbone, else of the items.

        Raises:
            ValueError: there is none.
        """
        shared = {id(p) for p in self.parameters_apart()[0]}
        for part in (self.structure, self.backbone, self.items):
            assert isinstance(part, nn.Module)
            found = [p for p in part.parameters() if id(p) in shared and p.ndim >= 2]
            if found:
                return found[-1]
        raise ValueError("balancing=gradnorm needs a shared layer that trains, and there is none. Set tuning=full.")

    def configure_callbacks(self) -> list[Callback]:
        """The pictures, always the same ones."""
        return [self._pictures]

    def on_train_epoch_end(self) -> None:
        """Logs each task's mean loss of the epoch, and tells the method of balancing."""
        super().on_train_epoch_end()
        means = (self._sums[0] / self._sums[1]).float()  # nan without labels
        for name, mean in zip(self.names, means, strict=True):
            if not mean.isnan():
                self.log(f"train/{name}/loss_epoch", mean, rank_zero_only=False)
        self.balancing.end_epoch(means)
        self._sums.zero_()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A resume point also has the tasks' sums."""
        super().on_save_checkpoint(checkpoint)
        if "task" in checkpoint:
            checkpoint["task"]["sums"] = self._sums.clone()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes them back."""
        super().on_load_checkpoint(checkpoint)
        if "task" in checkpoint:
            self._sums.copy_(checkpoint["task"]["sums"])


def check_objectives(objectives: Mapping[str, Ranks | Scores], backbone: Backbone) -> None:
    """Refuses objectives that do not go together.

    Raises:
        ValueError: as ``MultiTask`` says.
    """
    if not objectives:
        raise ValueError("task.objectives must name one at least, got none. Set task=multitask anew.")
    for name, part in objectives.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError(f"an objective's name must be a word of a-z, 0-9 and _, got {name!r}. Rename it.")
        given = getattr(part, "given", None)
        other = objectives.get(given) if given is not None else None
        if given is not None and (given == name or not isinstance(other, Scores) or other.label.kind != "binary"):
            raise ValueError(
                f"task.objectives.{name}.given must name another objective of a binary label, got {given!r}. Set it to "
                "one of them, or null."
            )
        if given is not None and isinstance(other, Scores) and other.given is not None:
            raise ValueError(
                f"task.objectives.{name}.given must name an objective without one, and {given} has one. Set it to null."
            )
    if not any(part.weight > 0 for part in objectives.values()):
        raise ValueError(f"a weight of {', '.join(objectives)} must be above 0, and all are 0. Set one's weight.")
    ranks = [name for name, part in objectives.items() if isinstance(part, Ranks)]
    if len(ranks) > 1:
        raise ValueError(f"one objective at most may rank, got {', '.join(ranks)}. Leave all but one out.")
    if ranks and not getattr(backbone, "reads_history", True):
        raise ValueError(
            f"task.objectives.{ranks[0]} ranks what comes after a history, and backbone={type(backbone).__name__} "
            "reads none. Leave the objective out, or set backbone=sasrec."
        )


def _world() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
