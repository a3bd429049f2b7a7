"""Parameter groups: only what trains, no weight decay on vectors, a rate of its own for pretrained weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


def parameter_groups(module: nn.Module, trunks: Sequence[nn.Module], lr_factor: float) -> list[dict[str, Any]]:
    """Up to four groups: inside or outside the pretrained trunks, matrices or vectors.

    Args:
        module: everything.
        trunks: the pretrained parts of it.
        lr_factor: rate of what trains inside the trunks, relative to the optimizer's.

    Raises:
        ValueError: nothing trains.
    """
    inside = {id(p) for trunk in trunks for p in trunk.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in module.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in inside, parameter.ndim >= 2), []).append(parameter)
    if not groups:
        raise ValueError("nothing trains: every parameter is frozen. Choose another tuning.")
    return [
        {"params": params, "lr_factor": lr_factor if pretrained else 1.0} | ({} if matrix else {"weight_decay": 0.0})
        for (pretrained, matrix), params in groups.items()
    ]


def scale_learning_rates(optimizer: torch.optim.Optimizer) -> None:
    """Multiplies each group's rate by its ``lr_factor``; before a schedule is made from it."""
    for group in optimizer.param_groups:
        group["lr"] *= group["lr_factor"]
