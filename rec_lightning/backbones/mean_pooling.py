"""Mean pooling: a user is the weighted mean of the items so far, the simplest tower beside an item tower.

Paper: P. Covington, J. Adams and E. Sargin, "Deep Neural Networks for YouTube Recommendations", RecSys 2016,
https://doi.org/10.1145/2959100.2959190, whose candidate model feeds the mean of watched videos to a feed-forward net.
What differs: every position is trained, each on the mean up to itself; older items may count less by a factor
``decay`` a step; no features of the user, which ``two_tower`` adds.

Relations: it sees no order (with ``decay`` 1), so what ``sasrec`` adds to it is what order is worth.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from rec_lightning.backbones.dropout import Dropout
from rec_lightning.contracts import Batch

# B batch, L length, D width


class MeanPooling(nn.Module):
    """Running mean, then a feed-forward net with a residual.

    Args:
        width: D, of the item vectors and the states.
        decay: weight of an item relative to the next one, in (0, 1]; 1 is the plain mean.
        layers: of the feed-forward net; 0 leaves the mean as it is but for a linear layer.
        ffn_factor: width of the feed-forward layers relative to D.
        dropout: probability in [0, 1), on the input and inside the net.

    Raises:
        ValueError: a value out of range.
    """

    pretrained = False

    def __init__(
        self, width: int, decay: float = 1.0, layers: int = 1, ffn_factor: int = 4, dropout: float = 0.2
    ) -> None:
        super().__init__()
        check_options(decay, dropout, layers, ffn_factor)
        self.decay = decay
        self.dropout = Dropout(dropout)
        self.net = feed_forward(width, width, layers, ffn_factor, dropout)

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the feed-forward net."""
        return self.net

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.net = module  # type: ignore[assignment]

    def pose(self, batch: Batch) -> Batch:
        """All targets at once."""
        return batch

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D); the states at padded positions mean nothing."""
        mean = running_mean(self.dropout(item_vectors), self.decay)
        out: Tensor = mean + self.net(mean)
        return out


def check_options(decay: float, dropout: float, layers: int, ffn_factor: int) -> None:
    """Refuses what no running mean and no feed-forward net can take.

    Raises:
        ValueError: a value out of range.
    """
    if not 0 < decay <= 1:
        raise ValueError(f"backbone.decay must be in (0, 1], got {decay}. Set backbone.decay.")
    if not 0 <= dropout < 1:
        raise ValueError(f"backbone.dropout must be in [0, 1), got {dropout}. Set backbone.dropout.")
    if layers < 0:
        raise ValueError(f"backbone.layers must be at least 0, got {layers}. Set backbone.layers.")
    if ffn_factor < 1:
        raise ValueError(f"backbone.ffn_factor must be at least 1, got {ffn_factor}. Set backbone.ffn_factor.")


def feed_forward(inputs: int, width: int, layers: int, ffn_factor: int, dropout: float) -> nn.Sequential:
    """(..., inputs) -> (..., width) through ``layers`` hidden layers of ``ffn_factor * width``."""
    sizes = [inputs] + [ffn_factor * width] * layers
    inner = [(nn.Linear(a, b), nn.GELU(), Dropout(dropout)) for a, b in pairwise(sizes)]
    return nn.Sequential(*(module for three in inner for module in three), nn.Linear(sizes[-1], width))


def running_mean(x: Tensor, decay: float) -> Tensor:
    """(B, L, D) -> (B, L, D), at each position the mean up to it, an item ``decay`` times as heavy as the next one."""
    place = torch.arange(x.shape[1], device=x.device)
    age = place.unsqueeze(1) - place  # (L, L), negative for later items
    weight = torch.where(age >= 0, decay ** age.clamp(min=0), 0.0)
    return weight / weight.sum(1, keepdim=True) @ x
