"""From canonical tables to flat sequences: a stable order, item indices 1..N, a fingerprint.

Order: by user, then time (or the column ``order`` where no time is known), then the row's place in the source.
Equal timestamps are common (a quarter of the ML-1M test targets hangs on them), so an unstable sort would change
results from run to run.
"""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import ITEM, ORDER, TIMESTAMP, USER, Catalog, Sequences, Split, Tables


def fingerprint(*frames: pl.DataFrame) -> str:
    """sha256 over column names, types and values; equal content gives an equal fingerprint on every machine.

    Args:
        frames: any number of tables of numbers, strings and lists of them; the order of rows and columns counts.
    """
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(f"{frame.width} columns;".encode())
        for column in frame.iter_columns():
            digest.update(f"{column.name!r}:{column.dtype}:{len(column)};".encode())
            _digest(column, digest)
    return digest.hexdigest()


def _digest(column: pl.Series, digest: hashlib._Hash) -> None:
    if column.null_count():
        digest.update(column.is_null().to_numpy().tobytes())
        column = column.drop_nulls()
    if column.dtype == pl.List:
        digest.update(column.list.len().to_numpy().tobytes())
        _digest(column.filter(column.list.len() > 0).explode(), digest)
    elif column.dtype.is_numeric():
        digest.update(np.ascontiguousarray(column.to_numpy()).tobytes())
    else:
        text = column.cast(pl.String)
        # lengths beside the text: "ab", "c" is not "a", "bc"
        digest.update(text.str.len_bytes().to_numpy().tobytes())
        digest.update("".join(text).encode())


def to_sequences(tables: Tables, split: Split) -> tuple[Sequences, Catalog]:
    """Sorts, numbers and splits the interactions.

    Items are numbered 1..N in the order of their source ids; only items with at least one interaction enter.

    Args:
        tables: interactions need ``user, item``; items and users may lack rows that interactions name.
        split: gives each event its role.

    Returns:
        the flat sequences (E events, U users) and the catalogue (N items, U users); parts of a second are cut off.

    Raises:
        ValueError: no rows, a column or a value is missing, a table of items or users holds an id twice or of another
            type, or the split asks for what the data do not have.
    """
    check_tables(tables)
    events = sort_events(tables.interactions)
    counts = events.group_by(USER, maintain_order=True).len()
    offsets = np.concatenate([[0], np.cumsum(counts["len"].to_numpy())]).astype(np.int64)
    role = split(offsets, events)
    ids = events[ITEM].unique().sort()
    items = _number(events[ITEM], ids)
    popularity = np.bincount(items[role == 0], minlength=len(ids) + 1).astype(np.int64)
    catalog = Catalog(_described(ids, tables.items), popularity, _described(counts[USER], tables.users))
    return Sequences(items, offsets, role, counts[USER], _seconds(events)), catalog


def _described(ids: pl.Series, table: pl.DataFrame) -> pl.DataFrame:
    """One row an id, in the order of ``ids``; nulls where the table has no row."""
    if table.is_empty():
        table = table.cast({ids.name: ids.dtype})
    return ids.to_frame().join(table, on=ids.name, how="left", maintain_order="left")


def _seconds(events: pl.DataFrame) -> NDArray[np.int64] | None:
    if TIMESTAMP not in events.columns:
        return None
    time = events[TIMESTAMP]
    seconds: NDArray[np.int64] = (time.floor() if time.dtype.is_float() else time).cast(pl.Int64).to_numpy()
    return seconds


def sort_events(events: pl.DataFrame) -> pl.DataFrame:
    """By user and time; equal times, or no time at all, keep the order of the rows."""
    keys = [USER, *[column for column in (TIMESTAMP, ORDER) if column in events.columns][:1]]
    step = [(pl.col(key), pl.col(key).shift(-1)) for key in keys]
    backwards, same = pl.lit(False), pl.lit(True)
    for now, then in step:
        backwards, same = backwards | (same & (now > then)), same & (now == then)
    if not events.lazy().select(backwards.any()).collect().item():
        return events  # a sort takes several times the memory
    return events.sort(keys, maintain_order=True)  # maintain_order makes it stable


