"""Cold items: some items have no training event at all; their events are the targets.

Asks whether a model can recommend an item it knows by its text only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import ITEM
from rec_lightning.data.split.shares import check_shares, draw


@dataclass(frozen=True)
class ColdItems:
    """Draws items; all events of a drawn item validate or test, all others train.

    Args:
        validation: share of items.
        test: share of items.
        seed: equal seeds give equal items.

    Raises:
        ValueError: a share out of range.
    """

    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    leaks: ClassVar[str] = "training holds events of warm items from after the tested one"

    def __post_init__(self) -> None:
        check_shares(self.validation, self.test)

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """The role of each event: (U + 1,), E sorted rows -> (E,) int8."""
        ids = events[ITEM].unique().sort()
        part = pl.Series(draw(len(ids), self.validation, self.test, self.seed))
        return events[ITEM].replace_strict(ids, part, return_dtype=pl.Int8).to_numpy()
