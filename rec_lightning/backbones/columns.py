"""Columns: the state of a row is what is known of it, through a feed-forward net; histories are not read.

For flat tables, such as Census-Income, where nobody has a history. The vectors of the columns are shared by all tasks.

Relations: heads of scoring read the same fields beside a state; ``two_tower`` reads columns of users beside a history.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

from torch import Tensor, nn

from rec_lightning.backbones.dropout import Dropout
from rec_lightning.contracts import Batch, Catalog

# B rows, L length, F fields, D width


class MakesFields(Protocol):
    """Makes a module with a number of fields ``count`` that gives (B, C, F, D) vectors of the candidates' rows."""

    def __call__(self, *, catalog: Catalog, width: int) -> Any: ...


class Columns(nn.Module):
    """A net over the fields of each row.

    Args:
        catalog: whose users, items and events have the columns.
        width: D, of the fields and of the state.
        fields: makes the fields.
        hidden: widths of the hidden layers.
        dropout: after each, in [0, 1).

    Raises:
        ValueError: a value out of range, no field, or a column that is not there.
    """

    pretrained = False
    reads_history = False

    def __init__(
        self, catalog: Catalog, width: int, fields: MakesFields, hidden: Sequence[int] = (64,), dropout: float = 0.1
    ) -> None:
        super().__init__()
        if min(hidden, default=1) < 1:
            raise ValueError(f"backbone.hidden must be widths of at least 1, got {list(hidden)}. Set backbone.hidden.")
        if not 0 <= dropout < 1:
            raise ValueError(f"backbone.dropout must be in [0, 1), got {dropout}. Set backbone.dropout.")
        try:
            self.fields = fields(catalog=catalog, width=width)
        except ValueError as error:
            raise ValueError(f"backbone: {error}") from error
        if not self.fields.count:
            raise ValueError("backbone=columns needs a column at least, got none. Set backbone.fields.events.")
        layers: list[nn.Module] = []
        for one, two in pairwise([self.fields.count * width, *hidden]):
            layers += [nn.Linear(one, two), nn.ReLU(), Dropout(dropout)]
        self.net = nn.Sequential(*layers, nn.Linear([self.fields.count * width, *hidden][-1], width))

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the net."""
        return self.net

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.net = module  # type: ignore[assignment]

    def pose(self, batch: Batch) -> Batch:
        """As it is."""
        return batch

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D), the same at every place."""
        known = self.fields(batch)[:, 0].flatten(1)  # (B, F * D), of the row's own candidate
        out: Tensor = self.net(known).unsqueeze(1).expand(-1, item_vectors.shape[1], -1)
        return out
