"""LRURec: a linear recurrence with complex, diagonal weights, computed for all positions at once.

Paper: Z. Yue, Y. Wang, Z. He, H. Zeng, J. McAuley and D. Wang, "Linear Recurrent Units for Sequential Recommendation",
WSDM 2024, https://arxiv.org/abs/2310.02367, after A. Orvieto et al., "Resurrecting Recurrent Neural Networks for Long
Sequences", ICML 2023, https://arxiv.org/abs/2303.06349. What differs: the recurrence is summed by doubling, which needs
neither padding to a power of two nor a mask, since histories are right-padded; the complex projections are
``nn.Linear`` layers over real and imaginary parts, which is the same map and lets low-rank adapters in.

Relations: ``gru4rec`` with the gates left out; like it, takes histories of any length.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.backbones.dropout import Dropout
from rec_lightning.contracts import Batch

# B batch, L length, D width, H complex state


class LRU(nn.Module):
    """Stacked blocks of a linear recurrence and a feed-forward layer.

    Args:
        width: D, of the item vectors and the states.
        blocks: number of blocks.
        state_factor: H relative to D.
        ffn_factor: width of the feed-forward layer relative to D.
        dropout: probability in [0, 1), on the input and on both sub-layers.
        slowest: the largest initial modulus of a recurrent weight, in (``fastest``, 1).
        fastest: the smallest one, at least 0.

    Raises:
        ValueError: a value out of range.
    """

    pretrained = False

    def __init__(
        self,
        width: int,
        blocks: int = 2,
        state_factor: int = 2,
        ffn_factor: int = 4,
        dropout: float = 0.2,
        slowest: float = 0.99,
        fastest: float = 0.8,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"backbone.dropout must be in [0, 1), got {dropout}. Set backbone.dropout.")
        for name, value in (("blocks", blocks), ("state_factor", state_factor), ("ffn_factor", ffn_factor)):
            if value < 1:
                raise ValueError(f"backbone.{name} must be at least 1, got {value}. Set backbone.{name}.")
        if not 0 <= fastest < slowest < 1:
            raise ValueError(
                f"backbone.fastest and slowest must be 0 <= fastest < slowest < 1, got {fastest} and {slowest}. "
                "Set backbone.fastest."
            )
        self.input_norm, self.dropout = nn.LayerNorm(width), Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(width, state_factor * width, ffn_factor * width, dropout, slowest, fastest) for _ in range(blocks)
        )

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
        """(B, L, D) -> (B, L, D); the states at padded positions mean nothing."""
        x: Tensor = self.dropout(self.input_norm(item_vectors))
        for block in self.blocks:
            x = block(x)
        return x


class Block(nn.Module):
    """Recurrence and feed-forward layer, each with a residual and a norm after it."""

    def __init__(self, width: int, state: int, inner: int, dropout: float, slowest: float, fastest: float) -> None:
        super().__init__()
        self.recurrence = Recurrence(width, state, slowest, fastest)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.recurrence_norm, self.ffn_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        x = self.recurrence_norm(x + self.dropout(self.recurrence(x)))
        inner = self.down(self.dropout(F.gelu(self.up(x))))
        out: Tensor = self.ffn_norm(x + self.dropout(inner))
        return out


class Recurrence(nn.Module):
    """``h_t = a * h_{t-1} + g * (B x_t)``, output ``Re(C h_t) + c``, with |a| < 1 by construction."""

    def __init__(self, width: int, state: int, slowest: float, fastest: float) -> None:
        super().__init__()
        # moduli uniform over the area of a ring, phases over the circle
        modulus = (torch.rand(state) * (slowest**2 - fastest**2) + fastest**2).sqrt()
        self.decay = nn.Parameter((-modulus.log()).log())  # |a| = exp(-exp(decay))
        self.phase = nn.Parameter((torch.rand(state) * 2 * math.pi).log())  # arg a = exp(phase)
        self.gain = nn.Parameter(0.5 * (1 - modulus**2).log())  # g = exp(gain): states start with the input's size
        self.into, self.out = nn.Linear(width, 2 * state), nn.Linear(2 * state, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        with torch.autocast(x.device.type, enabled=False):
            h = torch.complex(*self.into(x.float()).chunk(2, -1)) * self.gain.exp()  # (B, L, H)
            log_a = torch.complex(-self.decay.exp(), self.phase.exp())
            stride = 1
            # after each round h_t holds its last 2 * stride terms
            while stride < h.shape[1]:
                h = h + F.pad(h[:, :-stride] * (stride * log_a).exp(), (0, 0, stride, 0))
                stride *= 2
            out: Tensor = self.out(torch.cat([h.real, h.imag], -1))
        return out
