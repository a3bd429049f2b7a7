"""The gradients of several losses in the parameters that they share, taken apart, and put together again.

What was put together reaches the parameters through an ordinary backward pass, so that accumulation, scaling, clipping
and the exchange between processes stay the trainer's business. Under several processes the gradients are those of the
whole step.

Relations: ``multitask`` asks for them where ``balancing`` reads gradients or conflicts are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

# T tasks, S numbers in all shared parameters

Parameters = Sequence[nn.Parameter]


def gradients(loss: Tensor, parameters: Parameters) -> Tensor:
    """The gradient of a loss, of which the graph is kept: (S,), 0 where it does not reach."""
    if not loss.requires_grad:
        return torch.zeros(sum(p.numel() for p in parameters), device=loss.device)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    parts = [p.new_zeros(p.numel()) if g is None else g.flatten() for g, p in zip(found, parameters, strict=True)]
    return torch.cat(parts)


def mean_over_processes(found: Tensor) -> Tensor:
    """The mean of what every process has."""
    if dist.is_available() and dist.is_initialized():
        found = found.clone()
        dist.all_reduce(found)
        found /= dist.get_world_size()
    return found


def products(found: Tensor) -> Tensor:
    """(T, S) -> (T, T) inner products, in double."""
    found = found.double()
    return found @ found.T


def cosines(inner: Tensor) -> Tensor:
    """(T, T) inner products -> (T, T); NaN for a gradient of 0."""
    length = inner.diagonal().sqrt()
    return inner / (length * length.unsqueeze(1))


def carry(value: Tensor, parameters: Parameters, found: Tensor) -> Tensor:
    """A scalar of this value whose gradient in the parameters is (S,) ``found``."""
    parts = found.split([p.numel() for p in parameters])
    shaped = [part.view_as(p) for part, p in zip(parts, parameters, strict=True)]
    out: Tensor = _Carry.apply(value.detach(), shaped, *parameters)  # type: ignore[no-untyped-call]
    return out


class _Carry(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, found: list[Tensor], *parameters: Tensor) -> Tensor:
        ctx.found = found
        return value.clone()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:
        return None, None, *[part * slope for part in ctx.found]
