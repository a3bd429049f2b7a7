"""What processes of one training tell each other, whichever room asks; one process alone answers itself."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

# P rows of one process


def several() -> bool:
    """Whether this is one of several processes that know each other."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def gathered(value: Tensor) -> list[Tensor]:
    """(P, ...) of each process, by rank, without gradient; P may differ, and all must ask."""
    if not several():
        return [value]
    world = dist.get_world_size()
    sizes = [value.new_zeros(1, dtype=torch.long) for _ in range(world)]
    dist.all_gather(sizes, torch.tensor([len(value)], device=value.device))
    most = max(int(size) for size in sizes)
    filled = value.new_zeros(most, *value.shape[1:])
    filled[: len(value)] = value
    parts = [torch.empty_like(filled) for _ in range(world)]
    dist.all_gather(parts, filled)
    return [part[: int(size)] for part, size in zip(parts, sizes, strict=True)]


def joined(value: Tensor) -> tuple[Tensor, slice]:
    """(P, ...) of each process one under the other, by rank, and where this one's rows lie; all must ask.

    With gradient: what the losses of other processes say of these rows is added up and comes back. A mean over
    processes, as DDP takes it, then divides all of it alike.
    """
    parts = gathered(value.detach())
    whole: Tensor = _Joined.apply(value, parts) if several() else value  # type: ignore[no-untyped-call]
    return whole, mine(parts)


def mine(parts: list[Tensor]) -> slice:
    """Where this process's rows lie among those of all."""
    rank = dist.get_rank() if several() else 0
    first = sum(len(part) for part in parts[:rank])
    return slice(first, first + len(parts[rank]))


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, parts: list[Tensor]) -> Tensor:
        ctx.own = mine(parts)
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        whole = slopes[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(whole)
        return whole[ctx.own], None
