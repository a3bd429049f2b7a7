"""A column of the interactions that says the label.

Relations: every label reads its column here.
"""

from __future__ import annotations

import polars as pl

from rec_lightning.contracts import ITEM, USER


def read_column(events: pl.DataFrame, name: str) -> pl.Series:
    """The column.

    Raises:
        ValueError: there is none of this name.
    """
    there = [column for column in events.columns if column not in (USER, ITEM)]
    if name not in there:
        raise ValueError(
            f"label.column must be a column of the interactions ({', '.join(there) or 'none'}), got {name!r}. "
            "Set label.column, or name the column in data.source."
        )
    return events[name]


def read_numbers(events: pl.DataFrame, name: str) -> pl.Series:
    """The column as float64; null where there is no number.

    Raises:
        ValueError: there is none of this name, or it holds anything else.
    """
    column = read_column(events, name)
    numbers = column.cast(pl.Float64, strict=False)
    wrong = column.filter(numbers.is_null() & column.is_not_null())
    if len(wrong):
        raise ValueError(f"label.column must hold numbers, and {name} holds {wrong[0]!r}. Set label=classes.")
    return numbers.set(numbers.is_nan(), None)
