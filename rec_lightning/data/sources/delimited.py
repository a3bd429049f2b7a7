"""A delimited text file as a table of strings, and strings as numbers; what is wrong is said with the file's name.

Relations: the sources of named data sets read through this; ``table`` reads files that nobody knows beforehand.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl

# a file in a folder, or inside a zip file that is never unpacked
File = Path | zipfile.Path


def read_delimited(
    file: File, separator: str, columns: Sequence[str], advice: str, skip: int = 0, encoding: str = "utf8"
) -> pl.DataFrame:
    """All columns as strings; empty cells are null.

    Args:
        file: to read.
        separator: of one byte, or several.
        columns: names, in order.
        advice: the next step for whoever has to mend the file.
        skip: lines before the first row.
        encoding: of the text.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such table.
    """
    if not file.exists():
        raise FileNotFoundError(f"{file.name} is needed, and {file} does not exist. {advice}")
    try:
        text = file.read_bytes().decode(encoding)
        if len(separator) > 1:
            text, separator = text.replace("\x1f", " ").replace(separator, "\x1f"), "\x1f"
        frame = pl.read_csv(
            text.encode(), separator=separator, has_header=False, skip_rows=skip, quote_char=None, infer_schema=False
        )
    except (pl.exceptions.PolarsError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{file} cannot be read as a table ({reason}). {advice}") from error
    if frame.width != len(columns):
        raise ValueError(f"{file} must have {len(columns)} columns ({', '.join(columns)}), got {frame.width}. {advice}")
    return frame.rename(dict(zip(frame.columns, columns, strict=True)))


def whole_numbers(frame: pl.DataFrame, columns: Sequence[str], file: File, advice: str) -> pl.DataFrame:
    """``columns`` as int64.

    Raises:
        ValueError: a cell of them is empty or no whole number; names the column, the row and the cell.
    """
    for column in columns:
        value = frame[column].str.strip_chars().cast(pl.Float64, strict=False)
        wrong = (value.is_null() | (value != value.floor()) | value.is_infinite() | value.is_nan()).arg_true()
        if len(wrong):
            row = int(wrong[0])
            cell = frame[column][row]
            raise ValueError(
                f"{column} must be a whole number, got {'nothing' if cell is None else repr(cell)} in row {row + 1} "
                f"of {file}. {advice}"
            )
        frame = frame.with_columns(value.cast(pl.Int64).alias(column))
    return frame
