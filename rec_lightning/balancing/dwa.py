"""DWA: a task whose loss falls slowly weighs more in the next epoch.

Paper: S. Liu, E. Johns and A. J. Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019,
https://arxiv.org/abs/1803.10704: ``w_t = T softmax(r / temperature)_t`` with r the loss of the last epoch over that of
the one before; 1 in the first two epochs. A task without labels in one of them keeps r = 1.

Relations: ``gradnorm`` looks at gradients, and at every step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.balancing.weighing import Weighing


class DWA(Weighing):
    """Weights by the ratio of two epochs.

    Args:
        tasks: T.
        temperature: large ones even the weights out; positive.

    Raises:
        ValueError: a temperature that is not positive.
    """

    last: Tensor

    def __init__(self, tasks: int, temperature: float = 2.0) -> None:
        super().__init__(tasks)
        if temperature <= 0:
            raise ValueError(f"balancing.temperature must be positive, got {temperature}. Set balancing.temperature.")
        self.temperature = temperature
        self.last = nn.Buffer(torch.full((tasks,), float("nan")))

    def end_epoch(self, losses: Tensor) -> None:
        """(T,) mean losses of the epoch."""
        ratio = (losses / self.last).nan_to_num(nan=1.0)
        if not self.last.isnan().all():
            self.weight.copy_(len(ratio) * (ratio / self.temperature).softmax(0))
        self.last.copy_(losses)
