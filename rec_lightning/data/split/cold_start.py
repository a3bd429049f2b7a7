"""Cold start: leave-one-out in which some items and some users never train; everybody is asked for the last event.

Warm targets and cold ones, of warm users and of cold ones, are asked in one run, so that ``metrics.cold_warm`` with
``fewer=1`` tells them apart and the plain metrics are those over all. Events with a cold item, and those of a cold
user, are input (role 3): that an item is new to the model does not mean that nobody has met it.

Relations: ``cold_items`` and ``cold_users`` ask for nothing else; ``global_time`` has the cold starts that time brings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import ITEM
from rec_lightning.data.split.leave_one_out import LeaveOneOut


@dataclass(frozen=True)
class ColdStart:
    """Draws items and users that never train.

    Args:
        items: share of items, in [0, 1).
        users: share of users, in [0, 1).
        seed: equal seeds give equal items and users.

    Raises:
        ValueError: a share out of range, or both 0.

    Example:
        >>> events = pl.DataFrame({"item": ["a", "b", "c", "d", "b"]})
        >>> ColdStart(items=0.25, users=0, seed=1)(np.array([0, 5]), events).tolist()
        [3, 0, 0, 1, 2]
    """

    items: float = 0.2
    users: float = 0.2
    seed: int = 0
    leaks: ClassVar[str] = "training holds other users' events from after a user's cut"

    def __post_init__(self) -> None:
        for name, value in (("items", self.items), ("users", self.users)):
            if not 0 <= value < 1:
                raise ValueError(f"data.split.{name} must be in [0, 1), got {value}. Set data.split.{name}.")
        if not self.items and not self.users:
            raise ValueError("data.split must hold out items or users, got 0 of both. Set data/split=leave_one_out.")

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """The role of each event: (U + 1,), E sorted rows -> (E,) int8."""
        role, generator = LeaveOneOut()(offsets, events), np.random.default_rng(self.seed)
        ids = events[ITEM].unique().sort()
        cold = pl.Series(generator.permutation(len(ids)) < round(len(ids) * self.items))
        silent = events[ITEM].replace_strict(ids, cold, return_dtype=pl.Boolean).to_numpy().copy()
        users = len(offsets) - 1
        silent |= np.repeat(generator.permutation(users) < round(users * self.users), np.diff(offsets))
        role[silent & (role == 0)] = 3
        return role
