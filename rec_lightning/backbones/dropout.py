"""Dropout whose coins cost little on a processor: four 16-bit draws from each 64-bit number of a quick generator.

``torch.nn.Dropout`` draws a double for each element on a processor, which takes longer than the layer before it at
the widths of recommenders. What differs from it: there the probability is exact to 1/65536, and the draws are those
of NumPy's ``SFC64`` (twice as quick as torch's Mersenne twister), seeded anew for each call by one number of torch's
generator, so a restored one repeats; on other devices it is torch's own.

Relations: used by the backbones of this room in place of ``torch.nn.Dropout``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Dropout(nn.Module):
    """Sets elements to zero with probability ``p`` in training and scales the others by ``1 / (1 - p)``.

    Args:
        p: probability in [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """(...) -> (...)."""
        return dropout(x, self.p) if self.training else x

    def extra_repr(self) -> str:
        return f"p={self.p}"


def dropout(x: Tensor, p: float) -> Tensor:
    """(...) -> (...), some elements zero, the mean kept."""
    if p == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p)
    out: Tensor = _Dropped.apply(x, p)  # type: ignore[no-untyped-call]
    return out


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        seed = int(torch.empty((), dtype=torch.int64).random_())
        bits = np.random.SFC64(seed).random_raw((x.numel() + 3) // 4)
        draws = torch.from_numpy(bits.view(np.int16))[: x.numel()].view(x.shape)  # -32768..32767, equally likely
        keep = torch.empty(x.shape, dtype=x.dtype)
        torch.ge(draws, round(p * 65536) - 32768, out=keep).mul_(1 / (1 - p))
        ctx.save_for_backward(keep)
        return x * keep

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (keep,) = ctx.saved_tensors
        return grads[0] * keep, None
