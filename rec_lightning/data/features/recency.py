"""Recency of a user: days from the user's last training event to the last one of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from rec_lightning.contracts import USER, Catalog
from rec_lightning.data.features.times import days_before_the_end


@dataclass(frozen=True)
class Recency:
    """The column ``recency_days``; null for a user without training events.

    Example:
        >>> events = pl.DataFrame({"user": [7, 7, 8], "item": [1, 2, 1], "timestamp": [0, 86_400, 216_000]})
        >>> Recency()(events, Catalog.empty([])).rows()
        [(7, 1.5), (8, 0.0)]
    """

    of: ClassVar[Literal["users"]] = "users"
    columns: ClassVar[tuple[str, ...]] = ("recency_days",)
    needs: ClassVar[tuple[str, ...]] = ()

    def __call__(self, training: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
        """One row a user with training events.

        Raises:
            ValueError: the data have no time.
        """
        days = days_before_the_end(training, "recency")
        return training.group_by(USER, maintain_order=True).agg(recency_days=days.min())
