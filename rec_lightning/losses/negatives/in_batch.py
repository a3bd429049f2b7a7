"""The targets of other positions of the batch: their vectors are there already.

Paper: X. Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019,
https://doi.org/10.1145/3298689.3346996. What differs: an item's frequency is its share of the training part, which is
known, in place of an estimate from the stream; and a position's own target is no draw, so of P positions P - 1 are.
The share is that of all training events; each user's first one is never a target, a difference that is left.

Relations: ``popularity`` with alpha 1 draws from about the same distribution, but each item apart from the others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.exchange import gathered, mine

# P positions, K negatives, N items


class InBatch(nn.Module):
    """Negatives that are targets elsewhere in the batch; at most as many as it has positions where they are shared.

    Args:
        everyone: takes the targets of all processes, as one process with the whole batch would; else of its own. Item
            indices travel, vectors do not: each process makes those of what it drew, so that gradients go on to be
            averaged as always. With one process both are the same.
    """

    share: Tensor

    def __init__(self, everyone: bool = False) -> None:
        super().__init__()
        self.everyone, self._number = everyone, 0

    def prepare(self, popularity: Tensor, count: int, shared: bool) -> None:
        """Keeps each item's share of the training part.

        Raises:
            ValueError: nothing was ever interacted with.
        """
        if not popularity.any():
            raise ValueError(
                f"negatives of the batch need each item's popularity, and that of all {len(popularity) - 1} items is "
                "0. Choose loss/negatives=uniform or other data."
            )
        self.count, self.shared = count, shared
        self.share = nn.Buffer((popularity.double() / popularity.sum()).float(), persistent=False)

    def draw(self, target: Tensor) -> Tensor:
        """(P,) -> (min(K, P),), each position at most once, or (P, K), of other positions each."""
        parts = gathered(target) if self.everyone else [target]
        pool = torch.cat(parts)
        self._number = number = len(pool)
        if self.shared:
            return pool[torch.randperm(number, device=target.device)[: self.count]]
        first = mine(parts).start if self.everyone else 0
        place = torch.arange(first, first + len(target), device=target.device).unsqueeze(1)
        step = torch.randint(1, max(number, 2), (len(target), self.count), device=target.device)
        return pool[(place + step) % number]

    def rate(self, items: Tensor, target: Tensor) -> Tensor:
        """(K,) or (P, K) -> the same."""
        number = self._number if self.everyone else len(target)
        # shared: K of P positions, of which a position's own is none of the others
        drawn = min(self.count, number) * max(number - 1, 1) / number if self.shared else self.count
        return drawn * self.share[items]
