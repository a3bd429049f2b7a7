"""FMLP-Rec, made causal: learnt filters along the history in place of attention.

Paper: K. Zhou, H. Yu, W. X. Zhao and J.-R. Wen, "Filter-enhanced MLP is All You Need for Sequential Recommendation",
WWW 2022, https://arxiv.org/abs/2202.13556. What differs, and matters: the paper multiplies spectra,
which is a convolution around a circle, so every state sees every item and only the last position may be trained. Here
the filter is a learnt kernel over the items so far, so each position is trained and no state sees a later item. The sum
is a matrix product, not a Fourier transform: its rounding would let a gradient of 1e-11 through to later items, and
Adam makes a step of any gradient.

Relations: blocks as in ``sasrec`` with ``norm=post``; a kernel depends on the distance only, never on the items.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.backbones.dropout import Dropout
from rec_lightning.contracts import Batch

# B batch, L length, D width


class FMLP(nn.Module):
    """Stacked causal filters and feed-forward layers.

    Args:
        width: D, of the item vectors and the states.
        max_length: length of the kernels, so of the longest history.
        blocks: number of blocks.
        ffn_factor: width of the feed-forward layer relative to D.
        dropout: probability in [0, 1), on the input and on both sub-layers.

    Raises:
        ValueError: a value out of range.
    """

    pretrained = False

    def __init__(self, width: int, max_length: int, blocks: int = 2, ffn_factor: int = 4, dropout: float = 0.5) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"backbone.dropout must be in [0, 1), got {dropout}. Set backbone.dropout.")
        for name, value in (("blocks", blocks), ("ffn_factor", ffn_factor)):
            if value < 1:
                raise ValueError(f"backbone.{name} must be at least 1, got {value}. Set backbone.{name}.")
        self.max_length = max_length
        self.position = nn.Embedding(max_length, width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.input_norm, self.dropout = nn.LayerNorm(width), Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, max_length, ffn_factor * width, dropout) for _ in range(blocks))

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

        Raises:
            ValueError: L is longer than ``max_length``.
        """
        length = item_vectors.shape[1]
        if length > self.max_length:
            raise ValueError(f"a history of {length} is longer than max_length {self.max_length}. Set max_length.")
        x: Tensor = self.dropout(self.input_norm(item_vectors + self.position.weight[:length]))
        for block in self.blocks:
            x = block(x)
        return x


class Block(nn.Module):
    """Filter and feed-forward layer, each with a residual and a norm after it."""

    def __init__(self, width: int, max_length: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.filter = CausalFilter(width, max_length)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.filter_norm, self.ffn_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        x = self.filter_norm(x + self.dropout(self.filter(x)))
        out: Tensor = self.ffn_norm(x + self.dropout(self.down(F.gelu(self.up(x)))))
        return out


class CausalFilter(nn.Module):
    """``y_t = sum over s <= t of kernel[t - s] * x_s``, each number of the width with a kernel of its own."""

    def __init__(self, width: int, max_length: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(0.02 * torch.randn(max_length, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        place = torch.arange(x.shape[1], device=x.device)
        age = place.unsqueeze(1) - place  # (L, L), negative for later items
        weight = self.kernel[age.clamp(min=0)] * (age >= 0).unsqueeze(2)  # (L, L, D)
        return torch.einsum("tsd,bsd->btd", weight, x)
