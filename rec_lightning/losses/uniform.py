"""Negatives drawn uniformly from the catalogue, for all positions at once or for each position, and their scores.

Relations: what ``sampled_softmax``, ``bce``, ``gbce`` and ``bpr`` have in common.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Negatives

# P positions, K negatives, M rows of keys, D width, N items


class Uniform:
    """Draws with replacement.

    Args:
        count: K, at least 1.
        shared: the same K for all positions of a step, which costs one product of (P, D) and (D, K); or K for each
            position, none of which is its target, which costs up to P * K * D numbers of memory.
    """

    def __init__(self, count: int, shared: bool) -> None:
        if count < 1:
            raise ValueError(f"loss.count must be at least 1, got {count}. Set loss.count.")
        self.count, self.shared = count, shared

    def draw(self, target: Tensor, catalog_size: int) -> Negatives:
        """(P,) -> items (K,) or (P, K).

        Raises:
            ValueError: the catalogue has no item but the target.
        """
        if catalog_size < 2:
            raise ValueError(f"negatives need a catalogue of at least 2 items, got {catalog_size}. Choose other data.")
        others = catalog_size if self.shared else catalog_size - 1
        shape = (self.count,) if self.shared else (len(target), self.count)
        items = torch.randint(1, others + 1, shape, device=target.device)
        if not self.shared:
            items += items >= target.unsqueeze(1)  # the target is left out, the items beyond it move up
        return Negatives(items, torch.full(shape, self.count / others, device=target.device))


def negative_scores(queries: Tensor, keys: Tensor, target: Tensor, negatives: Negatives) -> tuple[Tensor, Tensor]:
    """Scores (P, K) of the negatives, and (P, K) bool where one equals the position's target.

    Args:
        queries: (P, D).
        keys: (M, D).
        target: (P,) rows of keys.
        negatives: rows of keys.
    """
    if negatives.items.ndim == 1:
        scores = queries @ keys[negatives.items].T
    elif len(keys) <= 32 * negatives.items.shape[1]:
        scores = (queries @ keys.T).gather(1, negatives.items)  # one product beats P * K * D numbers moved
    else:
        scores = (keys[negatives.items] @ queries.unsqueeze(2)).squeeze(2)
    return scores.float(), negatives.items == target.unsqueeze(1)


def target_scores(queries: Tensor, keys: Tensor, target: Tensor) -> Tensor:
    """(P, D), (M, D), (P,) -> (P,) float32."""
    return (queries * keys[target]).sum(1).float()
