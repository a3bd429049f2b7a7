"""The distinct items of a step, each of which is encoded once."""

from __future__ import annotations

import torch
from torch import Tensor

_SORTED = 4  # with fewer than one number in so many of the range, sorting beats marking; as measured on one core


def distinct(items: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct numbers, rising, and the place of each in them; ``torch.unique`` where they are few.

    Args:
        items: at least one, none below 0, any shape.

    Returns:
        (M,) and the shape of ``items``.

    Example:
        >>> distinct(torch.tensor([7, 0, 7]))
        (tensor([0, 7]), tensor([1, 0, 1]))
    """
    size = int(items.max()) + 1
    if items.numel() * _SORTED < size:
        found: tuple[Tensor, Tensor] = torch.unique(items, return_inverse=True)
        return found
    there = torch.zeros(size, dtype=torch.bool, device=items.device)
    there[items] = True
    unique = there.nonzero().squeeze(1)
    place = torch.empty(size, dtype=torch.long, device=items.device)
    place[unique] = torch.arange(len(unique), device=items.device)
    return unique, place[items]
