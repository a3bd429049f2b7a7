"""Rows of vectors with their ids as they lie in a file, ``.npy`` or Parquet, not yet matched to any catalogue.

Relations: ``vector_file`` matches them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

# R rows, H width of the vectors


class ArrayRows:
    """An ``.npy`` file of (R, H) numbers.

    Args:
        path: of the file.
        ids: file of R ids: ``.npy``, or text with one id a line; null for none.
    """

    def __init__(self, path: Path, ids: Path | None) -> None:
        self.path, self.ids = path, ids

    def width(self) -> int:
        """H, from the head of the file.

        Raises:
            FileNotFoundError: a file is not there.
            ValueError: it holds something else.
        """
        if self.ids is not None:
            _check_file(self.ids)
        return int(_array(self.path, 2, "numbers", "fiub").shape[1])

    def read(self) -> tuple[pl.Series | None, NDArray[Any]]:
        """Ids as text, None without a file of them, and (R, H) mapped rows.

        Raises:
            ValueError: another number of ids than rows.
        """
        rows = _array(self.path, 2, "numbers", "fiub")
        if self.ids is None:
            return None, rows
        if self.ids.suffix == ".npy":
            names = pl.Series(_array(self.ids, 1, "whole numbers or texts", "iuU")).cast(pl.String)
        else:
            names = pl.Series(self.ids.read_text(encoding="utf8").splitlines(), dtype=pl.String)
        if len(names) != len(rows):
            raise ValueError(f"{self.ids} has {len(names)} ids for the {len(rows)} rows of {self.path}. Check both.")
        return names, rows


class ParquetRows:
    """A Parquet file with a column of ids beside one of lists or arrays, or many of numbers.

    Args:
        path: of the file.
        item_column: column of the ids.
        columns: of the vectors; None for all others.
    """

    def __init__(self, path: Path, item_column: str, columns: Sequence[str] | None) -> None:
        self.path, self.item_column, self.columns = path, item_column, columns

    def width(self) -> int:
        """H, from the schema; from the first row where the vectors are lists.

        Raises:
            FileNotFoundError: the file is not there.
            ValueError: it is no Parquet file, or a column is not there or of another type.
        """
        columns, kind = self._columns()
        if isinstance(kind, pl.List):
            first = pl.read_parquet(self.path, columns=columns, n_rows=1)[columns[0]].list.len()
            return int(first[0] or 0) if len(first) else 0
        return int(kind.shape[0]) if isinstance(kind, pl.Array) else len(columns)

    def read(self) -> tuple[pl.Series, NDArray[Any]]:
        """Ids as text and (R, H) rows; a value that is missing is NaN.

        Raises:
            ValueError: lists of different lengths, or an id is missing.
        """
        (columns, kind), width = self._columns(), self.width()
        frame = pl.read_parquet(self.path, columns=[self.item_column, *columns])
        names = frame[self.item_column].cast(pl.String)
        if names.null_count():
            raise ValueError(f"{self.path} has {names.null_count()} rows without an id. Remove them.")
        column = frame[columns[0]]
        if isinstance(kind, pl.List):
            if (column.list.len().fill_null(0) != width).any():
                raise ValueError(
                    f"all lists of {column.name} in {self.path} must have {width} values as the first has."
                )
            column = column.list.to_array(width)
        if isinstance(column.dtype, pl.Array):
            flat = column.cast(pl.Array(pl.Float32, width)).explode().fill_null(np.nan)
            return names, flat.to_numpy().reshape(-1, width)
        return names, frame.select(pl.col(columns).cast(pl.Float32).fill_null(np.nan)).to_numpy()

    def _columns(self) -> tuple[list[str], pl.DataType]:
        # of the vectors, and the type of the first
        _check_file(self.path)
        try:
            schema = pl.read_parquet_schema(self.path)
        except pl.exceptions.PolarsError as error:
            raise ValueError(f"{self.path} must be a Parquet file ({error}). Set items.vectors.path.") from error
        columns = list(self.columns or [name for name in schema if name != self.item_column])
        unknown = [name for name in (self.item_column, *columns) if name not in schema]
        if unknown:
            raise ValueError(
                f"{self.path} has no column {unknown[0]!r}. Columns: {', '.join(schema)}. Set "
                "items.vectors.item_column or items.vectors.columns."
            )
        kinds = [schema[name] for name in columns]
        inner = [k.inner if isinstance(k, pl.List | pl.Array) else k for k in kinds]
        many = len(kinds) > 1 and any(isinstance(k, pl.List | pl.Array) for k in kinds)
        if not columns or many or not all(k.is_numeric() or k == pl.Boolean for k in inner):
            told = ", ".join(f"{name} ({kind})" for name, kind in zip(columns[:4], kinds, strict=False))
            raise ValueError(
                f"vectors must be one column of lists or many of numbers, and {self.path} has {told or 'none'} beside "
                f"{self.item_column}. Set items.vectors.columns."
            )
        return columns, kinds[0]


def _check_file(file: Path) -> None:
    if not file.is_file():
        raise FileNotFoundError(f"vectors of items are needed, and {file} does not exist. Set its path.")


def _array(file: Path, dimensions: int, told: str, kinds: str) -> NDArray[Any]:
    _check_file(file)
    try:
        array: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{file} must be an .npy file ({error}). Write it with numpy.save.") from error
    if array.ndim != dimensions or array.dtype.kind not in kinds or 0 in array.shape:
        raise ValueError(
            f"{file} must hold {told} in {dimensions} dimension{'s' * (dimensions > 1)}, got {array.dtype} of shape "
            f"{array.shape}. Write it anew."
        )
    return array
