"""Random split: every event falls by chance. LEAKS: a user's later events train when an earlier one is tested.

Only for comparison with papers that did so, and for ratings where no time is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.data.split.shares import check_shares, draw


@dataclass(frozen=True)
class RandomShare:
    """Draws the role of each event.

    Args:
        validation: share of all events.
        test: share of all events.
        seed: equal seeds give equal roles.

    Raises:
        ValueError: a share out of range.
    """

    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    leaks: ClassVar[str] = "training holds the user's own events from after the tested one"

    def __post_init__(self) -> None:
        check_shares(self.validation, self.test)

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """The role of each event: (U + 1,), E sorted rows -> (E,) int8."""
        return draw(events.height, self.validation, self.test, self.seed)
