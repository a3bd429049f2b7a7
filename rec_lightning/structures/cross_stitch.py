"""Cross-stitch: a net for each task, and after every layer each goes on with a learnt mixture of all of them.

Paper: I. Misra et al., "Cross-stitch Networks for Multi-task Learning", CVPR 2016, https://arxiv.org/abs/1604.03539.
What differs: the nets start from the state of a trunk that is shared already; one number for each pair of tasks
and layer, where the paper has one for each channel too.

Relations: ``mmoe`` and ``ple`` mix anew for every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Gates
from rec_lightning.structures.layers import Nets, check_sizes

# B rows, D width, T tasks


class CrossStitch(nn.Module):
    """``x_t <- sum_s a_ts layer_s(x_s)``, with ReLU between layers.

    Args:
        tasks: their names.
        width: D.
        hidden: widths of the hidden layers.
        keep: what a task keeps of its own at the start, in (0, 1]; the rest comes from the others in equal parts.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, tasks: Sequence[str], width: int, hidden: Sequence[int] = (64,), keep: float = 0.9) -> None:
        super().__init__()
        check_sizes(hidden)
        if not 0 < keep <= 1:
            raise ValueError(f"structure.keep must be in (0, 1], got {keep}. Set structure.keep.")
        self.tasks, many = tuple(tasks), len(tasks)
        self.nets = Nets(many, width, hidden)
        start = torch.full((many, many), (1 - keep) / max(many - 1, 1)).fill_diagonal_(keep if many > 1 else 1.0)
        # vectors, so that weight decay does not pull them to 0
        self.stitches = nn.ParameterList(start.flatten().clone() for _ in range(len(hidden) + 1))

    def forward(self, states: Tensor) -> Tensor:
        """(B, D) -> (T, B, D)."""
        found, many = states.expand(len(self.tasks), *states.shape), len(self.tasks)
        for depth, stitch in enumerate(self.stitches):
            found = self.nets.layer(depth, found.relu() if depth else found)
            found = torch.einsum("ts,sbd->tbd", stitch.view(many, many), found)
        return found

    def own(self, task: int) -> Iterable[nn.Parameter]:
        """None: the last stitch reaches all tasks too."""
        return ()

    def gates(self, states: Tensor) -> Mapping[str, Gates]:
        """The stitches, which are the same for every row and may be negative."""
        many = len(self.tasks)
        return {
            f"stitches_{depth + 1}": Gates(self.tasks, self.tasks, stitch.detach().view(many, many))
            for depth, stitch in enumerate(self.stitches)
        }
