"""GradNorm: weights that pull the tasks' gradients to about one size, larger for tasks that learn slowly.

Paper: Z. Chen et al., "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks", ICML
2018, https://arxiv.org/abs/1711.02257: the norm of ``w_t grad L_t`` in the last shared layer shall be the mean norm
times ``(r_t)^alpha``, r_t being the loss relative to its first one, over the mean of these; the weights follow by
gradient steps on the absolute difference and are scaled to sum to T. What differs: weights stay above 0.001, plain
gradient steps, and a task without labels at a step keeps its weight there.

Relations: ``dwa`` needs no gradients; ``aggregation`` reads their directions too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.balancing.weighing import Weighing


class GradNorm(Weighing):
    """Weights by norms of gradients.

    Args:
        tasks: T.
        alpha: 0 for equal norms; more to help tasks that learn slowly, at least 0.
        lr: step of the weights; positive.

    Raises:
        ValueError: a value out of range.
    """

    takes_norms = True
    first: Tensor

    def __init__(self, tasks: int, alpha: float = 1.5, lr: float = 0.025) -> None:
        super().__init__(tasks)
        if alpha < 0:
            raise ValueError(f"balancing.alpha must be at least 0, got {alpha}. Set balancing.alpha.")
        if lr <= 0:
            raise ValueError(f"balancing.lr must be positive, got {lr}. Set balancing.lr.")
        self.alpha, self.lr = alpha, lr
        self.first = nn.Buffer(torch.full((tasks,), float("nan")))

    def observe(self, losses: Tensor, norms: Tensor, there: Tensor) -> None:
        """(T,) losses and norms without the weights, (T,) bool."""
        self.first.copy_(torch.where(self.first.isnan() & there, losses, self.first))
        if there.sum() < 2:
            return
        speed = (losses / self.first)[there]
        norm = norms[there] * self.weight[there]
        aim = norm.mean() * (speed / speed.mean()) ** self.alpha
        slope = torch.zeros_like(self.weight)
        slope[there] = (norm - aim).sign() * norms[there]
        moved = (self.weight - self.lr * slope).clamp(min=1e-3)
        self.weight.copy_(moved * len(moved) / moved.sum())
