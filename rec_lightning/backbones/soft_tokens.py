"""Vectors of users and items become tokens of a language model: a small network from their space into its own.

Relations: ``collm`` reads them; ``id_vectors`` and ``runtime/collaborative`` say where the vectors come from.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Batch

# B rows, M items asked for, D width of the vectors, K tokens of a vector, H width of the model


class Collaborative(Protocol):
    """Vectors of a collaborative model: a module that says in ``base`` what its weights come from."""

    width: int  # D
    needs_time: bool  # whether batches must carry times
    base: dict[str, str]

    def vectors(self, items: Tensor) -> Tensor:
        """(M,) unique item indices -> (M, D)."""
        ...

    def users(self, batch: Batch) -> Tensor:
        """(B, D) of what each user did before the event; zeros where there was nothing."""
        ...


class SoftTokens(nn.Module):
    """Two layers between two norms; a token begins as large as the model's words are.

    Args:
        source: gives the vectors; their size does not matter, only their direction.
        tokens: K.
        hidden: width between the two layers.
        words: (V, H) embeddings of the model's vocabulary.

    Raises:
        ValueError: ``hidden`` is below 1.
    """

    def __init__(self, source: Collaborative, tokens: int, hidden: int, words: Tensor) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"backbone.hidden must be at least 1, got {hidden}. Set backbone.hidden.")
        assert isinstance(source, nn.Module)
        self.source, self.tokens, width = source, tokens, words.shape[1]
        self.base = source.base or None
        self.before, self.after = nn.LayerNorm(source.width), nn.LayerNorm(width)
        self.mapping = nn.Sequential(nn.Linear(source.width, hidden), nn.GELU(), nn.Linear(hidden, tokens * width))
        if not words.is_meta:
            nn.init.constant_(self.after.weight, float(words.detach().float().std()))

    def forward(self, batch: Batch, items: Tensor, size: int, users: bool) -> Tensor:
        """Tokens of items, then of the rows' users: (M + B, K, H).

        Args:
            batch: whose users are asked for.
            items: (M,) unique; those above ``size`` stand for no item, and their vector is zero.
            size: number of items N.
            users: whether users are asked for; without them (M, K, H).
        """
        there = items <= size
        found = self.source.vectors(torch.where(there, items, 0)) * there.unsqueeze(1)
        vectors = torch.cat([found, self.source.users(batch)]) if users else found
        mapped = self.mapping(self.before(vectors)).unflatten(1, (self.tokens, -1))
        out: Tensor = self.after(mapped)
        return out
