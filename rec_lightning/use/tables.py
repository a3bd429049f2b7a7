"""A table that a person hands in: CSV, TSV, Parquet or lines of JSON, told by the file's ending.

Relations: ``rec_lightning.data.sources.table`` reads data to train on; here rows are few and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from rec_lightning.runtime.refusal import Refusal

_ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")


def read_table(path: str, needed: Sequence[str], option: str) -> pl.DataFrame:
    """All columns; of CSV and TSV every cell is a text.

    Args:
        path: of the file.
        needed: columns that must be there.
        option: that names the file, for messages.

    Raises:
        Refusal: no such file, another ending, no table, no rows, or a column is missing.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise Refusal(f"{option} must be a file, and {path} is none. Set {option}.")
    ending = file.suffix.lower()
    if ending not in _ENDINGS:
        raise Refusal(f"the ending of {option} must tell its format ({', '.join(_ENDINGS)}), got {path}. Rename it.")
    try:
        if ending == ".parquet":
            frame = pl.read_parquet(file)
        elif ending in (".jsonl", ".ndjson"):
            frame = pl.read_ndjson(file, infer_schema_length=None)
        else:
            frame = pl.read_csv(file, separator="," if ending == ".csv" else "\t", infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise Refusal(f"{path} cannot be read as {ending[1:]} ({reason}). Mend it.") from error
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise Refusal(
            f"{option} needs the columns {', '.join(needed)}, and {missing[0]} is not among those of {path} "
            f"({', '.join(frame.columns)}). Rename a column."
        )
    if frame.is_empty():
        raise Refusal(f"{option} must have rows, and {path} has none. Set {option}.")
    return frame
