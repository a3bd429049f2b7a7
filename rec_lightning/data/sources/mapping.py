"""From a table with anybody's columns to one with the canonical columns; rows that cannot be read are told.

Relations: ``table`` and ``huggingface`` read rows and map them here; ``cells`` turns one column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import polars as pl

from rec_lightning.contracts import ITEM, LABEL, ORDER, RATING, TIMESTAMP, USER, WEIGHT
from rec_lightning.data.sources.cells import as_ids, as_numbers, as_plain, as_seconds, ids_as
from rec_lightning.data.sources.rows import Rows

Time = Literal["seconds", "milliseconds", "text"]

_TIMES = {
    "seconds": "number of seconds (data.source.time)",
    "milliseconds": "number of milliseconds (data.source.time)",
    "text": "date (data.source.time=text)",
}
_NUMBERS = (TIMESTAMP, ORDER, RATING, LABEL, WEIGHT)


def map_rows(rows: Rows, columns: Mapping[str, str], time: Time) -> tuple[pl.DataFrame, dict[int, str]]:
    """The rows that can be read, by their canonical names, and what is wrong with the others.

    Args:
        rows: as read.
        columns: canonical name -> name in the rows.
        time: unit of the timestamps.

    Returns:
        the frame, and row -> reason.
    """
    frame = rows.frame.select(_convert(rows.frame[theirs].alias(ours), time) for ours, theirs in columns.items())
    wrong = _reasons(rows, frame, columns, time)
    return (frame.filter(~pl.int_range(pl.len()).is_in(list(wrong))) if wrong else frame), wrong


def join_parts(frames: Iterable[pl.DataFrame], ids: pl.DataType | None = None) -> pl.DataFrame:
    """One table of several, with ids that lose nothing; fields of items and users as numbers where all are.

    Args:
        frames: of ``map_rows``, with the same columns.
        ids: type of the ids of the interactions, for a table of items or users: an id that is none of this type has
            no interaction and its row goes.
    """
    parts = list(frames)
    whole = pl.concat(parts, how="vertical_relaxed") if len(parts) > 1 else parts[0]
    keys = [key for key in (USER, ITEM) if key in whole.columns]
    fields = [] if len(keys) == 2 else [column for column in whole.columns if column not in keys]
    whole = whole.with_columns([as_ids(whole[k]) for k in keys] + [as_plain(whole[c]) for c in fields])
    return whole if ids is None else whole.with_columns(ids_as(whole[keys[0]], ids)).drop_nulls(keys[0])


def check_named(option: str, given: Mapping[str, str], needed: Iterable[str]) -> None:
    """Refuses a mapping without a needed column.

    Raises:
        ValueError: names the option to set.
    """
    missing = [key for key in needed if key not in given]
    if missing:
        raise ValueError(
            f"{option} must say which column is the {missing[0]}, got {given or 'nothing'}. Set {option}.{missing[0]}."
        )


def _convert(column: pl.Series, time: Time) -> pl.Series:
    if column.name == TIMESTAMP:
        return as_seconds(column, time)
    if column.name in _NUMBERS:
        return as_numbers(column)
    return column.cast(pl.String) if column.name in (USER, ITEM) and column.dtype.is_float() else column


def _reasons(rows: Rows, frame: pl.DataFrame, columns: Mapping[str, str], time: Time) -> dict[int, str]:
    """Row -> what is wrong with it."""
    wrong = dict.fromkeys(rows.ragged, "another number of fields than the header")
    for ours, theirs in columns.items():
        if ours not in (USER, ITEM, *_NUMBERS) or (frame[ours].null_count() == 0 and ours in _NUMBERS):
            continue
        raw, gaps = rows.frame[theirs], frame[ours].is_null()
        if frame[ours].dtype == pl.String:
            gaps |= frame[ours] == ""
        elif ours in (RATING, LABEL, WEIGHT):
            gaps &= raw.is_not_null()  # these may be unknown, but not unreadable
        for row in gaps.arg_true().to_list():
            cell = raw[row]
            kind = _TIMES[time] if ours == TIMESTAMP else "number"
            told = "is empty" if cell in (None, "") else f"is {cell!r}, no {kind}"
            wrong.setdefault(row, f"{theirs} {told}")
    return dict(sorted(wrong.items()))
