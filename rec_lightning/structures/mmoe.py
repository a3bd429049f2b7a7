"""MMoE: experts that all tasks share, and for each task a gate that mixes them anew for every row.

Paper: J. Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD 2018,
https://doi.org/10.1145/3219819.3220007. What differs: the input is the state of a trunk and so is the output, so that
any head goes on from it; an expert ends with a linear layer, since a state has a sign.

Relations: ``ple`` gives each task experts of its own beside the shared ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Gates
from rec_lightning.structures.layers import Nets, check_sizes

# B rows, D width, T tasks, E experts


class MMoE(nn.Module):
    """``y_t = sum_e softmax(W_t x)_e f_e(x)``.

    Args:
        tasks: their names.
        width: D.
        experts: E, at least 1.
        hidden: widths of the hidden layers of an expert.

    Raises:
        ValueError: a number or width below 1.
    """

    def __init__(self, tasks: Sequence[str], width: int, experts: int = 4, hidden: Sequence[int] = (64,)) -> None:
        super().__init__()
        check_sizes(hidden, experts=experts)
        self.tasks = tuple(tasks)
        self.experts = Nets(experts, width, hidden)
        self.gate = nn.ModuleList(nn.Linear(width, experts, bias=False) for _ in tasks)

    def mix(self, states: Tensor) -> Tensor:
        """(B, D) -> (T, B, E), which sum to 1."""
        return torch.stack([gate(states) for gate in self.gate]).softmax(-1)

    def forward(self, states: Tensor) -> Tensor:
        """(B, D) -> (T, B, D)."""
        return torch.einsum("tbx,xbd->tbd", self.mix(states), self.experts(states))

    def own(self, task: int) -> Iterable[nn.Parameter]:
        """Its gate."""
        return self.gate[task].parameters()

    def gates(self, states: Tensor) -> Mapping[str, Gates]:
        """The mean mixture of each task."""
        columns = tuple(f"expert {number + 1}" for number in range(self.experts.count))
        return {"gates": Gates(self.tasks, columns, self.mix(states).mean(1))}
