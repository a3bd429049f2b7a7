"""Learning-rate schedules over the steps of a whole run: a warm-up, then constant or falling."""

from __future__ import annotations

import math
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup(
    optimizer: Optimizer,
    total_steps: int,
    share: float = 0.05,
    then: Literal["constant", "linear", "cosine"] = "cosine",
    floor: float = 0.0,
) -> LambdaLR:
    """Rises linearly over the first ``share`` of the run, then stays, or falls to ``floor`` times the peak.

    Args:
        optimizer: its groups' rates are the peaks.
        total_steps: of the whole run.
        share: of the run, in [0, 1).
        then: what follows the warm-up.
        floor: last rate relative to the peak, in [0, 1].

    Raises:
        ValueError: a value out of range.

    Example:
        >>> import torch
        >>> schedule = warmup(torch.optim.SGD([torch.zeros(1)], lr=1.0), 10, share=0.2, then="linear")
        >>> [round(schedule.lr_lambdas[0](step), 3) for step in (0, 1, 2, 6, 10)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    if not 0 <= share < 1:
        raise ValueError(f"scheduler.share must be in [0, 1), got {share}. Set scheduler.share.")
    if not 0 <= floor <= 1:
        raise ValueError(f"scheduler.floor must be in [0, 1], got {floor}. Set scheduler.floor.")
    rise = int(total_steps * share)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        done = min(1.0, (step - rise) / max(1, total_steps - rise))
        fall = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 + 0.5 * math.cos(math.pi * done)}[then]
        return floor + (1 - floor) * fall

    return LambdaLR(optimizer, factor)
