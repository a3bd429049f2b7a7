"""From canonical tables to flat sequences: a stable order, item indices 1..N, a fingerprint.

Order: by user, then time, then the row's place in the source. Equal timestamps are common (a quarter of the
ML-1M test targets hangs on them), so an unstable sort would change results from run to run.
"""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

from rec_lightning.contracts import ITEM, TIMESTAMP, USER, Catalog, Sequences, Split, Tables


def fingerprint(*frames: pl.DataFrame) -> str:
    """sha256 over column names and values; equal content gives an equal fingerprint on every machine.

    Args:
        frames: any number of tables of numbers, strings and lists of strings.
    """
    digest = hashlib.sha256()
    for frame in frames:
        for column in frame.iter_columns():
            digest.update(f"{column.name}:{column.dtype}:{len(column)};".encode())
            if column.dtype.is_numeric() and column.null_count() == 0:
                digest.update(np.ascontiguousarray(column.to_numpy()).tobytes())
            else:
                texts = column.list.join("\x1f") if column.dtype == pl.List else column.cast(pl.String)
                digest.update("\x1e".join(texts.fill_null("\x00")).encode())
    return digest.hexdigest()


def to_sequences(tables: Tables, split: Split) -> tuple[Sequences, Catalog]:
    """Sorts, numbers and splits the interactions.

    Items are numbered 1..N in the order of their source ids; only items with at least one interaction enter.

    Args:
        tables: interactions need ``user, item, timestamp``; items may lack rows that interactions name.
        split: gives each event its role.

    Returns:
        the flat sequences (E events, U users) and the catalogue (N items).

    Raises:
        ValueError: no rows, or the item table holds an id twice.
    """
    if tables.interactions.is_empty():
        raise ValueError(f"{tables.name} has no interactions: nothing to train on. Check the file and its filters.")
    twice = tables.items.filter(pl.col(ITEM).is_duplicated())[ITEM].unique()
    if len(twice):
        raise ValueError(
            f"the item table of {tables.name} must hold each id once, and {len(twice)} ids come twice or more "
            f"(first: {twice.min()}). Remove the repeated rows."
        )
    # maintain_order makes the sort stable: equal times keep the source's order
    events = tables.interactions.sort(USER, TIMESTAMP, maintain_order=True)
    ids = events[ITEM].unique().sort()
    index = pl.DataFrame({ITEM: ids, "index": np.arange(1, len(ids) + 1, dtype=np.int64)})
    items = events.select(ITEM).join(index, on=ITEM, how="left", maintain_order="left")["index"].to_numpy()
    counts = events.group_by(USER, maintain_order=True).len()
    offsets = np.concatenate([[0], np.cumsum(counts["len"].to_numpy())]).astype(np.int64)
    role = split(offsets, events[TIMESTAMP].to_numpy())
    known = index.join(tables.items, on=ITEM, how="left", maintain_order="left").drop("index")
    popularity = np.bincount(items[role == 0], minlength=len(ids) + 1).astype(np.int64)
    return Sequences(items, offsets, role, counts[USER]), Catalog(known, popularity)
