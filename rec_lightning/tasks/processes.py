"""What several processes of one training share beside gradients: next to nothing.

DDP copies every buffer from the first process to the others before each step. Banks, random projections and running
sums are each process's own, so that is switched off; the copy at the start stays.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel


def keep_buffers(model: nn.Module | None) -> None:
    """Ends the copying of buffers before each step, unless there are statistics of batches among them."""
    if isinstance(model, DistributedDataParallel) and not any(isinstance(m, _BatchNorm) for m in model.modules()):
        model.broadcast_buffers = False


def total(value: Tensor) -> Tensor:
    """The sum over all processes, without gradient."""
    value = value.detach().clone()
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(value)
    return value


def weight(positions: int, device: torch.device) -> Tensor | float:
    """What a process's mean counts, so that the mean over processes is that over all positions of the step."""
    if not (dist.is_available() and dist.is_initialized()):
        return 1.0
    return positions * dist.get_world_size() / total(torch.tensor(float(positions), device=device))
