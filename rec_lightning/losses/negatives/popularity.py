"""Items in proportion to a power of their popularity in the training part.

Paper: T. Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality", NIPS 2013,
https://arxiv.org/abs/1310.4546, whose exponent is .75. What differs: draws come from the running sum by binary search,
in place of a table of repeated entries, so probabilities are exact.

Relations: ``uniform`` is alpha 0; ``in_batch`` draws about as alpha 1 does, and needs no more item vectors than the
batch already has. An item that was never trained on is never drawn; ``mixed`` with ``uniform`` reaches it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# P positions, K negatives, N items


class Popularity(nn.Module):
    """Negatives with probability in proportion to ``popularity ** alpha``.

    Args:
        alpha: 0 is uniform, 1 is in proportion to popularity.
    """

    weight: Tensor
    below: Tensor

    def __init__(self, alpha: float = 0.75) -> None:
        super().__init__()
        if alpha < 0:
            raise ValueError(f"loss.negatives.alpha must not be negative, got {alpha}. Set loss.negatives.alpha.")
        self.alpha = alpha

    def prepare(self, popularity: Tensor, count: int, shared: bool) -> None:
        """Keeps weights and their running sum.

        Raises:
            ValueError: fewer than two items can be drawn.
        """
        weight = popularity.double() ** self.alpha
        weight[0] = 0  # the padding
        known = int((weight > 0).sum())
        if known < 2:
            raise ValueError(
                f"negatives by popularity need at least 2 items with interactions in training, got {known} of "
                f"{len(popularity) - 1}. Choose loss/negatives=uniform or other data."
            )
        self.count, self.shared = count, shared
        self.weight = nn.Buffer(weight, persistent=False)
        self.below = nn.Buffer(weight.cumsum(0) - weight, persistent=False)  # (N + 1,) sum of the items before

    def draw(self, target: Tensor) -> Tensor:
        """(P,) -> (K,) or (P, K)."""
        if self.shared:
            place = torch.rand(self.count, dtype=torch.double, device=target.device) * self._total()
        else:
            own, before = self.weight[target].unsqueeze(1), self.below[target].unsqueeze(1)  # (P, 1)
            place = torch.rand(len(target), self.count, dtype=torch.double, device=target.device)
            place *= self._total() - own
            place += own * (place >= before)  # the target's stretch of the sum is jumped over
        # the last item whose stretch begins at or before the place; those of weight 0 have no stretch
        return torch.searchsorted(self.below, place, right=True) - 1

    def rate(self, items: Tensor, target: Tensor) -> Tensor:
        """(K,) or (P, K) -> the same."""
        total = self._total() if self.shared else self._total() - self.weight[target].unsqueeze(1)
        return (self.count * self.weight[items] / total).float()

    def _total(self) -> Tensor:
        return self.below[-1] + self.weight[-1]
