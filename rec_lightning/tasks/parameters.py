"""Parameter groups: only what trains, no weight decay on vectors, a rate of its own for pretrained weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from rec_lightning.contracts import LrFactor


def parameter_groups(module: nn.Module, trunks: Sequence[nn.Module], lr_factor: LrFactor) -> list[dict[str, Any]]:
    """Groups by rate inside the pretrained trunks or outside, matrices or vectors.

    Args:
        module: everything.
        trunks: the pretrained parts of it.
        lr_factor: rate of what trains inside the trunks, relative to the optimizer's.

    Raises:
        ValueError: nothing trains.
    """
    inside = dict[int, float]()
    for trunk in trunks:
        names = [name for name, _ in trunk.named_parameters()]
        rates = lr_factor(trunk) if callable(lr_factor) else dict.fromkeys(names, lr_factor)
        inside |= {id(p): rates[name] for name, p in trunk.named_parameters()}
    groups: dict[tuple[float | None, bool], list[nn.Parameter]] = {}
    for parameter in module.parameters():
        if parameter.requires_grad:
            groups.setdefault((inside.get(id(parameter)), parameter.ndim >= 2), []).append(parameter)
    if not groups:
        raise ValueError("nothing trains: every parameter is frozen. Choose another tuning.")
    return [
        {"params": params, "lr_factor": 1.0 if factor is None else factor} | ({} if matrix else {"weight_decay": 0.0})
        for (factor, matrix), params in groups.items()
    ]


def scale_learning_rates(optimizer: torch.optim.Optimizer) -> None:
    """Multiplies each group's rate by its ``lr_factor``; before a schedule is made from it."""
    for group in optimizer.param_groups:
        group["lr"] *= group["lr_factor"]
