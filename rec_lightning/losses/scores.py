"""Scores of targets and negatives: what the losses over negatives have in common.

Relations: ``negatives`` draws the items, ``sampled_softmax``, ``bce``, ``gbce`` and ``bpr`` read the scores.
"""

from __future__ import annotations

from torch import Tensor

from rec_lightning.contracts import Negatives
from rec_lightning.losses.pair_scores import pair_scores

# P positions, K negatives, M rows of keys, D width


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
    else:
        scores = pair_scores(queries, keys, negatives.items)
    return scores.float(), negatives.items == target.unsqueeze(1)


def target_scores(queries: Tensor, keys: Tensor, target: Tensor) -> Tensor:
    """(P, D), (M, D), (P,) -> (P,) float32."""
    return (queries * keys[target]).sum(1).float()
