"""Completeness: events without a value where one is needed go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import polars.selectors as cs

from rec_lightning.data.preparation.columns import check_columns


@dataclass(frozen=True)
class Complete:
    """Removes events with a null or NaN.

    Args:
        columns: that must be filled; null for all.

    Example:
        >>> Complete()(pl.DataFrame({"user": [1, None], "item": [5, 6]})).rows()
        [(1, 5)]
    """

    columns: Sequence[str] | None = None

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame:
        """The events that stay, in order.

        Raises:
            ValueError: there is no such column.
        """
        columns = list(events.columns if self.columns is None else self.columns)
        check_columns(events, columns, "complete.columns")
        floats = [c for c in columns if c in cs.expand_selector(events, cs.float())]
        return events.filter(
            pl.all_horizontal(pl.col(columns).is_not_null(), *(pl.col(c).is_not_nan().fill_null(False) for c in floats))
        )
