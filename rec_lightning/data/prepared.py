"""The prepared form of a data set: sorted, numbered, split; on disk as flat arrays that are mapped, not read.

A folder holds ``facts.json``, ``card.md`` for people, the arrays ``items, offsets, role, popularity`` and, where times
are known, ``timestamp`` as npy, and ``users, catalog, interactions, item_table`` and ``user_table`` as Parquet;
``users`` holds the known users in the order of the sequences. Opening it maps the arrays and reads the catalogue: the
interactions are read only when somebody asks for the tables.

Relations: ``cache`` gives the folder its place; ``RecData`` makes or opens it.
"""

from __future__ import annotations

import json
import os
import weakref
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import USER, Catalog, Sequences, Tables
from rec_lightning.data.card import card
from rec_lightning.data.facts import Facts
from rec_lightning.data.room import hold

_ARRAYS = ("items", "offsets", "role", "popularity")
_FRAMES = ("users", "catalog", "interactions", "item_table", "user_table")


class Prepared:
    """Prepared data, in memory or mapped.

    Args:
        facts: about them.
        sequences: all events.
        catalog: all items.
        tables: the canonical tables; or the folder to read them from when they are asked for.
    """

    def __init__(self, facts: Facts, sequences: Sequences, catalog: Catalog, tables: Tables | Path) -> None:
        self.facts, self.sequences, self._tables = facts, sequences, tables
        self.catalog = replace(catalog, sequences=sequences)

    @cached_property
    def tables(self) -> Tables:
        """The canonical tables after preparation."""
        if isinstance(self._tables, Tables):
            return self._tables
        interactions, items, users = (pl.read_parquet(self._tables / f"{name}.parquet") for name in _FRAMES[2:])
        facts = self.facts
        return Tables(interactions, items, users, facts.name, facts.licence, facts.source, facts.fingerprint)

    def save(self, folder: Path) -> None:
        """Writes all into an empty folder, the facts last."""
        catalog, sequences = self.catalog, self.sequences
        arrays: list[NDArray[Any]] = [sequences.items, sequences.offsets, sequences.role, catalog.popularity]
        for name, array in zip(_ARRAYS, arrays, strict=True):
            np.save(folder / f"{name}.npy", array)
        if sequences.timestamp is not None:
            np.save(folder / "timestamp.npy", sequences.timestamp)
        tables = self.tables
        frames = (catalog.users, catalog.items, tables.interactions, tables.items, tables.users)
        for name, frame in zip(_FRAMES, frames, strict=True):
            frame.write_parquet(folder / f"{name}.parquet", compression="lz4")
        (folder / "card.md").write_text(card(self.facts), encoding="utf8")
        sizes = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
        (folder / "facts.json").write_text(json.dumps(asdict(self.facts) | {"sizes": sizes}, indent=2) + "\n")


def open_prepared(folder: Path) -> Prepared | None:
    """What ``Prepared.save`` wrote; None when it is not there or a file is missing or cut off.

    It is in use until nobody has it any more.
    """
    lock = hold(folder)
    if lock is None:
        return None
    found = None
    try:
        found = _opened(folder)
    finally:
        if found is None:
            os.close(lock)
    if found is not None:
        weakref.finalize(found, os.close, lock)
    return found


def is_whole(folder: Path) -> bool:
    """Whether ``Prepared.save`` wrote the folder and every file has the length that it had then."""
    return _told(folder) is not None


def _told(folder: Path) -> dict[str, Any] | None:
    """The facts and the files' sizes; None where a file is missing or cut off."""
    try:
        told: dict[str, Any] = json.loads((folder / "facts.json").read_text())
        sizes = told["sizes"].items()
        return told if all((folder / name).stat().st_size == size for name, size in sizes) else None
    except (OSError, json.JSONDecodeError):
        return None


def _opened(folder: Path) -> Prepared | None:
    told = _told(folder)
    if told is None:
        return None
    sizes = told.pop("sizes")
    # mapped: pages are read when a batch needs them, and shared by all processes
    items, offsets, role, popularity = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS)
    users, catalog = (pl.read_parquet(folder / f"{name}.parquet") for name in _FRAMES[:2])
    # batches look the offsets up for every row: in memory they are faster
    time = np.load(folder / "timestamp.npy", mmap_mode="r") if "timestamp.npy" in sizes else None
    sequences = Sequences(items, np.array(offsets), role, users[USER], time)
    return Prepared(Facts(**told), sequences, Catalog(catalog, np.array(popularity), users), folder)
