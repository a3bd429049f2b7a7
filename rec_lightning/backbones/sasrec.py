"""SASRec: a causal transformer over the history.

Paper: W.-C. Kang and J. McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018,
https://arxiv.org/abs/1808.09781.
What differs: histories are right-padded, so the causal mask alone is enough and attention takes the fused path;
the feed-forward part is ``ffn_factor`` times as wide as the model (1 in the paper). The official code scales the
input by sqrt(D) and normalises only the queries before attention; here both ``pre`` and ``post`` are the usual
transformer blocks and nothing is scaled. It pads on the left, as most later code does, so that its positions are
those ``from_end``. q, k, v and out are plain ``nn.Linear`` layers rather than
``nn.MultiheadAttention``, whose fast path ignores low-rank adapters in eval mode without a word.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.backbones.dropout import Dropout, dropout
from rec_lightning.backbones.last import asked_place, picked, put_back
from rec_lightning.contracts import Batch

# B batch, L length, D width, H heads


class SASRec(nn.Module):
    """Stacked causal self-attention.

    Args:
        width: D, of the item vectors and the states.
        max_length: longest history it has positions for.
        blocks: number of transformer blocks.
        heads: attention heads; must divide the width.
        ffn_factor: width of the feed-forward layer relative to D.
        dropout: probability in [0, 1), on the input, the attention and both sub-layers.
        norm: layer norm before (``pre``) or after (``post``) each sub-layer.
        activation: of the feed-forward layer.
        positions: counted ``from_start`` of a history, or ``from_end``: the newest event always has the first one. In
            training a state then knows how many events of its window come later, which none does in use.
        std: standard deviation of the blocks' initial weights, drawn from a normal distribution, with biases of zero;
            None for PyTorch's own (uniform with a deviation of ``1 / sqrt(3 * inputs)``, biases too).

    Raises:
        ValueError: a value out of range.
    """

    pretrained = False

    def __init__(
        self,
        width: int,
        max_length: int,
        blocks: int = 2,
        heads: int = 1,
        ffn_factor: int = 4,
        dropout: float = 0.2,
        norm: Literal["pre", "post"] = "pre",
        activation: Literal["gelu", "relu"] = "gelu",
        positions: Literal["from_start", "from_end"] = "from_start",
        std: float | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"backbone.dropout must be in [0, 1), got {dropout}. Set backbone.dropout.")
        if heads < 1 or width % heads:
            raise ValueError(f"backbone.heads must divide the width {width}, got {heads}. Set backbone.heads or width.")
        for name, value in (("blocks", blocks), ("ffn_factor", ffn_factor)):
            if value < 1:
                raise ValueError(f"backbone.{name} must be at least 1, got {value}. Set backbone.{name}.")
        if std is not None and std <= 0:
            raise ValueError(f"backbone.std must be positive or null, got {std}. Set backbone.std.")
        self.width, self.max_length, self.backwards = width, max_length, positions == "from_end"
        self.position = nn.Embedding(max_length, width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.dropout = Dropout(dropout)
        self.input_norm = nn.LayerNorm(width) if norm == "post" else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(width, heads, ffn_factor, dropout, norm == "pre", activation) for _ in range(blocks)
        )
        self.output_norm = nn.LayerNorm(width) if norm == "pre" else nn.Identity()
        if std is not None:
            for layer in self.blocks.modules():
                if isinstance(layer, nn.Linear):
                    nn.init.normal_(layer.weight, std=std)
                    nn.init.zeros_(layer.bias)

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the blocks."""
        return self.blocks

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.blocks = module  # type: ignore[assignment]

    def pose(self, batch: Batch) -> Batch:
        """All targets at once."""
        return batch

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D); the states at padded positions mean nothing.

        In evaluation only the last real one is made.

        Raises:
            ValueError: L is longer than ``max_length``.
        """
        length = item_vectors.shape[1]
        if length > self.max_length:
            raise ValueError(f"a history of {length} is longer than max_length {self.max_length}. Set max_length.")
        place = torch.arange(length, device=item_vectors.device)
        if self.backwards:
            place = (batch.length[:, None] - 1 - place).clamp(min=0)  # (B, L)
        x = item_vectors + self.position(place)
        x = self.dropout(self.input_norm(x))
        *lower, top = self.blocks
        for block in lower:
            x = block(x)
        at = asked_place(batch)
        return put_back(self.output_norm(top(x, at)), at, length)


class Block(nn.Module):
    """Causal attention and a feed-forward layer, each with a residual."""

    def __init__(self, width: int, heads: int, ffn_factor: int, dropout: float, pre: bool, activation: str) -> None:
        super().__init__()
        self.attention = CausalAttention(width, heads, dropout)
        self.ffn = FeedForward(width, ffn_factor * width, dropout, activation)
        self.attention_norm, self.ffn_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout, self.pre = Dropout(dropout), pre

    def forward(self, x: Tensor, at: Tensor | None = None) -> Tensor:
        """(B, L, D) -> (B, L, D), or with the place (B,) that is wanted (B, 1, D)."""
        if self.pre:
            x = picked(x, at) + self.dropout(self.attention(self.attention_norm(x), at))
            x = x + self.dropout(self.ffn(self.ffn_norm(x)))
        else:
            x = self.attention_norm(picked(x, at) + self.dropout(self.attention(x, at)))
            x = self.ffn_norm(x + self.dropout(self.ffn(x)))
        return x


class CausalAttention(nn.Module):
    """Multi-head attention in which position t sees positions up to t."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.drop = heads, dropout
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, at: Tensor | None = None) -> Tensor:
        """(B, L, D) -> (B, L, D), or with the place (B,) that is wanted (B, 1, D)."""
        b, n, d = x.shape
        given = self.query(picked(x, at)), self.key(x), self.value(x)
        q, k, v = (part.view(b, -1, self.heads, d // self.heads).transpose(1, 2) for part in given)
        if self.training and self.drop and at is None:
            mixed = attend_with_dropout(q, k, v, self.drop)
        elif at is None:
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, H, L, D / H)
        else:
            visible = torch.arange(n, device=x.device) <= at[:, None, None, None]  # (B, 1, 1, L)
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)  # (B, H, 1, D / H)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(b, -1, d))
        return out


def attend_with_dropout(q: Tensor, k: Tensor, v: Tensor, p: float) -> Tensor:
    """Causal attention, (B, H, L, D / H) each -> the same; some weights are dropped.

    The fused kernels of a processor know no dropout, and their fallback is slower than these four lines.
    """
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
    length = q.shape[-2]
    ahead = torch.full((length, length), -torch.inf, dtype=q.dtype).triu(1)
    weights = ((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)).add_(ahead).softmax(-1)
    return dropout(weights, p) @ v


class FeedForward(nn.Module):
    """Two linear layers with an activation between."""

    def __init__(self, width: int, inner: int, dropout: float, activation: str) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.dropout = Dropout(dropout)
        self.activation = torch.relu if activation == "relu" else F.gelu

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        out: Tensor = self.down(self.dropout(self.activation(self.up(x))))
        return out
