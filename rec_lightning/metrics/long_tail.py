"""Long-tail share: how much of what is shown lies outside the most popular items.

Paper: H. Abdollahpouri, R. Burke and B. Mobasher, "Managing Popularity Bias in Recommender Systems with Personalized
Re-ranking", FLAIRS 2019, https://arxiv.org/abs/1901.07555 (APLT). What differs: the head is a share of the catalogue by
training events, equal ones in the catalogue's order.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Catalog
from rec_lightning.metrics.by_exposure import ByExposure


class LongTail(ByExposure):
    """The tail's share of all places, at all k at once.

    Args:
        catalog: the items and their popularity in training.
        top_k: positive cut-offs.
        head: share of the catalogue that is no tail, between 0 and 1.

    Raises:
        ValueError: a value out of range.
    """

    name = "long_tail"
    key = "long_tail"
    tail: Tensor

    def __init__(self, catalog: Catalog, top_k: Sequence[int], head: float = 0.2) -> None:
        if not 0 < head < 1:
            raise ValueError(f"metrics.long_tail.head must be between 0 and 1, got {head}. Set metrics.long_tail.head.")
        super().__init__(catalog, top_k)
        order = (-torch.from_numpy(catalog.popularity[1:].copy())).argsort(stable=True)
        tail = torch.ones(catalog.size, dtype=torch.bool, device="cpu")
        tail[order[: round(head * catalog.size)]] = False
        self.tail = nn.Buffer(tail, persistent=False)

    def value(self, shown: Tensor) -> Tensor:
        """Places that the tail has by all places."""
        return shown[self.tail].sum() / shown.sum()
