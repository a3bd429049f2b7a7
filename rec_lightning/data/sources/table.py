"""Any table: CSV, TSV, Parquet or lines of JSON, one file or a glob of shards, with the columns named in the conf.

Licence and checksum are the owner's: name the licence in ``licence``; the content's sha256 is the identity. Rows that
cannot be read (too many fields, no user, no item, a time or rating that is no number) are counted and shown, and
refused above ``max_broken``.

Relations: ``atomic`` names the columns in its header; ``sequences`` reads one user a line; ``huggingface`` reads the
hub's data sets in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from rec_lightning.contracts import ITEM, USER, Tables
from rec_lightning.data.sources.broken import Broken
from rec_lightning.data.sources.identity import content_of
from rec_lightning.data.sources.mapping import Time, check_named, join_parts, map_rows
from rec_lightning.data.sources.rows import find_files, read_rows
from rec_lightning.data.tables import fingerprint


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
        time: Time = "seconds",
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
        check_named("data.source.columns", self.columns, (USER, ITEM))
        for option, place, fields, key in (
            ("item_fields", items, self.item_fields, ITEM),
            ("user_fields", users, self.user_fields, USER),
        ):
            if place is not None:
                check_named(f"data.source.{option}", fields, (key,))
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

    def origin(self) -> str:
        """The content of the interactions, however they are read."""
        return content_of(find_files(self.path))

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
            frame, wrong = map_rows(rows, columns, self.time)
            broken.add(file, rows.frame.height, [(rows.line(row), reason) for row, reason in wrong.items()])
            frames.append(frame)
        broken.check()
        return join_parts(frames, ids)
