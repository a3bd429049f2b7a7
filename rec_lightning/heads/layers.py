"""Layers that several heads of scoring share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


def check_layers(hidden: Sequence[int], dropout: float) -> None:
    """Refuses widths below 1 and a dropout outside [0, 1).

    Raises:
        ValueError: one is.
    """
    if min(hidden, default=1) < 1:
        raise ValueError(f"head.hidden must be widths of at least 1, got {list(hidden)}. Set head.hidden.")
    if not 0 <= dropout < 1:
        raise ValueError(f"head.dropout must be in [0, 1), got {dropout}. Set head.dropout.")


def feed_forward(width: int, hidden: Sequence[int], dropout: float) -> tuple[nn.Sequential, int]:
    """Linear layers with ReLU and dropout after each; also the width they end with."""
    layers: list[nn.Module] = []
    for one, two in pairwise([width, *hidden]):
        layers += [nn.Linear(one, two), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers), hidden[-1] if hidden else width
