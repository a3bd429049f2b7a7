"""Activity of a user: how many training events there are so far.

While training, it counts the event that is asked for too; a model may learn from it how long a history will get.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from rec_lightning.contracts import USER, Catalog


@dataclass(frozen=True)
class Activity:
    """The column ``activity``: training events of the user, 0 for one who has none.

    Example:
        >>> events = pl.DataFrame({"user": [7, 7, 8], "item": [1, 2, 1]})
        >>> Activity()(events, Catalog.empty([])).rows()
        [(7, 2), (8, 1)]
    """

    of: ClassVar[Literal["users"]] = "users"
    columns: ClassVar[tuple[str, ...]] = ("activity",)
    needs: ClassVar[tuple[str, ...]] = ()

    def __call__(self, training: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
        """One row a user with training events."""
        return training.group_by(USER, maintain_order=True).agg(activity=pl.len())
