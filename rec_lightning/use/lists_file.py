"""Lists of items written while they are made: CSV, lines of JSON or Parquet, told by the file's ending.

The file gets its name when it is whole. Parquet is written in pieces beside it and joined at the end by a stream, so
that memory does not grow with the number of users.

Relations: ``recommendation`` fills it; ``outside`` reads such files of any framework.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import polars as pl
from torch import Tensor

from rec_lightning.contracts import ITEM, USER, Catalog

# B users, k items of a list

_ENDINGS = (".csv", ".jsonl", ".parquet")


def title_column(items: pl.DataFrame) -> str | None:
    """The column that names items for people: ``title`` or ``name``; None where there is none."""
    return next((name for name in ("title", "name") if items.schema.get(name) == pl.String), None)


def check_output(path: str, overwrite: bool) -> None:
    """Refuses a place that cannot be written.

    Raises:
        ValueError: another ending, no such folder, or a file is there that shall stay.
    """
    file = Path(path).expanduser()
    if path == "-":
        return
    if file.suffix not in _ENDINGS:
        raise ValueError(
            f"output must end with {', '.join(_ENDINGS)}, or be - for lines of JSON on standard output, got {path}. "
            "Set output."
        )
    if not file.parent.is_dir():
        raise ValueError(f"output must lie in a folder that exists, and {file.parent} does not. Set output.")
    if file.exists() and not overwrite:
        raise ValueError(f"output must be new, and {path} exists. Set output, or overwrite=true.")


class ListsFile:
    """An open file of lists.

    Args:
        path: of the file; ``-`` for lines of JSON on standard output.
        catalog: gives the ids and titles of items.
        head: name of the column of whom or what a list is for.
    """

    def __init__(self, path: str, catalog: Catalog, head: str = USER) -> None:
        self.head = head
        self.place = None if path == "-" else Path(path).expanduser()
        title = title_column(catalog.items)
        names = {ITEM: catalog.items[ITEM]} | ({"title": catalog.items[title]} if title else {})
        self.names = pl.DataFrame(names)
        self._pieces = 0
        self._stream: BinaryIO | None = None

    def __enter__(self) -> ListsFile:
        if self.place is None:
            self._stream = sys.stdout.buffer
            return self
        self._scratch = self.place.with_name(f".{self.place.name}.{os.getpid()}")
        if self.place.suffix == ".parquet":
            self._scratch.mkdir()
        else:
            self._stream = self._scratch.open("wb")
        return self

    def write(self, users: pl.Series, items: Tensor, scores: Tensor) -> None:
        """Appends lists.

        Args:
            users: (B,) ids of whom or what they are for.
            items: (B, k) item indices, best first; 0 fills up and is left out.
            scores: (B, k).
        """
        if self.place is None or self.place.suffix == ".jsonl":
            self._write_lines(users, items.numpy(), scores.numpy())
            return
        table = self._long(users, items.numpy(), scores.numpy())
        if self._stream is None:
            table.write_parquet(self._scratch / f"{self._pieces:06}.parquet", compression="lz4")
        else:
            table.write_csv(self._stream, include_header=self._pieces == 0)
        self._pieces += 1

    def _long(self, users: pl.Series, items: np.ndarray, scores: np.ndarray) -> pl.DataFrame:
        real = items > 0
        rank = np.broadcast_to(np.arange(1, items.shape[1] + 1, dtype=np.int32), items.shape)[real]
        own = np.repeat(np.arange(len(items)), real.sum(1))
        head = pl.DataFrame({self.head: users.gather(own), "rank": rank})
        named = self.names[items[real] - 1]
        return head.hstack([named[ITEM], pl.Series("score", scores[real]), *named.drop(ITEM).get_columns()])

    def _write_lines(self, users: pl.Series, items: np.ndarray, scores: np.ndarray) -> None:
        assert self._stream is not None
        long = self._long(pl.Series(np.arange(len(items))), items, scores)
        several = {ITEM: "items", "score": "scores", "title": "titles"}
        lists = long.drop("rank").rename({a: b for a, b in several.items() if a in long.columns})
        lists = lists.group_by(self.head, maintain_order=True).agg(pl.all())
        rows = pl.DataFrame({self.head: np.arange(len(items))})
        rows = rows.join(lists, on=self.head, how="left", maintain_order="left")
        filled = [pl.col(name).fill_null([]) for name in lists.columns[1:]]
        rows.with_columns(filled).with_columns(users.alias(self.head)).write_ndjson(self._stream)

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self.place is None:
            sys.stdout.flush()
            return
        if self._stream is not None:
            self._stream.close()
        if kind is None:
            self._finish(self.place)
        elif self._scratch.is_dir():
            shutil.rmtree(self._scratch)
        else:
            self._scratch.unlink()

    def _finish(self, place: Path) -> None:
        if self._scratch.is_dir():
            whole = self._scratch / "whole"
            pl.scan_parquet(self._scratch / "*.parquet").sink_parquet(whole)
            whole.replace(place)
            shutil.rmtree(self._scratch)
        else:
            self._scratch.replace(place)
