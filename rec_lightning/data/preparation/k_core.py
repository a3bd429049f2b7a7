"""Iterative k-core: users and items with too few events go, until none is left that has too few.

One pass is not enough: removing an item may leave a user with too few events. What remains is the largest part in
which all have enough, and does not depend on the order of removal.

Relations: Amazon's "5-core" files are the result of this with 5 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import ITEM, USER


@dataclass(frozen=True)
class KCore:
    """Keeps users and items with enough events.

    Args:
        users: fewest events of a user.
        items: fewest events of an item.

    Raises:
        ValueError: a value below 1, or both 1, which has no effect.
    """

    users: int = 5
    items: int = 5

    def __post_init__(self) -> None:
        for name, value in (("users", self.users), ("items", self.items)):
            if value < 1:
                raise ValueError(f"data.prepare.k_core.{name} must be at least 1, got {value}. Set it.")
        if self.users == self.items == 1:
            raise ValueError("data.prepare.k_core of 1 and 1 has no effect. Raise one, or leave the step out.")

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame:
        """The events that stay, in order."""
        user, item = (_codes(events[column]) for column in (USER, ITEM))
        row = np.arange(events.height)
        while len(row):
            enough = np.bincount(user)[user] >= self.users
            enough &= np.bincount(item)[item] >= self.items
            if enough.all():
                break
            row, user, item = row[enough], user[enough], item[enough]
        return events if len(row) == events.height else events[row]


def _codes(column: pl.Series) -> NDArray[np.int64]:
    """(E,) a small number for each value."""
    if column.dtype.is_integer() and len(column) and not column.null_count():
        low, high = int(column.min()), int(column.max())  # type: ignore[arg-type]
        if high - low < 4 * len(column) + 1000:  # the ids themselves are small
            return column.to_numpy().astype(np.int64) - low
    return column.rank("dense").fill_null(0).to_numpy().astype(np.int64)
