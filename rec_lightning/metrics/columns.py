"""Columns of the item and the user table as groups.

Relations: read by ``diversity, calibration, provider_exposure, user_gap``.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from torch import Tensor


def check_column(metric: str, table: pl.DataFrame, column: str) -> None:
    """Refuses a column that the table lacks.

    Raises:
        ValueError: it does.
    """
    if column not in table.columns:
        raise ValueError(
            f"metrics.{metric}.column must be a column of these data ({', '.join(table.columns[1:]) or 'none'}), got "
            f"{column!r}. Set metrics.{metric}.column, or choose other metrics."
        )


def groups_of(metric: str, table: pl.DataFrame, column: str) -> tuple[list[str], Tensor]:
    """The values in order, and each row's place among them: (rows,) int64, -1 where it has none.

    Raises:
        ValueError: no such column.
    """
    check_column(metric, table, column)
    words = table[column].cast(pl.String)
    names = words.drop_nulls().unique().sort().to_list()
    place = {name: number for number, name in enumerate(names)}
    return names, torch.tensor([place.get(word, -1) for word in words.to_list()], dtype=torch.long, device="cpu")


def membership(column: pl.Series) -> Tensor:
    """Which item has which word: (N + 1, G) float32 ones and zeros, the padding has none.

    Args:
        column: of the item table, lists of words, a word or a number.
    """
    rows = column.alias("word").to_frame().with_row_index("row", offset=1)
    if isinstance(column.dtype, pl.List | pl.Array):
        rows = rows.explode("word")
    rows = rows.with_columns(pl.col("word").cast(pl.String)).drop_nulls()
    names = rows["word"].unique().sort()
    rows = rows.join(names.to_frame().with_row_index("place"), on="word")
    member = torch.zeros(len(column) + 1, max(1, len(names)), device="cpu")
    member[rows["row"].to_numpy().astype(np.int64), rows["place"].to_numpy().astype(np.int64)] = 1
    return member
