"""Tower: a net over the state alone, as the towers of multi-task models are; the candidate is not read.

Relations: ``mlp`` reads the candidate and fields too. For trunks that know the candidate, as ``backbone=columns``.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from rec_lightning.contracts import Batch, Catalog, Kind
from rec_lightning.heads.layers import check_layers, feed_forward

# B rows, L length, D width, C candidates, K outputs


class Tower(nn.Module):
    """A feed-forward net.

    Args:
        catalog: not read.
        outputs: K.
        width: D.
        hidden: widths of the hidden layers.
        dropout: after each, in [0, 1).

    Raises:
        ValueError: a value out of range.
    """

    kinds: tuple[Kind, ...] = ("binary", "number", "classes")

    def __init__(
        self, catalog: Catalog, outputs: int, width: int, hidden: Sequence[int] = (32,), dropout: float = 0.1
    ) -> None:
        super().__init__()
        check_layers(hidden, dropout)
        self.net, last = feed_forward(width, hidden, dropout)
        self.out = nn.Linear(last, outputs)

    def forward(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """(B, D), (B, L, D), (B, C, D) -> (B, C, K), the same for all candidates."""
        out: Tensor = self.out(self.net(state)).unsqueeze(1).expand(-1, candidate.shape[1], -1)
        return out
