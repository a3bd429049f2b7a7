"""Sequence files: one user a line, ``user item item ...`` in the user's order, as S3-Rec and LightGCN publish them.

Source of the Amazon Beauty file of S3-Rec: K. Zhou et al., "S3-Rec", CIKM 2020, https://github.com/RUCAIBox/CIKM2020-S3Rec
(22,363 users, 12,101 items, 198,502 interactions; J. McAuley's Amazon reviews of 2014, 5-core; licence not stated,
research use). Checksum: whatever file is given is identified by the sha256 of its content.

These files have an order and no time: splits that need time refuse them.

Relations: ``split.given`` reads the parts that come in files of their own (Gowalla of LightGCN).
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import polars as pl

from rec_lightning.contracts import ITEM, ORDER, PART, USER, Tables
from rec_lightning.data.sources.cells import as_ids, as_plain, ids_as
from rec_lightning.data.sources.identity import content_of, told_file
from rec_lightning.data.tables import fingerprint

_PARTS = ("train", "validation", "test")


class SequenceFiles:
    """Reads lines of a user and their items, and optionally a table of item fields.

    Args:
        path: of the file (``.gz`` too); training only where ``test`` is given.
        items: TSV with a header and a column ``item``; null for none.
        fields: further columns of ``items``, such as ``[title, categories]``.
        lists: separator -> list, for fields that hold several values, such as ``{categories: " | "}``.
        validation: file of validation events; null for none.
        test: file of test events; null for none.
        name: of the data set.
        licence: what its owner allows.

    Raises:
        ValueError: fields without an item table, or lists of no field.
    """

    user_columns = (USER,)

    def __init__(
        self,
        path: str,
        items: str | None = None,
        fields: list[str] | None = None,
        lists: dict[str, str] | None = None,
        validation: str | None = None,
        test: str | None = None,
        name: str = "sequences",
        licence: str = "not stated",
    ) -> None:
        self.files = {part: p for part, p in zip(_PARTS, (path, validation, test), strict=True) if p is not None}
        self.items, self.fields, self.lists = items, list(fields or []), dict(lists or {})
        self.name, self.licence = name, licence
        if self.fields and items is None:
            raise ValueError(f"data.source.fields {self.fields} must come from an item table. Set data.source.items.")
        for field in self.lists:
            if field not in self.fields:
                raise ValueError(f"data.source.lists must name some of data.source.fields, got {field}. Set both.")

    @property
    def item_columns(self) -> tuple[str, ...]:
        """Columns of the item table."""
        return (ITEM, *self.fields)

    def identity(self) -> str:
        """Options and the content of all files."""
        places = [*self._parts().values(), *([] if self.items is None else [self._table(self.items)])]
        return f"{list(self.files)} {self.fields} {self.lists} {self.name} {content_of(places)}"

    def origin(self) -> str:
        """The content of the sequences, however they are read."""
        return content_of(self._parts().values())

    def _parts(self) -> dict[str, Path]:
        kind = "a file of lines `user item item ...`"
        options = {part: "path" if part == "train" else part for part in self.files}
        return {part: told_file(options[part], path, kind) for part, path in self.files.items()}

    def _table(self, path: str) -> Path:
        return told_file("items", path, "a table of items with a header, separated by tabs")

    def fetch(self) -> Tables:
        """The canonical tables; ``part`` tells the file where there are several.

        Raises:
            FileNotFoundError: a file is not there.
            ValueError: a line or the item table cannot be read.
        """
        parts = {part: _read_lines(file) for part, file in self._parts().items()}
        if len(parts) > 1:
            parts = {part: frame.with_columns(pl.lit(part).alias(PART)) for part, frame in parts.items()}
        events = pl.concat(parts.values())
        events = events.with_columns(as_ids(events[USER]), as_ids(events[ITEM]))
        # parts follow each other in the order of the files
        events = events.with_columns(pl.int_range(pl.len()).over(USER).alias(ORDER))
        items = self._read_items(events[ITEM].dtype)
        users = pl.DataFrame(schema={USER: events[USER].dtype})
        return Tables(
            interactions=events,
            items=items,
            users=users,
            name=self.name,
            licence=self.licence,
            source=", ".join(self.files.values()),
            fingerprint=fingerprint(events, items, users),
        )

    def _read_items(self, ids: pl.DataType) -> pl.DataFrame:
        if self.items is None:
            return pl.DataFrame(schema={ITEM: ids})
        file = self._table(self.items)
        try:
            frame = pl.read_csv(file, separator="\t", quote_char=None, infer_schema=False)
        except pl.exceptions.PolarsError as error:
            raise ValueError(
                f"{file} cannot be read as a table ({str(error).partition(chr(10))[0]}). Mend it."
            ) from error
        missing = [column for column in self.item_columns if column not in frame.columns]
        if missing:
            raise ValueError(
                f"{file} must have the columns {', '.join(self.item_columns)}, and its header is "
                f"{', '.join(frame.columns)}. Set data.source.fields."
            )
        texts = [pl.col(field).str.split(separator).alias(field) for field, separator in self.lists.items()]
        frame = frame.select(self.item_columns).with_columns(texts)
        plain = [as_plain(frame[field]) for field in self.fields]
        return frame.with_columns(plain).with_columns(ids_as(frame[ITEM], ids)).drop_nulls(ITEM)


def _read_lines(file: Path) -> pl.DataFrame:
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        lines = [line.split() for line in content.decode().splitlines()]
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{file} cannot be read as lines of text ({error}). Get it again.") from error
    lines = [line for line in lines if line]
    if not lines:
        raise ValueError(f"{file} has no lines: every user needs one, `user item item ...`. Get it again.")
    users = pl.Series(USER, [line[0] for line in lines])
    count = np.array([len(line) - 1 for line in lines])
    if users.is_duplicated().any():
        twice = users.filter(users.is_duplicated())[0]
        raise ValueError(
            f"every user must have one line, and user {twice} has several in {file}. Join them in time order."
        )
    return pl.DataFrame(
        {
            USER: users.gather(np.repeat(np.arange(len(lines)), count)),
            ITEM: [item for line in lines for item in line[1:]],
        }
    )
