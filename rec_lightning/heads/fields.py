"""What is known of a row beside its history: ids of user and item, columns of users, items and events, as vectors.

Words never met in training have a vector of their own, a missing number too (``items/feature_table``). A user or item
without training events keeps its initial vector, which is near zero.

Relations: every head of scoring but ``dot_bias`` takes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import polars as pl
import torch
from torch import Tensor, nn

from rec_lightning.contracts import TRAINS, Batch, Catalog

# B rows, C candidates, F fields, D width, U users, N items, E events

How = Literal["category", "list", "standardise", "log1p", "buckets"]
Columns = Mapping[str, How]


class Table(Protocol):
    """A module of vectors for rows of a frame."""

    def encode(self, frame: pl.DataFrame) -> None: ...
    def fields(self, rows: Tensor) -> Tensor: ...


class MakesTable(Protocol):
    """Makes a module that gives (M, F, D) for (M,) rows of the frame, counted from 0."""

    def __call__(
        self,
        frame: pl.DataFrame,
        width: int,
        categories: Sequence[str],
        lists: Sequence[str],
        numbers: Mapping[str, Any],
    ) -> nn.Module: ...


class MakesFields(Protocol):
    """Makes the fields of a catalogue at a width."""

    def __call__(self, catalog: Catalog, width: int) -> Fields: ...


class Fields(nn.Module):
    """Fields as vectors.

    Args:
        catalog: whose tables have the columns.
        width: D.
        table: makes the vectors of columns.
        user_ids: whether every user has a vector.
        item_ids: whether every item has a vector, beside that of ``items``.
        users: column of the user table -> ``category``, ``list``, ``standardise``, ``log1p`` or ``buckets``.
        items: the same of the item table.
        events: the same of the context, with ``hour`` and ``weekday``.

    Raises:
        ValueError: a column that is not there or not of its type, or one word for nearly every row.
    """

    def __init__(
        self,
        catalog: Catalog,
        width: int,
        table: MakesTable,
        user_ids: bool = True,
        item_ids: bool = False,
        users: Columns | None = None,
        items: Columns | None = None,
        events: Columns | None = None,
    ) -> None:
        super().__init__()
        self.width, self.known, self.event_columns = width, catalog.users.height, tuple(events or ())
        # one row more: for whoever is not known, and for the padding
        self.user_ids = nn.Embedding(self.known + 1, width) if user_ids else None
        self.item_ids = nn.Embedding(catalog.size + 1, width) if item_ids else None
        for ids in (self.user_ids, self.item_ids):
            if ids is not None:
                nn.init.normal_(ids.weight, std=0.02)
        asked = {"user": (users, catalog.users), "item": (items, catalog.items), "event": (events, catalog.events)}
        self.tables, self.count = nn.ModuleDict(), user_ids + item_ids
        for name, (columns, frame) in asked.items():
            if columns:
                self.tables[name] = self._table(name, columns, frame, table)
                self.count += len(columns)

    def _table(self, name: str, columns: Columns, frame: pl.DataFrame, make: MakesTable) -> nn.Module:
        # vocabularies and scales of the context are those of training
        learnt = frame.filter(TRAINS) if name == "event" and frame.height else frame
        if name == "event" and not frame.height:  # a rehearsal, which knows no context
            learnt = frame.clear().with_columns(pl.lit(None, pl.String).alias(column) for column in columns)
        of = {how: [column for column, given in columns.items() if given == how] for how in ("category", "list")}
        numbers = {column: how for column, how in columns.items() if how not in of}
        try:
            made = make(learnt, self.width, of["category"], of["list"], numbers)
            if name != "item" and frame.height:
                # of whoever is not known nothing is
                made.encode(frame if name == "event" else pl.concat([frame, frame.clear(1)]))  # type: ignore[operator]
        except ValueError as error:
            raise ValueError(f"head.fields.{name}s: {error}") from error
        return made

    def forward(self, batch: Batch) -> Tensor:
        """The vectors of each candidate: (B, C, F, D)."""
        assert batch.candidate is not None
        assert batch.event is not None
        shape = batch.candidate.shape
        user = torch.where((batch.user < 0) | (batch.user >= self.known), self.known, batch.user)
        found: list[Tensor] = []
        if self.user_ids is not None:
            found.append(_spread(self.user_ids(user).unsqueeze(1), shape[1]))
        if self.item_ids is not None:
            found.append(self.item_ids(batch.candidate).unsqueeze(2))
        for name, table in self.tables.items():
            if name == "item":
                rows = (batch.candidate - 1).flatten()
                found.append(table.fields(rows).unflatten(0, shape))  # type: ignore[operator]
            else:
                rows = user if name == "user" else batch.event
                found.append(_spread(table.fields(rows), shape[1]))  # type: ignore[operator]
        if not found:
            return torch.zeros(*shape, 0, self.width, device=batch.candidate.device)
        return torch.cat(found, 2)


def _spread(vectors: Tensor, candidates: int) -> Tensor:
    # (B, F, D) -> (B, C, F, D)
    return vectors.unsqueeze(1).expand(-1, candidates, -1, -1)
