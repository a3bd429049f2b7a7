"""HSTU: pointwise attention with a gate, which knows how far apart two events are in places and in time.

Paper: J. Zhai et al., "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for Generative
Recommendations", ICML 2024, https://arxiv.org/abs/2402.17152. Weights are ``SiLU(q k + position + time)`` without a
softmax, so that how much there is of something is not normalised away. What differs from the official code: the time
between two events is that between the events themselves, where the code measures from the moment of the next one
(``asked: true`` does so too, up to the moment of the target); the layer norms have weights; item vectors are not scaled
by sqrt(D); heads are as wide in values as in queries; there are no actions beside the items, and nothing is stochastic
in the length.

Relations: ``sasrec`` has a softmax, a feed-forward layer in place of the gate, and sees the order only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.backbones.dropout import Dropout
from rec_lightning.backbones.last import asked_place, picked, put_back
from rec_lightning.contracts import Batch

# B batch, L length, D width, H heads

BUCKETS = 128
BASE = 0.301  # natural logarithm of the ratio between two buckets, as in the official code


class HSTU(nn.Module):
    """Stacked layers of gated pointwise attention.

    Args:
        width: D, of the item vectors and the states.
        max_length: longest history it has positions for; attention is divided by it.
        blocks: number of layers.
        heads: attention heads; must divide the width.
        dropout: probability in [0, 1), on the input and on the gated output of each layer.
        time: whether attention knows the time between two events; needs data with timestamps.
        asked: with ``time``, measures from the moment of the target in place of the latest event's. That moment is
            known when a recommendation is asked for, and differs from what other backbones are told.

    Raises:
        ValueError: a value out of range.
    """

    pretrained = False
    without_times = "set backbone.time=false"

    def __init__(
        self,
        width: int,
        max_length: int,
        blocks: int = 2,
        heads: int = 1,
        dropout: float = 0.2,
        time: bool = True,
        asked: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"backbone.dropout must be in [0, 1), got {dropout}. Set backbone.dropout.")
        if heads < 1 or width % heads:
            raise ValueError(f"backbone.heads must divide the width {width}, got {heads}. Set backbone.heads or width.")
        if blocks < 1:
            raise ValueError(f"backbone.blocks must be at least 1, got {blocks}. Set backbone.blocks.")
        if asked and not time:
            raise ValueError("backbone.asked=true has no effect with backbone.time=false. Set backbone.time=true.")
        self.max_length, self.needs_time, self.asked = max_length, time, asked
        self.position = nn.Embedding(max_length, width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, max_length, heads, dropout, time) for _ in range(blocks))
        self.output_norm = nn.LayerNorm(width)

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the layers."""
        return self.blocks

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.blocks = module  # type: ignore[assignment]

    def pose(self, batch: Batch) -> Batch:
        """All targets at once."""
        return batch

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D); the states at padded positions mean nothing.

        Raises:
            ValueError: L is longer than ``max_length``, or the batch carries no times that are needed.
        """
        length = item_vectors.shape[1]
        if length > self.max_length:
            raise ValueError(f"a history of {length} is longer than max_length {self.max_length}. Set max_length.")
        bucket = self._buckets(batch) if self.needs_time else None  # (B, L, L)
        x: Tensor = self.dropout(item_vectors + self.position.weight[:length])
        *lower, top = self.blocks
        for block in lower:
            x = block(x, bucket)
        at = asked_place(batch)
        return put_back(self.output_norm(top(x, bucket, at)), at, length)

    def _buckets(self, batch: Batch) -> Tensor:
        if batch.time is None or (self.asked and batch.target_time is None):
            raise ValueError(
                "backbone=hstu reads when events happened, and the batch carries no times. Set backbone.time=false, or "
                "name the column of times in data.source."
            )
        now = batch.time
        if self.asked:
            assert batch.target_time is not None
            # the moment of the next event; after the last one that of the target, which training has everywhere
            now = batch.target_time
            if now.ndim == 1:
                row = torch.arange(len(now), device=now.device)
                now = batch.time.roll(-1, 1).index_put((row, batch.length - 1), batch.target_time)
            now = torch.where(now > 0, now, batch.time)
        apart = (now.unsqueeze(2) - batch.time.unsqueeze(1)).abs().clamp(min=1)
        return (apart.float().log() / BASE).long().clamp(max=BUCKETS - 1)


class Block(nn.Module):
    """``x + out(norm(attention) * gate)``, all of a normed x through SiLU."""

    def __init__(self, width: int, max_length: int, heads: int, dropout: float, time: bool) -> None:
        super().__init__()
        self.heads, self.max_length = heads, max_length
        self.gate, self.value, self.query, self.key = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.out, self.dropout = nn.Linear(width, width), Dropout(dropout)
        self.input_norm, self.attention_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.places = nn.Parameter(0.02 * torch.randn(max_length))  # by the distance in places
        self.times = nn.Parameter(0.02 * torch.randn(BUCKETS)) if time else None

    def forward(self, x: Tensor, bucket: Tensor | None, at: Tensor | None = None) -> Tensor:
        """(B, L, D), (B, L, L) or None -> (B, L, D), or with the place (B,) that is wanted (B, 1, D)."""
        b, n, d = x.shape
        normed = self.input_norm(x)
        wanted = picked(normed, at)
        u, v, q, k = (
            F.silu(part) for part in (self.gate(wanted), self.value(normed), self.query(wanted), self.key(normed))
        )
        v, q, k = (part.view(b, -1, self.heads, d // self.heads).transpose(1, 2) for part in (v, q, k))
        place = torch.arange(n, device=x.device)
        ago = (place if at is None else at).unsqueeze(1) - place  # (L, L) or (B, L), negative for later items
        ago = ago.unsqueeze(0 if at is None else 1).unsqueeze(1)  # (1, 1, L, L) or (B, 1, 1, L)
        bias = self.places[ago.clamp(min=0)]
        if bucket is not None and self.times is not None:
            bias = bias + F.embedding(picked(bucket, at), self.times.unsqueeze(1)).squeeze(3).unsqueeze(1)
        weight = F.silu(q @ k.transpose(2, 3) + bias) / self.max_length  # (B, H, L, L)
        mixed = torch.where(ago >= 0, weight, 0.0) @ v
        mixed = self.attention_norm(mixed.transpose(1, 2).reshape(b, -1, d))
        out: Tensor = picked(x, at) + self.out(self.dropout(mixed * u))
        return out
