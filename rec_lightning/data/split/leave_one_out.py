"""Leave-one-out: each user's last event is the test target, the one before it the validation target.

The protocol of S3-Rec, RecBole and most papers on sequence recommendation. The split looks at each user's own
order only, so other users' later events are in training: a model may know items that did not exist yet at a
user's cut. ``global_time`` does not have that leak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray


@dataclass(frozen=True)
class LeaveOneOut:
    """Last event to test, second last to validation, the rest to training.

    Users with two events have a test target and no validation target; users with one event train nothing and
    are not evaluated.

    Example:
        >>> LeaveOneOut()(np.array([0, 4, 6, 7]), pl.DataFrame({"item": range(7)})).tolist()
        [0, 0, 1, 2, 0, 2, 0]
    """

    leaks: ClassVar[str] = "training holds other users' events from after a user's cut"

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """The role of each event.

        Args:
            offsets: (U + 1,) first event of each user.
            events: E rows in order; only their number is read.

        Returns:
            (E,) int8, 0 train, 1 validation, 2 test.
        """
        role = np.zeros(events.height, np.int8)
        count = np.diff(offsets)
        role[offsets[1:][count >= 2] - 1] = 2
        role[offsets[1:][count >= 3] - 2] = 1
        return role
