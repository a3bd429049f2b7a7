"""Uncertainty: a learnt variance for each task, by which its loss is divided.

Paper: A. Kendall, Y. Gal and R. Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and
Semantics", CVPR 2018, https://arxiv.org/abs/1705.07115. As in its implementation notes the log variance s is learnt:
``exp(-s) L + s / 2``, with the same factor for every kind of loss (the paper halves that of squared errors).

Relations: ``fixed`` is what it starts from.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.balancing.weighing import Weighing


class Uncertainty(Weighing):
    """``sum_t exp(-s_t) L_t + s_t / 2``, s all 0 at the start.

    Args:
        tasks: T.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks)
        self.log_variance = nn.Parameter(torch.zeros(tasks))

    def forward(self, losses: Tensor, there: Tensor) -> Tensor:
        """(T,), (T,) -> (); a task without labels adds nothing and keeps its variance."""
        s = self.log_variance
        return ((-s).exp() * losses + there * s / 2).sum()
