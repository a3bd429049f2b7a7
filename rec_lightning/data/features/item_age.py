"""Age of an item: days from its first training event to the last training event of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from rec_lightning.contracts import ITEM, Catalog
from rec_lightning.data.features.times import days_before_the_end


@dataclass(frozen=True)
class ItemAge:
    """The column ``age_days``; null for an item without training events.

    Example:
        >>> events = pl.DataFrame({"user": [7, 7, 8], "item": [1, 2, 1], "timestamp": [0, 86_400, 216_000]})
        >>> ItemAge()(events, Catalog.empty([])).rows()
        [(1, 2.5), (2, 1.5)]
    """

    of: ClassVar[Literal["items"]] = "items"
    columns: ClassVar[tuple[str, ...]] = ("age_days",)
    needs: ClassVar[tuple[str, ...]] = ()

    def __call__(self, training: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
        """One row an item with training events.

        Raises:
            ValueError: the data have no time.
        """
        days = days_before_the_end(training, "item_age")
        return training.group_by(ITEM, maintain_order=True).agg(age_days=days.max())
