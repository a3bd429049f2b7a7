"""Data sets of the Hugging Face hub, and local ones that its library reads: files, folders, ``save_to_disk``.

Source: Q. Lhoest et al., "Datasets: A Community Library for Natural Language Processing", EMNLP 2021 (demonstrations),
https://aclanthology.org/2021.emnlp-demo.21. Licence: that of the data set, named in ``licence``. Checksum: of local
files the content's sha256; a data set of the hub is pinned to a commit.

The library keeps a copy of its own under ``HF_HOME``; ``HF_TOKEN`` opens what is not public.

Relations: ``table`` reads the same file formats without the library; both map columns in the same way.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import polars as pl

from rec_lightning.contracts import ITEM, USER, Tables
from rec_lightning.data.sources.broken import Broken
from rec_lightning.data.sources.hub_table import HubTable
from rec_lightning.data.sources.mapping import Time, join_parts, map_rows
from rec_lightning.data.tables import fingerprint


class HuggingFace:
    """Reads interactions, and optionally items and users, through the library ``datasets``.

    Args:
        interactions: needs the columns ``user`` and ``item``; ``timestamp`` or ``order``, ``rating``, ``label`` and
            ``weight`` become numbers; any other name is kept as context.
        items: needs ``item``; perhaps of another configuration of the same data set. Without a path for none.
        users: needs ``user``; without a path for none.
        time: unit of the timestamps, or ``text`` for dates.
        max_broken: share of rows that may be broken and are left out.
        name: of the data set.
        licence: what its owner allows.

    Raises:
        ValueError: the library is missing, a needed column is not named, a revision is missing or has no effect.
    """

    def __init__(
        self,
        interactions: HubTable,
        items: HubTable,
        users: HubTable,
        time: Time = "seconds",
        max_broken: float = 0.0,
        name: str = "huggingface",
        licence: str = "not stated",
    ) -> None:
        if find_spec("datasets") is None:
            raise ValueError(
                "data=huggingface needs the package datasets, which is not installed. Install rec_lightning[hf], or "
                "save the data as files and read them with data=table."
            )
        for option, table, needed in (
            ("interactions", interactions, (USER, ITEM)),
            ("items", items, (ITEM,)),
            ("users", users, (USER,)),
        ):
            table.check(f"data.source.{option}", needed)
        if interactions.path is None:
            raise ValueError("data.source.interactions.path must be given, got null. Set it.")
        Broken(max_broken, "data.source.max_broken")
        self.interactions, self.items, self.users, self.time = interactions, items, users, time
        self.max_broken, self.name, self.licence = max_broken, name, licence

    @property
    def item_columns(self) -> tuple[str, ...]:
        """Columns of the item table."""
        return tuple(self.items.mapping) or (ITEM,)

    @property
    def user_columns(self) -> tuple[str, ...]:
        """Columns of the user table."""
        return tuple(self.users.mapping) or (USER,)

    def identity(self) -> str:
        """Options, commits, and the content of local files."""
        tables = (table.identity() for table in (self.interactions, self.items, self.users))
        return f"{self.time} {self.max_broken} {self.name} {'; '.join(tables)}"

    def fetch(self) -> Tables:
        """The canonical tables.

        Raises:
            OSError: the data cannot be had.
            ValueError: there is no such split, configuration or column, or too many rows are broken.
        """
        events = self._read(self.interactions)
        items, users = (
            self._read(table, events[key].dtype) if table.path is not None else events.select(key).clear()
            for table, key in ((self.items, ITEM), (self.users, USER))
        )
        revision = f" at {self.interactions.revision}" if self.interactions.revision is not None else ""
        return Tables(
            interactions=events,
            items=items,
            users=users,
            name=self.name,
            licence=self.licence,
            source=f"{self.interactions.path}{revision}",
            fingerprint=fingerprint(events, items, users),
        )

    def _read(self, table: HubTable, ids: pl.DataType | None = None) -> pl.DataFrame:
        broken, rows = Broken(self.max_broken, "data.source.max_broken"), table.read()
        frame, wrong = map_rows(rows, table.mapping, self.time)
        broken.add(Path(str(table.path)), rows.frame.height, [(rows.line(row), text) for row, text in wrong.items()])
        broken.check()
        return join_parts([frame], ids)
