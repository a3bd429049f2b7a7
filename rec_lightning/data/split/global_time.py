"""Global time points: all before the first trains, all from the second on tests. No leak of the future.

What a deployed model meets: at the moment of training nothing later exists for any user. Users and items that appear
after the cut are cold; their events are in the part all the same.

The paper that argues for it: Y. Ji et al., "A Critical Study on Data Leakage in Recommender System Offline Evaluation",
ACM TOIS 41(3), 2023, https://doi.org/10.1145/3569930.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import TIMESTAMP
from rec_lightning.data.preparation.dates import seconds
from rec_lightning.data.split.shares import check_shares


@dataclass(frozen=True)
class GlobalTime:
    """Cuts the time line at two points.

    Args:
        validation: share of all events before test that validate; or the date at which validation begins.
        test: share of all events; or the date at which test begins. Events at the moment of a cut are after it, so
            a share is met up to ties.

    Raises:
        ValueError: shares out of range, no dates, or one of each.

    Example:
        >>> events = pl.DataFrame({"timestamp": [1, 5, 9, 2, 3, 4, 6, 7, 8, 10]})
        >>> GlobalTime(0.2, 0.2)(np.array([0, 3, 10]), events).tolist()
        [0, 0, 2, 0, 0, 0, 0, 1, 1, 2]
    """

    validation: float | str = 0.1
    test: float | str = 0.1
    leaks: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if isinstance(self.validation, str) and isinstance(self.test, str):
            begin, end = self._dates()
            if begin >= end:
                raise ValueError(
                    f"data.split.validation must begin before data.split.test, got {self.validation} and {self.test}."
                )
        elif isinstance(self.validation, str) or isinstance(self.test, str):
            raise ValueError(
                f"data.split.validation and data.split.test must be two shares or two dates, got {self.validation} and "
                f"{self.test}. Set both."
            )
        else:
            check_shares(self.validation, self.test)

    def _dates(self) -> tuple[float, float]:
        begin, end = (
            seconds(str(t), f"data.split.{n}") for n, t in (("validation", self.validation), ("test", self.test))
        )
        assert begin is not None
        assert end is not None
        return begin, end

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """The role of each event: (U + 1,), E sorted rows -> (E,) int8.

        Raises:
            ValueError: the data have no time.
        """
        if TIMESTAMP not in events.columns:
            raise ValueError(
                "a split by global time needs the column timestamp, and the data have none, only an order. Name it in "
                "data.source.columns, or choose data/split=leave_one_out."
            )
        time = events[TIMESTAMP].to_numpy()
        if isinstance(self.validation, str):
            begin, end = self._dates()
        else:
            ordered = np.sort(time)
            first = [
                int(len(time) * (1 - share)) for share in (float(self.validation) + float(self.test), float(self.test))
            ]
            begin, end = (float(ordered[place]) for place in first)
        return ((time >= begin).astype(np.int8) + (time >= end)).astype(np.int8)
