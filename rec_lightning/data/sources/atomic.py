"""RecBole's atomic files: ``x.inter``, and optionally ``x.item`` and ``x.user``, with types in the header.

Format: W. X. Zhao et al., "RecBole", CIKM 2021, https://recbole.io/docs/user_guide/data/atomic_files.html. Licence:
that of the data set inside. Checksum: the sha256 of the content is the identity.

A ``token`` is an id or a word, ``token_seq`` a list of words (or a text, where the name says title, name, text or
description), ``float`` a number; ``float_seq`` is left out.

Relations: ``table`` reads other tables; ``movielens`` reads the 100K files of this format with all they lack.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from rec_lightning.contracts import ITEM, LABEL, RATING, TIMESTAMP, USER, Tables
from rec_lightning.data.sources.broken import Broken
from rec_lightning.data.sources.cells import as_ids, as_numbers, ids_as
from rec_lightning.data.sources.identity import content_of
from rec_lightning.data.sources.rows import read_rows
from rec_lightning.data.tables import fingerprint

_KNOWN = {"user_id": USER, "item_id": ITEM, "timestamp": TIMESTAMP, "rating": RATING, "label": LABEL}
_ENDINGS = (".inter", ".item", ".user")


class AtomicFiles:
    """Reads the atomic files of one data set.

    Args:
        path: of the ``.inter`` file; ``.item`` and ``.user`` are taken from beside it where they are.
        licence: what its owner allows.
    """

    def __init__(self, path: str, licence: str = "not stated") -> None:
        self.path, self.licence = path, licence

    def _files(self) -> dict[str, Path]:
        file = Path(self.path).expanduser()
        if file.suffix != ".inter" or not file.is_file():
            raise FileNotFoundError(
                f"data.source.path must be a file that ends in .inter, and {file} is none. Set data.source.path."
            )
        return {ending: file.with_suffix(ending) for ending in _ENDINGS if file.with_suffix(ending).exists()}

    @property
    def item_columns(self) -> tuple[str, ...]:
        """Columns of the item table, from the header of ``.item``."""
        return self._columns(".item", ITEM)

    @property
    def user_columns(self) -> tuple[str, ...]:
        """Columns of the user table, from the header of ``.user``."""
        return self._columns(".user", USER)

    def _columns(self, ending: str, key: str) -> tuple[str, ...]:
        file = self._files().get(ending)
        return tuple(_KNOWN.get(name, name) for name in _header(file)) if file is not None else (key,)

    def identity(self) -> str:
        """The content of all files."""
        return content_of(self._files().values())

    def fetch(self) -> Tables:
        """The canonical tables.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: a header or a row is not of the format.
        """
        files = self._files()
        events = _read(files[".inter"], (USER, ITEM))
        items = _read(files[".item"], (ITEM,)) if ".item" in files else pl.DataFrame(schema={ITEM: events[ITEM].dtype})
        users = _read(files[".user"], (USER,)) if ".user" in files else pl.DataFrame(schema={USER: events[USER].dtype})
        # an id that is no number, where all of the interactions are, has no interaction
        items = items.with_columns(ids_as(items[ITEM], events[ITEM].dtype)).drop_nulls(ITEM)
        users = users.with_columns(ids_as(users[USER], events[USER].dtype)).drop_nulls(USER)
        return Tables(
            interactions=events,
            items=items,
            users=users,
            name=files[".inter"].stem,
            licence=self.licence,
            source=self.path,
            fingerprint=fingerprint(events, items, users),
        )


def _header(file: Path) -> dict[str, str]:
    """Name -> type, without lists of numbers."""
    with file.open(encoding="utf8") as stream:
        cells = [cell.strip().rpartition(":") for cell in stream.readline().split("\t")]
    if any(not name or kind not in ("token", "token_seq", "float", "float_seq") for name, _, kind in cells):
        raise ValueError(f"the first line of {file} must be name:type, types token, token_seq, float and float_seq.")
    return {name: kind for name, _, kind in cells if kind != "float_seq"}


def _read(file: Path, keys: tuple[str, ...]) -> pl.DataFrame:
    kinds = _header(file)
    missing = [key for key in keys if key not in [_KNOWN.get(name) for name in kinds]]
    if missing:
        raise ValueError(f"{file} must have the column {missing[0]}_id:token, and has {', '.join(kinds)}. Mend it.")
    rows = read_rows(file, [f"{name}:{kind}" for name, kind in kinds.items()])
    columns = [_typed(rows.frame[f"{n}:{k}"].alias(_KNOWN.get(n, n)), k) for n, k in kinds.items()]
    frame = pl.DataFrame(columns)
    gaps = frame.select(pl.any_horizontal(pl.col(keys).is_null())).to_series().arg_true().to_list()
    broken = Broken(0.0, "the file's quality")
    told = dict.fromkeys(gaps, "no user or item") | dict.fromkeys(
        rows.ragged, "another number of fields than the header"
    )
    broken.add(file, frame.height, [(rows.line(row), reason) for row, reason in sorted(told.items())])
    broken.check()
    return frame


def _typed(column: pl.Series, kind: str) -> pl.Series:
    if column.name in (USER, ITEM):
        return as_ids(column)
    if kind == "float":
        return as_numbers(column)
    # titles are written as lists of words too: only what is not named a title or a text is taken apart
    text = any(word in column.name for word in ("title", "name", "text", "description"))
    return column.str.split(" ") if kind == "token_seq" and not text else column
