"""SCE: softmax over a few hard items, found by throwing positions and items into random buckets.

Paper: G. Mezentsev, D. Gusak, I. Oseledets and E. Frolov, "Scalable Cross-Entropy Loss for Sequential Recommendations
with Large Item Catalogs", RecSys 2024, https://arxiv.org/abs/2409.18721. A bucket has a random direction, mixed from
the positions' own queries; it takes the positions and the items that lie furthest in it, and each of its positions is
held against each of its items and its own target. A position in several buckets counts by its largest loss, one in none
not at all. What differs from the official code: positions in no bucket are told by the buckets, not by a loss of 0.

Relations: with buckets that hold everything it is ``full_softmax``; ``sampled_softmax`` draws its negatives without
looking at the scores, and says how much of the catalogue they stand for.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Catalog

# P positions, M rows of keys, D width, C buckets, R positions and K items of a bucket


class SCE(nn.Module):
    """Mean over positions in any bucket of the largest ``-log softmax`` of the target among a bucket's items.

    Args:
        factor: a step has ``factor * sqrt(P)`` buckets of as many positions each; positive.
        items: items of a bucket, K; at least 1. Memory is ``factor ** 2 * P * K`` numbers a copy.
        mix: directions as random sums of the queries, which lie where queries do; else anywhere.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, factor: float = 2.0, items: int = 256, mix: bool = True) -> None:
        super().__init__()
        if factor <= 0:
            raise ValueError(f"loss.factor must be positive, got {factor}. Set loss.factor.")
        if items < 1:
            raise ValueError(f"loss.items must be at least 1, got {items}. Set loss.items.")
        self.factor, self.items, self.mix = factor, items, mix

    def prepare(self, catalog: Catalog) -> None:
        """A catalogue smaller than a bucket is in every bucket as a whole."""

    def negatives(self, target: Tensor) -> None:
        """The whole catalogue is looked at."""
        return

    def forward(self, queries: Tensor, keys: Tensor, target: Tensor, negatives: None = None) -> Tensor:
        """(P, D), (M, D), (P,) rows of keys, 1..M - 1 -> scalar. Row 0 of keys is the padding and never scored."""
        place, item = self._buckets(queries.detach(), keys.detach())  # (C, R), (C, K)
        aim = (queries * keys[target]).sum(1).float()  # (P,)
        scores = (queries[place] @ keys[item].transpose(1, 2)).float()  # (C, R, K)
        own = target[place].unsqueeze(2) == item.unsqueeze(1)
        own_score = aim[place].unsqueeze(2)  # (C, R, 1)
        logits = torch.cat([own_score, scores.masked_fill(own, -torch.inf)], 2)
        each = (logits.logsumexp(2) - own_score.squeeze(2)).flatten()
        largest = each.new_full((len(queries),), -torch.inf).scatter_reduce(0, place.flatten(), each, "amax")
        return largest[largest > -torch.inf].mean()

    def _buckets(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        positions, width = queries.shape
        count = max(1, round(self.factor * positions**0.5))
        if self.mix:
            directions = torch.randn(count, positions, device=queries.device, dtype=queries.dtype) @ queries
        else:
            directions = torch.randn(count, width, device=queries.device, dtype=queries.dtype)
        place = (directions @ queries.T).topk(min(count, positions), sorted=False).indices
        near = (directions.to(keys.dtype) @ keys[1:].T).topk(min(self.items, len(keys) - 1), sorted=False).indices
        return place, near + 1
