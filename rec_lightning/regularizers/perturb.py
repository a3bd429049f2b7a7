"""What adversarial regularizers share: item vectors that may be moved, and by how much.

A row's move has at most a share of the mean length of the item vectors; row 0, the padding, stays. Nothing here touches
a parameter's gradient, so that gradients add up over batches as they do without it.

Relations: ``fgm``, ``pgd`` and ``freelb``.
"""

from __future__ import annotations

import torch
from torch import Tensor

# M rows, D width


def check_size(size: float, weight: float = 1.0, steps: int = 1) -> None:
    """Refuses values out of range.

    Raises:
        ValueError: a size, a weight or a number of steps that is none.
    """
    for name, value in (("size", size), ("weight", weight)):
        if not value > 0:
            raise ValueError(f"regularizer.{name} must be positive, got {value}. Set regularizer.{name}.")
    if steps < 1:
        raise ValueError(f"regularizer.steps must be at least 1, got {steps}. Set regularizer.steps.")


def movable(vectors: Tensor) -> Tensor:
    """The vectors, or a copy that a gradient reaches where they are frozen."""
    return vectors if vectors.requires_grad else vectors.detach().requires_grad_()


def reach(vectors: Tensor, size: float) -> Tensor:
    """() the longest move: a share of the mean length of the rows that are not 0."""
    length = vectors.detach().norm(dim=1)
    longest: Tensor = size * length.sum() / (length > 0).sum().clamp(min=1)
    return longest


def slope(loss: Tensor, at: Tensor, what: str) -> Tensor:
    """(M, D) unit rows along which the loss grows, 0 where it does not change.

    Raises:
        ValueError: the loss does not read them.
    """
    (found,) = torch.autograd.grad(loss, at, retain_graph=True, allow_unused=True)
    if found is None:
        raise ValueError(
            f"{what} moves item vectors, and this head reads none. Leave it out, or take a head that reads them "
            "(dot_bias, mlp, din)."
        )
    found = torch.cat([torch.zeros_like(found[:1]), found[1:]]).float()
    unit: Tensor = (found / found.norm(dim=1, keepdim=True).clamp(min=1e-12)).to(at.dtype)
    return unit


def held(move: Tensor, longest: Tensor) -> Tensor:
    """(M, D) the same with no row longer than that."""
    inside: Tensor = move * (longest / move.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1.0)
    return inside
