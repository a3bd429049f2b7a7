"""One rule of all steps: a column must be there."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import polars as pl


def check_columns(events: pl.DataFrame, columns: Sequence[str], option: str) -> None:
    """Refuses a name that is no column.

    Args:
        events: interactions.
        columns: asked for.
        option: that asks, inside ``data.prepare``.

    Raises:
        ValueError: one is not there.
    """
    for column in columns:
        if column not in events.columns:
            near = get_close_matches(column, events.columns, n=1)
            hint = f"; nearest: {near[0]}" if near else ""
            raise ValueError(
                f"data.prepare.{option} must name columns of the interactions ({', '.join(events.columns)}), got "
                f"{column}{hint}. Set data.prepare.{option}."
            )
