"""Items by the values of a column, single or lists: of a genre, of a brand, in stock or not.

Relations: ``between`` keeps a range of numbers, ``listed`` what a file names.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import Catalog
from rec_lightning.filters.columns import column_of


class Category:
    """Keeps items that have one of the values, or leaves them out.

    Args:
        column: of the item table.
        values: one or several, compared as text.
        keep: whether they are kept or left out; an item without a value is left out in the first case only.

    Raises:
        ValueError: no values.
    """

    def __init__(self, column: str, values: str | Sequence[str | int | float | bool], keep: bool = True) -> None:
        if not values:
            raise ValueError("filters.category.values must name at least one value, got none. Set it, as [Comedy].")
        self.column, self.values, self.keep = column, [values] if isinstance(values, str) else [*map(str, values)], keep

    def __call__(self, catalog: Catalog) -> NDArray[np.bool_]:
        """(N,) whether each item stays.

        Raises:
            ValueError: no such column, or a value that no item has.
        """
        rows = column_of(catalog, self.column, "filters.category.column")
        several = isinstance(rows.dtype, pl.List | pl.Array)
        words = rows.cast(pl.List(pl.String)) if several else rows.cast(pl.String)
        known = set((words.explode() if several else words).drop_nulls().unique())
        if strange := [value for value in self.values if value not in known]:
            shown = ", ".join(sorted(known)[:12])
            raise ValueError(
                f"filters.category.values must occur in the column {self.column}, and {strange[0]!r} does not. "
                f"Values: {shown}{', ...' if len(known) > 12 else ''}."
            )
        has = words.list.eval(pl.element().is_in(self.values)).list.any() if several else words.is_in(self.values)
        found: NDArray[np.bool_] = has.fill_null(False).to_numpy()
        return found if self.keep else ~found
