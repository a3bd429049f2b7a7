"""BERT4Rec: a transformer that sees both sides, trained to fill in masked items.

Paper: F. Sun, J. Liu, J. Wu, C. Pei, X. Lin, W. Ou and P. Jiang, "BERT4Rec: Sequential Recommendation with
Bidirectional Encoder Representations from Transformer", RecSys 2019, https://arxiv.org/abs/1904.06690; how long and
with what share of masks it must be trained: A. Petrov and C. Macdonald, "A Systematic Review and Replicability Study
of BERT4Rec for Sequential Recommendation", RecSys 2022, https://arxiv.org/abs/2207.07483. What differs: masks are
drawn anew in every step, where the official code draws ten copies beforehand; a row without a mask masks its last
target, in place of extra rows that do; a mask is always the mask, never a random item; the first item of a window is
never a target; scores have no bias of the item.

Relations: ``sasrec`` sees one side and trains every position in every step, so it needs far fewer epochs.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.backbones.dropout import Dropout
from rec_lightning.backbones.last import picked, put_back
from rec_lightning.contracts import Batch

# B batch, L length, D width, H heads


class BERT4Rec(nn.Module):
    """Stacked two-sided self-attention over the history and one place more.

    The state of position t is read where item t + 1 lies, which is masked whenever it is asked for.

    Args:
        width: D, of the item vectors and the states.
        max_length: longest history.
        blocks: number of transformer blocks.
        heads: attention heads; must divide the width.
        ffn_factor: width of the feed-forward layer relative to D.
        dropout: probability in [0, 1), on the input, the attention and both sub-layers.
        masked: share of the targets asked for in a step, in (0, 1].

    Raises:
        ValueError: a value out of range.
    """

    pretrained = False

    def __init__(
        self,
        width: int,
        max_length: int,
        blocks: int = 2,
        heads: int = 2,
        ffn_factor: int = 4,
        dropout: float = 0.2,
        masked: float = 0.2,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"backbone.dropout must be in [0, 1), got {dropout}. Set backbone.dropout.")
        if not 0 < masked <= 1:
            raise ValueError(f"backbone.masked must be in (0, 1], got {masked}. Set backbone.masked.")
        if heads < 1 or width % heads:
            raise ValueError(f"backbone.heads must divide the width {width}, got {heads}. Set backbone.heads or width.")
        for name, value in (("blocks", blocks), ("ffn_factor", ffn_factor)):
            if value < 1:
                raise ValueError(f"backbone.{name} must be at least 1, got {value}. Set backbone.{name}.")
        self.max_length, self.masked = max_length, masked
        self.mask = nn.Parameter(0.02 * torch.randn(width))
        self.position = nn.Embedding(max_length + 1, width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.input_norm, self.dropout = nn.LayerNorm(width), Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, ffn_factor * width, dropout) for _ in range(blocks))
        self.output, self.output_norm = nn.Linear(width, width), nn.LayerNorm(width)

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the blocks."""
        return self.blocks

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.blocks = module  # type: ignore[assignment]

    def pose(self, batch: Batch) -> Batch:
        """A random share of the targets, at least one a row that has any."""
        counts = batch.target > 0  # (B, L)
        chosen = counts & (torch.rand(counts.shape, device=counts.device) < self.masked)
        place = torch.arange(counts.shape[1], device=counts.device)
        last = counts & (place == (place * counts).amax(1, keepdim=True))
        chosen |= last & ~chosen.any(1, keepdim=True)
        return replace(batch, target=torch.where(chosen, batch.target, 0))

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D); means something where a target is asked for.

        Raises:
            ValueError: L is longer than ``max_length``.
        """
        length = item_vectors.shape[1]
        if length > self.max_length:
            raise ValueError(f"a history of {length} is longer than max_length {self.max_length}. Set max_length.")
        place = torch.arange(length + 1, device=item_vectors.device)
        own = batch.length.unsqueeze(1)  # (B, 1)
        asked = F.pad(batch.target > 0, (1, 0)) if batch.target.ndim == 2 else place == own  # (B, L + 1)
        x = torch.where(asked.unsqueeze(2), self.mask, F.pad(item_vectors, (0, 0, 0, 1)))
        x = self.dropout(self.input_norm(x + self.position.weight[: length + 1]))
        visible = (asked | (place < own))[:, None, None]  # (B, 1, 1, L + 1) as keys
        *lower, top = self.blocks
        for block in lower:
            x = block(x, visible)
        at = None if batch.target.ndim == 2 else batch.length  # in evaluation nothing else is made by the top
        out = self.output_norm(F.gelu(self.output(top(x, visible, at))))
        return put_back(out, at, length + 1)[:, 1:]


class Block(nn.Module):
    """Two-sided attention and a feed-forward layer, each with a residual and a norm after it."""

    def __init__(self, width: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.drop = heads, dropout
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.attention_norm, self.ffn_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, visible: Tensor, at: Tensor | None = None) -> Tensor:
        """(B, L, D), (B, 1, 1, L) bool -> (B, L, D), or with the place (B,) that is wanted (B, 1, D)."""
        b, _, d = x.shape
        given = self.query(picked(x, at)), self.key(x), self.value(x)
        q, k, v = (part.view(b, -1, self.heads, d // self.heads).transpose(1, 2) for part in given)
        drop = self.drop if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=drop)  # (B, H, L, D / H)
        x = self.attention_norm(picked(x, at) + self.dropout(self.out(mixed.transpose(1, 2).reshape(b, -1, d))))
        out: Tensor = self.ffn_norm(x + self.dropout(self.down(F.gelu(self.up(x)))))
        return out
