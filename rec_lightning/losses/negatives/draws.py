"""So many negatives of some kind, for all positions at once or for each: what a loss over negatives holds.

With several processes each draws for its own positions from its own generator, over the whole catalogue; ``in_batch``
takes the targets of its own process, or of all where it is told so. Every process's loss is a sound estimate by
itself, and gradients are averaged.

Relations: ``uniform``, ``popularity``, ``in_batch`` and ``mixed`` are the kinds.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Catalog, Negatives
from rec_lightning.losses.negatives.uniform import Uniform

# P positions, K negatives, N items


class Sampler(Protocol):
    """One kind of negatives."""

    def prepare(self, popularity: Tensor, count: int, shared: bool) -> None:
        """Takes the catalogue in, once, before anything is drawn.

        Args:
            popularity: (N + 1,) int64 interactions in training, 0 at the padding.
            count: K.
            shared: the same K for all positions of a step, or K for each.

        Raises:
            ValueError: it cannot draw from this catalogue.
        """
        ...

    def draw(self, target: Tensor) -> Tensor:
        """(P,) -> items (K,) where they are shared, else (P, K). A shared one may equal a position's target."""
        ...

    def rate(self, items: Tensor, target: Tensor) -> Tensor:
        """How often each of these items is expected among a position's K: (K,) or (P, K) -> the same, float32."""
        ...


class Draws(nn.Module):
    """K items of one kind, drawn anew in every step.

    Args:
        count: K, at least 1 and below the size of the catalogue.
        shared: the same K for all positions of a step, which costs one product of (P, D) and (D, K); or K for each
            position, none of which is its target, which costs up to P * K * D numbers of memory.
        sampler: the kind; uniform by default.
    """

    def __init__(self, count: int, shared: bool, sampler: Sampler | None) -> None:
        super().__init__()
        if count < 1:
            raise ValueError(f"loss.count must be at least 1, got {count}. Set loss.count.")
        self.count, self.shared, self.size = count, shared, 0
        self.sampler = sampler or Uniform()

    def prepare(self, catalog: Catalog) -> None:
        """Takes the catalogue in.

        Raises:
            ValueError: it is too small, or the sampler cannot draw from it.
        """
        if catalog.size < 2:
            raise ValueError(f"negatives need a catalogue of at least 2 items, got {catalog.size}. Choose other data.")
        if self.count >= catalog.size:
            raise ValueError(
                f"loss.count must be below the catalogue size ({catalog.size}), got {self.count}. Set loss.count, or "
                "score every item with loss=chunked_softmax."
            )
        self.size = catalog.size
        self.sampler.prepare(torch.from_numpy(catalog.popularity), self.count, self.shared)

    def forward(self, target: Tensor) -> Negatives:
        """(P,) -> items (K,) or (P, K)."""
        assert self.size, "prepare(catalog) comes first"
        items = self.sampler.draw(target)
        return Negatives(items, self.sampler.rate(items, target))
