"""DCN-V2: layers that cross every field with every other, beside a feed-forward net.

Paper: R. Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning to Rank
Systems", WWW 2021, https://arxiv.org/abs/2008.13535, its parallel form with full-rank crosses. What differs: the state
of the history and the item vector are fields too.

Relations: ``fm`` crosses once, by inner products; ``mlp`` has the net alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Batch, Catalog, Kind
from rec_lightning.heads.fields import MakesFields
from rec_lightning.heads.layers import check_layers, feed_forward

# B rows, L length, D width, C candidates, F fields, K outputs


class DCN(nn.Module):
    """Crosses and a net over the same input, read together.

    Args:
        catalog: whose users, items and events these are.
        outputs: K.
        width: D, also of the fields.
        fields: makes the fields.
        crosses: layers of them, at least 1.
        hidden: widths of the net.
        dropout: after each layer of the net, in [0, 1).

    Raises:
        ValueError: a value out of range.
    """

    kinds: tuple[Kind, ...] = ("binary", "number", "classes")

    def __init__(
        self,
        catalog: Catalog,
        outputs: int,
        width: int,
        fields: MakesFields,
        crosses: int = 2,
        hidden: Sequence[int] = (64, 32),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_layers(hidden, dropout)
        if crosses < 1:
            raise ValueError(f"head.crosses must be at least 1, got {crosses}. Set head.crosses, or head=mlp.")
        self.fields = fields(catalog, width)
        whole = (2 + self.fields.count) * width
        self.crosses = nn.ModuleList(nn.Linear(whole, whole) for _ in range(crosses))
        self.net, last = feed_forward(whole, hidden, dropout)
        self.out = nn.Linear(whole + last, outputs)

    def forward(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """(B, D), (B, L, D), (B, C, D) -> (B, C, K)."""
        person = state.unsqueeze(1).expand_as(candidate)
        first = torch.cat([person, candidate, self.fields(batch).flatten(2)], -1)  # (B, C, F * D)
        crossed = first
        for layer in self.crosses:
            crossed = first * layer(crossed) + crossed
        out: Tensor = self.out(torch.cat([crossed, self.net(first)], -1))
        return out
