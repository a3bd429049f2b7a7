"""Exact de-duplication: of rows that are equal in the given columns the first stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from rec_lightning.data.preparation.columns import check_columns


@dataclass(frozen=True)
class Deduplicate:
    """Keeps the first of equal rows.

    Args:
        columns: that must be equal; null for all. ``[user, item]`` keeps the first event of each pair.

    Example:
        >>> events = pl.DataFrame({"user": [1, 1, 1], "item": [5, 5, 6]})
        >>> Deduplicate()(events).rows()
        [(1, 5), (1, 6)]
    """

    columns: Sequence[str] | None = None

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame:
        """The events that stay, in order.

        Raises:
            ValueError: there is no such column.
        """
        columns = list(events.columns if self.columns is None else self.columns)
        check_columns(events, columns, "deduplicate.columns")
        return events.unique(columns, keep="first", maintain_order=True)
