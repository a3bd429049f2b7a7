"""What processes of one training tell each other, whichever room asks; one process alone answers itself."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

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


def mine(parts: list[Tensor]) -> slice:
    """Where this process's rows lie among those of all."""
    rank = dist.get_rank() if several() else 0
    first = sum(len(part) for part in parts[:rank])
    return slice(first, first + len(parts[rank]))
