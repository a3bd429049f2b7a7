"""What several processes of one training share beside gradients: next to nothing.

DDP copies every buffer from the first process to the others before each step. Banks, random projections and running
sums are each process's own, so that is switched off; the copy at the start stays.

A strategy may split tensors over processes (``DTensor``); checkpoints hold them whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


def keep_buffers(model: nn.Module | None) -> None:
    """Ends the copying of buffers before each step, unless there are statistics of batches among them."""
    if isinstance(model, DistributedDataParallel) and not any(isinstance(m, _BatchNorm) for m in model.modules()):
        model.broadcast_buffers = False


def several() -> bool:
    """Whether this is one of several processes that know each other."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def total(value: Tensor) -> Tensor:
    """The sum over all processes, without gradient."""
    value = value.detach().clone()
    if several():
        dist.all_reduce(value)
    return value


def weight(positions: int, device: torch.device) -> Tensor | float:
    """What a process's mean counts, so that the mean over processes is that over all positions of the step."""
    if not several():
        return 1.0
    return positions * dist.get_world_size() / total(torch.tensor(float(positions), device=device))


def everyone(value: T) -> list[T]:
    """The values of all processes, by rank; any object."""
    found = [value]
    if several():
        found = [value] * dist.get_world_size()
        dist.all_gather_object(found, value)
    return found


def own(values: list[T]) -> T:
    """This process's of what ``everyone`` gave, perhaps with another number of processes."""
    return values[(dist.get_rank() if several() else 0) % len(values)]


def whole(value: Any) -> Any:
    """A tensor that is split over processes as one in each of them, all of which must ask; anything else as it is."""
    return value.full_tensor() if hasattr(value, "full_tensor") else value


def reshard(value: Tensor, like: Tensor) -> Tensor:
    """This process's part of a whole tensor, split as another one is; without a word to other processes."""
    if not hasattr(like, "full_tensor"):
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    like = cast(DTensor, like)
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def load_whole(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Loads some weights and buffers by name into a module whose tensors may be split."""
    there = module.state_dict()
    module.load_state_dict({n: reshard(v, there[n]) if n in there else v for n, v in state.items()}, strict=False)
