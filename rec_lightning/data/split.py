"""Leave-one-out: each user's last event is the test target, the one before it the validation target.

The protocol of S3-Rec, RecBole and most papers on sequence recommendation. The split looks at each user's own
order only, so other users' later events are in training: a model may know items that did not exist yet at a
user's cut. A global time point does not have that leak.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class LeaveOneOut:
    """Last event to test, second last to validation, the rest to training.

    Users with two events have a test target and no validation target; users with one event train nothing and
    are not evaluated.

    Example:
        >>> LeaveOneOut()(np.array([0, 4, 6, 7]), np.zeros(7)).tolist()
        [0, 0, 1, 2, 0, 2, 0]
    """

    def __call__(self, offsets: NDArray[np.int64], timestamps: NDArray[np.int64]) -> NDArray[np.int8]:
        """The role of each event.

        Args:
            offsets: (U + 1,) first event of each user.
            timestamps: (E,) not read; the events are already in order.

        Returns:
            (E,) int8, 0 train, 1 validation, 2 test.
        """
        role = np.zeros(len(timestamps), np.int8)
        count = np.diff(offsets)
        role[offsets[1:][count >= 2] - 1] = 2
        role[offsets[1:][count >= 3] - 2] = 1
        return role
