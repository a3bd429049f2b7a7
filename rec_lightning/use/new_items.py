"""Rows for items that a run did not know, in the types of its item table.

Relations: ``model`` puts them behind the catalogue; only models whose items come from the item table can read them.
"""

from __future__ import annotations

import polars as pl

from rec_lightning.contracts import ITEM
from rec_lightning.use.tables import read_table


def read_new_items(path: str, known: pl.DataFrame) -> pl.DataFrame:
    """The rows with the columns that ``known`` has too; a list inside a text is cut at ``|``.

    Args:
        path: CSV, TSV, Parquet or lines of JSON with a column ``item``.
        known: the run's item table.

    Raises:
        ValueError: no such table, an id that is missing, there twice or known already, or a cell of another type.
    """
    frame = read_table(path, [ITEM], "new_items")
    shared = [name for name in known.columns if name in frame.columns]
    if len(shared) == 1:
        raise ValueError(
            f"new_items must describe items, and {path} shares no column but {ITEM} with the run's item table "
            f"({', '.join(known.columns)}). Name its columns so."
        )
    rows = frame.select(_as(frame[name], known.schema[name], path) for name in shared)
    ids = rows[ITEM]
    if ids.null_count() or ids.is_duplicated().any():
        wrong = "a row without an id" if ids.null_count() else f"{ids.filter(ids.is_duplicated())[0]} twice"
        raise ValueError(f"new_items must name each new item once, and {path} has {wrong}. Mend it.")
    there = ids.filter(ids.is_in(known[ITEM].implode()))
    if len(there):
        raise ValueError(
            f"new_items must be new to the run, and {len(there)} of {len(ids)} in {path} are in its catalogue (first: "
            f"{there[0]}). Leave them out."
        )
    return rows


def _as(column: pl.Series, kind: pl.DataType, path: str) -> pl.Series:
    if isinstance(kind, pl.List) and column.dtype == pl.String:
        column = column.str.split("|").list.eval(pl.element().str.strip_chars())
    try:
        return column.cast(kind)
    except pl.exceptions.PolarsError as error:
        raise ValueError(
            f"the column {column.name} of {path} must be of the run's type {kind}, got {column.dtype} "
            f"({str(error).partition(chr(10))[0]}). Mend it."
        ) from error
