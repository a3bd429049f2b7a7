"""Popularity of an item by time: its training events in the last days of training, for several lengths of time.

Relations: ``Catalog.popularity`` counts all training events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from rec_lightning.contracts import ITEM, Catalog
from rec_lightning.data.features.times import days_before_the_end


@dataclass(frozen=True)
class RecentPopularity:
    """One column a length, such as ``popularity_7d``: events at most so many days before the last training event.

    Args:
        days: lengths, whole and positive, each once.

    Raises:
        ValueError: no length, one below 1, or one twice.

    Example:
        >>> events = pl.DataFrame({"user": [7, 7, 8], "item": [1, 2, 1], "timestamp": [0, 86_400, 259_200]})
        >>> RecentPopularity([1, 3])(events, Catalog.empty([])).sort("item").rows()
        [(1, 1, 2), (2, 0, 1)]
    """

    days: Sequence[int] = (7, 30)
    of: ClassVar[Literal["items"]] = "items"
    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if not self.days or min(self.days) < 1 or len(set(self.days)) < len(self.days):
            raise ValueError(
                f"data.features.recent_popularity.days must be positive and each once, got {list(self.days)}. Set it."
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Names."""
        return tuple(f"popularity_{days}d" for days in self.days)

    def __call__(self, training: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
        """One row an item with training events.

        Raises:
            ValueError: the data have no time.
        """
        before = days_before_the_end(training, "recent_popularity")
        counts = {name: (before <= days).sum() for name, days in zip(self.columns, self.days, strict=True)}
        return training.group_by(ITEM, maintain_order=True).agg(**counts)