def _number(column: pl.Series, ids: pl.Series) -> NDArray[np.int64]:
    """(E,) place of each value in the sorted ``ids``, counted from 1."""
    if ids.dtype.is_integer():
        low, high = int(ids[0]), int(ids[-1])
        if high - low < 4 * len(column) + 1000:  # ids lie close: one look-up an event, no hash table
            place = np.zeros(high - low + 1, np.int64)
            place[ids.to_numpy() - low] = np.arange(1, len(ids) + 1)
            close: NDArray[np.int64] = place[column.to_numpy() - low]
            return close
    index = pl.DataFrame({ITEM: ids, "index": np.arange(1, len(ids) + 1, dtype=np.int64)})
    places: NDArray[np.int64] = column.to_frame().join(index, on=ITEM, maintain_order="left")["index"].to_numpy()
    return places


def check_tables(tables: Tables) -> None:
    """Refuses tables that cannot be sorted and numbered.

    Raises:
        ValueError: no rows, a column or a value is missing, a table of items or users holds an id twice or of another
            type, or ``order`` and ``timestamp`` contradict each other.
    """
    events, items, users = tables.interactions, tables.items, tables.users
    for name, frame, needed in (
        ("interactions", events, (USER, ITEM)),
        ("items", items, (ITEM,)),
        ("users", users, (USER,)),
    ):
        missing = [column for column in needed if column not in frame.columns]
        if missing:
            raise ValueError(
                f"the {name} of {tables.name} need the columns {', '.join(needed)}, and {', '.join(missing)} is not "
                f"among {', '.join(frame.columns)}. Name the column in data.source."
            )
        for column in [c for c in (*needed, TIMESTAMP, ORDER) if c in frame.columns]:
            _check_filled(frame[column], f"{name} of {tables.name}")
    if events.is_empty():
        raise ValueError(f"{tables.name} has no interactions: nothing to train on. Check the file and its filters.")
    for key, frame in ((ITEM, items), (USER, users)):
        _check_ids(key, frame, events, tables.name)
    if {ORDER, TIMESTAMP} <= set(events.columns):
        _check_monotone(events, tables.name)


def _check_ids(key: str, frame: pl.DataFrame, events: pl.DataFrame, name: str) -> None:
    twice = frame.filter(pl.col(key).is_duplicated())[key].unique()
    if len(twice):
        raise ValueError(
            f"the {key} table of {name} must hold each id once, and {len(twice)} ids come twice or more "
            f"(first: {twice.sort()[0]}). Remove the repeated rows."
        )
    if not frame.is_empty() and frame[key].dtype != events[key].dtype:
        raise ValueError(
            f"{key} ids must have one type, and those of {name} are {events[key].dtype} in the interactions "
            f"and {frame[key].dtype} in the {key} table. Read both as the same type."
        )


def _check_monotone(events: pl.DataFrame, name: str) -> None:
    back = (
        events.sort(USER, ORDER, maintain_order=True)
        .with_columns(before=pl.col(TIMESTAMP).shift(1).over(USER))
        .filter(pl.col(TIMESTAMP) < pl.col("before"))
    )
    if back.height:
        first = back.row(0, named=True)
        raise ValueError(
            f"time must not run backwards along the column order, and it does {back.height} times in {name} (first: "
            f"user {first[USER]}, {first['before']} then {first[TIMESTAMP]}). Leave one of the two columns out."
        )


def _check_filled(column: pl.Series, where: str) -> None:
    gaps = column.is_null() | column.is_nan() if column.dtype.is_float() else column.is_null()
    if gaps.any():
        raise ValueError(
            f"{column.name} must be in every row, and {gaps.sum()} of {len(gaps)} rows of the {where} have none "
            f"(first: row {int(gaps.arg_true()[0]) + 1}). Fill or remove them."
        )
