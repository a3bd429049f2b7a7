"""Per-user temporal ratio: the last share of each user's events to test, the share before it to validation.

Relations: leave-one-out with a share instead of one event; the same leak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.data.split.shares import check_shares


@dataclass(frozen=True)
class TemporalRatio:
    """Cuts each user's own order; shares are rounded down, so short histories train only.

    Args:
        validation: share of each user's events.
        test: share of each user's events.

    Raises:
        ValueError: a share out of range.

    Example:
        >>> TemporalRatio(0.2, 0.2)(np.array([0, 5, 7]), pl.DataFrame({"item": range(7)})).tolist()
        [0, 0, 0, 1, 2, 0, 0]
    """

    validation: float = 0.1
    test: float = 0.1
    leaks: ClassVar[str] = "training holds other users' events from after a user's cut"

    def __post_init__(self) -> None:
        check_shares(self.validation, self.test)

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """The role of each event: (U + 1,), E sorted rows -> (E,) int8."""
        count = np.diff(offsets)
        nearly = 1e-9  # .1 * 30 is a little less than 3 in binary
        test = np.floor(count * self.test + nearly).astype(np.int64)
        validation = np.floor(count * self.validation + nearly).astype(np.int64)
        left = np.repeat(count, count) - (np.arange(events.height) - np.repeat(offsets[:-1], count))  # 1 is the last
        role = np.zeros(events.height, np.int8)
        role[left <= np.repeat(test + validation, count)] = 1
        role[left <= np.repeat(test, count)] = 2
        return role
