"""Nets of one shape side by side, computed together.

Relations: the experts of ``mmoe`` and ``ple``, the towers of ``cross_stitch``, the one net of ``shared_bottom``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

# E nets, B rows, D width


class Nets(nn.Module):
    """E feed-forward nets, linear layers with ReLU between them.

    Args:
        count: E.
        width: D, of what goes in and what comes out.
        hidden: widths of the hidden layers.
    """

    def __init__(self, count: int, width: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.count, sizes = count, list(pairwise([width, *hidden, width]))
        self.weights = nn.ParameterList(torch.empty(count, one, two) for one, two in sizes)
        # vectors, so that no weight decay reaches them
        self.biases = nn.ParameterList(torch.empty(count * two) for _, two in sizes)
        for (one, _), weight, bias in zip(sizes, self.weights, self.biases, strict=True):
            for part in (weight, bias):  # as nn.Linear
                nn.init.uniform_(part, -(one**-0.5), one**-0.5)

    def layer(self, depth: int, states: Tensor) -> Tensor:
        """One linear layer of every net: (E, B, in) -> (E, B, out)."""
        weight = self.weights[depth]
        return torch.baddbmm(self.biases[depth].view(self.count, 1, -1), states, weight)

    def forward(self, states: Tensor) -> Tensor:
        """(B, D) for all, or (E, B, D) -> (E, B, D)."""
        if states.ndim == 2:
            states = states.expand(self.count, *states.shape)
        for depth in range(len(self.weights)):
            states = self.layer(depth, states.relu() if depth else states)
        return states


def check_sizes(hidden: Sequence[int], **counts: int) -> None:
    """Refuses widths and numbers below 1.

    Raises:
        ValueError: one is.
    """
    if min(hidden, default=1) < 1:
        raise ValueError(f"structure.hidden must be widths of at least 1, got {list(hidden)}. Set structure.hidden.")
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"structure.{name} must be at least 1, got {count}. Set structure.{name}.")
