"""Every item alike.

Relations: ``popularity`` with alpha 0 draws the same; harder negatives come from ``popularity`` and ``in_batch``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# P positions, K negatives


class Uniform(nn.Module):
    """Negatives drawn uniformly from the catalogue."""

    def prepare(self, popularity: Tensor, count: int, shared: bool) -> None:
        """Keeps the number of items."""
        self.count, self.shared = count, shared
        # negatives of a position of its own are drawn from the other items
        self.others = len(popularity) - 1 if shared else len(popularity) - 2

    def draw(self, target: Tensor) -> Tensor:
        """(P,) -> (K,) or (P, K)."""
        shape = (self.count,) if self.shared else (len(target), self.count)
        items = torch.randint(1, self.others + 1, shape, device=target.device)
        if not self.shared:
            items += items >= target.unsqueeze(1)  # the target is left out, the items beyond it move up
        return items

    def rate(self, items: Tensor, target: Tensor) -> Tensor:
        """(K,) or (P, K) -> the same."""
        return torch.full(items.shape, self.count / self.others, device=items.device)
