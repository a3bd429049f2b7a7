"""Shared bottom: every task reads the same state, after a net that all share; hard parameter sharing.

Paper: R. Caruana, "Multitask Learning", Machine Learning 28, 1997, https://doi.org/10.1023/A:1007379606734. The trunk
is the bottom; the net may have no hidden layer at all, and then it is left out.

Relations: the row that every other structure is held against.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

from rec_lightning.contracts import Gates
from rec_lightning.structures.layers import Nets, check_sizes


class SharedBottom(nn.Module):
    """One state for all.

    Args:
        tasks: their names.
        width: D.
        hidden: widths of the hidden layers of the shared net; empty for no net.

    Raises:
        ValueError: a width below 1.
    """

    def __init__(self, tasks: Sequence[str], width: int, hidden: Sequence[int] = ()) -> None:
        super().__init__()
        check_sizes(hidden)
        self.tasks = tuple(tasks)
        self.net = Nets(1, width, hidden) if hidden else None

    def forward(self, states: Tensor) -> Tensor:
        """(B, D) -> (T, B, D)."""
        found = states.unsqueeze(0) if self.net is None else self.net(states)
        return found.expand(len(self.tasks), *states.shape)

    def own(self, task: int) -> Iterable[nn.Parameter]:
        """None."""
        return ()

    def gates(self, states: Tensor) -> Mapping[str, Gates]:
        """None."""
        return {}
