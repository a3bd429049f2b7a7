"""CGC and PLE: experts of each task beside shared ones; a task's gate sees its own and the shared, never another's.

Paper: H. Tang et al., "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model for Personalized
Recommendations", RecSys 2020, https://doi.org/10.1145/3383313.3412236. One level is its CGC; with more, a shared gate
over all experts hands a shared state to the next level. What differs: the input is the state of a trunk and so is the
output; an expert ends with a linear layer, since a state has a sign.

Relations: ``mmoe`` has shared experts only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Gates
from rec_lightning.structures.layers import Nets, check_sizes

# B rows, D width, T tasks, K experts of a task, S shared experts


class Level(nn.Module):
    """T states and a shared one become T new ones, and, but in the last level, a new shared one.

    Args:
        tasks: T.
        width: D.
        own: K.
        shared: S.
        hidden: widths of the hidden layers of an expert.
        last: whether no level follows.
    """

    def __init__(self, tasks: int, width: int, own: int, shared: int, hidden: Sequence[int], last: bool) -> None:
        super().__init__()
        self.own = nn.ModuleList(Nets(own, width, hidden) for _ in range(tasks))
        self.shared = Nets(shared, width, hidden)
        self.gate = nn.ModuleList(nn.Linear(width, own + shared, bias=False) for _ in range(tasks))
        self.all = None if last else nn.Linear(width, tasks * own + shared, bias=False)

    def mix(self, states: list[Tensor]) -> list[Tensor]:
        """T + 1 states (B, D), the shared one last -> of each task (B, K + S); then (B, T K + S) of the shared gate."""
        gates = [*self.gate, *([] if self.all is None else [self.all])]
        return [gate(state).softmax(-1) for gate, state in zip(gates, states, strict=False)]

    def forward(self, states: list[Tensor]) -> list[Tensor]:
        """T + 1 states (B, D), the shared one last -> T, and the shared one where a level follows."""
        *of_tasks, common = states
        own = [nets(state) for nets, state in zip(self.own, of_tasks, strict=True)]  # (K, B, D) each
        shared = self.shared(common)  # (S, B, D)
        seen = [torch.cat([part, shared]) for part in own] + [torch.cat([*own, shared])]
        mixed = self.mix(states)
        return [torch.einsum("be,ebd->bd", mix, part) for mix, part in zip(mixed, seen, strict=False)]


class PLE(nn.Module):
    """Levels of experts and gates.

    Args:
        tasks: their names.
        width: D.
        levels: 1 for CGC.
        own: experts of each task in a level, K.
        shared: shared experts in a level, S.
        hidden: widths of the hidden layers of an expert.

    Raises:
        ValueError: a number or width below 1.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        width: int,
        levels: int = 1,
        own: int = 1,
        shared: int = 1,
        hidden: Sequence[int] = (64,),
    ) -> None:
        super().__init__()
        check_sizes(hidden, levels=levels, own=own, shared=shared)
        self.tasks, self.each, self.common = tuple(tasks), own, shared
        self.levels = nn.ModuleList(
            Level(len(tasks), width, own, shared, hidden, level == levels - 1) for level in range(levels)
        )

    def forward(self, states: Tensor) -> Tensor:
        """(B, D) -> (T, B, D)."""
        found = [states] * (len(self.tasks) + 1)
        for level in self.levels:
            found = level(found)
        return torch.stack(found)

    def own(self, task: int) -> Iterable[nn.Parameter]:
        """Its experts and its gate in the last level, and its gate in the one before.

        What lies earlier reaches all tasks by a shared gate.
        """
        of_task = list[nn.Parameter]()
        for number, level in enumerate(self.levels[-2:], max(len(self.levels) - 2, 0)):
            assert isinstance(level, Level)
            of_task += level.gate[task].parameters()
            of_task += level.own[task].parameters() if number == len(self.levels) - 1 else []
        return of_task

    def gates(self, states: Tensor) -> Mapping[str, Gates]:
        """The mean mixtures of every level; 0 where a gate does not reach."""
        each, common = self.each, self.common
        columns = [f"{task} {number + 1}" for task in self.tasks for number in range(each)]
        columns += [f"shared {number + 1}" for number in range(common)]
        found, given = {}, [states] * (len(self.tasks) + 1)
        for number, level in enumerate(self.levels):
            assert isinstance(level, Level)
            means = [mix.mean(0) for mix in level.mix(given)]
            weight = states.new_zeros(len(means), len(columns))
            for row, mean in enumerate(means):
                if row == len(self.tasks):
                    weight[row] = mean
                else:
                    weight[row, row * each : (row + 1) * each], weight[row, -common:] = mean[:each], mean[each:]
            rows = (*self.tasks, "shared")[: len(means)]
            found[f"gates_{number + 1}"] = Gates(rows, tuple(columns), weight)
            given = level(given)
        return found
