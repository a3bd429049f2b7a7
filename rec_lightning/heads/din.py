"""DIN: each candidate looks at the history for itself, so that what is like it counts more.

Paper: G. Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018,
https://arxiv.org/abs/1706.06978. What differs: the attended history is added to the state of the backbone, which the
paper does not have; the activation unit reads history item, candidate, their difference and product and ends without
softmax as there, so that a history with more of the same weighs more, divided by the square root of its length, so that
long ones do not drown the rest; ReLU in place of Dice, no mini-batch aware regularisation.

Relations: ``mlp`` without attention.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rec_lightning.contracts import PAD, Batch, Catalog, Kind
from rec_lightning.heads.fields import MakesFields
from rec_lightning.heads.layers import check_layers, feed_forward
from rec_lightning.heads.mlp import MLP

# B rows, L length, D width, C candidates, K outputs


class DIN(MLP):
    """Target attention, then the net of ``MLP``.

    Args:
        catalog: whose users, items and events these are.
        outputs: K.
        width: D, also of the fields.
        fields: makes the fields.
        hidden: widths of the hidden layers of the net.
        attention: widths of the hidden layers of the activation unit.
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
        hidden: Sequence[int] = (64, 32),
        attention: Sequence[int] = (32,),
        dropout: float = 0.1,
    ) -> None:
        super().__init__(catalog, outputs, width, fields, hidden, dropout)
        check_layers(attention, 0.0)
        unit, last = feed_forward(4 * width, attention, 0.0)
        self.unit = nn.Sequential(unit, nn.Linear(last, 1))

    def person(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """The state and the history as the candidate sees it: (B, C, D)."""
        shape = (-1, candidate.shape[1], history.shape[1], -1)
        one, two = history.unsqueeze(1).expand(shape), candidate.unsqueeze(2).expand(shape)  # (B, C, L, D)
        weight = self.unit(torch.cat([one, two, one - two, one * two], -1))  # (B, C, L, 1)
        real = (batch.history != PAD)[:, None, :, None]
        seen = (weight * real * one).sum(2) / batch.length.view(-1, 1, 1).sqrt()
        out: Tensor = state.unsqueeze(1) + seen
        return out
