"""MLP: state, candidate, their product and all fields, through a feed-forward net.

Paper: X. He et al., "Neural Collaborative Filtering", WWW 2017, https://arxiv.org/abs/1708.05031. What differs: one
net reads the product too, and the user is the state of a backbone.

Relations: ``din`` puts an attended history in the state's place; ``dcn`` adds crosses.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Batch, Catalog, Kind
from rec_lightning.heads.fields import MakesFields
from rec_lightning.heads.layers import check_layers, feed_forward

# B rows, L length, D width, C candidates, F fields, K outputs


class MLP(nn.Module):
    """A feed-forward net over everything known.

    Args:
        catalog: whose users, items and events these are.
        outputs: K.
        width: D, also of the fields.
        fields: makes the fields.
        hidden: widths of the hidden layers.
        dropout: after each, in [0, 1).

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
        hidden: Sequence[int] = (64, 32),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_layers(hidden, dropout)
        self.fields = fields(catalog, width)
        self.net, last = feed_forward((3 + self.fields.count) * width, hidden, dropout)
        self.out = nn.Linear(last, outputs)

    def person(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """Who is asked, for each candidate: (B, C, D)."""
        return state.unsqueeze(1).expand_as(candidate)

    def forward(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """(B, D), (B, L, D), (B, C, D) -> (B, C, K)."""
        person = self.person(batch, state, history, candidate)
        known = torch.cat([person, candidate, person * candidate, self.fields(batch).flatten(2)], -1)
        out: Tensor = self.out(self.net(known))
        return out
