"""Any table: CSV, TSV, Parquet or lines of JSON, one file or a glob of shards, with the columns named in the conf.

Licence and checksum are the owner's: name the licence in ``licence``; the content's sha256 is the identity. Rows that
cannot be read (too many fields, no user, no item, a time or rating that is no number) are counted and shown, and
refused above ``max_broken``.

Relations: ``atomic`` names the columns in its header; ``sequences`` reads one user a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from rec_lightning.contracts import ITEM, LABEL, ORDER, RATING, TIMESTAMP, USER, WEIGHT, Tables
from rec_lightning.data.sources.broken import Broken
from rec_lightning.data.sources.cells import as_ids, as_numbers, as_plain, as_seconds
from rec_lightning.data.sources.identity import content_of
from rec_lightning.data.sources.rows import find_files, read_rows
from rec_lightning.data.tables import fingerprint

_NUMBERS = (TIMESTAMP, ORDER, RATING, LABEL, WEIGHT)


class Table:
    """Reads interactions, and optionally items and users, from tables.

    Args:
        path: file or glob of the interactions; the ending says the format (``.csv .tsv .parquet .jsonl``, and the
            text formats with ``.gz``).
        columns: canonical name -> name in the file. ``user`` and ``item`` are needed; ``timestamp`` or ``order``,
            ``rating``, ``label``, ``weight`` become numbers; any other name is kept as context. Null leaves one out.
        items: file or glob of the item table; null for none.
        item_fields: canonical name -> name in the item table; ``item`` is needed where ``items`` is given.
        users: file or glob of the user table; null for none.
        user_fields: as ``item_fields``, with ``user``.
        time: unit of the timestamps, or ``text`` for dates.
        max_broken: share of rows that may be broken and are left out.
        name: of the data set.
        licence: what its owner allows.

    Raises:
        ValueError: a needed column is not named, or a value is out of range.
    """

    def __init__(
        self,
        path: str,
        columns: Mapping[str, str | None],
        items: str | None = None,
        item_fields: Mapping[str, str] | None = None,
        users: str | None = None,
        user_fields: Mapping[str, str] | None = None,
        time: Literal["seconds", "milliseconds", "text"] = "seconds",
        max_broken: float = 0.0,
        name: str = "table",
        licence: str = "not stated",
    ) -> None:
        self.path, self.items, self.users, self.time = path, items, users, time
        self.columns, self.item_fields, self.user_fields = (
            {ours: theirs for ours, theirs in columns.items() if theirs is not None},
            dict(item_fields or {}),
            dict(user_fields or {}),
        )
        self.max_broken, self.name, self.licence = max_broken, name, licence
        _check_named("columns", self.columns, (USER, ITEM))
        for option, place, fields, key in (
            ("item_fields", items, self.item_fields, ITEM),
            ("user_fields", users, self.user_fields, USER),
        ):
            if place is not None:
                _check_named(option, fields, (key,))
            elif fields:
                raise ValueError(
                    f"data.source.{option} has no effect without a file. Set data.source.{option.split('_')[0]}s."
                )
        Broken(max_broken, "data.source.max_broken")

    @property
    def item_columns(self) -> tuple[str, ...]:
        """Columns of the item table."""
        return tuple(self.item_fields) or (ITEM,)

    @property
    def user_columns(self) -> tuple[str, ...]:
        """Columns of the user table."""
        return tuple(self.user_fields) or (USER,)

    def identity(self) -> str:
        """Options and the content of all files."""
        files = [f for p in (self.path, self.items, self.users) if p is not None for f in find_files(p)]
        options = (self.columns, self.item_fields, self.user_fields, self.time, self.max_broken, self.name)
        return f"{options} {content_of(files)}"

    def fetch(self) -> Tables:
        """The canonical tables.

        Raises:
            FileNotFoundError: no file is at a path.
            ValueError: a column is not there, or too many rows are broken.
        """
        interactions = self._read(self.path, self.columns)
        items = pl.DataFrame(schema={ITEM: interactions[ITEM].dtype})
        users = pl.DataFrame(schema={USER: interactions[USER].dtype})
        if self.items is not None:
            items = self._read(self.items, self.item_fields, interactions[ITEM].dtype)
        if self.users is not None:
            users = self._read(self.users, self.user_fields, interactions[USER].dtype)
        return Tables(
            interactions=interactions,
            items=items,
            users=users,
            name=self.name,
            licence=self.licence,
            source=self.path,
            fingerprint=fingerprint(interactions, items, users),
        )

    def _read(self, path: str, columns: Mapping[str, str], ids: pl.DataType | None = None) -> pl.DataFrame:
        broken = Broken(self.max_broken, "data.source.max_broken")
        frames = []
        for file in find_files(path):
            rows = read_rows(file, list(dict.fromkeys(columns.values())))
            frame = rows.frame.select(
                _convert(rows.frame[theirs].alias(ours), self.time) for ours, theirs in columns.items()
            )
            wrong = _reasons(rows.frame, frame, columns, rows.ragged)
            broken.add(file, frame.height, [(rows.line(row), reason) for row, reason in wrong.items()])
            if wrong:
                frame = frame.filter(~pl.int_range(pl.len()).is_in(list(wrong)))
            frames.append(frame)
        broken.check()
        whole = pl.concat(frames, how="vertical_relaxed") if len(frames) > 1 else frames[0]
        keys = [key for key in (USER, ITEM) if key in columns]
        fields = [] if len(keys) == 2 else [c for c in whole.columns if c not in keys]
        whole = whole.with_columns([as_ids(whole[k]) for k in keys] + [as_plain(whole[c]) for c in fields])
        return whole if ids is None else whole.with_columns(pl.col(keys[0]).cast(ids, strict=False)).drop_nulls(keys[0])


def _convert(column: pl.Series, time: str) -> pl.Series:
    if column.name == TIMESTAMP:
        return as_seconds(column, time)
    if column.name in _NUMBERS:
        return as_numbers(column)
    return column.cast(pl.String) if column.name in (USER, ITEM) and column.dtype.is_float() else column


def _reasons(raw: pl.DataFrame, frame: pl.DataFrame, columns: Mapping[str, str], ragged: list[int]) -> dict[int, str]:
    """Row -> what is wrong with it."""
    wrong = dict.fromkeys(ragged, "another number of fields than the header")
    for ours, theirs in columns.items():
        if ours not in (USER, ITEM, *_NUMBERS) or (frame[ours].null_count() == 0 and ours in _NUMBERS):
            continue
        gaps = frame[ours].is_null()
        if frame[ours].dtype == pl.String:
            gaps |= frame[ours] == ""
        elif ours in (RATING, LABEL, WEIGHT):
            gaps &= raw[theirs].is_not_null()  # these may be unknown, but not unreadable
        for row in gaps.arg_true().to_list():
            cell = raw[theirs][row]
            told = "is empty" if cell in (None, "") else f"is {cell!r}, no {'time' if ours == TIMESTAMP else 'number'}"
            wrong.setdefault(row, f"{theirs} {told}")
    return dict(sorted(wrong.items()))


def _check_named(option: str, given: Mapping[str, str], needed: tuple[str, ...]) -> None:
    missing = [key for key in needed if key not in given]
    if missing:
        raise ValueError(
            f"data.source.{option} must say which column is the {missing[0]}, got {given or 'nothing'}. "
            f"Set data.source.{option}.{missing[0]}."
        )
