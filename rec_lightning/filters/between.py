"""Items whose number lies in a range: a price, a year, a stock of at least one.

Relations: ``category`` compares texts.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import Catalog
from rec_lightning.filters.columns import column_of


class Between:
    """Keeps ``low <= number <= high``.

    Args:
        column: of the item table; texts that are numbers count.
        low: smallest that stays; None for no lower end.
        high: largest that stays; None for no upper end.
        missing: whether an item without a number stays.

    Raises:
        ValueError: no end, or a lower end above the upper one.
    """

    def __init__(self, column: str, low: float | None = None, high: float | None = None, missing: bool = False) -> None:
        if low is None and high is None:
            raise ValueError(
                "filters.between must have a lower or an upper end, got neither. Set filters.between.low or .high."
            )
        if low is not None and high is not None and low > high:
            raise ValueError(
                f"filters.between.low must be at most filters.between.high ({high}), got {low}. Set one of them."
            )
        self.column, self.low, self.high, self.missing = column, low, high, missing

    def __call__(self, catalog: Catalog) -> NDArray[np.bool_]:
        """(N,) whether each item stays.

        Raises:
            ValueError: no such column, or one without numbers.
        """
        rows = column_of(catalog, self.column, "filters.between.column")
        one = not isinstance(rows.dtype, pl.List | pl.Array)
        number = rows.cast(pl.Float64, strict=False).fill_nan(None) if one else rows.clear()
        if not number.count():
            raise ValueError(
                f"filters.between.column must hold numbers, and {self.column} ({rows.dtype}) has none. Set "
                "filters.between.column, or use filters=[category]."
            )
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        found: NDArray[np.bool_] = number.is_between(low, high).fill_null(self.missing).to_numpy()
        return found
