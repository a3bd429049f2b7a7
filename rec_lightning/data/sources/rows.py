"""Rows of a file whose format its name tells, wanted columns only, texts as texts.

Relations: ``table`` turns what is read here into ids and numbers.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from glob import glob
from pathlib import Path

import polars as pl

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t", ".item": "\t", ".user": "\t"}
_JSON = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True)
class Rows:
    """What was read.

    Args:
        frame: wanted columns; of text formats every cell is a text.
        ragged: rows with another number of fields than the header, or that are no JSON.
        first: line of row 0, counted from 1.
    """

    frame: pl.DataFrame
    ragged: list[int] = field(default_factory=list)
    first: int = 1

    def line(self, row: int) -> int:
        """Line of a row, counted from 1."""
        return row + self.first


def find_files(path: str) -> list[Path]:
    """The file at ``path``, or all that a pattern matches, sorted by name.

    Raises:
        FileNotFoundError: there is none.
    """
    place = Path(path).expanduser()
    if place.is_file():
        return [place]
    found = sorted(Path(name) for name in glob(str(place), recursive=True) if Path(name).is_file())  # noqa: PTH207 - absolute patterns
    if not found:
        told = f"a folder. Set a pattern such as {place}/*.csv" if place.is_dir() else "neither. Set its path"
        raise FileNotFoundError(f"a file or a pattern that matches files is needed, and {place} is {told}.")
    return found


def read_rows(file: Path, columns: Sequence[str]) -> Rows:
    """The wanted columns of one file.

    Raises:
        ValueError: the format is unknown, the file cannot be read, or a column is not there.
    """
    name = file.name.removesuffix(".gz")
    ending = Path(name).suffix.lower()
    try:
        if ending == ".parquet":
            return Rows(pl.read_parquet(file, columns=_known(list(pl.read_parquet_schema(file)), columns, file)))
        if ending in _JSON:
            return _read_json(file, columns)
        if ending in _SEPARATORS:
            return _read_text(file, _SEPARATORS[ending], columns)
    except (pl.exceptions.PolarsError, UnicodeDecodeError, EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{file} cannot be read as {ending[1:]} ({str(error).partition(chr(10))[0]}). Mend it."
        ) from error
    endings = ", ".join((*_SEPARATORS, ".parquet", *_JSON))
    raise ValueError(f"the ending of a file must tell its format ({endings}), got {file}. Rename it.")


def wanted_columns(found: Sequence[str], columns: Sequence[str], where: object, option: str) -> list[str]:
    """``columns`` as a list, once each is there.

    Args:
        found: columns that are there.
        columns: wanted.
        where: file or data set.
        option: that names the columns.

    Raises:
        ValueError: one is not there; shows the nearest.
    """
    for column in columns:
        if column not in found:
            if not any(found):
                raise ValueError(f"{where} must have a header and rows, and it is empty. Get it again.")
            near = get_close_matches(column, found, n=1)
            hint = f"; nearest: {near[0]}" if near else ""
            raise ValueError(
                f"the column {column} must be in {where}, and its columns are {', '.join(found)}{hint}. Set {option}."
            )
    return list(columns)


def _known(found: Sequence[str], columns: Sequence[str], file: Path) -> list[str]:
    return wanted_columns(found, columns, file, "data.source.columns, item_fields or user_fields")


def _read_text(file: Path, separator: str, columns: Sequence[str]) -> Rows:
    with gzip.open(file, "rt", encoding="utf8") if file.suffix == ".gz" else file.open(encoding="utf8") as stream:
        header = [name.strip().strip('"').removeprefix("\ufeff") for name in stream.readline().split(separator)]
    if len(header) == 1 and len(parts := re.split("[,;\t|]", header[0])) > 1:
        raise ValueError(
            f"the columns of {file} must be separated by {separator!r}, as its ending says, and its header is "
            f"{header[0]!r}: {len(parts)} names with something else between. Save it so, or rename it."
        )
    wanted = _known(header, columns, file)
    twice = [name for name in wanted if header.count(name) > 1]
    if twice:
        raise ValueError(f"the column {twice[0]} must be in {file} once, and its header has it twice. Rename one.")
    quote = '"' if separator == "," else None

    def read(ragged: bool) -> pl.DataFrame:
        return pl.read_csv(
            file,
            separator=separator,
            quote_char=quote,
            infer_schema=False,  # all columns: with some only, rows with too many fields pass unseen
            truncate_ragged_lines=ragged,
        )

    try:
        return Rows(_renamed(read(ragged=False), header, wanted), first=2)
    except pl.exceptions.ComputeError as error:
        if "truncate_ragged_lines" not in str(error):
            raise
    lines = pl.read_csv(file, separator="\x01", quote_char=None, infer_schema=False, truncate_ragged_lines=True)
    longer = lines.to_series().str.count_matches(separator, literal=True) >= len(header)
    frame = _renamed(read(ragged=True), header, wanted)
    if len(longer) != frame.height:
        raise ValueError(f"{file} has lines with too many fields and quoted line ends. Mend it.")
    return Rows(frame, longer.arg_true().to_list(), first=2)


def _renamed(frame: pl.DataFrame, header: list[str], wanted: list[str]) -> pl.DataFrame:
    return frame.select(frame.to_series(header.index(name)).alias(name) for name in wanted)


def _read_json(file: Path, columns: Sequence[str]) -> Rows:
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    try:
        frame = pl.read_ndjson(content, infer_schema_length=None)
        return Rows(frame.select(_known(frame.columns, columns, file)))
    except pl.exceptions.PolarsError:
        return _read_json_slowly(content, columns)


def _read_json_slowly(content: bytes, columns: Sequence[str]) -> Rows:
    """Line by line, so that a broken one is found."""
    rows, ragged = [], []
    for place, line in enumerate(content.decode().splitlines()):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            row = None
        if not isinstance(row, dict):
            ragged.append(place)
            row = {}
        rows.append({column: row.get(column) for column in columns})
    return Rows(pl.DataFrame(rows, infer_schema_length=None, strict=False), ragged)
