"""What a training step needs, measured on a part of a batch and drawn out to the whole one.

Two steps of a quarter and of half a batch are taken for real on the processor: a tracker counts every tensor that
is alive, and a counter the arithmetic of matrix products. What grows with the rows (states, logits) is linear in them,
what does not (the encoded catalogue) stays. Tensors that parts hold and that are no parameters and no buffers (mapped
files of what a frozen layer says, token ids) are counted apart. Nothing is kept: no run directory, no weights.

Relations: ``sizes`` makes plans of it.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from hydra.utils import instantiate
from lightning import LightningModule
from omegaconf import DictConfig
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from rec_lightning.data.module import RecData
from rec_lightning.runtime.alive import Alive
from rec_lightning.runtime.sizes import Tensor
from rec_lightning.runtime.strategies.fsdp2 import blocks


@dataclass(frozen=True)
class Probe:
    """Of one process with the whole batch.

    Args:
        tensors: the parameters.
        states: numbers that the optimizer keeps for each trained one.
        fixed: bytes at the peak of a step that do not grow with the batch, beside weights, gradients and optimizer.
        growing: those that grow, for the whole batch.
        fixed_flops: of a step, whatever the batch.
        growing_flops: for the whole batch.
        seconds: of a step on this processor.
        steps: of an epoch.
        buffers: bytes of what is no parameter.
        beside: bytes of tensors that stay on the processor, wherever the model goes; files that are mapped count whole.
    """

    tensors: tuple[Tensor, ...]
    states: float
    fixed: int
    growing: int
    fixed_flops: float
    growing_flops: float
    seconds: float
    steps: int
    buffers: int
    beside: int

    def activations(self, world: int) -> int:
        """Bytes of one of so many processes that share the batch."""
        return self.fixed + self.growing // world + self.buffers

    def flops(self, world: int) -> float:
        """Of a step of one of so many processes."""
        return self.fixed_flops + self.growing_flops / world


def probe(config: DictConfig, data: RecData, task: LightningModule) -> Probe:
    """Measures a task.

    Args:
        config: resolved.
        data: prepared.
        task: built of both; its weights change.
    """
    batch, steps = data.batch_size, len(data.train_dataloader())
    rows = max(1, batch // 4), max(2, batch // 2)
    small, large = (_measure(config, data, task, n) for n in rows)
    data.batch_size = batch
    slope = [(b - a) / (rows[1] - rows[0]) for a, b in zip(small, large, strict=True)]
    fixed = [max(0.0, a - s * rows[0]) for a, s in zip(small, slope, strict=True)]
    inside = {id(p) for block in blocks(task.backbone) for p in block.parameters()}  # type: ignore[arg-type]
    tensors = tuple(
        Tensor(tuple(p.shape), p.element_size(), p.requires_grad, id(p) in inside) for p in task.parameters()
    )
    return Probe(
        tensors,
        small[3],
        round(fixed[0]),
        round(slope[0] * batch),
        fixed[1],
        slope[1] * batch,
        fixed[2] + slope[2] * batch,
        steps,
        _bytes(task.buffers()),
        sum(tensor.untyped_storage().nbytes() for tensor in held_beside(task)),
    )


def held_beside(task: nn.Module) -> list[torch.Tensor]:
    """The tensors that modules and their plain parts hold, one of each storage, without parameters and buffers."""
    seen = {t.untyped_storage()._cdata for t in (*task.parameters(), *task.buffers())}
    found, met = list[torch.Tensor](), set[int]()
    left: list[tuple[Any, int]] = [(value, 0) for module in task.modules() for value in vars(module).values()]
    while left:
        value, depth = left.pop()
        if id(value) in met or isinstance(value, nn.Module | type):
            continue
        met.add(id(value))
        if isinstance(value, torch.Tensor):
            if value.untyped_storage()._cdata not in seen:
                seen.add(value.untyped_storage()._cdata)
                found.append(value)
        elif depth < 3:
            left += [(part, depth + 1) for part in _parts(value)]
    return found


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else vars(value).values() if hasattr(value, "__dict__") else ()


def _measure(config: DictConfig, data: RecData, task: LightningModule, rows: int) -> tuple[float, float, float, float]:
    # bytes beside weights, gradients, optimizer and buffers; flops; seconds; states a trained number
    data.batch_size = rows
    batch = next(iter(data.train_dataloader()))
    trained = [p for p in task.parameters() if p.requires_grad]
    optimizer: torch.optim.Optimizer = instantiate(config.optimizer)([{"params": trained}])
    _step(task, optimizer, batch)  # the optimizer's state exists, caches are filled
    start = time.perf_counter()
    _step(task, optimizer, batch)
    seconds = time.perf_counter() - start
    with FlopCounterMode(display=False) as counter:
        _step(task, optimizer, batch)
    optimizer.zero_grad(set_to_none=True)
    kept = [v for state in optimizer.state.values() for v in state.values() if torch.is_tensor(v)]
    with Alive([*task.parameters(), *task.buffers(), *kept, *held_beside(task)]) as alive:
        _step(task, optimizer, batch)
    gradients = _bytes(trained)
    optimizer.zero_grad(set_to_none=True)
    states = _bytes(kept) / max(1, gradients)
    return max(0.0, float(alive.peak - gradients)), float(counter.get_total_flops()), seconds, states


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


def _step(task: LightningModule, optimizer: torch.optim.Optimizer, batch: Any) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are trying to `self.log")
        optimizer.zero_grad(set_to_none=True)
        task.training_step(batch, 0).backward()  # type: ignore[union-attr]
        optimizer.step()
