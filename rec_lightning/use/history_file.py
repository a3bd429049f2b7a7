"""What new users did, from a file or standard input.

Lines of JSON, ``{"user": "ann", "items": ["i3", "i7"], "timestamps": [10, 20]}``, are read some at a time; each line
is a user, and ``timestamps`` may be left out. A table with the columns ``user, item`` and perhaps ``timestamp`` (CSV,
TSV or Parquet) is read as a whole, since the rows of a user may lie anywhere in it.

Relations: ``histories`` gives the users that the run knows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from rec_lightning.contracts import ITEM, TIMESTAMP, USER
from rec_lightning.runtime.refusal import Refusal
from rec_lightning.use.histories import Histories
from rec_lightning.use.ids import Ids
from rec_lightning.use.tables import read_table

_LINES = (".jsonl", ".ndjson")
_TABLES = (".csv", ".tsv", ".parquet")


class HistoryFile:
    """Histories of a file.

    Args:
        path: of the file, told by its ending; ``-`` for standard input, where a first ``{`` tells lines of JSON and
            anything else a CSV.
        users: of one piece.

    Raises:
        ValueError: no such file, or another ending.
    """

    def __init__(self, path: str, users: int = 8192) -> None:
        file = Path(path).expanduser()
        if path != "-" and file.suffix.lower() not in (*_LINES, *_TABLES):
            endings = ", ".join((*_LINES, *_TABLES))
            raise ValueError(f"the ending of history must tell its format ({endings}), got {path}. Rename it.")
        if path != "-" and not file.is_file():
            raise ValueError(f"history must be a file, or - for standard input, and {path} is none. Set history.")
        self.path, self.users = path, users
        self.empty = 0  # users without a known item

    def read(self, items: Ids, people: Ids) -> Iterator[Histories]:
        """The users, some at a time; one without a known item is left out and counted.

        Args:
            items: of the catalogue.
            people: of the run's users, so that what is known of them is used.

        Raises:
            Refusal: a line that is no such object, a column that is missing, or an item that is refused.
        """
        for events in self._pieces():
            found = events.with_columns(number=items(events[ITEM]))
            several = found["place"].n_unique()
            found = found.filter(pl.col("number") >= 0)
            keys = ["place", *([TIMESTAMP] if TIMESTAMP in events.columns else [])]
            found = found.sort(keys, maintain_order=True)
            count = found.group_by("place", maintain_order=True).agg(pl.len(), pl.col(USER).first())
            self.empty += several - count.height
            if count.height:
                offsets = np.concatenate([[0], np.cumsum(count["len"].to_numpy())]).astype(np.int64)
                time = found[TIMESTAMP].to_numpy() if TIMESTAMP in events.columns else None
                yield Histories(count[USER], people(count[USER]), found["number"].to_numpy(), offsets, time)

    def _pieces(self) -> Iterator[pl.DataFrame]:
        # columns place (of the user), user, item, and timestamp where it is told
        if self.path == "-":
            first = sys.stdin.readline()
            if first.lstrip().startswith("{"):
                yield from self._of_lines(chain([first], sys.stdin))
            else:
                yield self._of_table(pl.read_csv(StringIO(first + sys.stdin.read()), infer_schema=False))
        elif Path(self.path).suffix.lower() in _LINES:
            with Path(self.path).expanduser().open(encoding="utf8") as stream:
                yield from self._of_lines(stream)
        else:
            yield self._of_table(read_table(self.path, (USER, ITEM), "history"))

    def _of_table(self, table: pl.DataFrame) -> pl.DataFrame:
        missing = [name for name in (USER, ITEM) if name not in table.columns]
        if missing:
            raise Refusal(
                f"history needs a header with user, item and perhaps timestamp, got {', '.join(table.columns)}. Write "
                "user,item,timestamp in its first line."
            )
        gaps = table.filter(pl.col(USER).is_null() | pl.col(ITEM).is_null()).height
        if gaps:
            raise Refusal(f"history must have user and item in every row, and {gaps} rows lack one. Mend them.")
        place = pl.col(USER).rank("dense").cast(pl.Int64)
        events = table.select(place.alias("place"), USER, ITEM, *[c for c in table.columns if c == TIMESTAMP])
        return events if TIMESTAMP not in events.columns else events.with_columns(self._seconds(events[TIMESTAMP]))

    def _seconds(self, column: pl.Series) -> pl.Series:
        number = column.cast(pl.Float64, strict=False)
        if number.null_count():
            wrong = column.filter(number.is_null())[0]
            raise Refusal(f"timestamp in history must be seconds since 1970, got {wrong!r}. Mend or drop the column.")
        return number.floor().cast(pl.Int64)

    def _of_lines(self, lines: Iterable[str]) -> Iterator[pl.DataFrame]:
        users, items, times, places = list[str](), list[str](), list[float](), list[int]()
        timed: bool | None = None
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            user, own, when = _parsed(line, number)
            if timed is None:
                timed = when is not None
            if timed != (when is not None):
                raise Refusal(f"history must have timestamps in all lines or in none, and line {number} differs.")
            places += [number] * len(own)
            users += [user] * len(own)
            items += own
            times += when or []
            self.empty += not own
            if places and number - places[0] >= self.users - 1:
                yield _frame(places, users, items, times)
                places, users, items, times = [], [], [], []
        if places:
            yield _frame(places, users, items, times)


def _parsed(line: str, number: int) -> tuple[str, list[str], list[float] | None]:
    try:
        told = json.loads(line)
    except json.JSONDecodeError as error:
        raise Refusal(f"line {number} of history is no JSON ({error}). Mend it.") from error
    if not isinstance(told, dict) or "user" not in told or not isinstance(told.get("items"), list):
        shape = '{"user": "ann", "items": ["i3", "i7"]}'
        raise Refusal(f"a line of history must have the form {shape}, got line {number}: {line.strip()[:60]}. Mend it.")
    when = told.get("timestamps")
    numbers = isinstance(when, list) and all(isinstance(t, int | float) for t in when)
    if when is not None and (not numbers or len(when) != len(told["items"])):
        raise Refusal(f"timestamps in line {number} of history must be one number an item, got {when}. Mend it.")
    return str(told["user"]), [str(item) for item in told["items"]], when


def _frame(places: list[int], users: list[str], items: list[str], times: list[float]) -> pl.DataFrame:
    frame = pl.DataFrame({"place": places, USER: users, ITEM: items}, schema_overrides={USER: pl.String})
    return frame.with_columns(pl.Series(TIMESTAMP, times).floor().cast(pl.Int64)) if times else frame
