"""A column of the item table as categories: words, lists of words, or numbers, one column of zeros and ones each.

Relations: read by ``likeness`` and by the re-rankers that balance categories.
"""

from __future__ import annotations

import polars as pl
import torch
from torch import Tensor

from rec_lightning.contracts import Catalog

# N items, G categories


def membership(catalog: Catalog, column: str, option: str = "by") -> tuple[list[str], Tensor]:
    """The categories in order, and which item is in which: (N + 1, G) float32, the padding in none.

    Args:
        catalog: gives the item table.
        column: of it.
        option: name of the option, for the message.

    Raises:
        ValueError: no such column.

    Example:
        >>> import numpy as np
        >>> items = pl.DataFrame({"item": ["x", "y"], "genres": [["b", "a"], ["b"]]})
        >>> membership(Catalog(items, np.zeros(3, np.int64)), "genres")
        (['a', 'b'], tensor([[0., 0.],
                [1., 1.],
                [0., 1.]]))
    """
    if column not in catalog.items.columns:
        known = ", ".join(catalog.items.columns[1:]) or "none"
        raise ValueError(
            f"rerank.{option} must be a column of the item table ({known}), got {column!r}. Set rerank.{option}."
        )
    rows = catalog.items.select(pl.col(column).alias("word")).with_row_index("row", offset=1)
    if isinstance(rows["word"].dtype, pl.List | pl.Array):
        rows = rows.explode("word")
    rows = rows.with_columns(pl.col("word").cast(pl.String)).drop_nulls()
    names = rows["word"].unique().sort()
    place = rows.join(names.to_frame().with_row_index("place"), on="word")
    member = torch.zeros(catalog.size + 1, max(1, len(names)), device="cpu")
    member[place["row"].to_numpy().astype("int64"), place["place"].to_numpy().astype("int64")] = 1
    return names.to_list(), member
